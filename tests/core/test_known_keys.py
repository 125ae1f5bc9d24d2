"""A mistyped key is told with the one that was meant, wherever in a document it stands."""

import pytest

from homeostat.core.source import SpecError
from homeostat.core.spec import load
from remediators import REGISTRY

pytestmark = pytest.mark.unit

HEAD = "target: app\nweb_app: app\nresource_group: rg\n"
RULE = "priority: 100, direction: Outbound, access: Allow, protocol: Tcp, ports: 443"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (HEAD + "app_setings: {}\n", "app_settings"),
        (HEAD + "app_settings: {setings: {A: b}}\n", "settings"),
        (HEAD + f"nsg_rules: {{nsg: {{rules: {{r: {{{RULE}, discription: x}}}}}}}}\n", "description"),
        (HEAD + "nsg_rules: {nsg: {ruels: {}}}\n", "rules"),
        (HEAD + "windows: {w: {efect: allow}}\n", "effect"),
        (HEAD + "app_settings: {settings: {A: {valeu: b}}}\n", "value"),
        ("select: {tag: {a: b}}\n", "tags"),
        ("policy: fleet\ncaps: {writes_per_runs: 1}\n", "writes_per_run"),
        ("profile: p\nroute_al: {}\n", "route_all"),
    ],
)
def test_the_key_that_is_most_like_it_is_named(text: str, meant: str) -> None:
    with pytest.raises(SpecError, match=rf"is not a known key\. Did you mean `{meant}`\?"):
        load({"a.yaml": text}, REGISTRY, subscription="00000000-0000-0000-0000-000000000001")


def test_a_key_like_no_other_is_told_with_what_to_check() -> None:
    with pytest.raises(SpecError, match=r"zzz: is not a known key\. Check its spelling and indentation"):
        load({"a.yaml": f"{HEAD}zzz: 1\n"}, REGISTRY, subscription="00000000-0000-0000-0000-000000000001")
