"""The command line: what an operator or a pipeline asks, and the answer as text and exit code.

`arguments` says what can be asked, `main` turns every refusal into one line, and each other module is a group of
commands. Nothing that decides is here: plans are made by the loop, and shown by `homeostat.render`.
"""
