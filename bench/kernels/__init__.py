"""Scan backends and whole encoders against each other."""
