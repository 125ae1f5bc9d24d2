"""`doctor` against a simulated Azure: what it finds well, what not, and what it then leaves out."""

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest

from homeostat.core.doctor import Check, State
from simulator.clock import Clock
from simulator.faults import Fault
from simulator.places import GOVERNMENT
from tests.clouds.two import of_government
from tests.command_line.conftest import Run, Said
from tests.command_line.test_against_azure import EXPIRED, SPEC, writes
from tests.command_line.test_two_clouds import Both
from tests.loop.stand import SPEC as GUIDE
from tests.support.role import ROLE
from tests.support.simulation import Simulation, running_simulator

pytestmark = pytest.mark.wire

ANOTHER = "00000000-0000-4000-8000-00000000dead"
SELECTOR = "select: {resource_groups: [rg-flask]}\napp_settings: {settings: {REDIS_PORT: 6380}}\n"

SHAPE = {
    "type": "object",
    "required": ["status", "findings"],
    "additionalProperties": False,
    "properties": {
        "status": {"enum": ["ok", "problem"]},
        "findings": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["check", "state", "what", "remedy"],
                "additionalProperties": False,
                "properties": {
                    "check": {"enum": [*Check]},
                    "state": {"enum": [*State]},
                    "what": {"type": "string", "minLength": 1},
                    "remedy": {"type": "string"},
                },
            },
        },
    },
}


@pytest.fixture
def guide() -> Iterator[Simulation]:
    with running_simulator("guide") as running:
        yield running


def states(said: Said) -> dict[str, set[str]]:
    """By check: the states of its findings, in the text's words."""
    found: dict[str, set[str]] = {}
    for line in said.out.splitlines():
        state, check = re.fullmatch(r"(.{9})  ([a-z ]+): .+", line).groups()  # type: ignore[union-attr]  # a line that does not fit fails the test
        found.setdefault(check, set()).add(state.strip())
    return found


def readable(said: Said) -> int:
    """How many roots were read, where all could be."""
    (many,) = re.findall(r"readable: all (\d+) roots", said.out)
    return int(many)


def test_all_is_well_after_the_guide_and_nothing_is_written(run: Run, guide: Simulation) -> None:
    said = run("doctor", SPEC, env=guide.env)
    assert (said.code, said.err) == (0, "1 not asked\n"), said.out
    assert states(said) == {
        "settings": {"ok"},
        "token": {"ok"},
        "resource manager": {"ok"},
        "specs": {"ok"},
        "reads": {"ok"},
        "resource graph": {"ok"},
        "service": {"not asked"},
    }
    assert "ManagedIdentityCredential gave one for AzureCloud: id-homeostat (object id " in said.out
    assert "(Simulated Azure) is enabled" in said.out
    assert readable(said) == 14
    assert [each for each in writes(guide) if "ResourceGraph" not in each] == []


def test_the_json_has_the_same_findings_in_a_fixed_shape(run: Run, guide: Simulation) -> None:
    told = json.loads(run("doctor", SPEC, "--format", "json", env=guide.env).out)
    jsonschema.validate(told, SHAPE)
    assert told["status"] == "ok"
    assert list(dict.fromkeys(each["check"] for each in told["findings"])) == [*Check]


def test_without_specs_the_rest_is_looked_at(run: Run, guide: Simulation) -> None:
    said = run("doctor", env=guide.env)
    assert said.code == 0
    assert states(said)["specs"] == states(said)["reads"] == {"not asked"}
    assert states(said)["resource graph"] == {"ok"}


def test_every_wrong_setting_is_told_at_once(run: Run, guide: Simulation) -> None:
    wrong = {"HOMEOSTAT_MODE": "of", "HOMEOSTAT_PROBES": "x", "HOMEOSTAT_URL": "shop", "AZURE_SUBSCRIPTION_ID": "mine"}
    said = run("doctor", env={**guide.env, **wrong})
    assert said.code == 1
    lines = [line for line in said.out.splitlines() if line.startswith("problem    settings: ")]
    assert {next(name for name in wrong if name in line) for line in lines} == set(wrong)
    assert states(said)["token"] == {"ok"}
    assert states(said)["service"] == {"not asked"}


def test_where_the_cloud_is_not_known_azure_is_not_asked_and_the_specs_are(run: Run, guide: Simulation) -> None:
    said = run("doctor", SPEC, env={**guide.env, "HOMEOSTAT_CLOUD": "Azure"})
    assert said.code == 1
    assert states(said)["settings"] == {"problem"}
    assert states(said)["token"] == states(said)["reads"] == {"not asked"}
    assert states(said)["specs"] == {"ok"}
    assert guide.requests() == []


def test_a_mode_in_which_nothing_is_looked_at_is_a_warning(run: Run, guide: Simulation) -> None:
    said = run("doctor", env={**guide.env, "HOMEOSTAT_MODE": "ignore"})
    assert (said.code, said.err) == (0, "1 warning, 3 not asked\n")


@pytest.mark.parametrize(
    "changed",
    [
        {"IDENTITY_HEADER": "wrong", "AZURE_TOKEN_CREDENTIALS": "managedidentitycredential"},
        {"AZURE_TOKEN_CREDENTIALS": "nobody"},
    ],
)
def test_without_a_token_azure_is_not_asked_and_the_specs_are(
    run: Run, guide: Simulation, changed: dict[str, str]
) -> None:
    said = run("doctor", SPEC, env={**guide.env, **changed})
    assert (said.code, said.err) == (1, "1 problem, 4 not asked\n")
    assert states(said) == {
        "settings": {"ok"},
        "token": {"problem"},
        "resource manager": {"not asked"},
        "specs": {"ok"},
        "reads": {"not asked"},
        "resource graph": {"not asked"},
        "service": {"not asked"},
    }
    assert "az login" in said.out
    assert guide.requests() == []


def test_certificates_that_cannot_be_read_are_told_and_azure_is_not_asked(run: Run, guide: Simulation) -> None:
    said = run("doctor", env={**guide.env, "SSL_CERT_FILE": "/nowhere.pem"})
    assert said.code == 1
    assert "SSL_CERT_FILE is '/nowhere.pem': name a file of certificates" in said.out
    assert states(said)["resource manager"] == states(said)["resource graph"] == {"not asked"}


def test_a_clock_that_is_off_by_more_than_a_lease_allows_for_is_a_problem(run: Run) -> None:
    late = Clock(lambda: datetime.now(UTC) - timedelta(minutes=5), asyncio.sleep)
    with running_simulator("guide", clock=late) as running:
        said = run("doctor", env=running.env)
    assert said.code == 1
    assert "this machine's clock is ahead of Azure's by " in said.out
    assert states(said)["resource manager"] == {"ok", "problem"}


def test_a_resource_manager_that_takes_no_token_or_does_not_answer_is_told_once(run: Run, guide: Simulation) -> None:
    silent = run("doctor", SPEC, env={**guide.env, "HOMEOSTAT_ARM_ENDPOINT": "https://localhost:1"})
    guide.exchanger.faults.append(Fault(re.compile("/subscriptions"), status=401, body=EXPIRED))
    refused = run("doctor", SPEC, env=guide.env)
    for said, words in ((silent, "does not answer"), (refused, "refuses the token, ExpiredAuthenticationToken")):
        assert (said.code, said.err) == (1, "1 problem, 3 not asked\n")
        assert states(said)["resource manager"] == {"problem"}
        assert states(said)["reads"] == states(said)["resource graph"] == {"not asked"}
        assert words in said.out


def test_a_subscription_that_we_have_no_role_in_is_told_and_its_roots_are_not_asked(
    run: Run, guide: Simulation, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text(GUIDE)
    other = f"target: other\nsubscription: {ANOTHER}\nresource_group: rg\nweb_app: other\nroute_all: {{}}\n"
    (tmp_path / "b.yaml").write_text(other)
    said = run("doctor", tmp_path, env=guide.env)
    assert said.code == 1
    assert f"subscription {ANOTHER} is not among the 1 that AzureCloud shows to this identity" in said.out
    assert states(said)["resource manager"] == {"ok", "problem"}
    assert states(said)["reads"] == {"ok", "not asked"}
    assert re.search(r"1 of \d+ roots, since their subscriptions cannot be read", said.out)


def test_specs_that_are_wrong_are_told_as_validate_tells_them(run: Run, guide: Simulation, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"{GUIDE}mod: off\n")
    said = run("doctor", tmp_path, env=guide.env)
    told = run("validate", tmp_path, env=guide.env).out.splitlines()
    assert said.code == 1
    assert [f"problem    specs: {line.removesuffix('.')}" for line in told] == [
        line for line in said.out.splitlines() if " specs: " in line
    ]
    assert states(said)["reads"] == {"not asked"}


@pytest.mark.parametrize(
    ("lacks", "check"),
    [
        ("Microsoft.Web/sites/config/list/action", "reads"),
        ("Microsoft.Network/networkSecurityGroups/read", "reads"),
        ("Microsoft.ResourceGraph/resources/read", "resource graph"),
    ],
)
def test_a_permission_that_the_role_lacks_is_named_with_the_page_of_the_role(run: Run, lacks: str, check: str) -> None:
    with running_simulator("guide", role=ROLE.without(lacks)) as reduced:
        said = run("doctor", SPEC, env=reduced.env)
    assert said.code == 1
    (line,) = (line for line in said.out.splitlines() if "the role lacks" in line)
    assert line.startswith(f"problem    {check}: the role lacks {lacks}")
    assert line.endswith("Assign the role of infra/role.json (docs/access.md), or leave out what needs it")
    assert [each for each, found in states(said).items() if "problem" in found] == [check]


def test_what_the_selectors_select_is_read_too(run: Run, guide: Simulation, tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(SELECTOR)
    said = run("doctor", tmp_path, env=guide.env)
    assert (said.code, said.err) == (0, "1 not asked\n"), said.out
    assert "valid: 0 targets, 0 roots, and 1 selector" in said.out
    assert readable(said) == 1
    (tmp_path / "fleet.yaml").write_text(SELECTOR.replace("6380", '"${tag:port}"'))
    assert "is left out: the app has no tag for ${tag:port}" in run("doctor", tmp_path, env=guide.env).out
    guide.exchanger.faults.append(Fault(re.compile("ResourceGraph"), status=401, body=EXPIRED))
    unanswered = run("doctor", tmp_path, env=guide.env)
    assert states(unanswered)["reads"] == states(unanswered)["resource graph"] == {"problem"}


def test_each_cloud_is_looked_at_and_hides_nothing_of_the_other(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "homeostat.yaml"
    spec.write_text(f"{GUIDE}---{of_government(GUIDE)}", encoding="utf-8")
    with running_simulator("guide") as home, running_simulator("guide", place=GOVERNMENT) as government:
        env = Both(home, government).env
        well = run("doctor", spec, env=env)
        half = run("doctor", spec, env={**env, "AZUREUSGOVERNMENT_CLIENT_SECRET": "expired"})
    assert (well.code, well.err) == (0, "1 not asked\n"), well.out
    assert "ClientSecretCredential gave one for AzureUSGovernment" in well.out
    assert readable(well) == 2 * readable(half) > 0
    assert half.code == 1
    assert states(half)["token"] == {"ok", "problem"}
    assert "expired" not in half.out + half.err
