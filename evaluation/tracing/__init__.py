"""Source tracing: which system made a spoofed recording, or whether it is none of those known."""
