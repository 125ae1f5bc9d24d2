"""Probes inside the loop: reported, never repaired, and not asked where nobody said that they can be."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from homeostat.bootstrap import open_standalone
from homeostat.core.outcome import Status
from homeostat.probes.network import NetworkProber
from remediators import REGISTRY, WITHOUT_PROBES
from remediators.probing import ELSEWHERE, NO_SUCH_NAME, PUBLIC_ADDRESS
from simulator import dns
from tests.loop.stand import DNS_VERSION, Stand, stand

pytestmark = pytest.mark.wire

SQL, REDIS = "sql-flask.database.windows.net", "redis-flask.redis.cache.windows.net"
SPEC = f"""
target: app-flask
web_app: app-flask
resource_group: rg-flask
dns_resolution:
  hosts: {{{SQL}: pe-sql, {REDIS}: pe-redis}}
"""


@pytest.fixture
async def here() -> AsyncIterator[Stand]:
    made = stand("guide", spec=SPEC)
    async with dns.serve(made.cloud) as where:
        address, _, port = where.rpartition(":")
        prober = NetworkProber({}, resolver=(address, int(port)), seconds=1.0)
        engine = replace(made.engine, prober=prober)
        yield replace(made, engine=engine, service=replace(made.service, engine=engine))


async def test_names_that_end_at_their_endpoints_are_in_order(here: Stand) -> None:
    assert (await here.reconcile("site")).status is Status.IN_SYNC


async def test_a_link_that_is_gone_is_told_by_the_probe_as_public_addresses_and_nothing_is_written(here: Stand) -> None:
    here.operator("DELETE", here.link(), version=DNS_VERSION)
    outcome = await here.reconcile("site")
    assert outcome.status is Status.DRIFTED
    assert [(drift.item, drift.note) for drift in outcome.plan.drifts] == [(SQL, PUBLIC_ADDRESS)]
    assert here.writes() == []
    assert here.inbox.told() == [("DriftDetected", "dns_resolution")]


async def test_a_record_that_is_gone_is_told_from_a_link_that_is_gone(here: Stand) -> None:
    zone = here.id("privatelink.database.windows.net")
    here.operator("DELETE", zone.child("A", "sql-flask"), version=DNS_VERSION)
    (drift,) = (await here.reconcile("site")).plan.drifts
    assert drift.note == NO_SUCH_NAME


async def test_what_heals_by_other_hands_ends_the_episode(here: Stand) -> None:
    link = here.operator("GET", here.link(), version=DNS_VERSION).body
    here.operator("DELETE", here.link(), version=DNS_VERSION)
    await here.reconcile("site")
    here.operator("PUT", here.link(), {"location": "global", "properties": link["properties"]}, DNS_VERSION)
    here.pass_time(minutes=1)
    assert (await here.reconcile("site")).status is Status.IN_SYNC
    assert here.inbox.told()[-1] == ("Remediated", "dns_resolution")


async def test_from_elsewhere_the_verdict_is_unknown() -> None:
    made = stand("guide", spec=SPEC)
    outcome = await made.reconcile("site")
    assert outcome.status is Status.UNKNOWN
    assert {drift.note for drift in outcome.plan.drifts} == {ELSEWHERE}


async def test_without_probes_their_kinds_are_declared_and_nothing_is_read_for_them() -> None:
    made = stand("guide", spec=SPEC)
    quiet = replace(made, engine=replace(made.engine, registry=WITHOUT_PROBES))
    assert (await quiet.reconcile("site")).status is Status.IN_SYNC
    assert quiet.calls() == []


async def test_an_event_about_a_root_with_nothing_but_probes_is_no_error_without_them() -> None:
    made = stand("guide", spec=SPEC)
    service = replace(made.service, engine=replace(made.engine, registry=WITHOUT_PROBES))
    event = made.event(made.id("site"), "Microsoft.Web/sites/write")
    assert await service.on_event(event) is not None
    await replace(made, service=service).work_for(timedelta(minutes=2))
    assert made.inbox.told() == []


async def test_the_environment_switches_them_on() -> None:
    environment = {"HOMEOSTAT_ARM_ENDPOINT": "https://localhost:1", "AZURE_TENANT_ID": "t"}
    async with open_standalone(environment) as engine:
        assert engine.registry is WITHOUT_PROBES
    async with open_standalone({**environment, "HOMEOSTAT_PROBES": "on"}) as engine:
        assert engine.registry is REGISTRY
        assert isinstance(engine.prober, NetworkProber)
