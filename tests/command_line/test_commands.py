"""What the command line says and how it ends where no Azure is needed."""

import json
import logging
import os
import stat
from pathlib import Path

import pytest

from homeostat.cli import output
from homeostat.cli.arguments import parser
from homeostat.cli.main import COMMANDS
from homeostat.core.policy import policy_schema
from homeostat.core.spec import json_schema
from remediators import REGISTRY
from tests.command_line.conftest import Run

pytestmark = pytest.mark.unit

EXAMPLE = Path(__file__).parents[2] / "examples" / "flask-app" / "homeostat.yaml"
GOOD = "target: {0}\nweb_app: web-{0}\nresource_group: rg\n"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "specs"
    (path / "shop").mkdir(parents=True)
    (path / "shop" / "app.yaml").write_text(GOOD.format("shop-front"))
    (path / "stock.yml").write_text(GOOD.format("stock"))
    (path / "notes.txt").write_text("not: [a spec")
    return path


# --- usage ----------------------------------------------------------------------------------------------------------


def test_without_a_command_the_help_is_shown_and_the_end_is_2(run: Run) -> None:
    said = run()
    assert (said.code, said.out) == (2, "")
    assert all(command in said.err for command in COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [
        ("paln",),
        ("plan",),
        ("plan", "x", "--detailed-exitcod"),
        ("plan", "x", "--format", "xml"),
        ("pause",),
        ("release", "all"),
    ],
)
def test_a_mistyped_command_does_not_end_as_drift_does(run: Run, arguments: tuple[str, ...]) -> None:
    said = run(*arguments)
    assert (said.code, said.out) == (1, "")
    assert "usage: python -m homeostat" in said.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run: Run, command: str) -> None:
    said = run(command, "--help")
    assert (said.code, said.err) == (0, "")
    assert f"usage: python -m homeostat {command}" in said.out


@pytest.mark.parametrize("command", ["plan", "remediate"])
def test_the_help_tells_what_the_exit_codes_mean(command: str, run: Run) -> None:
    said = run(command, "--help")
    assert "exit code:" in said.out
    assert "settling" in said.out


def test_every_command_that_can_be_parsed_can_be_run() -> None:
    (commands,) = (action.choices for action in parser()._actions if action.dest == "command")
    assert commands is not None
    assert set(commands) == set(COMMANDS)


# --- validate and schema --------------------------------------------------------------------------------------------


def test_validate_tells_how_much_is_declared(run: Run) -> None:
    said = run("validate", EXAMPLE)
    assert said.code == 0
    assert said.out.startswith("valid: 1 target, ")


def test_validate_refuses_what_homeostat_itself_runs_on(run: Run) -> None:
    group = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-flask/providers"
    own = f"{group}/Microsoft.Web/sites/other,{group}/Microsoft.Web/sites/app-flask"
    said = run("validate", EXAMPLE, env={"HOMEOSTAT_OWN_RESOURCES": own})
    assert said.code == 1
    assert said.out.startswith(f"{EXAMPLE}:")
    assert "Homeostat's own sites/app-flask. Remove it from the spec" in said.out
    wrong = run("validate", EXAMPLE, env={"HOMEOSTAT_OWN_RESOURCES": "app-flask"})
    assert (wrong.code, "HOMEOSTAT_OWN_RESOURCES: 'app-flask' is not a resource id" in wrong.err) == (1, True)


@pytest.mark.parametrize("arguments", [(), ("--reject",), ("ID", "--list"), ("--list", "--reject")])
def test_approve_takes_a_request_or_lists_them(run: Run, arguments: tuple[str, ...]) -> None:
    said = run("approve", *arguments)
    assert (said.code, said.out) == (1, "")
    assert "`approve ID`, or see what there is with `approve --list`" in said.err


def test_validate_reads_folders_to_their_ends_and_yaml_only(run: Run, spec: Path) -> None:
    said = run("validate", spec)
    assert (said.code, said.out, said.err) == (0, "valid: 2 targets, 2 roots\n", "")


def test_validate_tells_every_error_of_every_file_at_once_in_order(run: Run, spec: Path) -> None:
    (spec / "a.yaml").write_text(GOOD.format("stock") + "mode: off\napp_settings:\n  settings: {PASSWORD: }\n")
    (spec / "b.yaml").write_text("a: [\n")
    said = run("validate", spec)
    assert said.code == 1
    assert [line.removeprefix(f"{spec}/").partition(" ")[0] for line in said.out.splitlines()] == [
        "a.yaml:4:",
        "a.yaml:6:",
        "b.yaml:2:",
        "stock.yml:1:",
    ]
    assert said.err == "4 problems\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, ":1: there is no such file or folder. Check the path."),
        (b"\xff\xfe", ":1: not UTF-8 text (byte 0). Save the file as UTF-8."),
    ],
)
def test_validate_tells_of_a_file_that_cannot_be_read(
    run: Run, tmp_path: Path, content: bytes | None, told: str
) -> None:
    path = tmp_path / "app.yaml"
    if content is not None:
        path.write_bytes(content)
    assert run("validate", path).out == f"{path}{told}\n"


def test_a_spec_that_is_no_file_is_told_so(run: Run) -> None:
    assert run("validate", os.devnull).out == f"{os.devnull}:1: is neither a file nor a folder. Save it as a file.\n"


def test_validate_says_that_it_does_not_know_what_selectors_select(run: Run, tmp_path: Path) -> None:
    text = "select: {tags: {homeostat: prod}}\nextends: web\n---\nprofile: web\n"
    (tmp_path / "fleet.yaml").write_text(text)
    said = run("validate", tmp_path)
    assert (said.code, said.out) == (0, "valid: 0 targets, 0 roots\n")
    assert said.err == "1 selector: what they select is known to Azure alone; see `plan`\n"
    (tmp_path / "fleet.yaml").write_text(text + "app_setings: {}\n")
    said = run("validate", tmp_path)
    assert said.code == 1
    assert "fleet.yaml:5 (used at" in said.out


def test_specs_that_declare_nothing_are_not_valid(run: Run, tmp_path: Path) -> None:
    said = run("validate", tmp_path)
    assert said.code == 1
    assert "declares no target" in said.err


def test_schema_prints_that_of_the_policy_too(run: Run) -> None:
    said = run("schema", "--policy")
    assert said.code == 0
    assert json.loads(said.out) == json.loads(json.dumps(policy_schema()))


def test_schema_prints_the_schema(run: Run) -> None:
    said = run("schema")
    assert (said.code, said.err) == (0, "")
    assert json.loads(said.out) == json.loads(json.dumps(json_schema(REGISTRY)))


# --- what stops a plan or a repair before it begins -----------------------------------------------------------------


def test_every_unknown_target_is_named(run: Run, spec: Path) -> None:
    env = {"AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000001"}
    said = run("plan", spec, "--target", "shop-frnt", "--target", "x", "--target", "stock", env=env)
    assert (said.code, said.out) == (1, "")
    assert "there is no target 'shop-frnt'. Did you mean shop-front?" in said.err
    assert "there is no target 'x'. There are: shop-front, stock." in said.err


def test_a_plan_of_wrong_specs_names_every_error_and_asks_nothing_of_azure(run: Run, spec: Path) -> None:
    (spec / "stock.yml").write_text(GOOD.format("stock") + "mode: off\ntags: x\n")
    said = run("plan", spec, env={"AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000001"})
    assert (said.code, said.out) == (1, "")
    assert f"{spec}/stock.yml:4: mode: " in said.err
    assert f"{spec}/stock.yml:5: tags: " in said.err


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("HOMEOSTAT_MODE", "of", "set it to enforce, alert or ignore"),
        ("HOMEOSTAT_MODE", "ignore", "Set it to alert or enforce"),
        ("HOMEOSTAT_CLOUD", "Azure", "set it to one of AzureCloud"),
        ("HOMEOSTAT_ARM_ENDPOINT", "http://arm", "give a URL that begins with https://"),
        ("AZURE_SUBSCRIPTION_ID", "mine", "a GUID"),
        ("AZURE_TOKEN_CREDENTIALS", "nobody", "must name a credential that works here"),
    ],
)
def test_a_wrong_variable_is_named_with_its_remedy(run: Run, spec: Path, name: str, value: str, remedy: str) -> None:
    env = {"AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000001", name: value}
    said = run("plan", spec, env=env)
    assert (said.code, said.out) == (1, "")
    assert remedy in said.err
    assert said.err.count("\n") == 1


def test_without_a_service_and_without_standalone_both_remedies_are_named(run: Run) -> None:
    said = run("remediate", EXAMPLE, "--yes")
    assert (said.code, said.out) == (1, "")
    assert "HOMEOSTAT_URL" in said.err
    assert "--standalone" in said.err


def test_standalone_is_refused_while_a_service_is_named(run: Run) -> None:
    said = run("remediate", EXAMPLE, "--yes", "--standalone", env={"HOMEOSTAT_URL": "https://x.azurewebsites.net"})
    assert (said.code, said.out) == (1, "")
    assert "--standalone is refused while HOMEOSTAT_URL is set" in said.err


def test_nothing_is_repaired_where_nobody_can_be_asked(run: Run) -> None:
    said = run("remediate", EXAMPLE, "--standalone")
    assert (said.code, said.out) == (1, "")
    assert "add --yes" in said.err


@pytest.mark.parametrize(
    "url", ["http://x.azurewebsites.net", "x.azurewebsites.net", "ftp://x", "https://", "https://[::1"]
)
def test_a_key_is_not_sent_in_the_clear(run: Run, url: str) -> None:
    said = run("status", env={"HOMEOSTAT_URL": url, "HOMEOSTAT_KEY": "a-key"})
    assert said.code == 1
    assert "give an address that begins with https://" in said.err
    assert "a-key" not in said.err


@pytest.mark.parametrize("key", ["a-\nkey", "a-k\N{EURO SIGN}y"])
def test_a_key_that_no_request_could_carry_is_refused_and_not_quoted(run: Run, key: str) -> None:
    said = run("status", env={"HOMEOSTAT_URL": "http://localhost:1", "HOMEOSTAT_KEY": key})
    assert said.code == 1
    assert "HOMEOSTAT_KEY holds what no key has" in said.err
    assert "a-" not in said.err


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("history", "app"),
        ("pause", "app", "--for", "1h"),
        ("resume", "app"),
        ("release", "mass-drift", "--for", "1h", "--reason", "why"),
        ("release", "rollout", "--reason", "why"),
        ("reset-breaker", "app"),
        ("sweep",),
    ],
)
def test_what_needs_the_service_says_how_to_name_it(run: Run, command: tuple[str, ...]) -> None:
    said = run(*command)
    assert said.code == 1
    assert "HOMEOSTAT_URL is not set. Set it to the service's address" in said.err


@pytest.mark.parametrize("times", [(), ("--for", "1h", "--until", "2030-01-31T06:00:00Z")])
def test_a_pause_has_one_end(run: Run, times: tuple[str, ...]) -> None:
    said = run("pause", "app", *times, env={"HOMEOSTAT_URL": "http://localhost:1"})
    assert said.code == 1
    assert "error: say how long: --for 4h, or --until" in said.err


@pytest.mark.parametrize("command", [("pause", "app"), ("rollback", "app"), ("retest-route-all", "--target", "app")])
@pytest.mark.parametrize("length", ["soon", "3y", "1e3s", "\N{SUPERSCRIPT TWO}h", ""])
def test_a_length_of_time_that_is_none_is_told_with_what_to_write(
    run: Run, command: tuple[str, ...], length: str
) -> None:
    said = run(*command, "--for", length)
    assert (said.code, said.out) == (1, "")
    assert "argument --for: " in said.err
    assert "is no length of time. Write 45s, 30m, 4h or 2d" in said.err


@pytest.mark.parametrize("number", ["0", "-1", "1001", "many", "\N{SUPERSCRIPT TWO}", "9" * 5000])
def test_a_number_out_of_its_range_is_told_with_the_range(run: Run, number: str) -> None:
    said = run("history", "app", f"--limit={number}")
    assert (said.code, said.out) == (1, "")
    assert "argument --limit: give a number from 1 to 1000" in said.err


@pytest.mark.parametrize("place", ["nowhere/plan.json", "."])
def test_a_file_that_cannot_be_written_is_told_before_azure_is_asked(run: Run, tmp_path: Path, place: str) -> None:
    said = run("plan", EXAMPLE, "--out", tmp_path / place)
    assert (said.code, said.out) == (1, "")
    assert "cannot be written" in said.err
    assert "Name a file in a folder that exists." in said.err


def test_a_service_that_does_not_answer_is_told_in_one_line(run: Run) -> None:
    said = run("status", env={"HOMEOSTAT_URL": "http://localhost:1"})
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("error: http://localhost:1 does not answer: ")
    assert said.err.count("\n") == 1


# --- output ---------------------------------------------------------------------------------------------------------


def test_a_file_is_written_whole_with_the_usual_permissions(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("before")
    output.write_file(path, "after")
    assert path.read_text() == "after"
    (tmp_path / "plain").touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["plain", "plan.json"]


def test_a_file_that_cannot_be_replaced_is_written_to() -> None:
    output.write_file(Path(os.devnull), "anything")
    assert not Path(os.devnull).is_file()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(output.CannotWrite, match=r"nowhere/plan\.json cannot be written: No such file or directory"):
        output.write_file(tmp_path / "nowhere" / "plan.json", "x")


class _Terminal:
    def __init__(self, *, terminal: bool) -> None:
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize(
    ("terminal", "environment", "expected"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": ""}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(terminal: bool, environment: dict[str, str], expected: bool) -> None:
    stream = _Terminal(terminal=terminal)
    assert output.colours(stream, environment) is expected


def test_a_command_leaves_the_process_s_logging_as_it_was(run: Run) -> None:
    before = (list(logging.getLogger().handlers), logging.getLogger("homeostat").level)
    run("--verbose", "validate", EXAMPLE)
    assert (list(logging.getLogger().handlers), logging.getLogger("homeostat").level) == before
