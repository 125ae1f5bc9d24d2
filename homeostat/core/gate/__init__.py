"""What may hold a repair back: one pure function for each reason, in lists that every trigger passes.

`situation` defines what guards may look at, `passing` has the lists and applies them. Each further module is one family
of guards, with its part of the fleet's policy. A new guard is added to a list in `passing`; the engine does not change.
"""
