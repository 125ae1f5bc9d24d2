"""What Homeostat itself runs on, as far as its environment and its own site say.

https://learn.microsoft.com/azure/app-service/reference-app-settings#app-environment
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from homeostat.core import json
from homeostat.core.arm_errors import ErrorClass
from homeostat.core.arm_types import SITE, SLOT
from homeostat.core.ids import InvalidResourceId, ResourceId
from homeostat.core.json import Json
from homeostat.core.model import Found, Read, Unreadable
from homeostat.core.own import NOTHING_OWN, OwnResources
from homeostat.ports.azure import ArmReader

VARIABLE: Final = "HOMEOSTAT_OWN_RESOURCES"

_NOT_ALLOWED: Final = frozenset({ErrorClass.DENIED, ErrorClass.MISSING, ErrorClass.MISSING_PARENT})
"""Errors of a deployment that may not read its own site: then only the environment says what it runs on."""


def own_resources(environment: Mapping[str, str], problems: list[str]) -> OwnResources:
    """From the environment: the site, its storage account's name, and what HOMEOSTAT_OWN_RESOURCES lists."""
    ids: set[ResourceId] = set()
    for text in filter(None, map(str.strip, environment.get(VARIABLE, "").split(","))):
        try:
            ids.add(ResourceId.parse(text))
        except InvalidResourceId as error:
            problems.append(f"{VARIABLE}: {error}; separate ids by commas")
    site = own_site(environment)
    return OwnResources(frozenset(ids | ({site} if site else set())), _storage_account(environment))


def own_site(environment: Mapping[str, str]) -> ResourceId | None:
    """The function app itself; None outside Azure. WEBSITE_OWNER_NAME begins with `SUBSCRIPTION+`."""
    subscription, plus, _ = environment.get("WEBSITE_OWNER_NAME", "").partition("+")
    group, name = (environment.get(f"WEBSITE_{part}", "") for part in ("RESOURCE_GROUP", "SITE_NAME"))
    if not (subscription and plus and group and name):
        return None
    return ResourceId.of(subscription, group, SITE.name, name)


def _storage_account(environment: Mapping[str, str]) -> str:
    by_identity = environment.get("AzureWebJobsStorage__accountName", "").strip()
    by_key = re.search(r"(?:^|;)AccountName=([a-z0-9]+)", environment.get("AzureWebJobsStorage", ""))
    return by_identity or (by_key[1] if by_key else "")


@dataclass(slots=True)
class Own:
    """What Homeostat runs on, as known so far. Once per process its own site is read, for subnet and identities."""

    known: OwnResources = NOTHING_OWN
    site: ResourceId | None = None
    _seen: bool = field(default=False, init=False)

    async def look(self, reader: ArmReader) -> Unreadable | None:
        """Reads the own site if that is still to be done. Returns the failure if it has to be tried again."""
        if self.site is None or self._seen:
            return None
        fact = await reader.read(Read(SLOT if self.site.is_type(SLOT.name) else SITE, self.site))
        if isinstance(fact, Unreadable) and fact.error.error_class not in _NOT_ALLOWED:
            return fact
        if isinstance(fact, Found):
            self.known = replace(self.known, ids=self.known.ids | _of_site(fact.body))
        self._seen = True
        return None


def _of_site(body: Json) -> frozenset[ResourceId]:
    identities = json.at(body, ("identity", "userAssignedIdentities"))
    named = [json.text_at(body, "properties", "virtualNetworkSubnetId")]
    named.extend(identities if isinstance(identities, Mapping) else ())
    found: set[ResourceId] = set()
    for text in filter(None, named):
        try:
            found.add(ResourceId.parse(text))
        except InvalidResourceId:
            continue  # written by ARM, and no resource that a spec could declare
    return frozenset(found)
