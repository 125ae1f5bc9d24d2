"""One plan, many renderers: a report of outcomes as text, JSON, Markdown or HTML. Pure.

`report` says what there is to show; each format is a module with one `render`. A format joins by a line here.
"""

from collections.abc import Callable, Mapping
from typing import Final

from homeostat.render import html, json, markdown, text
from homeostat.render.report import Report

FORMATS: Final[Mapping[str, Callable[[Report], str]]] = {
    "text": text.render,
    "json": json.render,
    "markdown": markdown.render,
    "html": html.render,
}
