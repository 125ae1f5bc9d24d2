"""ARM paths taken apart: what a URL addresses, whatever its casing."""

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Address:
    """Where a path points.

    `shape` is the resource type in lower case (`microsoft.network/virtualnetworks/subnets`); paths outside any provider
    have the shape of their literal segments (`subscriptions/resourcegroups`). `names` holds one name per type segment;
    an address of a collection (or of a provider's function) has one name fewer, and `is_collection` is True.
    """

    path: str
    shape: str
    scope: str
    namespace: str
    names: tuple[str, ...]
    is_collection: bool

    @property
    def key(self) -> str:
        return self.path.lower()

    @property
    def name(self) -> str:
        return self.names[-1] if self.names else ""

    @property
    def subscription(self) -> str:
        return _after(self.path, "subscriptions")

    @property
    def group(self) -> str:
        return _after(self.path, "resourcegroups")


def _after(path: str, word: str) -> str:
    segments = path.split("/")
    for index, segment in enumerate(segments[:-1]):
        if segment.lower() == word:
            return segments[index + 1]
    return ""


@lru_cache(maxsize=8192)
def address(path: str) -> Address:
    """Parse a path. Anything parses; an unknown shape simply matches no resource type."""
    segments = [segment for segment in path.split("/") if segment]
    clean = "/" + "/".join(segments)
    split = _last_provider(segments)
    scope, namespace, rest = "/" + "/".join(segments[:split]), "", segments
    if split < len(segments):
        namespace, rest = segments[split + 1], segments[split + 2 :]
    else:
        scope = ""
    types, names = rest[0::2], tuple(rest[1::2])
    shape = "/".join(part.lower() for part in ([namespace, *types] if namespace else types))
    return Address(clean, shape, "" if scope == "/" else scope, namespace, names, len(rest) % 2 == 1)


def _last_provider(segments: list[str]) -> int:
    """Index of the last `providers` that names a namespace and a type; len(segments) when there is none."""
    for index in range(len(segments) - 3, -1, -1):
        if segments[index].lower() == "providers" and "." in segments[index + 1]:
            return index
    return len(segments)


def parent_of(resource_id: str) -> str:
    """The id that contains this one: the parent resource, else the scope that the provider hangs on; "" at the top."""
    head, _, _ = resource_id.rpartition("/")
    head, _, _ = head.rpartition("/")
    before, _, tail = head.rpartition("/")
    if before.lower().endswith("/providers") and "." in tail:
        return before[: -len("/providers")]
    return head


def name_of(resource_id: str) -> str:
    return resource_id.rpartition("/")[2]


def ancestors(resource_id: str) -> list[str]:
    """The id itself, then each containing scope up to the subscription."""
    found = []
    while resource_id:
        found.append(resource_id)
        resource_id = parent_of(resource_id)
    return found
