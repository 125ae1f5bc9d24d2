"""One plan, many renderers: a report of outcomes as text, JSON, Markdown or HTML. Pure.

`report` has what is to be shown; each format is a module with one `render`, and is registered by a line here.
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
