"""The deployed service for the command line: the function app named by HOMEOSTAT_URL.

Over urllib: one request at a time needs no client library, and urllib honours the usual proxy and CA variables.
"""

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any, Final, override
from urllib.parse import quote, urlencode

from homeostat.cli.declared import chosen
from homeostat.cli.output import progress
from homeostat.core import json
from homeostat.core.addresses import address_of
from homeostat.core.errors import HomeostatError
from homeostat.core.json import JsonObject
from homeostat.core.secret_value import Secret
from homeostat.render.report import Report

ANSWER_SECONDS: Final = 240.0
"""How long an answer may take: the service lets a caller wait for 200 s, its front end hangs up after 230."""

POLL_SECONDS: Final = 5.0
POLLS: Final = 720
_AS_TYPED: Final = "surrogateescape"
"""Python's handling of arguments that are not UTF-8: they are sent as typed, and the service refuses them."""

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class ServiceError(HomeostatError):
    """The service refused, did not answer, or is named wrongly."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would send the function key to its destination."""

    @override
    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Service:
    url: str
    key: Secret | None = None
    token: Callable[[], str] | None = field(default=None, repr=False)  # if the service also asks for a sign-in
    seconds: float = ANSWER_SECONDS  # that one answer may take

    def get(self, path: str, **query: str | int) -> JsonObject:
        """Raises ServiceError."""
        return self._ask("GET", f"{path}?{urlencode(query, errors=_AS_TYPED)}" if query else path)

    def post(self, path: str, body: JsonObject | None = None) -> JsonObject:
        """Raises ServiceError."""
        try:
            sent = json.render(body or {}).encode()
        except UnicodeEncodeError as error:
            raise ServiceError("--reason, or another option, is not UTF-8: type it anew, or set LC_ALL") from error
        return self._ask("POST", path, sent)

    def _ask(self, method: str, path: str, body: bytes | None = None) -> JsonObject:
        headers = {"Accept": "application/json", **({"x-functions-key": self.key.reveal()} if self.key else {})}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token()}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(  # noqa: S310 - service_of allows http and https only
            f"{self.url}/api/{path}", body, headers, method=method
        )
        try:
            with urllib.request.build_opener(_NoRedirects).open(request, timeout=self.seconds) as answer:
                return _object(answer.read(), self.url)
        except urllib.error.HTTPError as refusal:
            raise ServiceError(_refusal(refusal.code, refusal.read(), self.url)) from refusal
        except (OSError, HTTPException) as error:  # URLError and TimeoutError are OSErrors
            reason = getattr(error, "reason", None) or error
            raise ServiceError(f"{self.url} does not answer: {reason}. Check HOMEOSTAT_URL and the network") from error


@dataclass(frozen=True, slots=True)
class ThroughService:
    """Plans and repairs through the service, so that leases, pauses and caps hold."""

    service: Service
    targets: tuple[str, ...]
    create: bool = False
    max_writes: int | None = None

    def plan(self) -> Report:
        """Raises ServiceError, and NoSuchTarget for targets that the service does not know."""
        return self._report(dry_run=True)

    def remediate(self) -> Report:
        """Raises ServiceError."""
        return self._report(dry_run=False)

    def _report(self, *, dry_run: bool) -> Report:
        known = {json.text_at(told, "name"): told for told in json.objects_at(self.service.get("targets"), "targets")}
        names = chosen(self.targets, known)
        whom: JsonObject = {"all": True, "confirm": len(names)} if len(names) == len(known) else {"targets": [*names]}
        wanted: JsonObject = {
            **whom,
            "create": self.create,
            "dryRun": dry_run,
            **({"maxWrites": self.max_writes} if self.max_writes else {}),
        }
        run = _finished(self.service, wanted)
        return Report.told([known[name] for name in names], json.objects_at(run, "roots"), done=not dry_run)


def service_of(environment: Mapping[str, str]) -> Service:
    """Raises ServiceError if HOMEOSTAT_URL is missing or would send the key unencrypted, or if the key is malformed.

    Raises UnknownCloud and CredentialsUnavailable if HOMEOSTAT_AUDIENCE asks for a token that is not to be had.
    """
    url = environment.get("HOMEOSTAT_URL", "").strip().rstrip("/")
    if not url:
        raise ServiceError("HOMEOSTAT_URL is not set. Set it to the service's address, https://NAME.azurewebsites.net")
    parts = address_of(url)
    if parts is None or not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)):
        raise ServiceError(f"HOMEOSTAT_URL is {url!r}: give an address that begins with https://")
    from homeostat.azure.clouds import cloud_of
    from homeostat.azure.credentials import blocking_tokens

    audience = environment.get("HOMEOSTAT_AUDIENCE", "").strip().rstrip("/")
    token = blocking_tokens(cloud_of(environment), audience) if audience else None
    key = environment.get("HOMEOSTAT_KEY", "").strip()
    if not (key.isascii() and key.isprintable()):  # the HTTP client's error would quote it
        raise ServiceError("HOMEOSTAT_KEY holds what no key has, such as a line break: copy it again")
    return Service(url, Secret(key) if key else None, token)


def path_of(target: str, *rest: str) -> str:
    return "/".join(("targets", quote(target, safe="", errors=_AS_TYPED), *rest))


def _finished(service: Service, wanted: JsonObject) -> JsonObject:
    """The run once it is done. The service answers with it, or if that takes longer, with its id."""
    progress(f"waiting for {service.url} ...")
    run = service.post("remediate", {**wanted, "wait": True, "reason": "command line"})
    run_id = json.text_at(run, "id")
    for _ in range(POLLS):
        if json.text_at(run, "state") == "done":
            return run
        time.sleep(POLL_SECONDS)
        run = service.get(f"runs/{quote(run_id, safe='')}")
    raise ServiceError(f"run {run_id} is not done after an hour. See {service.url}/api/runs/{run_id}")


def _object(body: bytes, url: str) -> JsonObject:
    try:
        answer = json.parse(body)
    except ValueError as error:
        raise ServiceError(f"{url} does not answer in JSON. Is HOMEOSTAT_URL the function app's address?") from error
    if not isinstance(answer, Mapping):
        raise ServiceError(f"{url} answers with something else than an object. Is it the function app's address?")
    return answer


def _refusal(status: int, body: bytes, url: str) -> str:
    try:
        refusal = json.parse(body)
    except ValueError:
        refusal = None
    message = json.text_at(refusal, "error", "message")
    if json.text_at(refusal, "error", "code") == "NotSignedIn":
        return f"{url}: {message}. Set HOMEOSTAT_AUDIENCE to its application id URI, and run `az login`"
    if status in {401, 403} and not message:
        remedy = "Set HOMEOSTAT_KEY to a host key: functionKeys.default of `az functionapp keys list`"
        return f"{url} refuses the key ({status}). {remedy}"
    if message:
        return f"{url}: {message}"
    if status >= 500:
        return (
            f"{url} answers {status}: it, or what stands before it, failed. See the function app's log, and try again"
        )
    if 300 <= status < 400:
        remedy = "Is it the function app's address, with https? It must let requests through that are not signed in"
        return f"{url} answers {status}: it sends callers elsewhere, and the key stays here. {remedy} (docs/access.md)"
    return f"{url} answers {status}. Is HOMEOSTAT_URL the function app's address?"
