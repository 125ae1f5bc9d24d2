"""The demo: a web app in a simulated Azure is broken in every way that Homeostat knows, and a person can watch it heal.

Nothing here is known to what ships. The simulator and the function app are started as a user starts them, and what the
demo says it has seen it has read through ARM, as the operator.
"""
