"""The exception tree. Every message names the place and the remedy."""


class HomeostatError(Exception):
    """Root of everything that Homeostat raises on purpose."""
