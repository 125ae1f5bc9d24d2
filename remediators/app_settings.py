"""App settings: the declared names have the declared values; every other setting is left as it is.

A write replaces all settings and has no ETag, so an edit sets one setting and the merge carries the others over.
App Service treats names that differ only in case as one (a second spelling is refused with 409, a write with another
spelling renames), yet an app on Linux reads only the exact name: another spelling is drift, and is renamed.
A write restarts the app. https://learn.microsoft.com/azure/app-service/configure-common#configure-app-settings

A Key Vault reference that is as declared may still not resolve, and the app then reads the reference itself: what
counts is what App Service reports of it. https://learn.microsoft.com/azure/app-service/app-service-key-vault-references

While a site is being swapped into another, for hours if the swap is previewed, it holds the other side's sticky
settings on purpose: what differs then is settling. The site is nearly always a slot; a swap can begin at the app, too.
https://learn.microsoft.com/azure/app-service/deploy-staging-slots#what-happens-during-a-swap
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, override

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from homeostat.core import json
from homeostat.core.arm_types import SITE_CONFIG, SITE_REFERENCE, SLOT, SLOT_CONFIG, SLOT_REFERENCE, ArmType
from homeostat.core.ids import ResourceId
from homeostat.core.json import ABSENT, Value
from homeostat.core.known_secrets import NO_VALUE
from homeostat.core.model import (
    Disruption,
    Drift,
    Edit,
    Facts,
    Found,
    GuardedSecret,
    Item,
    KindSection,
    Milestone,
    Mode,
    Obstacle,
    Problem,
    Read,
    Scope,
    Section,
    Unmanaged,
    Unreadable,
    Verdict,
    Want,
)
from homeostat.core.scalars import SCALAR_SCHEMA, Scalar
from homeostat.core.secret_value import MASK, Secret
from homeostat.core.secrets import is_key_vault_reference, is_secret_name, looks_like_secret
from remediators.common import site_of, twice, unknown, verdict_of, why_unread

OTHER_SECRET = "(another secret)"  # noqa: S105 - shown in place of one

RESOLVED = "Resolved"
_STATUS = ("status",)
_UNRESOLVED_YET = frozenset({"Initialized", "FetchTimedOut"})
_REMEDIES: Mapping[str, str] = {
    "InvalidSyntax": "the reference names no vault and secret",
    "MSINotEnabled": "the app has no identity to read the vault with: declare it under `identity`",
    "VaultNotFound": "there is no such vault, or its name does not resolve",
    "SecretNotFound": "the vault has no such secret",
    "SecretVersionNotFound": "the secret has no such version",
    "AccessToKeyVaultDenied": "the vault refuses the app's identity, or its firewall the app",
    "UnauthorizedClient": "the app's identity may not sign in",
}
"""By App Service's codes for a reference that does not resolve (ResolveStatus in its API)."""

_NAME = re.compile(r"[A-Za-z0-9_.:]+")
_PRIVATELINK_HOST = re.compile(r"(?<![a-z0-9.-])([a-z0-9-]+\.)+privatelink(\.[a-z0-9-]+)+", re.IGNORECASE)

PLATFORM_NAMES = re.compile(
    r"(WEBSITES?|FUNCTIONS?|SCM|DOCKER|APPLICATIONINSIGHTS|APPINSIGHTS|MACHINEKEY|DIAGNOSTICS|WEBJOBS|ORYX|APPSETTING"
    r"|XDT_MicrosoftApplicationInsights|SnapshotDebugger|InstrumentationEngine)_.*"
    r"|AzureWebJobs.*|AzureFunctions.*|ApplicationInsightsAgent.*|ENABLE_ORYX_BUILD|PORT",
    re.IGNORECASE,
)
"""Settings that Azure and its deployment tools write themselves.

https://learn.microsoft.com/azure/app-service/reference-app-settings
https://learn.microsoft.com/azure/azure-functions/functions-app-settings
"""


class SettingSpec(Section):
    """A setting's value, written out or in the long form."""

    value: Scalar | None = Field(default=None, description="The value; a Key Vault reference for a secret.")
    secret: bool = Field(
        default=False, description="Its presence is defended, and a change of its value is reported, never repaired."
    )
    rotated: Scalar | None = Field(
        default=None, description="Of a secret: when it was last changed on purpose. A new text accepts the new value."
    )
    mode: Mode | None = Field(default=None, description="Wins over the section's mode.")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, written: Any) -> Any:
        return written if isinstance(written, Mapping | SettingSpec) else {"value": written}

    @override
    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        long_form = handler.resolve_ref_schema(handler(core_schema))
        return {"anyOf": [SCALAR_SCHEMA, dict(long_form)]}


class AppSettingsSection(KindSection):
    """Settings of the web app or slot, by name."""

    unmanaged: Unmanaged = Field(
        default=Unmanaged.KEEP,
        description="What happens to settings that are not named here; those of the platform are always kept.",
    )
    settings: dict[str, SettingSpec] = Field(
        default_factory=dict,
        description="By name. A value, or {value, secret, mode}.",
        examples=[
            {
                "REDIS_PORT": 6380,
                "DB_PASSWORD": {"secret": True},
                "API_KEY": "@Microsoft.KeyVault(SecretUri=https://kv-flask.vault.azure.net/secrets/api-key)",
            }
        ],
    )


@dataclass(frozen=True, slots=True)
class Setting:
    """value: None for a secret, of which only presence and sameness are kept. rotated: its last intended change."""

    value: str | None = field(repr=False)
    rotated: str = ""


@dataclass(frozen=True, slots=True)
class Have:
    """settings: as found, by their spelled names; any may be secret. unread: why they could not be read, or "".

    references: by name, how each Key Vault reference resolves, and details. references_unread: why that is unknown.
    swaps_into: what the site is being swapped with, or "".
    """

    settings: Mapping[str, Secret] = field(default_factory=dict)
    unread: str = ""
    references: Mapping[str, str] = field(default_factory=dict)
    references_unread: str = ""
    swaps_into: str = ""

    def spelling(self, name: str) -> str | None:
        """The spelling under which a setting exists."""
        if name in self.settings:
            return name
        return next((other for other in sorted(self.settings) if other.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class AppSettings:
    """Its root is the site or the slot; an item is a setting, by name."""

    kind: str = "app_settings"
    section: type[AppSettingsSection] = AppSettingsSection
    touches: frozenset[ArmType] = frozenset({SITE_CONFIG, SLOT_CONFIG})

    def items(self, section: AppSettingsSection, scope: Scope) -> tuple[Item[Setting], ...]:
        return tuple(
            Item(
                scope.web_app,
                name,
                Setting(None if setting.secret else setting.value or "", setting.rotated or ""),
                ("settings", name),
                setting.mode,
            )
            for name, setting in section.settings.items()
        )

    def unmanaged(self, section: AppSettingsSection, scope: Scope) -> Mapping[ResourceId, Unmanaged]:
        return {scope.web_app: section.unmanaged}

    def problems(self, section: AppSettingsSection, scope: Scope) -> tuple[Problem, ...]:  # noqa: ARG002 - the Protocol's
        found = [problem for name, setting in section.settings.items() for problem in _problems(name, setting)]
        return (*found, *twice(section.settings, ("settings",)))

    def reads(self, want: Want[Setting], facts: Facts) -> frozenset[Read]:
        settings = facts.get(_settings(want.root))
        found = {_settings(want.root)}
        if isinstance(settings, Found) and _references_in_place(want, settings):
            found.add(_references(want.root))
        site = site_of(want.root)
        if isinstance(settings, Found) and (site in facts or self._may_be_swapping(want, Have(_values(settings)))):
            found.add(site)  # what another kind has asked for anyway saves working out what would be written
        return frozenset(found)

    def observe(self, want: Want[Setting], facts: Facts) -> Have:
        settings = facts.get(_settings(want.root))
        if not isinstance(settings, Found):
            return Have(unread=why_unread(settings))
        have = _with_references(want, settings, facts)
        match facts.get(site_of(want.root)):
            case Found(site):
                return replace(have, swaps_into=json.text_at(site, "properties", "targetSwapSlot"))
            case Unreadable() as refused if want.root.is_type(SLOT.name) and self._may_be_swapping(want, have):
                return Have(unread=why_unread(refused))  # of an app, the gate writes nothing while its site is unread
            case _:
                return have

    def _may_be_swapping(self, want: Want[Setting], have: Have) -> bool:
        """Whether it matters that the site may be a swap's source: something would be written, or accepted of a slot.

        An app as the source is rare: of it nothing more is read only to accept a secret.
        """
        keeps_secrets = any(item.value.value is None for item in want.items.values())
        return (keeps_secrets and want.root.is_type(SLOT.name)) or bool(self.edits(want, have))

    def secrets(self, want: Want[Setting], facts: Facts) -> tuple[GuardedSecret, ...]:
        """During a swap a site holds the other side's values, which are not looked at."""
        have = self.observe(want, facts)
        seen = {} if have.unread or have.swaps_into else have.settings
        config = _settings(want.root).id
        return tuple(
            GuardedSecret(config, ("properties", name), name, seen.get(have.spelling(name) or ""), item.value.rotated)
            for name, item in want.items.items()
            if item.value.value is None
        )

    def diff(self, want: Want[Setting], have: Have) -> tuple[Drift, ...]:
        owned = (_in_swap(self._difference(want, have, name), have) for name in want.items)
        return tuple(sorted((drift for drift in (*owned, *self._extras(want, have)) if drift), key=lambda d: d.key))

    def _difference(self, want: Want[Setting], have: Have, name: str) -> Drift | None:
        config, path, value = _settings(want.root).id, ("properties", name), want.items[name].value.value
        shown = MASK if value is None else _shown(name, value)
        if have.unread:
            return unknown(self.kind, config, path, name, shown, have.unread)
        spelling = have.spelling(name)
        if spelling is None:
            return Drift(self.kind, config, path, name, shown, ABSENT)
        found = have.settings[spelling]
        if spelling != name:
            return Drift(self.kind, config, path, name, shown, ABSENT, note=f"it is there as {spelling}")
        if value is None:
            return None
        if found != Secret(value):
            return Drift(self.kind, config, path, name, shown, _shown_instead(name, value, found.reveal()))
        return self._unresolved(config, name, have) if is_key_vault_reference(value) else None

    def _unresolved(self, config: ResourceId, name: str, have: Have) -> Drift | None:
        """A reference that is as declared and does not resolve. No write of ours would change that: it is reported."""
        path, status = ("properties", name, *_STATUS), have.references.get(name, "")
        if have.references_unread:
            return unknown(self.kind, config, path, name, RESOLVED, have.references_unread)
        if not status:
            return Drift(self.kind, config, path, name, RESOLVED, None, Verdict.UNKNOWN, "its status is not reported")
        if status == RESOLVED:
            return None
        verdict = verdict_of(under_way=status in _UNRESOLVED_YET)
        return Drift(self.kind, config, path, name, RESOLVED, status, verdict, _REMEDIES.get(status, ""))

    def _extras(self, want: Want[Setting], have: Have) -> Iterator[Drift]:
        if want.unmanaged is Unmanaged.KEEP:
            return
        owned = {name.lower() for name in want.items}
        for name in have.settings:
            if name.lower() not in owned and not PLATFORM_NAMES.fullmatch(name):
                path = ("properties", name)
                yield Drift(self.kind, _settings(want.root).id, path, "", ABSENT, "(a value)", Verdict.UNMANAGED)

    def edits(self, want: Want[Setting], have: Have) -> tuple[Edit | Obstacle, ...]:
        return tuple(edit for drift in self.diff(want, have) for edit in _repairs(drift, want, have))


REMEDIATOR = AppSettings()


def _settings(root: ResourceId) -> Read:
    return Read(SLOT_CONFIG if root.is_type(SLOT.name) else SITE_CONFIG, root.child("config", "appsettings"))


def _references(root: ResourceId) -> Read:
    row = SLOT_REFERENCE if root.is_type(SLOT.name) else SITE_REFERENCE
    return Read(row, root.child("config", "configreferences"), every=True)


def _values(settings: Found) -> dict[str, Secret]:
    return json.secrets_at(settings.body, "properties")


def _references_in_place(want: Want[Setting], settings: Found) -> bool:
    """Whether a declared Key Vault reference is as declared, so that it matters whether it resolves."""
    declared = {name: item.value.value for name, item in want.items.items()}
    references = {name: Secret(value) for name, value in declared.items() if value and is_key_vault_reference(value)}
    found = _values(settings)
    return any(found.get(name) == reference for name, reference in references.items())


def _with_references(want: Want[Setting], settings: Found, facts: Facts) -> Have:
    found = _values(settings)
    if not _references_in_place(want, settings):
        return Have(found)
    listing = facts.get(_references(want.root))
    if not isinstance(listing, Found):
        return Have(found, references_unread=why_unread(listing))
    resolved = {
        json.text_at(each, "name"): json.text_at(each, "properties", "status")
        for each in json.objects_at(listing.body, "value")
    }
    return Have(found, references=resolved)


def _shown(name: str, value: str) -> str:
    return (
        MASK
        if (is_secret_name(name) and not is_key_vault_reference(value)) or looks_like_secret(name, value)
        else value
    )


def _shown_instead(name: str, wanted: str, found: str) -> Value:
    """What is in the place of `wanted`, to be shown: a literal in place of a Key Vault reference may be the secret."""
    literal = is_key_vault_reference(wanted) and not is_key_vault_reference(found)
    return OTHER_SECRET if literal or _shown(name, found) == MASK else found


def _in_swap(drift: Drift | None, have: Have) -> Drift | None:
    if drift is None or drift.verdict is not Verdict.DRIFTED or not have.swaps_into:
        return drift
    return replace(drift, verdict=Verdict.SETTLING, note=f"the site is being swapped with {have.swaps_into}")


def _repairs(drift: Drift, want: Want[Setting], have: Have) -> Iterator[Edit | Obstacle]:
    if drift.verdict is Verdict.UNMANAGED and want.unmanaged is Unmanaged.REMOVE and not have.swaps_into:
        yield _edit(drift, drift.path[-1], ABSENT)
    if drift.verdict is not Verdict.DRIFTED or drift.path[2:] == _STATUS:
        return
    declared, spelling = want.items[drift.item].value.value, have.spelling(drift.item)
    value = have.settings[spelling] if declared is None and spelling else declared
    if isinstance(value, str) and _shown(drift.item, value) == MASK:
        value = Secret(value)
    if value is None:
        yield Obstacle(drift, NO_VALUE, f"{drift.item} is missing, and its value is not in the spec: set it")
        return
    if spelling not in {None, drift.item}:
        yield _edit(drift, str(spelling), ABSENT)
    yield _edit(drift, drift.item, value)


def _edit(drift: Drift, name: str, value: Value) -> Edit:
    """A Key Vault reference is resolved when it is written: by then names and the way to the vault must be there."""
    reference = isinstance(value, str) and is_key_vault_reference(value)
    return Edit(drift, ("properties", name), value, Disruption.RESTART, _WAY_TO_VAULT if reference else frozenset())


_WAY_TO_VAULT = frozenset({Milestone.NAMES_RESOLVE, Milestone.INTEGRATED, Milestone.IDENTITY_EXISTS})


def _problems(name: str, setting: SettingSpec) -> Iterator[Problem]:
    path = ("settings", name)
    if not _NAME.fullmatch(name):
        yield Problem(path, f"{name!r} is no name of an app setting", "Use letters, digits, `_` and `.` only.")
    if setting.rotated is not None and not setting.secret:
        yield Problem((*path, "rotated"), f"{name} is rotated, and yet no secret", "Remove it, or add `secret: true`.")
    if setting.secret:
        if setting.value is not None:
            yield Problem(path, f"{name} is secret and yet has a value here", "Remove the value, and rotate it.")
        return
    if setting.value is None:
        yield Problem(path, f"{name} has no value", 'Write "" for the empty text, or remove the line.')
        return
    if looks_like_secret(name, setting.value):
        yield Problem(
            path,
            f"the value of {name} looks like a secret",
            "Use a Key Vault reference, or `{secret: true}`; rotate it.",
        )
    if host := _PRIVATELINK_HOST.search(setting.value):
        yield Problem(
            path,
            f"{name} names the private-link host {host[0]}, for which no TLS certificate is valid",
            f"Use the public name, {_public_name(host[0])}: it resolves privately inside the network.",
        )


def _public_name(host: str) -> str:
    name = re.sub(r"privatelink\.", "", host, flags=re.IGNORECASE)
    return name.replace(".vaultcore.", ".vault.")  # in every cloud
