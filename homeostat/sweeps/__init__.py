"""Sweeps: every declared root checked, once a night or on request.

`course` runs a sweep through its queue, `chunk` checks some of its roots, `reads` says how they are read, and `slots`
limits how many chunks a process works on. `ends` and `store` keep the results, and `asks` handles people's requests.
What a sweep is, and when a root is at rest, is decided in `homeostat.core.sweep`.
"""
