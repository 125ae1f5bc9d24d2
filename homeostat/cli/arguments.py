"""The commands and their options.

With argparse, from the standard library: a dozen commands need no framework, and the deployed package stays small.
"""

import argparse
import sys
from typing import Final, Never, override

from homeostat.cli import adopt, doctor, poison, rollback
from homeostat.cli.options import length_of_time, number_to, path
from homeostat.render import FORMATS

ENVIRONMENT: Final = """\
environment:
  AZURE_SUBSCRIPTION_ID    the subscription of documents that name none
  AZURE_TOKEN_CREDENTIALS  which credential of azure-identity to use: prod, dev, or one by its name
  HOMEOSTAT_CLOUD          AzureCloud (default), AzureUSGovernment or AzureChinaCloud
  HOMEOSTAT_CLOUD_OF_SUBSCRIPTIONS  those of other clouds: AzureUSGovernment=ID,ID (docs/clouds.md)
  HOMEOSTAT_ARM_ENDPOINT   another Azure Resource Manager than the cloud's
  HOMEOSTAT_MODE           caps every mode: enforce, alert or ignore
  HOMEOSTAT_URL            the deployed service, https://NAME.azurewebsites.net
  HOMEOSTAT_KEY            a host key of it: `az functionapp keys list`, functionKeys.default
  HOMEOSTAT_AUDIENCE       where it asks for a sign-in, too: its application id URI, api://...
  NO_COLOR                 when set, no colours

Credentials are those of azure-identity: a managed identity, or the login of `az login`.
"""

RETEST_NOTES: Final = """\
The service stores the deadline first, then switches routing off wherever it is on, WEBSITE_VNET_ROUTE_ALL
too. What is declared comes back at the deadline, whatever becomes of this command; Ctrl-C ends it early. Traffic leaves
past the network meanwhile, and the app restarts at the beginning and at the end. There is no --standalone here: without
the service's memory nobody would restore the routing after a crash.

exit code:
  0  routing is restored
  1  error: refused, or it could not be switched off
  2  routing is not restored yet: see `status` and `history`
"""

SWEEP_NOTES: Final = """\
It is the nightly sweep at another time: the service looks at what differs afresh and repairs it under all its rules,
while this command has ended. If a sweep is under way that has roots left to look at, that one goes on instead.
"""

PLAN_CODES: Final = """\
exit code:
  0  the plan was made
  1  error: nothing could be planned, or a part could not be read or judged (the plan shows which)
With --detailed-exitcode:
  0  no drift
  1  error, as above: what could not be judged is never taken for no drift
  2  drift; also a change that is still under way (settling), since the declared state is not reached
"""

REMEDIATE_CODES: Final = """\
exit code:
  0  everything is in the declared state
  1  error: something could not be read, judged or repaired
  2  drift remains: held, in mode alert, still settling, or you declined
A --dry-run ends with 0 or 1, and with --detailed-exitcode with 2 where there is drift.
"""


class _Parser(argparse.ArgumentParser):
    """A mistyped command exits with 1: the customary 2 would tell a pipeline that there is drift."""

    @override
    def error(self, message: str) -> Never:
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: {message}. See `{self.prog} --help`.\n")


def parser() -> argparse.ArgumentParser:
    top = _Parser(
        prog="python -m homeostat",
        description="Keeps the network posture of Azure App Service web apps where their owners declared it.",
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("-v", "--verbose", action="store_true", help="tell on stderr what is done, retries included")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    _spec_commands(commands)
    _service_commands(commands)
    return top


type _Commands = argparse._SubParsersAction[_Parser]  # noqa: SLF001 - argparse gives it no public name


def _command(commands: _Commands, name: str, summary: str, epilog: str = "") -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _spec_commands(commands: _Commands) -> None:
    validate = _command(commands, "validate", "check specs, without Azure; every error at once")
    _specs(validate)

    plan = _command(
        commands, "plan", "show what differs in Azure and what would be written; writes nothing", PLAN_CODES
    )
    _specs(plan)
    _targets(plan)
    plan.add_argument("--format", choices=tuple(FORMATS), default="text", help="how to show it (default: text)")
    plan.add_argument("--out", type=path, metavar="FILE", help="write it there, all at once, and not to stdout")
    plan.add_argument("--detailed-exitcode", action="store_true", help="end with 2 where there is drift")

    remediate = _command(commands, "remediate", "repair what differs, after showing the plan", REMEDIATE_CODES)
    _specs(remediate)
    _targets(remediate)
    remediate.add_argument(
        "--create", action="store_true", help="let it create NSGs, zones, endpoints and other containers that are gone"
    )
    remediate.add_argument("--dry-run", action="store_true", help="only show the plan")
    remediate.add_argument("--yes", action="store_true", help="do not ask; needed where no terminal is attached")
    remediate.add_argument(
        "--standalone",
        action="store_true",
        help="without the service of HOMEOSTAT_URL: no lease, no pause and no ledger then",
    )
    remediate.add_argument(
        "--max-writes", type=number_to(20_000), metavar="N", help="so many writes at most, and no other cap of a run"
    )
    remediate.add_argument("--detailed-exitcode", action="store_true", help="with --dry-run: end with 2 on drift")

    retest = _command(
        commands, "retest-route-all", "route past the network for a while, to tell where a fault is", RETEST_NOTES
    )
    retest.add_argument(
        "specs", nargs="*", type=path, metavar="SPEC", help="to check the name against, before all else"
    )
    retest.add_argument("--target", required=True, metavar="NAME", help="the target whose routing is tested")
    _for(retest, "30s, 10m, at most 1h (default: 10m)", default="10m")
    retest.add_argument("--reason", default="", help="for whoever wonders")

    adopt.add_options(_command(commands, "adopt", "write the spec of a live web app: what is there now, as YAML"))

    schema = _command(commands, "schema", "print the JSON Schema of a spec document, for editors")
    schema.add_argument("--policy", action="store_true", help="that of the fleet's policy document instead")

    examined = _command(
        commands, "doctor", "say whether all that Homeostat needs works, and what to do if not", doctor.NOTES
    )
    examined.add_argument("specs", nargs="*", type=path, metavar="SPEC", help="a YAML file, or a folder of them")
    _as_json(examined)


def _service_commands(commands: _Commands) -> None:
    status = _command(commands, "status", "show the targets of the service at HOMEOSTAT_URL, and what is open")
    status.add_argument("target", nargs="?", metavar="NAME", help="only this one")
    _as_json(status)

    history = _command(commands, "history", "show a target's ledger, newest first")
    history.add_argument("target", metavar="NAME")
    history.add_argument(
        "--limit", type=number_to(1000), default=50, metavar="N", help="entries, 1 to 1000 (default: 50)"
    )
    history.add_argument("--before", default="", metavar="ID", help="only what is older than this entry: the next page")
    _as_json(history)

    explain = _command(commands, "explain", "say in plain words why a target is as it is, and what comes next")
    explain.add_argument("target", metavar="NAME")
    explain.add_argument("--root", default="", metavar="TEXT", help="only roots whose resource id has this in it")
    _as_json(explain)

    sweep = _command(commands, "sweep", "have every root looked at now, and not only in the night", SWEEP_NOTES)
    sweep.add_argument("--reason", default="", help="for whoever wonders")
    _as_json(sweep)

    pause = _command(commands, "pause", "stop repairs for a while; drift is still reported")
    _whom(pause)
    _for(pause, "30m, 4h or 2d; at most 30d")
    pause.add_argument("--until", metavar="TIME", help="or to a time with its zone: 2030-01-31T06:00:00Z")
    pause.add_argument("--reason", default="", help="for whoever wonders")

    approve = _command(commands, "approve", "say yes, or no, to a repair that waits for a person's word")
    approve.add_argument("approval", nargs="?", metavar="ID", help="the request, as the alert and `history` name it")
    approve.add_argument("--list", action="store_true", help="show what waits, and what is approved and not yet done")
    approve.add_argument("--reject", action="store_true", help="say no: it stays held until its request expires")
    _as_json(approve)

    resume = _command(commands, "resume", "end a pause; the target is looked at again at once")
    _whom(resume)
    resume.add_argument("--reason", default="", help="for whoever wonders")

    release = _command(commands, "release", "let go on what holds the whole fleet")
    release.add_argument(
        "what", choices=("mass-drift", "rollout"), help="a mass drift, for a time; or a spec's rollout"
    )
    _for(release, "of a mass drift: 30m or 2h; at most 1d")
    release.add_argument("--until", metavar="TIME", help="or to a time with its zone: 2030-01-31T06:00:00Z")
    release.add_argument("--reason", required=True, help="for whoever wonders")

    reset = _command(commands, "reset-breaker", "repair again what came back after every repair of a target")
    reset.add_argument("target", metavar="NAME")
    reset.add_argument("--reason", default="", help="for whoever wonders")
    rollback.add_options(
        _command(commands, "rollback", "put back what a write changed, and pause the target", rollback.NOTES)
    )
    poison.add_options(
        _command(commands, "poison", "show, explain, replay or drop messages that failed too often", poison.NOTES)
    )


def _specs(command: argparse.ArgumentParser) -> None:
    command.add_argument("specs", nargs="+", type=path, metavar="SPEC", help="a YAML file, or a folder of them")


def _targets(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--target",
        action="append",
        default=[],
        dest="targets",
        metavar="NAME",
        help="only this target; may be repeated (default: all that the specs declare)",
    )


def _whom(command: argparse.ArgumentParser) -> None:
    whom = command.add_mutually_exclusive_group(required=True)
    whom.add_argument("target", nargs="?", metavar="NAME", help="a target")
    whom.add_argument("--all", action="store_true", help="the whole fleet")


def _for(command: argparse.ArgumentParser, what: str, default: str | None = None) -> None:
    command.add_argument("--for", dest="duration", type=length_of_time, default=default, metavar="TIME", help=what)


def _as_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--format", choices=("text", "json"), default="text", help="how to show it (default: text)")
