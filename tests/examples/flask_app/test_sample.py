"""The sample's pure parts, and that what lies beside it agrees with it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.examples.flask_app.conftest import declared_settings
from tests.examples.flask_app.sample import PROJECT, SAMPLE, module

pytestmark = pytest.mark.unit


def test_the_token_is_packed_as_the_odbc_driver_reads_it() -> None:
    """Length in four bytes, little-endian; then each byte of the token and a zero."""
    assert module("backends").access_token("eyJ") == b"\x06\x00\x00\x00e\x00y\x00J\x00"


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("10.10.2.4", True),
        ("172.16.0.1", True),
        ("172.32.0.1", False),
        ("192.168.1.1", True),
        ("100.64.0.1", True),
        ("100.128.0.1", False),
        ("169.254.169.254", False),
        ("20.50.2.10", False),
        ("fd00::4", True),
        ("2603:1020::4", False),
        ("::1", True),
        ("fe80::1%eth0", False),
    ],
)
def test_an_address_is_private_when_a_vnet_can_hold_it(address: str, private: bool) -> None:
    assert module("health").is_private(address) is private


def test_missing_settings_are_named_all_at_once() -> None:
    settings = module("settings")
    with pytest.raises(settings.WrongSettings) as caught:
        settings.Settings.from_environment({})
    assert str(caught.value) == "; ".join(f"{name} is not set" for name in settings.REQUIRED)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("REDIS_PORT", "tls", "REDIS_PORT is 'tls'"),
        ("SQL_SERVER_FQDN", "sql;Encrypt=no", "SQL_SERVER_FQDN has one of"),
        ("SQL_DATABASE_NAME", "{db}", "SQL_DATABASE_NAME has one of"),
        ("KEY_VAULT_URI", "http://kv-flask.vault.azure.net/", "KEY_VAULT_URI is no https://"),
        ("KEY_VAULT_URI", "https://", "KEY_VAULT_URI is no https://"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(name: str, value: str, told: str) -> None:
    settings = module("settings")
    with pytest.raises(settings.WrongSettings, match=re.escape(told)):
        settings.Settings.from_environment(declared_settings() | {name: value})


def test_every_setting_that_the_app_needs_is_kept_by_its_spec() -> None:
    assert set(module("settings").REQUIRED) <= set(declared_settings())


def test_app_service_finds_an_app_that_starts_though_no_backend_nor_driver_is_there() -> None:
    asks = "from app import app; print(app.test_client().get('/health/live').get_json())"
    started = subprocess.run(
        [sys.executable, "-c", asks], cwd=SAMPLE, env=declared_settings(), capture_output=True, text=True, check=False
    )
    assert (started.stdout, started.returncode) == ("{'status': 'ok'}\n", 0), started.stderr


def test_the_sample_is_tested_with_the_versions_that_it_runs_on() -> None:
    groups = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    installed = _pins("\n".join([*groups["project"]["dependencies"], *groups["dependency-groups"]["dev"]]))
    asked = _pins(_text("requirements.in"))
    only_in_azure = {"gunicorn", "pyodbc"}
    assert {name: installed.get(name) for name in asked.keys() - only_in_azure} == {
        name: version for name, version in asked.items() if name not in only_in_azure
    }


def test_the_locked_requirements_are_those_that_were_asked_for() -> None:
    asked, locked = _pins(_text("requirements.in")), _pins(_text("requirements.txt"))
    assert asked.items() <= locked.items()


def test_the_project_itself_does_not_run_on_the_sample_s_libraries() -> None:
    shipped = _pins((PROJECT / "requirements.txt").read_text(encoding="utf-8"))
    assert {"flask", "redis", "pyodbc", "azure-keyvault-secrets"} & shipped.keys() == set()


def _text(name: str) -> str:
    return Path(SAMPLE, name).read_text(encoding="utf-8")


def _pins(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE))
