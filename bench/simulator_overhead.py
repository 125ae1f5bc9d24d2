"""How long the simulator itself takes: a GET over one kept TLS connection, without latency. All times contain it."""

import http.client
import time
from collections.abc import Iterator
from statistics import median
from typing import Final
from urllib.parse import urlsplit

from bench.happenings import resource_id
from bench.rows import Row
from demo.damage import NSG, SITE
from demo.operator import Operator
from demo.programs import simulator

CALLS: Final = 300


def rows() -> Iterator[Row]:
    with simulator() as cloud:
        operator = Operator.of(cloud)
        for name, path, version in (("a web app", SITE, "2025-05-01"), ("an NSG", NSG, "2024-05-01")):
            took = _took(operator, f"{resource_id(operator, path)}?api-version={version}")
            yield Row(f"the simulator's own time for a GET of {name}", f"{took:.1f} ms")


def _took(operator: Operator, url: str) -> float:
    """The median milliseconds of a call, as a bare HTTP client sees it."""
    connection = http.client.HTTPSConnection(urlsplit(operator.endpoint).netloc, context=operator.tls)
    took = []
    for _ in range(CALLS):
        began = time.perf_counter()
        connection.request("GET", url, headers={"authorization": f"Bearer {operator.token}"})
        answer = connection.getresponse()
        answer.read()
        took.append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"GET {url}: {answer.status}")
    connection.close()
    return median(took)
