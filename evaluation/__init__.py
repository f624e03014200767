"""Scoring recordings with a detector."""
