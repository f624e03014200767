"""Results to tables and plots; needs no torch."""
