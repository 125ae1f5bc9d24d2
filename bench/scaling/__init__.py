"""A sweep of any size in virtual time: the model behind `bench/scale.py`, and its comparison with the real sweep."""
