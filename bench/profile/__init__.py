"""A detector profiled: what its time was spent on, and the files that say so."""
