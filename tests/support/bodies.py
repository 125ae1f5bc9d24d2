"""Changes of JSON bodies that several tests need."""

from homeostat.core.json import Json


def without_nulls(body: Json) -> Json:
    """The body without members that are null, as rows of Resource Graph are kept."""
    if isinstance(body, dict):
        return {key: without_nulls(value) for key, value in body.items() if value is not None}
    return list(map(without_nulls, body)) if isinstance(body, list) else body
