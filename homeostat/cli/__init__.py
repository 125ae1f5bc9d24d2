"""The command line: the requests of operators and pipelines, answered with text and an exit code.

`arguments` defines the commands, `main` turns every refusal into one line, and each other module is a group of
commands. Nothing is decided here: plans are made by the loop, and shown by `homeostat.render`.
"""
