"""Two revisions measured against each other on one machine: who runs what, where, when."""
