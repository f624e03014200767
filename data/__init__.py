"""Audio reading, synthetic speech-like input, and manifests of recordings."""
