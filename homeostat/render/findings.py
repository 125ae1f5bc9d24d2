"""The findings of `doctor`: a line each for people, and JSON for programs."""

import json as standard_json
from collections.abc import Sequence

from homeostat.core.doctor import Finding, State, is_well
from homeostat.render.words import printable

_WIDTH = max(map(len, State))


def as_text(findings: Sequence[Finding]) -> str:
    return "".join(f"{finding.state:<{_WIDTH}}  {finding.check}: {_words(finding)}\n" for finding in findings)


def _words(finding: Finding) -> str:
    what = " ".join(map(printable, finding.what.splitlines())).removesuffix(".")
    return f"{what}. {finding.remedy}" if finding.remedy else what


def as_json(findings: Sequence[Finding]) -> str:
    """`{"status": "ok" | "problem", "findings": [{"check", "state", "what", "remedy"}]}`."""
    told = [{"check": each.check, "state": each.state, "what": each.what, "remedy": each.remedy} for each in findings]
    status = State.OK if is_well(findings) else State.PROBLEM
    return standard_json.dumps({"status": status, "findings": told}, indent=2, ensure_ascii=False) + "\n"
