"""Requests that are waited for together go out in the order in which they are begun."""

import asyncio
from collections.abc import Coroutine
from typing import Any


def begun[T](work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """The work as a task that has already run up to its first wait, so that its request is on its way.

    A task that is only scheduled begins after everything that its maker still computes: what waits longest goes first.
    """
    return asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)
