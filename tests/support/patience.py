"""The example's spec with a policy that allows the same drift to be repaired over and over, for tests that do that.

Under the usual policy the flap breaker would trip at the fourth repair.
"""

from pathlib import Path

from tests.support.function_app import PROJECT

POLICY = """\
policy: fleet
flapping: {times: 50, within: 1m}
caps: {writes_per_resource_and_hour: 1000, writes_per_hour: 20000}
"""


def patient_texts() -> dict[str, str]:
    """Both documents, by file name."""
    spec = PROJECT / "examples" / "flask-app" / "homeostat.yaml"
    return {"homeostat.yaml": spec.read_text(encoding="utf-8"), "policy.yaml": POLICY}


def patient_specs(folder: Path) -> str:
    """Writes both documents to a folder, and returns it for HOMEOSTAT_SPEC_FOLDER."""
    for name, text in patient_texts().items():
        folder.joinpath(name).write_text(text, encoding="utf-8")
    return str(folder)
