"""API of forecasts: made of a backlog and kept, listed with their record, one in full."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from keersluis import forecasting
from keersluis.recovery.forecasts import decode
from keersluis.recovery.verification import Stocks
from keersluis.service import Node
from keersluis.times import parse_instant
from keersluis.web.bodies import read_as, said

Backlog: TypeAlias = Annotated[str | None, QueryParameter(description="Only of this backlog.")]
Size: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=10**9)]
Sizes: TypeAlias = Annotated[list[Size], msgspec.Meta(min_length=1, max_length=20_000)]
Horizon: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=104)]
Horizons: TypeAlias = Annotated[list[Horizon], msgspec.Meta(max_length=104)]
Step: TypeAlias = Annotated[int, msgspec.Meta(ge=3600, le=366 * 86400, description="Seconds.")]


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A forecast of a backlog of this node: gone when `normaal` are left (none: what backlogs.toml says). It is kept,
    unless `bewaar` is false."""

    achterstand: str
    normaal: Size | None = None
    horizonnen: Horizons = []
    bewaar: bool = True


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing has to be said."""


class Keeping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A forecast that was made elsewhere (docs/formats.md), with the sizes of the account on which it rests: at the end
    of each step of `stap` seconds since `van`."""

    prognose: dict[str, Any]
    van: str
    stap: Step
    aantallen: Sizes


def forecast_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """For every node."""

    @get("/prognoses", summary="Kept forecasts, newest first, and how often such statements came true")
    async def listed(achterstand: Backlog = None) -> Response[bytes]:
        return said(await asyncio.to_thread(lambda: forecasting.listed(node, achterstand)))

    @get("/prognoses/{nummer:int}", summary="One kept forecast: each step, and what came")
    async def one(nummer: int) -> Response[bytes]:
        return said(await asyncio.to_thread(lambda: forecasting.one(node, nummer)))

    @post("/prognoses", status_code=200, summary="Forecast a backlog, and keep what was said")
    async def make(request: Request[Any, Any, Any]) -> Response[bytes]:
        asked = read_as(await request.body(), Asked)
        made = await asyncio.to_thread(
            lambda: forecasting.make(node, asked.achterstand, asked.normaal, asked.horizonnen, hold=asked.bewaar)
        )
        return said(made)

    @post("/prognoses/_bewaar", status_code=200, summary="Keep a forecast that was made of an account elsewhere")
    async def keep(request: Request[Any, Any, Any]) -> Response[bytes]:
        told = read_as(await request.body(), Keeping)
        statement = decode(msgspec.json.encode(told.prognose))
        known = Stocks(parse_instant(told.van), told.stap * 1_000_000, tuple(told.aantallen))
        return said(await asyncio.to_thread(lambda: forecasting.keep(node, statement, known)))

    @post("/prognoses/_ronde", status_code=200, summary="Forecast each backlog of which a step has passed")
    async def around(request: Request[Any, Any, Any]) -> Response[bytes]:
        read_as(await request.body() or b"{}", Nothing)
        return said({"made": await asyncio.to_thread(lambda: forecasting.round_of(node, {}))})

    return [listed, one, make, keep, around]
