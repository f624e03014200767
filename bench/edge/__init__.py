"""What a model costs in a process with its engine alone, as on a small computer."""
