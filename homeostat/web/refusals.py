"""Which status a refusal is answered with. Imported on the first refusal: most instances never need it."""

import logging
from collections.abc import Mapping
from typing import Final

import azure.functions as func

from homeostat.core.approvals import NotPending
from homeostat.core.errors import HomeostatError
from homeostat.gate.approvals import BadLink, UnknownApproval
from homeostat.operations.poison import NoSuchMessage
from homeostat.operations.releases import NothingToRelease
from homeostat.operations.remediations import NotConfirmed
from homeostat.operations.retest import NoRetest, RetestFailed, RetestRefused
from homeostat.operations.rollback import RollbackFailed, RollbackRefused
from homeostat.operations.runs import UnknownTarget
from homeostat.web.answers import refusal
from homeostat.web.limits import TooManyRequests
from homeostat.web.principals import NotSignedIn, RoleMissing
from homeostat.web.requests import BadRequest

log = logging.getLogger(__name__)

STATUSES: Final[Mapping[type[HomeostatError], int]] = {
    BadRequest: 400,
    NotSignedIn: 401,
    RoleMissing: 403,
    BadLink: 403,
    UnknownTarget: 404,
    UnknownApproval: 404,
    NoRetest: 404,
    NoSuchMessage: 404,
    NotPending: 409,
    NothingToRelease: 409,
    NotConfirmed: 409,
    RetestRefused: 409,
    RollbackRefused: 409,
    TooManyRequests: 429,
    RetestFailed: 502,
    RollbackFailed: 502,
}
"""Every other error means that the service itself cannot work now: 503."""


def refused(error: HomeostatError) -> func.HttpResponse:
    status = STATUSES.get(type(error), 503)
    if status == 503:
        log.error("the service cannot work: %s", error)
    return refusal(status, type(error).__name__, str(error), _headers(error))


def _headers(error: HomeostatError) -> Mapping[str, str]:
    match error:
        case TooManyRequests():
            return {"Retry-After": str(error.retry_after)}
        case NotSignedIn():
            return {"WWW-Authenticate": "Bearer"}
        case _:
            return {}
