"""Detectors of others: any PyTorch module or callable, by the name of what makes it."""
