"""What the gateway refuses whatever the provider would say: locks and, when a role is given, missing permissions."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from simulator.cloud import HOMEOSTAT, Cloud
from simulator.errors import ArmError
from simulator.ids import ancestors
from simulator.messages import Json, Principal

LOCKS = "Microsoft.Authorization/locks"


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
        wanted = operation.lower()
        granted = any(fnmatchcase(wanted, each) for each in self.actions)
        return granted and not any(fnmatchcase(wanted, each) for each in self.not_actions)


def check_role(role: Role | None, caller: Principal, operation: str, scope: str) -> None:
    """403 AuthorizationFailed when Homeostat's identity lacks `operation`. People are never restricted."""
    if role is None or caller.object_id != HOMEOSTAT.object_id or role.allows(operation):
        return
    message = (
        f"The client '{caller.app_id}' with object id '{caller.object_id}' does not have authorization to perform "
        f"action '{operation}' over scope '{scope}' or the scope is invalid. If access was recently granted, please "
        "refresh your credentials."
    )
    raise ArmError(403, "AuthorizationFailed", message, gateway=True)


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
