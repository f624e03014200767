"""One small instrument a file: clock, memory, energy, work, the machine's state, ..."""
