"""The sample's modules. They lie in a folder that App Service runs as it is, so they are found by path."""

import importlib
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[3]
SAMPLE = PROJECT / "examples" / "flask-app"


def module(name: str) -> Any:
    """One of the sample's modules, imported as App Service would."""
    if str(SAMPLE) not in sys.path:
        sys.path.append(str(SAMPLE))
    return importlib.import_module(name)
