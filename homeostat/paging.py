"""Reads all rows of a query of Resource Graph, page by page."""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from homeostat.core.arm_errors import ArmError, ErrorClass
from homeostat.core.graph import MAX_TOP, Page, RowQuery
from homeostat.core.json import JsonObject

TOO_LARGE: Final = "ResponsePayloadTooLarge"
MIN_TOP: Final = 25
MAX_PAGES: Final = 10_000


class Pages(Protocol):
    async def page(self, query: RowQuery, *, top: int = MAX_TOP, token: str = "") -> Page: ...


async def every_row(pages: Pages, query: RowQuery, sleep: Callable[[float], Awaitable[None]]) -> tuple[JsonObject, ...]:
    """All rows: in smaller pages if need be, and within the remaining quota. Raises ArmError if any page fails."""
    return await picked(pages, query, sleep, lambda row: row)


async def picked[T](
    pages: Pages, query: RowQuery, sleep: Callable[[float], Awaitable[None]], pick: Callable[[JsonObject], T | None]
) -> tuple[T, ...]:
    """The same for what `pick` makes of each row (None drops it), so that no whole page is kept in memory."""
    top = MAX_TOP
    while True:
        try:
            return await _in_pages_of(pages, query, top, sleep, pick)
        except ArmError as error:
            if error.code != TOO_LARGE or top <= MIN_TOP:
                raise
            top //= 2  # and from the start, since a token continues pages of one size


async def _in_pages_of[T](
    pages: Pages,
    query: RowQuery,
    top: int,
    sleep: Callable[[float], Awaitable[None]],
    pick: Callable[[JsonObject], T | None],
) -> tuple[T, ...]:
    found: list[T] = []
    came, token = 0, ""
    for _ in range(MAX_PAGES):
        page = await pages.page(query, top=top, token=token)
        found.extend(thing for row in page.rows if (thing := pick(row)) is not None)
        came += len(page.rows)
        token = page.token
        if not token:
            if came < page.total:
                raise odd_answer(f"{page.total} rows were promised, and {came} came")
            return tuple(found)
        wait = page.quota_resets if page.quota_left == 0 else 0.0
        del page
        if wait:
            await sleep(wait)
    raise odd_answer(f"the answer has more than {MAX_PAGES} pages")


def odd_answer(message: str) -> ArmError:
    where = "POST /providers/Microsoft.ResourceGraph/resources"
    return ArmError(200, "OddAnswer", message, ErrorClass.TRANSIENT, request=where)
