"""What may hold a repair back: one pure function for each reason, in one list that every trigger passes.

`situation` has what guards may look at, `passing` the lists and what is done with a guard's word. Each further module
is one family of guards, with its part of the fleet's policy. A new guard joins a list in `passing`, and the engine
stays as it is.
"""
