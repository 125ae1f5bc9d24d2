"""ARM resource ids: parsed once, compared without regard to case.

ARM spells ids in different ways (`resourceGroups` in bodies, `resourcegroups` in events, upper case in errors), so two
spellings of one id are one `ResourceId`; the parsed spelling is kept for display and for requests.

Each process holds tens of thousands of ids: an id holds its text once, in lower case, and shares all that most ids have
in common.
https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
"""

from dataclasses import dataclass, field
from sys import intern
from typing import Self

from homeostat.core.errors import HomeostatError

MAX_PARTS = 64
"""More than any resource type has levels: so no text makes an id that takes long to process."""

MAX_QUOTED = 500
"""Characters of a malformed id that its error quotes."""


class InvalidResourceId(HomeostatError):
    """The text is not the id of a resource in a resource group."""


@dataclass(frozen=True, slots=True)
class ResourceId:
    """`/subscriptions/S/resourceGroups/G/providers/NAMESPACE/TYPE/NAME[/TYPE/NAME]...`

    type: the full resource type, `Microsoft.Network/virtualNetworks/subnets`. names: one for each of its levels.
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
        """The id of a resource of `type_` (`Microsoft.Web/sites`), with one name for each of its levels."""
        if type_.count("/") != len(names):
            raise InvalidResourceId(f"{type_} takes {type_.count('/')} names, not {len(names)}: {names}")
        return cls._build(subscription, resource_group, type_, names)

    @classmethod
    def _build(cls, subscription: str, group: str, type_: str, names: tuple[str, ...]) -> Self:
        # Interned, so that ids with equal parts share them; a text is freed with the last id that uses it.
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
    """Whether two ids in bodies name the same resource. Empty text names none."""
    return bool(left) and left.rstrip("/").lower() == right.rstrip("/").lower()
