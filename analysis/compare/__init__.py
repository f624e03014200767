"""Two sides of a change compared cell by cell, for people, for a gate and as a comment."""
