"""What Homeostat itself runs on, as far as its environment and its own site say.

https://learn.microsoft.com/azure/app-service/reference-app-settings#app-environment

On the Flex Consumption plan an app is not told which resource group it is in: WEBSITE_RESOURCE_GROUP is missing
(https://github.com/Azure/azure-functions-host/issues/10441). There HOMEOSTAT_OWN_RESOURCES has to name the site; while
it does not, nothing is done at all, since Homeostat could not leave its own site, subnet and identities alone.
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
    for text in _listed(environment):
        try:
            ids.add(ResourceId.parse(text))
        except InvalidResourceId as error:
            problems.append(f"{VARIABLE}: {error}; separate ids by commas")
    site, (subscription, name) = own_site(environment), _named(environment)
    if subscription and name and site is None:
        shown = f"/subscriptions/{subscription}/resourceGroups/GROUP/providers/{SITE.name}/{name}"
        problems.append(
            f"{VARIABLE} does not name this function app, and on this plan Azure does not say which resource group it "
            f"is in: add {shown}"
        )
    return OwnResources(frozenset(ids | ({site} if site else set())), _storage_account(environment))


def own_site(environment: Mapping[str, str]) -> ResourceId | None:
    """The function app itself; None outside Azure, and where nothing tells its resource group."""
    subscription, name = _named(environment)
    if not (subscription and name):
        return None
    if group := environment.get("WEBSITE_RESOURCE_GROUP", ""):
        return ResourceId.of(subscription, group, SITE.name, name)
    listed = (each for each in map(_parsed, _listed(environment)) if each is not None and each.is_type(SITE.name))
    wanted = (subscription.lower(), name.lower())
    return next((each for each in listed if (each.subscription.lower(), each.name.lower()) == wanted), None)


def _named(environment: Mapping[str, str]) -> tuple[str, str]:
    """The site's subscription and name; "" outside Azure. WEBSITE_OWNER_NAME begins with `SUBSCRIPTION+`."""
    subscription, plus, _ = environment.get("WEBSITE_OWNER_NAME", "").partition("+")
    return subscription if plus else "", environment.get("WEBSITE_SITE_NAME", "")


def _listed(environment: Mapping[str, str]) -> list[str]:
    return [text for text in map(str.strip, environment.get(VARIABLE, "").split(",")) if text]


def _parsed(text: str) -> ResourceId | None:
    try:
        return ResourceId.parse(text)
    except InvalidResourceId:
        return None  # `own_resources` reports it


def _storage_account(environment: Mapping[str, str]) -> str:
    """By identity it is named by its name, or by the address of its blobs; else by its connection string."""
    by_identity = environment.get("AzureWebJobsStorage__accountName", "").strip()
    by_address = re.match(r"https://([a-z0-9]+)\.blob\.", environment.get("AzureWebJobsStorage__blobServiceUri", ""))
    by_key = re.search(r"(?:^|;)AccountName=([a-z0-9]+)", environment.get("AzureWebJobsStorage", ""))
    return by_identity or next((found[1] for found in (by_address, by_key) if found), "")


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
