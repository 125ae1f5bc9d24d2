"""The environment, read once and checked at once: every wrong variable is named, with its remedy."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from homeostat.core.access import DEFAULT_ACCESS, Access, Auth, Rate
from homeostat.core.addresses import address_of
from homeostat.core.budget import DEFAULT_SHARE_LEFT
from homeostat.core.errors import HomeostatError
from homeostat.core.leases import DEFAULT_TERMS, LeaseTerms
from homeostat.core.model import Mode
from homeostat.core.own import OwnResources
from homeostat.core.record import DEFAULT_SETTLE, Settle
from homeostat.core.sweep import DEFAULT_FULL_READ_DAYS
from homeostat.own import own_resources

SETTLE_PREFIX: Final = "HOMEOSTAT_SETTLE_SECONDS"
MAX_SETTLE: Final = timedelta(hours=1)
DEFAULT_SELECT_EVERY: Final = timedelta(minutes=15)
MAX_RATE: Final = 100_000
MAX_SHARE_LEFT: Final = 90
DEFAULT_RETENTION: Final = timedelta(days=90)
MAX_RETENTION: Final = timedelta(days=3650)
MAX_FULL_READ: Final = timedelta(days=90)
DEFAULT_FULL_READ: Final = timedelta(days=DEFAULT_FULL_READ_DAYS)

TEST_LEASE: Final = "HOMEOSTAT_TEST_LEASE_SECONDS"
IN_AZURE: Final = "WEBSITE_SITE_NAME"
"""Set for every app in App Service and Functions, and by nobody else.
https://learn.microsoft.com/azure/app-service/reference-app-settings
"""


class ConfigError(HomeostatError):
    """Variables of the environment are missing or wrong."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


@dataclass(frozen=True, slots=True)
class Config:
    """spec_container: the blob container that holds the specs; empty where they are in `spec_folder`.

    settle: how long a root is left alone after an event; `settle_by_kind` has the kinds that differ.
    in_memory: whether state is kept in the process, as in the demo, and not in the storage account.
    terms: of leases; shorter than usual only where crashes are tested.
    public_url: the address under which people reach the HTTP API; empty where alerts carry no links to it.
    own: what Homeostat itself runs on, which no spec may declare.
    full_read_days: within so many nights a sweep reads every root through ARM alone.
    select_every: how old an answer of Azure may be of which apps the selectors select.
    arm_share_left: of each of ARM's quotas, that is left to the owner's other tools: from 0 to below 1.
    """

    environment: Mapping[str, str] = field(repr=False)  # holds connection strings and keys
    subscription: str
    mode: Mode
    settle: Settle
    settle_by_kind: Mapping[str, Settle]
    spec_folder: Path
    spec_container: str
    in_memory: bool
    access: Access
    public_url: str
    own: OwnResources
    retention_period: timedelta  # how long the ledger, snapshots and runs are kept
    terms: LeaseTerms = DEFAULT_TERMS
    select_every: timedelta = DEFAULT_SELECT_EVERY
    arm_share_left: float = DEFAULT_SHARE_LEFT
    full_read_days: int = DEFAULT_FULL_READ_DAYS


def load(environment: Mapping[str, str], *, home: Path) -> Config:
    """The configuration of a function app whose files are in `home`. Raises ConfigError."""
    problems: list[str] = []
    settle = _seconds(environment, SETTLE_PREFIX, DEFAULT_SETTLE.after, problems)
    at_most = _seconds(environment, "HOMEOSTAT_SETTLE_MAX_SECONDS", max(DEFAULT_SETTLE.at_most, settle), problems)
    if settle > at_most:
        problems.append(f"{SETTLE_PREFIX} is longer than HOMEOSTAT_SETTLE_MAX_SECONDS: lower it or raise the other")
    config = Config(
        environment=environment,
        subscription=_subscription(environment, problems),
        mode=_mode(environment, problems),
        settle=Settle(settle, at_most),
        settle_by_kind={
            kind.lower(): Settle(
                after := _seconds(environment, f"{SETTLE_PREFIX}_{kind}", settle, problems), max(after, at_most)
            )
            for name in environment
            if (kind := name.removeprefix(f"{SETTLE_PREFIX}_")) != name
        },
        spec_folder=home / environment.get("HOMEOSTAT_SPEC_FOLDER", "specs"),
        spec_container=environment.get("HOMEOSTAT_SPEC_CONTAINER", "").strip(),
        in_memory=_in_memory(environment, problems),
        access=Access(
            _auth(environment, problems),
            _rate(environment, "HOMEOSTAT_READS_PER_MINUTE", DEFAULT_ACCESS.reads, problems),
            _rate(environment, "HOMEOSTAT_WRITES_PER_MINUTE", DEFAULT_ACCESS.writes, problems),
        ),
        terms=_terms(environment, problems),
        public_url=_public_url(environment, problems),
        own=own_resources(environment, problems),
        retention_period=_days(environment, "HOMEOSTAT_RETENTION_DAYS", DEFAULT_RETENTION, problems),
        select_every=_minutes(environment, "HOMEOSTAT_SELECT_MINUTES", DEFAULT_SELECT_EVERY, problems),
        arm_share_left=_share_left(environment, problems),
        full_read_days=_days(environment, "HOMEOSTAT_FULL_READ_DAYS", DEFAULT_FULL_READ, problems, MAX_FULL_READ).days,
    )
    if problems:
        raise ConfigError(tuple(problems))
    return config


def _minutes(environment: Mapping[str, str], name: str, default: timedelta, problems: list[str]) -> timedelta:
    text = environment.get(name, "").strip()
    if not text:
        return default
    if re.fullmatch(r"\d{1,4}", text) and 1 <= int(text) <= 1440:
        return timedelta(minutes=int(text))
    problems.append(f"{name} is {text!r}: give whole minutes from 1 to 1440")
    return default


def _share_left(environment: Mapping[str, str], problems: list[str]) -> float:
    text = environment.get("HOMEOSTAT_ARM_SHARE_LEFT", "").strip()
    if not text:
        return DEFAULT_SHARE_LEFT
    if re.fullmatch(r"[0-9]{1,2}", text) and int(text) <= MAX_SHARE_LEFT:
        return int(text) / 100
    problems.append(f"HOMEOSTAT_ARM_SHARE_LEFT is {text!r}: give a whole number of percent from 0 to {MAX_SHARE_LEFT}")
    return DEFAULT_SHARE_LEFT


def _mode(environment: Mapping[str, str], problems: list[str]) -> Mode:
    text = environment.get("HOMEOSTAT_MODE", "").strip().lower() or Mode.ENFORCE
    try:
        return Mode(text)
    except ValueError:
        # What is not understood must not mean full power; and the caller stops anyway.
        problems.append(f"HOMEOSTAT_MODE is {text!r}: set it to enforce, alert or ignore")
        return Mode.IGNORE


def _seconds(environment: Mapping[str, str], name: str, default: timedelta, problems: list[str]) -> timedelta:
    text = environment.get(name, "").strip()
    if not text:
        return default
    if re.fullmatch(r"\d{1,4}(\.\d{1,3})?", text) and timedelta(seconds=float(text)) <= MAX_SETTLE:
        return timedelta(seconds=float(text))
    problems.append(f"{name} is {text!r}: give seconds from 0 to {MAX_SETTLE.seconds}")
    return default


def _days(
    environment: Mapping[str, str],
    name: str,
    default: timedelta,
    problems: list[str],
    at_most: timedelta = MAX_RETENTION,
) -> timedelta:
    text = environment.get(name, "").strip()
    if not text:
        return default
    if re.fullmatch(r"[0-9]{1,4}", text) and timedelta(days=1) <= timedelta(days=int(text)) <= at_most:
        return timedelta(days=int(text))
    problems.append(f"{name} is {text!r}: give whole days from 1 to {at_most.days}")
    return default


def subscription_in(environment: Mapping[str, str]) -> str:
    """The subscription of documents that name none; "" if it is not set. It may be no id: `load` says so."""
    return environment.get("AZURE_SUBSCRIPTION_ID", "").strip()


def _subscription(environment: Mapping[str, str], problems: list[str]) -> str:
    text = subscription_in(environment)
    if text and not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        problems.append(f"AZURE_SUBSCRIPTION_ID is {text!r}: give the subscription's id, a GUID")
    return text


def _public_url(environment: Mapping[str, str], problems: list[str]) -> str:
    url = environment.get("HOMEOSTAT_PUBLIC_URL", "").strip().rstrip("/")
    parts = address_of(url)
    if url and not (parts and parts.scheme in {"https", "http"} and not parts.query):
        problems.append(f"HOMEOSTAT_PUBLIC_URL is {url!r}: give the app's address, https://NAME.azurewebsites.net")
    return url


def _in_memory(environment: Mapping[str, str], problems: list[str]) -> bool:
    text = environment.get("HOMEOSTAT_STATE", "").strip().lower() or "storage"
    if text not in {"storage", "memory"}:
        problems.append(f"HOMEOSTAT_STATE is {text!r}: leave it out for the storage account, or set it to memory")
    return text == "memory"


def _auth(environment: Mapping[str, str], problems: list[str]) -> Auth:
    """Principals are believed only where App Service removes them from requests that bring their own.

    WEBSITE_AUTH_ENABLED is set by App Service: https://learn.microsoft.com/azure/app-service/reference-app-settings
    """
    text = environment.get("HOMEOSTAT_AUTH", "").strip().lower() or Auth.KEYS
    if text not in set(Auth):
        # What is not understood must not mean weaker checks; and the caller stops anyway.
        problems.append(f"HOMEOSTAT_AUTH is {text!r}: set it to keys or entra")
        return Auth.ENTRA
    if text == Auth.ENTRA and environment.get("WEBSITE_AUTH_ENABLED", "").strip().lower() != "true":
        problems.append(
            "HOMEOSTAT_AUTH is entra, and App Service authentication is off (WEBSITE_AUTH_ENABLED is not True), so "
            "anybody could claim to be anyone: enable it (docs/access.md), or set HOMEOSTAT_AUTH to keys"
        )
    return Auth(text)


def _rate(environment: Mapping[str, str], name: str, default: Rate, problems: list[str]) -> Rate:
    text = environment.get(name, "").strip()
    if not text:
        return default
    if re.fullmatch(r"[0-9]{1,6}", text) and 1 <= int(text) <= MAX_RATE:
        return Rate(int(text))
    problems.append(f"{name} is {text!r}: give a number of requests from 1 to {MAX_RATE}")
    return default


def _terms(environment: Mapping[str, str], problems: list[str]) -> LeaseTerms:
    """A lease too short for ARM to answer in is only for tests against a simulated ARM, which is quick."""
    lasts = _seconds(environment, TEST_LEASE, DEFAULT_TERMS.lasts, problems)
    if lasts != DEFAULT_TERMS.lasts and environment.get(IN_AZURE):
        problems.append(f"{TEST_LEASE} is set: remove it, it is for tests against a simulated Azure and unsafe here")
    if lasts <= timedelta():
        problems.append(f"{TEST_LEASE} is 0: leave it out")
        return DEFAULT_TERMS
    return DEFAULT_TERMS.shortened(lasts)
