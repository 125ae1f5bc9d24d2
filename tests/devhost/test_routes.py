"""Route templates, as ASP.NET reads them."""

import pytest

from devhost.errors import DevHostError
from devhost.routes import Route

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("targets", "targets", {}),
        ("targets", "Targets/", {}),
        ("targets/{name}", "targets/app-flask", {"name": "app-flask"}),
        ("targets/{name}", "targets", None),
        ("targets/{name}", "targets/a/b", None),
        ("targets/{name?}", "targets", {}),
        ("runs/{id:guid}", "runs/9f1c2e2e-0000-4000-8000-000000000000", {"id": "9f1c2e2e-0000-4000-8000-000000000000"}),
        ("runs/{id:guid}", "runs/latest", None),
        ("page/{n:int?}", "page/3", {"n": "3"}),
        ("page/{n:int?}", "page/x", None),
        ("tag/{t:alpha:length(2,4)}", "tag/blue", {"t": "blue"}),
        ("tag/{t:alpha:length(2,4)}", "tag/b", None),
        ("tag/{t:maxlength(3)}", "tag/blue", None),
        ("tag/{t:regex(^a.c$)}", "tag/abc", {"t": "abc"}),
        ("files/{*path}", "files/a/b/c", {"path": "a/b/c"}),
        ("files/{*path}", "files", {"path": ""}),
    ],
)
def test_a_template_matches_exactly_its_paths(template: str, path: str, expected: dict[str, str] | None) -> None:
    assert Route.parse(template).match(path) == expected


@pytest.mark.parametrize(
    "template", ["a/{b:fancy}", "a/{b:length(x)}", "a/b{c}", "a/{b", "{*rest}/more", "{a?}/b", "a/{b=5}"]
)
def test_a_template_that_cannot_be_served_is_refused_by_name(template: str) -> None:
    with pytest.raises(DevHostError, match="route"):
        Route.parse(template)


def test_routes_are_tried_from_the_most_to_the_least_specific() -> None:
    templates = ["a/{*rest}", "a/{name}", "a/{id:int}", "a/b"]
    assert [each.template for each in sorted(map(Route.parse, templates), key=lambda each: each.precedence)] == [
        "a/b",
        "a/{id:int}",
        "a/{name}",
        "a/{*rest}",
    ]
