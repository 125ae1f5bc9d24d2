"""Bodies of JSON as tests change and compare them."""

from homeostat.core.json import Json


def without_nulls(body: Json) -> Json:
    """As a row of Resource Graph is kept."""
    if isinstance(body, dict):
        return {key: without_nulls(value) for key, value in body.items() if value is not None}
    return list(map(without_nulls, body)) if isinstance(body, list) else body
