"""Approval over HTTP: a page behind a signed link for people, and two calls for holders of a function key.

The link itself is the credential. Opening it decides nothing, since mail filters and chat previews follow links: only
the page's buttons do, with a POST.
"""

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Final

import azure.functions as func

if TYPE_CHECKING:
    from homeostat.core.access import Caller
    from homeostat.core.approvals import Approval, Change
    from homeostat.service import Service

LINK_HOLDER: Final = "holder of the link"

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the address holds the signature
}
_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1b1b1b }
table { border-collapse: collapse; width: 100% } .note { color: #605e5c }
code { font-size: .9em; word-break: break-all }
th, td { text-align: left; vertical-align: top; padding: .5rem .7rem; border-bottom: 1px solid #ddd }
button { font: inherit; padding: .4rem 1rem; margin-right: .5rem }
@media (prefers-color-scheme: dark) { body { background: #1b1a19; color: #f3f2f1 } th, td { border-color: #484644 } }
"""


async def show(service: "Service", req: func.HttpRequest, _caller: "Caller") -> func.HttpResponse:
    """What would be written, with two buttons while it is undecided. Raises BadLink and UnknownApproval."""
    return _page(await _linked(service, req))


async def decide_by_link(service: "Service", req: func.HttpRequest, caller: "Caller") -> func.HttpResponse:
    """The page's buttons. Raises BadLink, UnknownApproval, NotPending and BadRequest."""
    from homeostat.core.access import CallerKind
    from homeostat.web.requests import BadRequest, form

    approval = await _linked(service, req)
    word = form(req.get_body()).get("decision")
    if word not in {"approve", "reject"}:
        raise BadRequest("decision: send approve or reject")
    by = LINK_HOLDER if caller.kind is CallerKind.KEY else caller.name  # no key was asked for
    return _page(await service.decide_approval(approval.id, yes=word == "approve", by=by))


async def _linked(service: "Service", req: func.HttpRequest) -> "Approval":
    params: Mapping[str, str] = req.params
    given = [params.get(name, "") for name in ("expires", "signature")]
    return await service.engine.approvals.linked(req.route_params["id"], *given)


def _page(approval: "Approval") -> func.HttpResponse:
    return func.HttpResponse(page(approval), mimetype="text/html", charset="utf-8", headers=_HEADERS)


def page(approval: "Approval") -> str:
    """A complete HTML document without scripts. Every value is escaped: people choose the names."""
    from homeostat.core.approvals import State

    rows = "".join(map(_row, approval.changes))
    state = escape(f"{approval.state} by {approval.by}" if approval.by else approval.state)
    buttons = (
        '<form method="post"><button name="decision" value="approve">Approve</button>'
        '<button name="decision" value="reject">Reject</button></form>'
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Homeostat: approval</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>What would be written</h1>"
        f"<p>Of <code>{escape(approval.root)}</code>, for {escape(', '.join(approval.targets))}. "
        f'<b>{state}</b> <span class="note">good until {escape(approval.expires.isoformat())}</span></p>'
        f"<table><thead><tr><th>Change</th><th>What</th><th>From</th><th>To</th></tr></thead><tbody>{rows}</tbody>"
        f"</table>{buttons if approval.state is State.PENDING else ''}</body></html>"
    )


def _row(change: "Change") -> str:
    from homeostat.core import json

    have, want = (
        "" if value is None else f"<code>{escape(json.render(value))}</code>" for value in (change.have, change.want)
    )
    path = f"<br><code>{escape(change.path)}</code>" if change.path else ""
    note = f'<br><span class="note">{escape(change.note)}</span>' if change.note else ""
    what = f"{escape(change.kind)} {escape(change.item)}<br><code>{escape(change.resource)}</code>{path}{note}"
    return f"<tr><td>{escape(change.does)}</td><td>{what}</td><td>{have}</td><td>{want}</td></tr>"
