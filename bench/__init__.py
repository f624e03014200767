"""What is measured (``bench_*.py``, cells, profiles) and how (``instruments``)."""
