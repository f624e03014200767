"""Programs for those who look after this project: ``python -m fakemamba.bench``, docs/gpu.md."""
