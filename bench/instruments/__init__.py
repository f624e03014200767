"""One small instrument a file: clock, memory, environment."""
