"""The command line in two clouds, each a server of its own: what their env files say together is enough."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from simulator.faults import Fault
from simulator.places import GOVERNMENT
from tests.clouds.two import of_government
from tests.command_line.conftest import Run
from tests.loop.stand import SPEC
from tests.support.simulation import Simulation, running_simulator

pytestmark = pytest.mark.wire

NSG = "/resourceGroups/rg-flask/providers/Microsoft.Network/networkSecurityGroups/nsg-appservice-integration"
RULE = f"{NSG}/securityRules/allow-sql"


class Both(NamedTuple):
    home: Simulation
    government: Simulation

    @property
    def env(self) -> dict[str, str]:
        """As of a shell that read the one env file and then the other."""
        return {**self.home.env, **self.government.env}


@pytest.fixture
def both() -> Iterator[Both]:
    with running_simulator("guide") as home, running_simulator("guide", place=GOVERNMENT) as government:
        yield Both(home, government)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "homeostat.yaml"
    path.write_text(f"{SPEC}---{of_government(SPEC)}", encoding="utf-8")
    return path


def test_a_plan_shows_the_drift_of_each_cloud_and_a_repair_makes_it_good(both: Both, spec: Path, run: Run) -> None:
    assert run("plan", spec, env=both.env).code == 0
    for each in both:
        assert each.arm("DELETE", RULE).status < 300
    planned = run("plan", spec, env=both.env)
    assert planned.out.count("missing: nsg_rules allow-sql") == 2
    assert run("remediate", spec, "--yes", "--standalone", env=both.env).code == 0
    for each in both:
        assert each.arm("GET", RULE).status == 200


def test_a_cloud_that_refuses_us_hides_nothing_of_the_other(both: Both, spec: Path, run: Run) -> None:
    assert both.home.arm("DELETE", RULE).status < 300
    both.government.exchanger.faults.append(Fault(re.compile("/subscriptions/"), status=503))
    planned = run("plan", spec, env={**both.env, "AZUREUSGOVERNMENT_CLIENT_SECRET": "expired"})
    assert "allow-sql" in planned.out
    assert "no token for Azure" in planned.out
    assert "expired" not in planned.out + planned.err


def test_an_app_of_the_further_cloud_is_adopted_with_the_names_of_its_cloud(
    both: Both, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "adopted.yaml"
    where = ("--subscription", GOVERNMENT.subscription, "-g", "rg-flask", "-n", "app-flask")
    said = run("adopt", *where, "--out", out, env=both.env)
    assert said.code == 0, said.err
    text = out.read_text(encoding="utf-8")
    assert "privatelink.database.usgovcloudapi.net" in text
    assert "kv-flask.vault.usgovcloudapi.net" in text
    assert "windows.net" not in text
    assert run("plan", out, env=both.env).code == 0
    assert both.home.requests() == []


def test_what_is_lacking_for_the_further_cloud_is_said_at_once(both: Both, spec: Path, run: Run) -> None:
    given = {name: value for name, value in both.env.items() if name != "AZUREUSGOVERNMENT_CLIENT_SECRET"}
    said = run("plan", spec, env=given)
    assert said.code != 0
    assert "set AZUREUSGOVERNMENT_CLIENT_CERTIFICATE_PATH or AZUREUSGOVERNMENT_CLIENT_SECRET" in said.err
    assert both.home.requests() == []
