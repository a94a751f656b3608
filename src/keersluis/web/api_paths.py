"""API of forecasts by simulated paths of a node's backlogs, and what could be done otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Annotated, Any, Literal, TypeAlias

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter, QueryParameter

from keersluis import foreseeing
from keersluis.service import Node
from keersluis.web.bodies import said

Key: TypeAlias = Annotated[str, PathParameter(description="Its key in backlogs.toml.")]
Variants: TypeAlias = Annotated[list[str] | None, QueryParameter(max_items=20, description="Only these; default all.")]
Paths: TypeAlias = Annotated[int, QueryParameter(ge=100, le=5000, description="How many paths.")]
Language: TypeAlias = Annotated[Literal["nl", "en"], QueryParameter(description="Of the sentences.")]
By: TypeAlias = Annotated[date | None, QueryParameter(description="Tell which capacity makes it gone by this day.")]

_counting = ThreadPoolExecutor(1, "paths")
"""Simulations take turns, in a thread of their own: however many ask for one, a gate can be closed (P4)."""


async def _counted(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    return await asyncio.get_running_loop().run_in_executor(_counting, work)


def path_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """For every node."""

    @get("/achterstanden/_wat-als", summary="Of which backlogs a plan speaks, and what could be done otherwise")
    async def plans() -> Response[bytes]:
        return said(await asyncio.to_thread(lambda: foreseeing.plans(node)))

    @get("/achterstanden/{sleutel:str}/prognose", summary="A backlog by simulated paths: sizes, dates, capacity")
    async def forecast(
        sleutel: Key, uiterlijk: By = None, paden: Paths = 1000, taal: Language = "nl"
    ) -> Response[bytes]:
        return said(await _counted(lambda: foreseeing.forecast(node, sleutel, uiterlijk, paden, taal)))

    @post("/achterstanden/{sleutel:str}/prognose", status_code=200, summary="Make it by simulated paths, and keep it")
    async def keep(sleutel: Key, paden: Paths = 1000) -> Response[bytes]:
        return said(await _counted(lambda: foreseeing.keep(node, sleutel, paden)))

    @get("/achterstanden/{sleutel:str}/wat-als", summary="What each variant changes, side by side")
    async def what_if(
        sleutel: Key, variant: Variants = None, paden: Paths = 1000, taal: Language = "nl"
    ) -> Response[bytes]:
        return said(await _counted(lambda: foreseeing.what_if(node, sleutel, variant or [], taal, paden)))

    return [plans, forecast, keep, what_if]
