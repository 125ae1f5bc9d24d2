"""The demo: a web app in a simulated Azure is broken in every way that Homeostat knows, and a person can watch it heal.

What ships does not import anything here. The simulator and the function app are started as a user starts them, and
everything that the demo says it has seen it has read through ARM, as the operator.
"""
