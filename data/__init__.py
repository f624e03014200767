"""Audio and its augmentation, corpora, keys and manifests, and synthetic speech-like input."""
