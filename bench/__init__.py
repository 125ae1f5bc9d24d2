"""Measurements: each module is one question, and `python -m bench` asks them all and prints one table each."""
