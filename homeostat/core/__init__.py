"""The pure half: everything here is a function of its arguments, time included.

No module of this package does I/O, reads the clock or the environment, or knows a particular remediator.
"""
