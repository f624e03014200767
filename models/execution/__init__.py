"""How a detector is run: precisions, attention kernels, compiled, as CUDA graphs, optimized."""
