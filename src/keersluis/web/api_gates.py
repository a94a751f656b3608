"""The API of gates: orders at once or beforehand, back to what stood before, what was ordered and what is to come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from keersluis import moves
from keersluis.exchange.gates import ALL, GateOrder, Scope
from keersluis.service import Node
from keersluis.times import parse_instant
from keersluis.web.bodies import read_as, said

T = TypeVar("T")

AfterNumber: TypeAlias = Annotated[int, QueryParameter(ge=0, le=2**53, description="Orders after this number.")]
OrdersAtMost: TypeAlias = Annotated[int, QueryParameter(ge=1, le=1000, description="How many orders at most.")]
Number: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=2**53)]


class GateRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order for a gate. `richting` in, uit or * (both). `tempo` in events and `bytetempo` in bytes per second.

    `vanaf`: a moment that is still to come, from which it stands. `venster`: a part of each day as 22:00-06:00;
    `buiten`: the state in the rest of the day. `verbinding`: wire, bundle, paper or *. `sleutel`: the same key is the
    same order, however often it comes.
    """

    peer: str
    richting: str
    soort: str
    stand: str
    wie: str
    waarom: str
    tempo: float | None = None
    tot: str | None = None
    bewijs: str | None = None
    vanaf: str | None = None
    bytetempo: float | None = None
    venster: str | None = None
    buiten: str | None = None
    verbinding: str = ALL
    sleutel: str | None = None


class UndoRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Take back the last order that covers these gates: what stood before it stands again."""

    wie: str
    waarom: str
    peer: str = ALL
    richting: str = ALL
    soort: str = ALL
    verbinding: str = ALL
    tot: str | None = None
    bewijs: str | None = None
    sleutel: str | None = None


class CallOff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scheduled order is called off before it takes effect."""

    nummer: Number
    wie: str
    waarom: str


def _directions(richting: str) -> Sequence[str]:
    return ("in", "out") if richting == ALL else ({"uit": "out"}.get(richting, richting),)


def gate_orders(request: GateRequest, now: int) -> list[GateOrder]:
    """One order, or two where both directions are meant. Raises Incorrect for a `vanaf` that is no moment."""
    starts = None if request.vanaf is None else parse_instant(request.vanaf)
    window = request.venster
    return [
        GateOrder(
            now,
            request.peer,
            each,  # type: ignore[arg-type]
            request.soort,
            request.stand,  # type: ignore[arg-type]
            request.wie,
            request.waarom,
            request.tempo,
            request.tot,
            request.bewijs,
            request.verbinding,
            starts,
            request.bytetempo,
            window,
            request.buiten or ("closed" if window else None),  # type: ignore[arg-type]
            key=request.sleutel,
        )
        for each in _directions(request.richting)
    ]


def undo_orders(request: UndoRequest, now: int) -> list[tuple[Scope, GateOrder]]:
    """Of which gates the last order is taken back, and by whom, for each direction."""
    rest = (request.wie, request.waarom, None, request.tot, request.bewijs, request.verbinding)
    scopes = [
        Scope(request.peer, each, request.soort, request.verbinding)  # type: ignore[arg-type]
        for each in _directions(request.richting)
    ]
    return [
        (scope, GateOrder(now, scope.peer, scope.direction, scope.kind, "open", *rest, key=request.sleutel))
        for scope in scopes
    ]


async def _off(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


def gate_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """Every move of a gate, and what was moved."""

    @post("/poorten", status_code=200, summary="Move a gate, now or at a moment to come")
    async def order(request: Request[Any, Any, Any]) -> Response[bytes]:
        orders = gate_orders(read_as(await request.body(), GateRequest), node.clock.now())
        return said(outcome(orders, await _off(lambda: node.order_gate(orders))))

    @post("/poorten/_herstel", status_code=200, summary="Take back the last order: what stood before stands again")
    async def undo(request: Request[Any, Any, Any]) -> Response[bytes]:
        asked = undo_orders(read_as(await request.body(), UndoRequest), node.clock.now())
        return said({"moved": await _off(lambda: moves.undo(node, asked))})

    @post("/poorten/_afgelast", status_code=200, summary="Call off an order that has not taken effect")
    async def call_off(request: Request[Any, Any, Any]) -> Response[bytes]:
        told = read_as(await request.body(), CallOff)
        return said({"called_off": await _off(lambda: moves.call_off(node, told.nummer, told.wie, told.waarom))})

    @get("/poorten", summary="Every order that was given, and what became of it")
    async def orders(na: AfterNumber = 0, aantal: OrdersAtMost = 100) -> Response[bytes]:
        return said({"orders": await _off(lambda: moves.history(node, na, aantal))})

    return [order, undo, call_off, orders]


def outcome(orders: Sequence[GateOrder], moved: Sequence[GateOrder]) -> dict[str, Any]:
    """What an order came to: those that changed something, and how many were in force already."""
    return {"moved": moved, "unchanged": len(orders) - len(moved)}
