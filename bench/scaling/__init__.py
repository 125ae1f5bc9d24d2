"""A sweep of any size in virtual time: the model behind `bench/scale.py`, and what holds it to the real thing."""
