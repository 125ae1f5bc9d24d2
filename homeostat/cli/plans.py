"""`validate`, `plan`, `remediate` and `schema`: the commands about specs."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from homeostat import config
from homeostat.cli import output
from homeostat.cli.declared import chosen, declared_by, names_for_the_service, resolved
from homeostat.cli.service import ThroughService, service_of
from homeostat.core.errors import HomeostatError
from homeostat.core.model import Mode
from homeostat.core.own import OwnResources
from homeostat.core.policy import policy_schema
from homeostat.core.source import SpecError
from homeostat.core.spec import json_schema
from homeostat.own import own_resources
from homeostat.render import FORMATS, text
from homeostat.render.report import Conclusion, Report
from homeostat.render.words import counted, summary
from remediators import REGISTRY

if TYPE_CHECKING:
    from homeostat.cli.standalone import Standalone

ANY_SUBSCRIPTION: Final = "00000000-0000-0000-0000-000000000000"
"""For cases in which any subscription will do."""

STANDALONE_SKIPS: Final = (
    "standalone: without the service's memory there are no pauses of `pause` and no re-tests to heed, no lease keeps "
    "other writers away, what needs an approval is approved by your yes (new containers by --create), and nothing is "
    "entered in the ledger. What was written before is not known: of the caps only that of one run holds, and the "
    "hourly caps, the mass-drift stop, the staged rollout and the flap breaker see this command alone. Modes, pauses "
    "by tag, windows, running deployments and Homeostat's own resources hold as ever"
)

ON_ERROR, ON_DRIFT = 1, 2


class Refused(HomeostatError):
    """The options, or the environment, contradict each other."""


class _Worker(Protocol):
    def plan(self) -> Report: ...
    def remediate(self) -> Report: ...


def validate(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    subscription = config.subscription_in(environment) or ANY_SUBSCRIPTION
    try:
        declared = declared_by(options.specs, subscription, _own(environment))
    except SpecError as error:
        output.data(f"{error}\n")
        output.say(counted(len(error.problems), "problem"))
        return ON_ERROR
    fleet = declared.fleet
    output.data(f"valid: {counted(len(fleet.targets), 'target')}, {counted(len(fleet.roots), 'root')}\n")
    if declared.selectors:
        output.say(f"{counted(declared.selectors, 'selector')}: what they select is known to Azure alone; see `plan`")
    return 0


def _own(environment: Mapping[str, str]) -> OwnResources:
    problems: list[str] = []
    own = own_resources(environment, problems)
    if problems:
        raise config.ConfigError(tuple(problems))
    return own


def schema(options: argparse.Namespace, _environment: Mapping[str, str]) -> int:
    shown = policy_schema() if options.policy else json_schema(REGISTRY)
    output.data(json.dumps(shown, indent=2, ensure_ascii=False) + "\n")
    return 0


def plan(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    output.refuse_no_place(options.out)
    worker = _standalone(options, environment)
    report = worker.plan()
    _show(report, options.format, options.out, environment)
    if worker.fleet.left_out and not options.targets:
        return ON_ERROR  # apps that are left out may have drifted too
    return _code(report, detailed=options.detailed_exitcode)


def remediate(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    _refuse_what_does_not_go_together(options, environment)
    worker: _Worker = (
        _standalone(options, environment) if options.standalone else _through_service(options, environment)
    )
    if options.standalone and not options.dry_run:
        output.say(STANDALONE_SKIPS)
    planned = worker.plan()
    _show(planned, "text", None, environment)
    if options.dry_run:
        return _code(planned, detailed=options.detailed_exitcode)
    if not planned.totals.writes:
        return _code(planned, detailed=True)
    if not options.yes and not output.ask(f"Carry out {counted(planned.totals.writes, 'write')} in Azure?"):
        output.say("nothing was written")
        return ON_DRIFT
    done = worker.remediate()
    _show(done, "text", None, environment)
    return _code(done, detailed=True)


def _refuse_what_does_not_go_together(options: argparse.Namespace, environment: Mapping[str, str]) -> None:
    url = environment.get("HOMEOSTAT_URL", "").strip()
    if options.standalone and url:
        raise Refused(
            f"--standalone is refused while HOMEOSTAT_URL is set: {url} may be at work on the same resources. "
            "Leave --standalone out, or unset HOMEOSTAT_URL"
        )
    if not options.standalone and not url:
        raise Refused(
            "HOMEOSTAT_URL is not set. Set it to the service's address, with a host key in HOMEOSTAT_KEY, "
            "or add --standalone to work without the service"
        )
    if not (options.dry_run or options.yes or output.can_ask()):
        raise Refused("no terminal to ask on: add --yes to repair without being asked, or --dry-run to look only")


def _standalone(options: argparse.Namespace, environment: Mapping[str, str]) -> "Standalone":
    settings = config.load(environment, home=Path.cwd())
    if settings.mode is Mode.IGNORE:
        raise Refused("HOMEOSTAT_MODE is ignore: nothing would be looked at. Set it to alert or enforce, or unset it")
    fleet = resolved(options.specs, settings.subscription, environment, settings.own)
    names = chosen(options.targets, fleet.targets)

    from homeostat.cli.standalone import Standalone  # Azure's libraries are imported after all local checks

    create, max_writes = getattr(options, "create", False), getattr(options, "max_writes", None)
    return Standalone(environment, settings.mode, fleet, names, settings.own, create=create, max_writes=max_writes)


def _through_service(options: argparse.Namespace, environment: Mapping[str, str]) -> _Worker:
    """The specs only name the targets: the service plans with its own specs."""
    service = service_of(environment)
    subscription = config.subscription_in(environment) or ANY_SUBSCRIPTION
    names = names_for_the_service(options.targets, options.specs, subscription, environment)
    return ThroughService(service, names, options.create, options.max_writes)


def _show(report: Report, format_: str, file: Path | None, environment: Mapping[str, str]) -> None:
    if file is not None:
        output.write_file(file, FORMATS[format_](report))
        output.say(f"{summary(report)} Written to {file}.")
    elif format_ == "text":
        output.data(text.render(report, colour=output.colours(sys.stdout, environment)))
    else:
        output.data(FORMATS[format_](report))


def _code(report: Report, *, detailed: bool) -> int:
    match report.conclusion:
        case Conclusion.ERROR:
            return ON_ERROR
        case Conclusion.DRIFT:
            return ON_DRIFT if detailed else 0
        case Conclusion.AS_DECLARED:
            return 0
