"""The targets, by name."""

from tests.fuzz.answers import ANSWERS
from tests.fuzz.events import EVENTS
from tests.fuzz.facts import FACTS
from tests.fuzz.http import HTTP
from tests.fuzz.specs import SPECS

TARGETS = {target.name: target for target in (EVENTS, HTTP, SPECS, ANSWERS, FACTS)}
