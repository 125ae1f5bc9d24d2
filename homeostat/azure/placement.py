"""Which cloud a subscription is in, where one deployment looks after several clouds.

HOMEOSTAT_CLOUD_OF_SUBSCRIPTIONS places subscriptions, and the management groups that selectors name, in clouds other
than that of HOMEOSTAT_CLOUD: `AzureUSGovernment=ID,ID; AzureChinaCloud=ID`. All that it does not name is in the latter.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from homeostat.azure.clouds import Cloud, UnknownCloud, adjusted, cloud_of, named_cloud

VARIABLE: Final = "HOMEOSTAT_CLOUD_OF_SUBSCRIPTIONS"

_SCOPE: Final = re.compile(r"[-\w.()]{1,90}")
"""A subscription's id, or a management group's name. The root management group has its tenant's id as its name."""


@dataclass(frozen=True, slots=True)
class Placement:
    """further: the clouds beside `home`. elsewhere: their names by subscription or management group, in lower case."""

    home: Cloud
    further: tuple[Cloud, ...] = ()
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def cloud_of(self, scope: str) -> str:
        """The name of the cloud that a subscription or a management group is in."""
        return self.elsewhere.get(scope.lower(), self.home.name)


def placement_of(environment: Mapping[str, str]) -> Placement:
    """Raises UnknownCloud with everything that is wrong with the variable."""
    home = cloud_of(environment)
    elsewhere: dict[str, str] = {}
    further: dict[str, Cloud] = {}
    problems: list[str] = []
    for name, scopes in _entries(environment.get(VARIABLE, ""), problems):
        try:
            cloud = named_cloud(name, VARIABLE)
        except UnknownCloud as error:
            problems.append(str(error))
            continue
        twice = [scope for scope in scopes if elsewhere.setdefault(scope, cloud.name) != cloud.name]
        problems.extend(f"{VARIABLE} places {scope} in two clouds: name it once" for scope in twice)
        if cloud.name != home.name:
            further[cloud.name] = adjusted(cloud, environment, cloud.prefix)
    if problems:
        raise UnknownCloud("\n".join(problems))
    return Placement(home, tuple(further.values()), elsewhere)


def _entries(text: str, problems: list[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The clouds' names, each with its scopes."""
    for entry in filter(None, map(str.strip, text.split(";"))):
        name, _, listed = entry.partition("=")
        scopes = tuple(scope.strip().lower() for scope in listed.split(","))
        if all(map(_SCOPE.fullmatch, scopes)):
            yield name.strip(), scopes
        else:
            problems.append(
                f"{VARIABLE} has {entry!r}: write CLOUD=ID,ID with ids of subscriptions or names of management groups, "
                "and separate clouds by semicolons"
            )
