"""What clients ask before they create an app: is the name free, which stacks are there."""

from simulator.arm import Call
from simulator.messages import Json, Response
from simulator.providers.web.state import all_sites


def check_name(call: Call) -> Response:
    """POST checknameavailability."""
    name = str(call.body().get("name") or "")
    taken = any(site.app.lower() == name.lower() for site in all_sites(call.cloud))
    message = f"Hostname '{name}' already exists. Please select a different name." if taken else ""
    reason = "AlreadyExists" if taken else ""
    return Response.json(200, {"nameAvailable": not taken, "reason": reason, "message": message})


def stacks(_: Call) -> Response:
    """GET webAppStacks: one of the many, which is what creating a Python app needs."""
    versions = [_python(version) for version in ("3.13", "3.12", "3.11")]
    major = {"displayText": "Python 3", "value": "3", "minorVersions": versions}
    properties = {"displayText": "Python", "value": "python", "preferredOs": "linux", "majorVersions": [major]}
    stack = {"id": None, "name": "python", "type": "Microsoft.Web/webAppStacks", "properties": properties}
    return Response.json(200, {"value": [stack], "nextLink": None, "id": None})


def _python(version: str) -> Json:
    settings = {
        "runtimeVersion": f"PYTHON|{version}",
        "remoteDebuggingSupported": False,
        "appInsightsSettings": {"isSupported": True, "isDefaultOff": True},
        "gitHubActionSettings": {"isSupported": True, "supportedVersion": version},
        "isEarlyAccess": False,
    }
    text = f"Python {version}"
    return {"displayText": text, "value": version, "stackSettings": {"linuxRuntimeSettings": settings}}
