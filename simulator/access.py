"""What the gateway refuses whatever the provider would say: locks and, when a role is given, missing permissions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from simulator.cloud import PLACES, Cloud
from simulator.errors import ArmError
from simulator.ids import ancestors
from simulator.messages import Json, Principal

LOCKS = "Microsoft.Authorization/locks"

_APPLICATIONS = frozenset(place.application.object_id for place in PLACES.values())


@dataclass(frozen=True, slots=True)
class Role:
    """The actions of an Azure role definition, with its wildcards, held by Homeostat's identity on everything."""

    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()

    @classmethod
    def parse(cls, definition: Json) -> "Role":
        """From `az role definition` JSON: `Actions` and `NotActions` at the top, or `permissions` as ARM shows it."""
        holder = definition.get("properties", definition)
        parts: Sequence[Json] = holder.get("permissions") or [holder]
        granted = [each for part in parts for each in part.get("actions") or part.get("Actions") or ()]
        refused = [each for part in parts for each in part.get("notActions") or part.get("NotActions") or ()]
        return cls(tuple(each.lower() for each in granted), tuple(each.lower() for each in refused))

    def allows(self, operation: str) -> bool:
        return _allows(self, operation.lower())

    def without(self, *operations: str) -> "Role":
        gone = {each.lower() for each in operations}
        return Role(tuple(each for each in self.actions if each not in gone), self.not_actions)

    def with_(self, *operations: str) -> "Role":
        return Role((*self.actions, *(each.lower() for each in operations)), self.not_actions)


@lru_cache(maxsize=4096)
def _allows(role: Role, wanted: str) -> bool:
    granted = any(fnmatchcase(wanted, each) for each in role.actions)
    return granted and not any(fnmatchcase(wanted, each) for each in role.not_actions)


def is_restricted(caller: Principal) -> bool:
    """Whether a role binds this caller: Homeostat's identity. People are never restricted."""
    return caller.object_id in _APPLICATIONS


def check_role(cloud: Cloud, caller: Principal, operation: str, scope: str) -> None:
    """403 AuthorizationFailed when Homeostat's identity lacks `operation`."""
    if not is_restricted(caller) or _may(cloud, operation):
        return
    message = (
        f"The client '{caller.app_id}' with object id '{caller.object_id}' does not have authorization to perform "
        f"action '{operation}' over scope '{scope}' or the scope is invalid. If access was recently granted, please "
        "refresh your credentials."
    )
    raise ArmError(403, "AuthorizationFailed", message, gateway=True)


def check_links(cloud: Cloud, caller: Principal, operation: str, scope: str, linked: Iterable[tuple[str, str]]) -> None:
    """403 LinkedAuthorizationFailed when Homeostat's identity lacks one of `linked`, (operation, id) each."""
    if not is_restricted(caller):
        return
    for wanted, resource_id in linked:
        if not _may(cloud, wanted):
            message = (
                f"The client '{caller.app_id}' with object id '{caller.object_id}' has permission to perform action "
                f"'{operation}' on scope '{scope}'; however, it does not have permission to perform action(s) "
                f"'{wanted}' on the linked scope(s) '{resource_id}' (respectively) or the linked scope(s) are invalid."
            )
            raise ArmError(403, "LinkedAuthorizationFailed", message, gateway=True)


def _may(cloud: Cloud, operation: str) -> bool:
    cloud.asked.add(operation.lower())
    return cloud.role is None or cloud.role.allows(operation)


def check_locks(cloud: Cloud, method: str, resource_id: str) -> None:
    """409 ScopeLocked where a lock at the resource or above it forbids `method`.

    ReadOnly forbids every PUT, PATCH, POST and DELETE, so also the POST that lists app settings; CanNotDelete forbids
    DELETE (https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources). A lock does not hold
    locks: it can always be removed.
    """
    locks = cloud.of_type(LOCKS)
    if not locks or f"/providers/{LOCKS}/".lower() in resource_id.lower():
        return
    scopes = {scope.lower(): scope for scope in ancestors(resource_id)}
    for lock in locks:
        scope = scopes.get(lock.key.rpartition("/providers/")[0])
        if scope is None:
            continue
        if method == "DELETE" or lock.properties["level"] == "ReadOnly":
            raise _locked(method, resource_id, scope)


def _locked(method: str, resource_id: str, scope: str) -> ArmError:
    verb = "delete" if method == "DELETE" else "write"
    message = (
        f"The scope '{resource_id}' cannot perform {verb} operation because following scope(s) are locked: '{scope}'. "
        "Please remove the lock and try again."
    )
    return ArmError(409, "ScopeLocked", message, gateway=True)
