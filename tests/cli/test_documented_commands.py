"""Every command of the Azure CLI in the project's pages is one that the CLI takes, by these names and arguments."""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from tests.support.azure_cli import QUIET

pytestmark = pytest.mark.cli

PROJECT = Path(__file__).parents[2]
GRAMMAR = PROJECT / "tests" / "cli" / "grammar.py"
PAGES = (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")), *sorted((PROJECT / "examples").rglob("*.md")))
ID = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg/providers/Microsoft.EventGrid/topics/t"
VALUES = {"SITE": ID, "STORAGE": ID, "TOPIC": ID, "NSG": ID}
"""Of the shell variables that hold resource ids; all others hold a word."""

_SHELL = re.compile(r"^```(?:sh|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_WITHIN = re.compile(r"\$\((?P<inner>(?:[^()]|\([^()]*\))*)\)")
_HERE_DOCUMENT = re.compile(r"<<'?JSON'?\n.*?^JSON$", re.MULTILINE | re.DOTALL)
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_COMMENT = re.compile(r"(?:^|\s)#[^\n]*")


def commands(page: str) -> Iterator[list[str]]:
    """The arguments of each `az` in the page's shell blocks, also of those inside `$(...)`."""
    for block in _SHELL.findall(page):
        text = _COMMENT.sub("", _HERE_DOCUMENT.sub("", block.replace("\\\n", " ")))
        for line in (*_WITHIN.sub("word", text).splitlines(), *(found["inner"] for found in _WITHIN.finditer(text))):
            words = shlex.shlex(_VARIABLE.sub(_value, line), posix=True, punctuation_chars=";|&")
            words.whitespace_split, words.commenters = True, ""
            for is_separator, command in groupby(words, key=lambda word: not word.strip(";|&")):
                program, *arguments = command
                if program == "az" and not is_separator:
                    yield arguments


def _value(variable: re.Match[str]) -> str:
    return VALUES.get(variable[1], "word")


COMMANDS = {
    str(page.relative_to(PROJECT)): found
    for page in PAGES
    if (found := list(commands(page.read_text(encoding="utf-8"))))
}


@pytest.mark.parametrize("page", COMMANDS)
def test_the_azure_cli_takes_every_command_of_a_page(page: str, az_program: Path, tmp_path: Path) -> None:
    found = COMMANDS[page]
    for name in {argument[1:] for arguments in found for argument in arguments if argument.startswith("@")}:
        (tmp_path / name).write_text("[]", encoding="utf-8")
    said = subprocess.run(
        [az_program.parent / "python", GRAMMAR],
        input=json.dumps(found),
        env={**os.environ, **QUIET, "AZURE_CONFIG_DIR": str(tmp_path / "azure")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    complaints = zip(found, json.loads(said.stdout), strict=True)
    assert {" ".join(arguments): complaint for arguments, complaint in complaints if complaint} == {}
