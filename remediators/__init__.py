"""WHAT can drift: one pure module per kind, and the registry that names them.

Adding a kind adds one module here, one line below, and one test module.
"""
