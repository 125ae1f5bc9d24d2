"""The examples of docs/spec.md are specs, and the page leaves out no key that there is."""

import re
from pathlib import Path
from typing import Any

import pytest

from homeostat.core.source import SpecError
from homeostat.core.spec import json_schema, load
from remediators import REGISTRY

pytestmark = pytest.mark.unit

PAGE = (Path(__file__).parents[2] / "docs" / "spec.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
HEAD = "target: app-flask\nweb_app: app-flask\nresource_group: rg-flask\n"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"


def test_there_are_examples_of_every_section() -> None:
    assert all(any(f"{kind}:" in example for example in EXAMPLES) for kind in DESCRIBED)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_valid(example: str) -> None:
    """An example that shows a section alone is one of the app of the first example."""
    alone = "---\n" if example.startswith(("policy:", "profile:", "select:")) else ""
    text = example if example.startswith("target:") else f"{HEAD}{alone}{example}"
    assert load({"docs/spec.md": text}, REGISTRY, subscription=SUBSCRIPTION).targets


def test_the_errors_that_the_page_shows_are_those_that_are_told() -> None:
    text = HEAD + "mode: off\napp_settings:\n  settings:\n    A: 1\n    PORT: 1\n    PORT: 2\n"
    with pytest.raises(SpecError) as caught:
        load({"specs/shop.yaml": text}, REGISTRY, subscription=SUBSCRIPTION)
    assert str(caught.value) in PAGE


DESCRIBED = ("vnet_integration", "app_settings", "nsg_rules", "dns_links")


@pytest.mark.parametrize("kind", DESCRIBED)
def test_the_page_names_every_key_of_a_section(kind: str) -> None:
    schema: Any = json_schema(REGISTRY)
    document = schema["$defs"]["HomeostatDocument"]
    page = PAGE.partition(f"\n## `{kind}`\n")[2].partition("\n## ")[0]
    missing = [key for key in _keys(schema, document["properties"][kind]["$ref"]) if f"`{key}`" not in page]
    assert missing == []


def _keys(schema: Any, reference: str) -> set[str]:
    """The keys of a definition and of those that it refers to."""
    definition = schema["$defs"][reference.rpartition("/")[2]]
    inner = re.findall(r"'\$ref': '([^']+)'", str(definition))
    return set(definition.get("properties", {})).union(*(_keys(schema, each) for each in inner))
