"""Microsoft.Authorization/locks. What a lock forbids is in `simulator.access`.

https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources
"""

from simulator.access import LOCKS
from simulator.arm import Call, ResourceType
from simulator.cloud import Resource
from simulator.errors import bad_request
from simulator.messages import Json, Response


def _show_lock(_: Call, lock: Resource) -> Json:
    return {"properties": lock.body["properties"], "id": lock.id, "type": lock.type, "name": lock.name}


def _put_lock(call: Call) -> Response:
    given = call.body().get("properties") or {}
    levels = {"readonly": "ReadOnly", "cannotdelete": "CanNotDelete"}
    level = levels.get(str(given.get("level") or "").lower())
    if level is None:
        message = f"The lock level '{given.get('level')}' is invalid: ReadOnly and CanNotDelete are supported."
        raise bad_request("LockLevelNotSupported", message)
    existing = call.resource
    properties = {"level": level, **({"notes": given["notes"]} if given.get("notes") else {})}
    lock = Resource(existing.id if existing is not None else call.id, LOCKS, {"properties": properties})
    call.cloud.put(lock)
    return Response.json(200 if existing else 201, _show_lock(call, lock))


def _delete_lock(call: Call) -> Response:
    if call.resource is None:
        return Response.empty(204)
    call.cloud.remove(call.id)
    return Response.empty(200)


def _list_locks(call: Call) -> Response:
    """Locks at the scope and below it, as real ARM lists them."""
    scope = call.address.scope.lower()
    found = [each for each in call.cloud.of_type(LOCKS) if each.key.startswith(f"{scope}/")]
    return Response.json(200, {"value": [_show_lock(call, each) for each in found]})


TYPES = (
    ResourceType(
        name=LOCKS,
        api_versions=("2020-05-01", "2015-01-01"),
        put=_put_lock,
        delete=_delete_lock,
        list=_list_locks,
        render=_show_lock,
        extension=True,
    ),
)
