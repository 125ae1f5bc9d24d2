"""A report as JSON, for programs. The shape is stable: keys may be added; `version` rises when one changes or goes.

    {"version": 1, "conclusion": "as-declared" | "drift" | "error", "done": false,
     "summary": {"targets", "targetsAsDeclared", "roots", "rootsAsDeclared", "rootsNotJudged",
                 "differences", "writes", "restarts", "held"},
     "targets": [{"name", "webApp", "status", "roots": [ID, ...]}],
     "roots": [{"root": ID, "status", "drifts", "planned", "written", "held", "error", "retryAt", "tookMs"}]}

`roots` has each root once, in the order of repair, as `homeostat.core.outcome` renders it. In a drift, `want` or `have`
is left out if the field is absent.
"""

import json
from dataclasses import asdict

from homeostat.render.report import Report

VERSION = 1


def render(report: Report) -> str:
    told = {
        "version": VERSION,
        "conclusion": report.conclusion.value,
        "done": report.done,
        "summary": {_camel(name): number for name, number in asdict(report.totals).items()},
        "targets": [
            {
                "name": target.name,
                "webApp": target.web_app.text,
                "status": target.status.value,
                "roots": [root.id.text for root in target.roots],
            }
            for target in report.targets
        ],
        "roots": [root.told for root in report.roots],
    }
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
