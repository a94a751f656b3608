"""Where a handler's blocking work runs: never in the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_afar = ThreadPoolExecutor(max_workers=16, thread_name_prefix="afar")


async def off(work: Callable[[], T]) -> T:
    """Run blocking work outside the event loop."""
    return await asyncio.to_thread(work)


async def afar(work: Callable[[], T]) -> T:
    """Run work that waits for another organisation, in threads of its own: however many wait for one that does not
    answer, a gate can be closed (P4)."""
    return await asyncio.get_running_loop().run_in_executor(_afar, work)
