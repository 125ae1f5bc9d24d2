"""What `doctor` asks of Azure: for a token, which subscriptions there are, what the specs declare, and for rows."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final, override

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError

from homeostat.ambient import Ambient
from homeostat.azure.arm import Arm, open_arm
from homeostat.azure.clouds import Cloud
from homeostat.azure.credentials import CredentialsUnavailable
from homeostat.azure.placement import placement_of
from homeostat.azure.spared import SparedCredential
from homeostat.batches import in_batches
from homeostat.cli.declared import Declared, selected
from homeostat.cli.standalone import concerns_all, why_nothing_is_read
from homeostat.core import doctor as judge
from homeostat.core import json
from homeostat.core.arm_errors import ArmError, ErrorClass, denied_action
from homeostat.core.arm_types import SITE
from homeostat.core.claims import holder_of
from homeostat.core.doctor import Check, Finding, Heard, Look, State
from homeostat.core.errors import HomeostatError
from homeostat.core.graph import MAX_SCOPES, RowQuery
from homeostat.core.ids import ResourceId
from homeostat.core.model import Found, Unreadable
from homeostat.core.own import OwnResources
from homeostat.core.spec import Fleet
from homeostat.observing import Observer
from homeostat.ports.network import NoProber
from remediators import WITHOUT_PROBES

_GAVE: Final = re.compile(r"acquired a token from (\w+)")


@dataclass(slots=True)
class Examination:
    """declared: what the specs declare, if there are any and they are valid.

    seen: the subscriptions, in lower case, that Resource Manager shows in each cloud that answers, by the cloud's name.
    """

    environment: Mapping[str, str] = field(repr=False)  # holds connection strings and keys
    specs: Sequence[Path]
    declared: Declared | None
    subscription: str
    own: OwnResources
    ambient: Ambient
    seen: dict[str, frozenset[str]] = field(default_factory=dict, init=False)

    async def findings(self) -> list[Finding]:
        async with AsyncExitStack() as stack:
            try:
                arm = await stack.enter_async_context(open_arm(self.environment, self.ambient))
            except HomeostatError as error:  # a credential, or a bundle of certificates, that is not there
                lacking = [judge.not_asked(each, "there is no token") for each in (Check.ARM, Check.READS, Check.GRAPH)]
                return [judge.problem(Check.TOKEN, str(error)), *lacking]
            of_clouds = [await self._of_cloud(arm, *each) for each in arm.credentials.items()]
            return [*chain.from_iterable(of_clouds), *await self._of_roots(arm), *await self._of_graph(arm)]

    async def _of_cloud(self, arm: Arm, cloud: Cloud, credential: AsyncTokenCredential) -> list[Finding]:
        """A cloud that gives no token or no answer hides nothing of the others."""
        of_token = await _of_token(cloud, credential)
        if of_token.state is State.OK:
            return [of_token, *await self._of_subscriptions(arm, cloud)]
        return [of_token, judge.not_asked(Check.ARM, f"there is no token for {cloud.name}")]

    async def _of_subscriptions(self, arm: Arm, cloud: Cloud) -> list[Finding]:
        """Whether its Resource Manager answers, at what time, and with which subscriptions."""
        placement = placement_of(self.environment)
        wanted = {each for each in self._subscriptions() if placement.cloud_of(each) == cloud.name}
        scopes = (*sorted(wanted), *placement.elsewhere, "")
        asked = self.ambient.now()
        fact = await arm.reader.subscriptions(next(each for each in scopes if placement.cloud_of(each) == cloud.name))
        if not isinstance(fact, Found):
            assert isinstance(fact, Unreadable), "a listing is found, or it fails"
            if concerns_all(fact.error):
                return [judge.problem(Check.ARM, why_nothing_is_read(fact.error))]
            return [judge.problem(Check.ARM, str(fact.error), judge.ERRORS_REMEDY)]
        shown = json.objects_at(fact.body, "value")
        self.seen[cloud.name] = frozenset(json.text_at(each, "subscriptionId").lower() for each in shown)
        of_clock = judge.of_clock(Heard(fact.at, asked, self.ambient.now()) if fact.at else None)
        return [of_clock, *judge.of_subscriptions(shown, wanted, cloud.name)]

    def _subscriptions(self) -> set[str]:
        """Those that the specs name, and AZURE_SUBSCRIPTION_ID."""
        declared = self.declared.fleet.roots if self.declared else ()
        return {id_.subscription.lower() for id_ in declared} | ({self.subscription.lower()} - {""})

    async def _of_roots(self, arm: Arm) -> list[Finding]:
        """What the specs declare, read as the loop reads it, in the subscriptions that can be."""
        if self.declared is None:
            return [judge.not_asked(Check.READS, "the specs are not valid" if self.specs else "no SPEC is given")]
        if not self.seen:
            return [judge.not_asked(Check.READS, "no Azure Resource Manager answers")]
        fleet, found = await self._fleet(arm, self.declared)
        visible = frozenset[str]().union(*self.seen.values())
        roots = [id_ for id_ in fleet.roots if id_.subscription.lower() in visible]
        if hidden := len(fleet.roots) - len(roots):
            why = f"{hidden} of {len(fleet.roots)} roots, since their subscriptions cannot be read"
            found.append(judge.not_asked(Check.READS, why))

        async def look(id_: ResourceId) -> Look:
            observer = Observer(WITHOUT_PROBES, arm.reader, NoProber(), self.ambient)
            return judge.look_of(id_, await observer.observe(fleet.roots[id_]), observer.refused)

        return [*found, *(judge.of_reads(await in_batches(roots, look)) if roots else ())]

    async def _fleet(self, arm: Arm, declared: Declared) -> tuple[Fleet, list[Finding]]:
        """With the apps that selectors select. If Azure does not say which, it is what the other documents declare."""
        if not declared.selectors:
            return declared.fleet, []
        try:
            fleet = await selected(arm, self.specs, self.subscription, self.own, self.ambient)
        except HomeostatError as error:
            return declared.fleet, [judge.problem(Check.READS, f"what the selectors select is not known: {error}")]
        left_out = [judge.problem(Check.READS, str(each)) for each in fleet.left_out]
        many = judge.ok if fleet.targets else judge.warning
        return fleet, [*left_out, many(Check.READS, f"targets, with those that selectors select: {len(fleet.targets)}")]

    async def _of_graph(self, arm: Arm) -> list[Finding]:
        if not self.seen:
            return [judge.not_asked(Check.GRAPH, "no Azure Resource Manager answers")]
        return [await self._rows(arm, cloud, shown) for cloud, shown in self.seen.items()]

    async def _rows(self, arm: Arm, cloud: str, shown: frozenset[str]) -> Finding:
        """Whether Resource Graph answers, by the number of web apps in the subscriptions that are meant."""
        scopes = tuple(sorted(shown & self._subscriptions() or shown))[:MAX_SCOPES]
        if not scopes:
            return judge.not_asked(Check.GRAPH, f"{cloud} shows no subscription to this identity")
        query = RowQuery(types=(SITE.name,), columns=("id",), subscriptions=scopes)
        try:
            page = await arm.changes.page(query, top=1)
        except ArmError as error:
            return _of_refusal(error)
        return judge.ok(Check.GRAPH, f"{cloud} answers; web apps that it shows: {page.total}")


def _of_refusal(error: ArmError) -> Finding:
    why = "selectors, sweeps and names of who changed something need it"
    if error.error_class is ErrorClass.DENIED:
        return judge.problem(Check.GRAPH, f"the role lacks {denied_action(error)}; {why}", judge.ROLE_REMEDY)
    return judge.problem(Check.GRAPH, f"it does not answer: {error}; {why}", judge.ERRORS_REMEDY)


async def _of_token(cloud: Cloud, credential: AsyncTokenCredential) -> Finding:
    """Which credential gave it, and for whom."""
    name = credential.name if isinstance(credential, SparedCredential) else type(credential).__name__
    with _told_by_azure_identity() as told:
        try:
            token = await credential.get_token(cloud.scope)
        except AzureError as error:
            refusal = CredentialsUnavailable.because(error.message)
            return judge.problem(Check.TOKEN, f"{cloud.name}: {refusal.message}")
    by = next((match[1] for line in reversed(told.lines) if (match := _GAVE.search(line))), name)
    holder = holder_of(token.token) or "it does not say for whom"
    return judge.ok(Check.TOKEN, f"{by} gave one for {cloud.name}: {holder}")


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def _told_by_azure_identity() -> Iterator[_Lines]:
    """Its log, where alone it says which credential of a chain gave the token.

    https://learn.microsoft.com/azure/developer/python/sdk/authentication/credential-chains
    """
    log, heard = logging.getLogger("azure.identity"), _Lines()
    before = log.level
    log.addHandler(heard)
    log.setLevel(logging.INFO)
    try:
        yield heard
    finally:
        log.setLevel(before)
        log.removeHandler(heard)
