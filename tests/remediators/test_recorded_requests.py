"""What Homeostat sends has the shape of what others were recorded to send, and ARM to take.

Each recorded PUT and PATCH becomes a want and worlds that are not so; the bodies of the plan are then compared with
all recorded ones of the type: they hold no path and no JSON type there that nobody sent, and lack none that every PUT
has. Nothing is compulsory in a PATCH, and what it may hold is what a PUT may.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from homeostat.azure.writer import PATCHED_WITHOUT_SDK, WRITES
from homeostat.core import json
from homeostat.core.arm_types import ARM_TYPES
from homeostat.core.backends import BACKENDS
from homeostat.core.ids import InvalidResourceId
from homeostat.core.json import JsonObject
from homeostat.core.plan import Action, Verb, merge
from remediators import REGISTRY
from tests.remediators.corpus import CORPUS
from tests.remediators.recorded_wants import BUILDS, NETWORK
from tests.remediators.requests import Request, Shape, common, family_of, requests, shape_of, united
from tests.remediators.world import look, resource

pytestmark = pytest.mark.unit

SUBNETS, RULES = f"{NETWORK}/virtualnetworks/subnets", f"{NETWORK}/networksecuritygroups/securityrules"
NAMED_BY_URL: Final = "optional: the URL has it"
OPEN_BY_DEFAULT: Final = "recorded requests leave the door at its default, or there are none; answers have it"

SENT_BY_NOBODY: Final[Mapping[tuple[str, str], str]] = {
    ("microsoft.web/sites", "properties.outboundvnetrouting"): "newer than the recorded requests; answers have it",
    (f"{NETWORK}/routetables", "properties.disablepeeringroute"): "ARM's default, carried over: a PUT would reset it",
    (SUBNETS, "properties.delegations[].id"): "carried over with a delegation, as ARM gave it",
    (SUBNETS, "properties.delegations[].type"): "carried over with a delegation, as ARM gave it",
    **{(row.type.name.lower(), ".".join(row.public_access).lower()): OPEN_BY_DEFAULT for row in BACKENDS.values()},
}
"""By type: paths that are sent all the same, with all that is below them, and why."""

SENT_BY_EVERYBODY_ELSE: Final[Mapping[tuple[str, str], str]] = {
    (RULES, "name"): NAMED_BY_URL,
    (f"{NETWORK}/privateendpoints/privatednszonegroups", "name"): NAMED_BY_URL,
    (RULES, "properties.sourceaddressprefix"): "not where prefixes or groups stand in its place; some send it empty",
}
"""By type: paths that are left out all the same, and why."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of one type: all that was sent, and the paths that every PUT has."""

    sent: Shape
    needed: frozenset[str]
    bodies: int

    @classmethod
    def of(cls, family: str, found: list[Request]) -> "Evidence":
        shapes = [(request.verb, shape_of(request.body, family)) for request in found]
        needed = common(shape for verb, shape in shapes if verb is Verb.PUT)
        return cls(united(shape for _, shape in shapes), needed, len(found))

    def faults(self, family: str, verb: Verb, shape: Shape) -> Iterator[tuple[str, str]]:
        """What is wrong with a body of this shape, each with its path."""
        for path, kinds in shape.items():
            unknown = kinds - self.sent.get(path, frozenset())
            if unknown and not _is_excused(family, path):
                yield path, f"nobody sent {'/'.join(sorted(unknown))} here"
        for path in self.needed - shape.keys() if verb is Verb.PUT else ():
            if (family, path) not in SENT_BY_EVERYBODY_ELSE:
                yield path, "everybody sent this"


def _is_excused(family: str, path: str) -> bool:
    excused = (place for type_, place in SENT_BY_NOBODY if type_ == family)
    return any(path == place or path.startswith((f"{place}.", f"{place}[")) for place in excused)


@cache
def recorded() -> Mapping[str, list[Request]]:
    found: dict[str, list[Request]] = {family: [] for family in BUILDS}
    for request in requests(CORPUS):
        found[request.family].append(request)
    return found


def evidence_of(family: str) -> Evidence:
    """Of a type, with what was sent of its children by themselves, where a body of its own holds them."""
    own = Evidence.of(family, recorded()[family])
    inside: dict[str, frozenset[str]] = {}
    for child in ARM_TYPES.values():
        if child.embedded and child.name.lower().rpartition("/")[0] == family:
            prefix = f"{'.'.join(child.embedded).lower()}[]."
            sent = Evidence.of(child.name.lower(), recorded()[child.name.lower()]).sent
            inside |= {f"{prefix}{path}": kinds for path, kinds in sent.items()}
    return replace(own, sent=united((own.sent, inside)))


def actions(request: Request) -> Iterator[Action]:
    """All writes but deletions with which the plan would do what the request did."""
    for case in BUILDS[request.family](request):
        for world in case.worlds:
            seen = look(REGISTRY[case.kind], case.want, world)
            yield from (action for action in merge(seen.edits, seen.facts) if action.verb is not Verb.DELETE)


def test_every_type_that_is_written_is_compared() -> None:
    written = {name.lower().replace("/sites/slots", "/sites") for name, _ in WRITES}
    families = written | set(map(str.lower, PATCHED_WITHOUT_SDK))
    assert BUILDS.keys() == families


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no recorded requests in {CORPUS}; set HOMEOSTAT_ARM_CORPUS")
@pytest.mark.parametrize("family", BUILDS)
def test_what_is_sent_has_the_shape_of_the_corpus_of_requests(family: str, capsys: pytest.CaptureFixture[str]) -> None:
    if not recorded()[family]:
        pytest.skip(f"the corpus holds no request to {family}")
    sent, compared, wrong, unusable = Counter[str](), set[str](), set[str](), 0
    for request in recorded()[family]:
        try:
            written = list(actions(request))
        except InvalidResourceId:
            unusable += 1  # an alias instead of an id, or one that was cut when it was made public
            continue
        for action in written:
            type_ = family_of(action.resource)
            evidence = evidence_of(type_)
            sent[type_ if evidence.bodies else f"{type_} (nothing recorded)"] += 1
            if evidence.bodies:
                shape = shape_of(json.revealed(action.body), type_)
                compared |= shape.keys()
                wrong |= {
                    f"{action.verb} {type_}: {path}: {why}" for path, why in evidence.faults(type_, action.verb, shape)
                }
    assert sorted(wrong) == []
    assert sent, f"no request to {family} led to a write"
    figures = f"{len(recorded()[family])} recorded, {unusable} unusable; {len(compared)} paths compared"
    with capsys.disabled():
        print(f"\n{family}: {figures}; bodies that would be sent:", *(f"{type_} {n}" for type_, n in sent.items()))


# --- the comparison itself -------------------------------------------------------------------------------------------

LINK = resource("Microsoft.Network/privateDnsZones/virtualNetworkLinks", "zone", "link")
WHOLE: Final[JsonObject] = {"location": "global", "tags": {"a": "b"}, "properties": {"registrationEnabled": False}}


def faults(ours: JsonObject, *others: JsonObject, verb: Verb = Verb.PUT) -> list[tuple[str, str]]:
    family = family_of(LINK)
    evidence = Evidence.of(family, [Request(LINK, Verb.PUT, body, {}) for body in others])
    return sorted(evidence.faults(family, verb, shape_of(ours, family)))


def test_a_body_as_others_send_it_is_faultless_in_any_case_and_with_any_tag() -> None:
    assert faults({"Location": "x", "TAGS": {"c": "d"}, "properties": {"registrationenabled": True}}, WHOLE) == []


def test_a_path_or_a_json_type_that_nobody_sent_is_told() -> None:
    ours = {**WHOLE, "properties": {"registrationEnabled": "false", "etag": "x"}}
    assert faults(ours, WHOLE) == [
        ("properties.etag", "nobody sent string here"),
        ("properties.registrationenabled", "nobody sent string here"),
    ]


def test_only_what_every_put_has_may_not_be_left_out_and_of_a_patch_anything() -> None:
    assert faults({"properties": {}}, WHOLE, {"location": "x", "properties": {}}) == [
        ("location", "everybody sent this")
    ]
    assert faults({"properties": {}}, WHOLE, verb=Verb.PATCH) == []


def exchange(status: int, body: object) -> str:
    url = f"https://management.azure.com{LINK}?api-version=2024-06-01"
    return json.render({"request": {"method": "PUT", "url": url, "body": body}, "status": status, "body": {}})  # type: ignore[dict-item] # JSON


def test_what_arm_refused_is_no_evidence_but_for_its_etag(tmp_path: Path) -> None:
    lines = [exchange(status, {"status": status}) for status in (201, 400, 412, 429, 504)]
    (tmp_path / "conversation.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert [request.body["status"] for request in requests(tmp_path)] == [201, 412]


def test_a_body_that_was_kept_as_the_text_of_bytes_is_read(tmp_path: Path) -> None:
    once = str(b'{"a": 1}')
    for name, body in (("1", once), ("2", str(once.replace("1", "2").encode())), ("3", "b'cut")):
        (tmp_path / f"{name}.json").write_text(exchange(200, body), encoding="utf-8")
    assert [request.body for request in requests(tmp_path)] == [{"a": 1}, {"a": 2}]
