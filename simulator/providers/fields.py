"""Reading a request body that may hold anything: each reader gives the type it promises, or refuses with a 400."""

from typing import Any

from simulator.arm import Call
from simulator.errors import ArmError, bad_request
from simulator.messages import Json


def object_at(parent: Json, name: str) -> Json:
    """The object under a name; {} when it is absent or null."""
    found = parent.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _invalid(name)
    return found


def objects_at(parent: Json, name: str) -> list[Json] | None:
    """A list of objects that each have a name; None when it is absent or null."""
    found = parent.get(name)
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise _invalid(name)
    for each in found:
        if not text_at(each, "name"):
            raise _invalid(f"{name}.name")
    return found


def text_at(parent: Json, name: str) -> str | None:
    found = parent.get(name)
    if found is not None and not isinstance(found, str):
        raise _invalid(name)
    return found


def texts_at(parent: Json, name: str) -> list[str]:
    """A list of texts; [] when it is absent or null."""
    found = parent.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise _invalid(name)
    return found


def location_of(body: Json) -> str:
    """The location that a tracked resource must have."""
    found = text_at(body, "location")
    if not found:
        message = "The location property is required for this definition."
        raise ArmError(400, "LocationRequired", message, gateway=True)
    return found


def properties_of(call: Call) -> Json:
    """The `properties` of the request body."""
    return object_at(call.body(), "properties")


def text_of(value: Any) -> str:
    """A JSON value as the text that a string-only field makes of it."""
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _invalid(name: str) -> ArmError:
    return bad_request("BadRequest", f"The parameter {name} has an invalid value.")
