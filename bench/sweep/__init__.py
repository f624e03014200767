"""A sweep: its options and plan, what the time allows, the passes, the journal and the result."""
