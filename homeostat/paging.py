"""Every row of a query of Resource Graph, page after page, whoever gives the pages."""

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
    """All pages, in as small ones as need be, within the quota that is left. Raises ArmError if any is lacking."""
    top = MAX_TOP
    while True:
        try:
            return await _in_pages_of(pages, query, top, sleep)
        except ArmError as error:
            if error.code != TOO_LARGE or top <= MIN_TOP:
                raise
            top //= 2  # and from the start, since a token continues pages of one size


async def _in_pages_of(
    pages: Pages, query: RowQuery, top: int, sleep: Callable[[float], Awaitable[None]]
) -> tuple[JsonObject, ...]:
    rows: list[JsonObject] = []
    token = ""
    for _ in range(MAX_PAGES):
        page = await pages.page(query, top=top, token=token)
        rows.extend(page.rows)
        token = page.token
        if not token:
            if len(rows) < page.total:
                raise odd_answer(f"{page.total} rows were promised, and {len(rows)} came")
            return tuple(rows)
        if page.quota_left == 0:
            await sleep(page.quota_resets)
    raise odd_answer(f"the answer has more than {MAX_PAGES} pages")


def odd_answer(message: str) -> ArmError:
    where = "POST /providers/Microsoft.ResourceGraph/resources"
    return ArmError(200, "OddAnswer", message, ErrorClass.TRANSIENT, request=where)
