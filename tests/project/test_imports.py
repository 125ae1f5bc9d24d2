"""Where import-linter cannot look: function_app.py is a module and no package."""

import ast
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

PROJECT = Path(__file__).parents[2]
SHIPPED = ("homeostat", "remediators")


def imported(module: Path) -> set[str]:
    """The modules that a module names anywhere, inside functions too."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}


def test_the_triggers_import_the_service_and_the_worker_s_library_only() -> None:
    own = {
        name for name in imported(PROJECT / "function_app.py") if name.partition(".")[0] not in sys.stdlib_module_names
    }
    assert {name.partition(".")[0] for name in own} <= {"azure", "homeostat"}
    assert {name for name in own if name.startswith("azure")} == {"azure.functions"}


def test_nothing_that_ships_imports_the_triggers() -> None:
    modules = [path for package in SHIPPED for path in (PROJECT / package).rglob("*.py")]
    assert len(modules) > 10
    assert [str(path) for path in modules if "function_app" in imported(path)] == []
