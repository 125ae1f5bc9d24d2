"""The exception tree. Every message names the place and the remedy."""


class HomeostatError(Exception):
    """Base of all exceptions that Homeostat raises on purpose."""
