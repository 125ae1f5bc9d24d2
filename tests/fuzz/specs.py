"""Spec texts: what whoever may write to the repository or the container declares.

Promise: a fleet, or SpecError whose every problem has its place and remedy.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from homeostat.core.source import SpecError, SpecProblem
from homeostat.core.spec import load
from remediators import REGISTRY
from tests.fuzz.target import Target
from tests.loop.stand import SPEC

PROJECT: Final = Path(__file__).parents[2]
SUBSCRIPTION: Final = "00000000-0000-0000-0000-000000000001"
MAX_PROBLEMS: Final = 10_000

HEAD: Final = "target: a\nweb_app: a\nresource_group: g\n"
HARD: Final = (
    "a: &a [1]\n" + "".join(f"b{n}: &b{n} [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n" for n in range(9)),
    "a: &x {<<: *x}",
    "&a a: *a",
    "[" * 5000,
    "{a: " * 5000,
    "- " * 5000,
    "? " * 5000,
    "a: &" + "x" * 5000,
    "%YAML 9.9\n---\n",
    "!!python/object/apply:os.system [id]",
    "a: !!binary ====",
    "--- >-\n" * 100,
    "\ud800: \udfff",
    "\x00",
    "\ufeff" + HEAD,
    HEAD + "mode: enforce\nmode: ignore\n",
    HEAD + "nsg_rules:\n  n:\n    rules:\n      r: {priority: " + "9" * 5000 + "}\n",
    HEAD + "nsg_rules:\n  n:\n    rules:\n      r: {priority: \u0661\u0660\u0660, ports: \u00b2}\n",
    HEAD + "app_settings: {settings: {A: " + "x" * 100_000 + "}}\n",
    HEAD
    + "subnet:\n  /subscriptions/s/resourceGroups/g/providers/N/t/n"
    + "/a/b" * 3000
    + ": {address_prefix: 10.0.0.0/8}\n",
    HEAD + "subnet: {v/s: {address_prefix: ::/0, service_endpoints: [" + "a, " * 1000 + "]}}\n",
    HEAD + "zones:\n  " + "a." * 300 + "b:\n    records: {x: {addresses: [10.0.0.1/33]}}\n",
    HEAD + "vnet_integration: {subnet: '" + "/" * 500 + "'}\n",
)


def run(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    problems = _problems(text)
    assert len(problems) < MAX_PROBLEMS
    assert all(problem.message and problem.remedy and problem.place.line > 0 for problem in problems)


def _problems(text: str) -> tuple[SpecProblem, ...]:
    try:
        load({"a.yaml": text, "b.yaml": SPEC}, REGISTRY, subscription=SUBSCRIPTION)
    except SpecError as error:
        return error.problems
    return ()


def seeds() -> Iterator[bytes]:
    yield SPEC.encode()
    for file in sorted(PROJECT.glob("examples/**/homeostat.yaml")):
        yield file.read_bytes()
    for text in HARD:
        yield text.encode("utf-8", "surrogatepass")


SPECS = Target("specs", run, seeds)
