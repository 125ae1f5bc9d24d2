"""URLs as people write them, in settings and specs. Pure."""

from urllib.parse import SplitResult, urlsplit


def address_of(text: str) -> SplitResult | None:
    """The parts of a URL that names a host; None for what is none.

    The standard library raises ValueError for a bracket without its partner at once, for a port that is no number only
    when it is asked for, and takes spaces for parts of a name.
    """
    try:
        parts = urlsplit(text)
        named = parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        return None
    return parts if named and text.isprintable() and " " not in text else None
