"""The API of gates: orders at once or beforehand, back to what stood before, what was ordered and what is to come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias, TypeVar

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from keersluis import moves
from keersluis.service import Node
from keersluis.web.bodies import read_as, said
from keersluis.web.gate_requests import CallOff, GateRequest, UndoRequest, gate_orders, outcome, undo_orders
from keersluis.web.threads import off

T = TypeVar("T")

AfterNumber: TypeAlias = Annotated[int, QueryParameter(ge=0, le=2**53, description="Orders after this number.")]
OrdersAtMost: TypeAlias = Annotated[int, QueryParameter(ge=1, le=1000, description="How many orders at most.")]


def gate_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """Every move of a gate, and what was moved."""

    @post("/poorten", status_code=200, summary="Move a gate, now or at a moment to come")
    async def order(request: Request[Any, Any, Any]) -> Response[bytes]:
        orders = gate_orders(read_as(await request.body(), GateRequest), node.clock.now())
        return said(outcome(orders, await off(lambda: node.order_gate(orders))))

    @post("/poorten/_herstel", status_code=200, summary="Take back the last order: what stood before stands again")
    async def undo(request: Request[Any, Any, Any]) -> Response[bytes]:
        asked = undo_orders(read_as(await request.body(), UndoRequest), node.clock.now())
        return said({"moved": await off(lambda: moves.undo(node, asked))})

    @post("/poorten/_afgelast", status_code=200, summary="Call off an order that has not taken effect")
    async def call_off(request: Request[Any, Any, Any]) -> Response[bytes]:
        told = read_as(await request.body(), CallOff)
        return said({"called_off": await off(lambda: moves.call_off(node, told.nummer, told.wie, told.waarom))})

    @get("/poorten", summary="Every order that was given, and what became of it")
    async def orders(na: AfterNumber = 0, aantal: OrdersAtMost = 100) -> Response[bytes]:
        return said({"orders": await off(lambda: moves.history(node, na, aantal))})

    return [order, undo, call_off, orders]
