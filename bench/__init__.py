"""Measurements: each module answers one question, and `python -m bench` runs them all and prints one table."""
