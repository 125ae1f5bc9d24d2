"""What clients ask around an app: is its name free, which stacks are there, how is it deployed to."""

from simulator.arm import Call
from simulator.messages import Headers, Json, Response
from simulator.providers.fields import text_at
from simulator.providers.web.shape import host_names
from simulator.providers.web.state import is_taken, site_of


def check_name(call: Call) -> Response:
    """POST checknameavailability."""
    name = text_at(call.body(), "name") or ""
    taken = is_taken(call.cloud, name)
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


def publishing_profile(call: Call) -> Response:
    """POST publishxml: where an app is deployed to, without a password. The CLI asks for it before it shows an app."""
    site = site_of(call)
    own, deployment = host_names(site)
    profiles = (("MSDeploy", f"{deployment}:443"), ("FTP", f"ftps://{own}/site/wwwroot"))
    rows = [
        f'<publishProfile profileName="{site.app} - {method}" publishMethod="{method}" publishUrl="{url}" '
        f'userName="${site.app}" userPWD="" destinationAppUrl="https://{own}" />'
        for method, url in profiles
    ]
    text = f"<publishData>{''.join(rows)}</publishData>"
    return Response(200, Headers({"content-type": "application/xml"}), text.encode())


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
