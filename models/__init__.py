"""The detector: front-end, projection, encoder, pooling, classifier, and how one is made."""
