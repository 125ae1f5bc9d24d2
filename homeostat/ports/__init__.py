"""What the loop needs of the outside, as small Protocols, so that it never knows what it runs on.

Each module is one side of the outside. `homeostat.azure`, `homeostat.alerts`, `homeostat.probes` and `homeostat.memory`
implement them.
"""
