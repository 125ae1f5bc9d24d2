"""`doctor`: what an operator runs first when something does not work, and after setting up. It writes nothing."""

import argparse
import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from homeostat import config
from homeostat.ambient import SystemAmbient
from homeostat.cli import output
from homeostat.cli.declared import Declared, NothingDeclared, declared_by
from homeostat.cli.service import Service, service_of
from homeostat.core import doctor as judge
from homeostat.core import json
from homeostat.core.doctor import Check, Finding, State
from homeostat.core.errors import HomeostatError
from homeostat.core.json import JsonObject
from homeostat.core.model import Mode
from homeostat.core.own import OwnResources
from homeostat.core.source import SpecError
from homeostat.own import own_resources
from homeostat.render import findings as shown
from homeostat.render.words import counted

if TYPE_CHECKING:
    from homeostat.azure.clouds import Cloud

NOTES: Final = """\
It looks at the settings, at the token, at Azure Resource Manager and this machine's clock, at the specs, at whether all
that they declare can be read, at Azure Resource Graph, and with HOMEOSTAT_URL at the service. What cannot be looked at,
since something before it failed, is `not asked`.

Azure is asked as whoever runs this: what the service's own identity lacks, the service says. Nothing is written, so
whether the role suffices for a repair is not known: see docs/access.md.

exit code:
  0  nothing is a problem; there may be warnings
  1  something is a problem
"""

ANSWER_SECONDS: Final = 60.0
"""How long the service may take for one answer: longer than an instance needs to start."""


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    specs: Sequence[Path] = options.specs
    settings = tuple(_of_settings(environment))
    declared, of_specs = _declared(specs, environment)
    of_azure = _of_azure(specs, declared, environment)
    findings = (*settings, *of_azure, *of_specs, *_of_service(environment))
    _show(sorted(findings, key=lambda finding: list(Check).index(finding.check)), options.format)
    return 0 if judge.is_well(findings) else 1


def _show(findings: Sequence[Finding], format_: str) -> None:
    output.data(shown.as_json(findings) if format_ == "json" else shown.as_text(findings))
    states = [finding.state for finding in findings]
    worse = [counted(n, state) for state in (State.PROBLEM, State.WARNING) if (n := states.count(state))]
    unasked = [f"{n} not asked"] if (n := states.count(State.NOT_ASKED)) else []
    output.say(", ".join((*worse, *unasked)) or "all is well")


# --- settings and specs ---------------------------------------------------------------------------------------------


def _of_settings(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Every wrong setting, each by itself; which cloud it is, and where its Resource Manager."""
    from homeostat.alerts.eventgrid import topic_of
    from homeostat.azure.placement import placement_of
    from homeostat.bootstrap import refuse_unknown_kinds
    from homeostat.probes.network import prober_of

    checks: tuple[Callable[[], object], ...] = (
        lambda: refuse_unknown_kinds(config.load(environment, home=Path.cwd())),
        lambda: placement_of(environment),
        lambda: prober_of(environment),
        lambda: topic_of(environment),
        lambda: _service_named_by(environment),
    )
    wrong = dict.fromkeys(line for check in checks for line in _said_by(check))
    yield from (judge.problem(Check.SETTINGS, line) for line in wrong)
    if not wrong:
        yield judge.ok(Check.SETTINGS, "all read right")
    if not wrong and config.load(environment, home=Path.cwd()).mode is Mode.IGNORE:
        yield judge.warning(
            Check.SETTINGS, "HOMEOSTAT_MODE is ignore: nothing is looked at", "Set it to alert or enforce"
        )
    for cloud in _clouds(environment):
        yield judge.ok(Check.SETTINGS, f"the Resource Manager of {cloud.name} is {cloud.arm}")


def _clouds(environment: Mapping[str, str]) -> Sequence["Cloud"]:
    """Empty if the settings that say which are wrong."""
    from homeostat.azure.clouds import UnknownCloud
    from homeostat.azure.placement import placement_of

    try:
        placement = placement_of(environment)
    except UnknownCloud:
        return ()
    return (placement.home, *placement.further)


def _said_by(check: Callable[[], object]) -> list[str]:
    """What a check refuses, line by line."""
    try:
        check()
    except HomeostatError as error:
        return str(error).splitlines()
    return []


def _service_named_by(environment: Mapping[str, str]) -> Service | None:
    """None if none is named. Raises ServiceError, CredentialsUnavailable and UnknownCloud."""
    if not environment.get("HOMEOSTAT_URL", "").strip():
        return None
    return replace(service_of(environment), seconds=ANSWER_SECONDS)


def _declared(specs: Sequence[Path], environment: Mapping[str, str]) -> tuple[Declared | None, tuple[Finding, ...]]:
    """What the specs declare, in the words of `validate`; None if there are none, or they are wrong."""
    if not specs:
        return None, (judge.not_asked(Check.SPECS, "no SPEC is given"),)
    subscription, own = config.subscription_in(environment), _own(environment)
    try:
        declared = declared_by(specs, subscription, own)
    except SpecError as error:
        return None, tuple(judge.problem(Check.SPECS, str(each)) for each in error.problems)
    except NothingDeclared as error:
        return None, (judge.problem(Check.SPECS, str(error)),)
    fleet = declared.fleet
    told = f"valid: {counted(len(fleet.targets), 'target')}, {counted(len(fleet.roots), 'root')}"
    selecting = f", and {counted(declared.selectors, 'selector')}" if declared.selectors else ""
    return declared, (judge.ok(Check.SPECS, f"{told}{selecting}"),)


def _own(environment: Mapping[str, str]) -> OwnResources:
    """As far as it reads right: what is wrong with it is a finding about the settings."""
    return own_resources(environment, [])


def _of_azure(specs: Sequence[Path], declared: Declared | None, environment: Mapping[str, str]) -> Sequence[Finding]:
    if not _clouds(environment):
        checks = (Check.TOKEN, Check.ARM, Check.READS, Check.GRAPH)
        return [judge.not_asked(check, "the settings do not say which cloud it is") for check in checks]
    from homeostat.cli.doctor_azure import Examination  # Azure's libraries are only imported where they are needed

    output.progress("asking Azure ...")
    asked = Examination(
        environment, specs, declared, config.subscription_in(environment), _own(environment), SystemAmbient()
    )
    return asyncio.run(asked.findings())


# --- the service ----------------------------------------------------------------------------------------------------


def _of_service(environment: Mapping[str, str]) -> Iterator[Finding]:
    try:
        service = _service_named_by(environment)
    except HomeostatError:
        yield judge.not_asked(Check.SERVICE, "the settings do not say where it is, or with which key or sign-in")
        return
    if service is None:
        yield judge.not_asked(Check.SERVICE, "HOMEOSTAT_URL is not set")
        return
    output.progress(f"asking {service.url} ...")
    try:
        health = service.get("health")
    except HomeostatError as error:
        yield judge.problem(Check.SERVICE, str(error))
        yield judge.not_asked(Check.SERVICE, "whether it takes the key or sign-in, and how its fleet is")
        return
    yield judge.ok(Check.SERVICE, f"{service.url} answers")
    yield from _of_fleet(service, health)


def _of_fleet(service: Service, health: JsonObject) -> Iterator[Finding]:
    """What only a caller with a key, and a sign-in where one is asked for, gets to know."""
    try:
        fleet = service.get("fleet")
    except HomeostatError as error:
        yield judge.problem(Check.SERVICE, str(error))
        yield from judge.of_health(health, {})
        yield judge.not_asked(Check.SERVICE, "how its targets, its sweeps and its queues are")
        return
    yield judge.ok(Check.SERVICE, "it takes the key" + (" and the sign-in" if service.token else ""))
    yield from judge.of_health(health, fleet)
    yield from judge.of_hour(fleet)
    yield from _asked(lambda: judge.of_targets(json.objects_at(service.get("targets"), "targets")))
    now = SystemAmbient().now()
    yield from _asked(lambda: [judge.of_sweeps(json.objects_at(service.get("sweeps", limit=1), "sweeps"), now)])
    yield from _asked(lambda: [judge.of_poison(service.get("poison"))])


def _asked(question: Callable[[], Iterator[Finding] | Sequence[Finding]]) -> Sequence[Finding]:
    """The answer to one question, whose failure hides no other."""
    try:
        return tuple(question())
    except HomeostatError as error:
        return (judge.problem(Check.SERVICE, str(error)),)
