"""What forms of a detector cost on a small computer, and which of them run there in real time."""
