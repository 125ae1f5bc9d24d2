"""HTTP functions as callers see them: routes, keys, what passes through, what a failure shows."""

import logging
from collections.abc import Mapping

import aiohttp
import pytest

from devhost.host import Host

pytestmark = pytest.mark.host
_MASTER = {"x-functions-key": "master-of-tests"}


async def _status(client: aiohttp.ClientSession, url: str, headers: Mapping[str, str] | None = None) -> int:
    async with client.get(url, headers=headers) as response:
        return response.status


async def test_a_function_sees_its_route_parameters_query_headers_and_body(
    host: Host, client: aiohttp.ClientSession
) -> None:
    headers = {
        "X-MS-CLIENT-PRINCIPAL": "somebody",
        "Authorization": "Bearer token",
        "x-functions-key": "function-of-tests",
    }
    async with client.post(f"{host.url}/api/things/7?deep=yes", data=b"hello", headers=headers) as response:
        assert response.status == 201
        assert response.content_type == "application/json"
        assert await response.json() == {
            "id": "7",
            "method": "POST",
            "query": {"deep": "yes"},
            "principal": "somebody",
            "authorization": "Bearer token",
            "body": "hello",
        }


async def test_a_constrained_route_is_tried_before_a_free_one(host: Host, client: aiohttp.ClientSession) -> None:
    async with client.get(f"{host.url}/api/things/seven?code=function-of-tests") as response:
        assert await response.text() == "named seven"


async def test_routes_and_prefix_ignore_case(host: Host, client: aiohttp.ClientSession) -> None:
    assert await _status(client, f"{host.url}/API/Seen") == 200


@pytest.mark.parametrize("path", ["/api/nowhere", "/things/7", "/api/things", "/api/things/7/8"])
async def test_a_path_without_a_function_is_not_found(host: Host, client: aiohttp.ClientSession, path: str) -> None:
    assert await _status(client, f"{host.url}{path}?code=master-of-tests") == 404


async def test_a_method_that_the_function_does_not_list_is_not_found(host: Host, client: aiohttp.ClientSession) -> None:
    async with client.delete(f"{host.url}/api/seen") as response:
        assert response.status == 404


async def test_function_level_takes_the_functions_own_the_host_and_the_master_key(
    host: Host, client: aiohttp.ClientSession
) -> None:
    url = f"{host.url}/api/things/7"
    for key in (host.keys.function["thing"], "function-of-tests", "master-of-tests"):
        assert await _status(client, f"{url}?code={key}") == 201


async def test_function_level_refuses_no_key_a_wrong_key_and_another_functions_key(
    host: Host, client: aiohttp.ClientSession
) -> None:
    url = f"{host.url}/api/things/7"
    for query in ("", "?code=", "?code=wrong", f"?code={host.keys.function['report']}"):
        assert await _status(client, url + query) == 401


async def test_admin_level_takes_the_master_key_alone(host: Host, client: aiohttp.ClientSession) -> None:
    url = f"{host.url}/api/reports"
    assert await _status(client, url, _MASTER) == 200
    assert await _status(client, f"{url}?code={host.keys.function['report']}") == 401


async def test_the_key_header_wins_over_the_query(host: Host, client: aiohttp.ClientSession) -> None:
    url = f"{host.url}/api/things/7?code=function-of-tests"
    assert await _status(client, url, {"x-functions-key": "wrong"}) == 401


async def test_a_synchronous_function_gets_its_context_and_sets_cookies(
    host: Host, client: aiohttp.ClientSession
) -> None:
    async with client.get(f"{host.url}/api/reports", headers=_MASTER) as response:
        assert await response.text() == "report"
        cookie = response.cookies["theme"]
    assert (cookie.value, cookie["path"], cookie["samesite"], cookie["httponly"]) == ("dark", "/api", "Strict", True)


@pytest.mark.parametrize("how", ["raise", "exit", "cancel"])
async def test_a_failing_function_answers_500_with_nothing_in_it(
    host: Host, client: aiohttp.ClientSession, how: str
) -> None:
    async with client.get(f"{host.url}/api/broken?how={how}") as response:
        assert response.status == 500
        assert await response.read() == b""
    assert await _status(client, f"{host.url}/api/seen") == 200


async def test_an_invocation_is_logged_as_the_host_logs_it(
    host: Host, client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="devhost.function"):
        await _status(client, f"{host.url}/api/broken")
    executing, executed = (each.getMessage() for each in caplog.records if each.name == "devhost.function")
    assert executing.startswith("Executing 'Functions.broken' (Reason=")
    assert executed.startswith("Executed 'Functions.broken' (Failed, Id=")
    assert "ValueError: as asked" in executed


async def test_the_banner_names_every_function_with_a_url_that_works(host: Host, client: aiohttp.ClientSession) -> None:
    lines = dict(line.split(": ", 1) for line in host.banner())
    assert set(lines) == {each.name for each in host.worker.functions}
    assert lines["on_message"] == "queue 'sample-work'"
    assert lines["on_event"] == f"{host.url}/runtime/webhooks/eventgrid?functionName=on_event&code=grid%2Bof%2Ftests"
    assert await _status(client, lines["report"].split()[-1]) == 200


async def test_the_host_status_needs_the_master_key(host: Host, client: aiohttp.ClientSession) -> None:
    assert await _status(client, f"{host.url}/admin/host/status") == 401
    async with client.get(f"{host.url}/admin/host/status", headers=_MASTER) as response:
        assert (await response.json())["state"] == "Running"
