"""URLs as people write them, in settings and specs. Pure."""

from urllib.parse import SplitResult, urlsplit


def address_of(text: str) -> SplitResult | None:
    """The parts of a URL that names a host; None if the text is none.

    The standard library raises ValueError at once for an unmatched bracket, but for a bad port only when that is asked
    for, and it accepts spaces in a name.
    """
    try:
        parts = urlsplit(text)
        named = parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        return None
    return parts if named and text.isprintable() and " " not in text else None
