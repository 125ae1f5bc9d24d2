"""ARM resource ids: parsed once, compared without regard to case.

ARM echoes ids as it pleases (`resourceGroups` in bodies, `resourcegroups` in events, upper case in errors), so two
spellings of one id are one `ResourceId`; the spelling that was parsed is kept for display and for requests.

A fleet holds tens of thousands of ids, in each process: an id holds its text once, in lower case, and otherwise only
what most of them share.
https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
"""

from dataclasses import dataclass, field
from sys import intern
from typing import Self

from homeostat.core.errors import HomeostatError

MAX_PARTS = 64
"""More than any resource type has levels for; no text can make an id that takes long to go through."""

MAX_QUOTED = 500
"""Characters of a text that is no id, as its error quotes it."""


class InvalidResourceId(HomeostatError):
    """The text is not the id of a resource in a resource group."""


@dataclass(frozen=True, slots=True)
class ResourceId:
    """`/subscriptions/S/resourceGroups/G/providers/NAMESPACE/TYPE/NAME[/TYPE/NAME]...`

    `type` is the full resource type, `Microsoft.Network/virtualNetworks/subnets`; `names` has one name a level.
    Equality, hashing and order use `key`, the lower-cased id.
    """

    key: str
    subscription: str = field(compare=False, repr=False)
    resource_group: str = field(compare=False, repr=False)
    type: str = field(compare=False, repr=False)
    names: tuple[str, ...] = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises InvalidResourceId for anything but a resource inside a resource group."""
        parts = text.strip().rstrip("/").split("/", MAX_PARTS)
        match parts:
            case ["", scope, subscription, groups, group, providers, namespace, *rest] if (
                (scope.lower(), groups.lower(), providers.lower()) == ("subscriptions", "resourcegroups", "providers")
                and len(rest) >= 2
                and len(rest) % 2 == 0
                and all(parts[1:])
                and len(parts) <= MAX_PARTS
            ):
                return cls._build(subscription, group, "/".join((namespace, *rest[::2])), tuple(rest[1::2]))
            case _:
                raise InvalidResourceId(
                    f"{text[:MAX_QUOTED]!r} is not a resource id; expected "
                    "/subscriptions/ID/resourceGroups/NAME/providers/NAMESPACE/TYPE/NAME"
                )

    @classmethod
    def of(cls, subscription: str, resource_group: str, type_: str, *names: str) -> Self:
        """The id of `type_` (`Microsoft.Web/sites`) with one name for each of its levels."""
        if type_.count("/") != len(names):
            raise InvalidResourceId(f"{type_} takes {type_.count('/')} names, not {len(names)}: {names}")
        return cls._build(subscription, resource_group, type_, names)

    @classmethod
    def _build(cls, subscription: str, group: str, type_: str, names: tuple[str, ...]) -> Self:
        # Ids that are alike in these share them; the interpreter lets go of a text with the last id that has it.
        text = _text(subscription, group, type_, names)
        return cls(text.lower(), intern(subscription), intern(group), intern(type_), names)

    @property
    def text(self) -> str:
        return _text(self.subscription, self.resource_group, self.type, self.names)

    @property
    def name(self) -> str:
        return self.names[-1]

    @property
    def parent(self) -> "ResourceId | None":
        """The resource one level up, or None for a top-level resource."""
        if len(self.names) == 1:
            return None
        return self._build(self.subscription, self.resource_group, self.type.rpartition("/")[0], self.names[:-1])

    @property
    def lineage(self) -> "tuple[ResourceId, ...]":
        """This resource and its ancestors, nearest first."""
        found = [self]
        while (parent := found[-1].parent) is not None:
            found.append(parent)
        return tuple(found)

    def child(self, type_: str, name: str) -> "ResourceId":
        """The id of a child, by the last segment of its type: `zone.child("virtualNetworkLinks", "link")`."""
        return self._build(self.subscription, self.resource_group, f"{self.type}/{type_}", (*self.names, name))

    def is_type(self, type_: str) -> bool:
        return self.type.lower() == type_.lower()

    @property
    def short(self) -> str:
        """For people: `networkSecurityGroups/nsg-app/securityRules/allow-sql`."""
        levels = self.type.split("/")[1:]
        return "/".join(f"{level}/{name}" for level, name in zip(levels, self.names, strict=True))

    def __lt__(self, other: "ResourceId") -> bool:
        return self.key < other.key

    def __str__(self) -> str:
        return self.text


def _text(subscription: str, group: str, type_: str, names: tuple[str, ...]) -> str:
    namespace, *levels = type_.split("/")
    tail = "/".join([part for level in zip(levels, names, strict=True) for part in level])
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{namespace}/{tail}"


def same_id(left: str, right: str) -> bool:
    """Whether two ids in bodies name one resource. Empty text names none."""
    return bool(left) and left.rstrip("/").lower() == right.rstrip("/").lower()
