"""Recordings and live audio by windows: what is made of them, and how soon a fake shows."""
