"""Audio, corpora, keys and manifests, and synthetic speech-like input."""
