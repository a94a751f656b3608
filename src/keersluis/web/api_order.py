"""API of what waits, weighed, and of the order of a plan that it gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter

from keersluis import ordering
from keersluis.recovery.weights import Tally
from keersluis.service import Node
from keersluis.web.bodies import read_as, said
from keersluis.web.threads import off

Name = Annotated[str, PathParameter(description="The plan.")]
Branches = Annotated[int, msgspec.Meta(ge=0, le=ordering.MOST_BRANCHES)]


class Weighing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`tellingen`: what the deciders counted, each as `GET /v0/herstelplannen/_telling` says it there."""

    tellingen: Annotated[tuple[Tally, ...], msgspec.Meta(max_length=200)] = ()


class Ordering(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`takken`: how many branches the search looks at, at most."""

    tellingen: Annotated[tuple[Tally, ...], msgspec.Meta(max_length=200)] = ()
    takken: Branches = ordering.BRANCHES


def order_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """For every node: whoever decides counts, whoever keeps a plan orders it."""

    @get("/herstelplannen/_telling", summary="How many decisions of this node wait for which streams")
    async def tally() -> Response[bytes]:
        return said(await off(lambda: ordering.tally(node)))

    @post("/herstelplannen/{naam:str}/_wegen", status_code=200, summary="What each stream and stage holds up")
    async def weigh(naam: Name, request: Request[Any, Any, Any]) -> Response[bytes]:
        told = read_as(await request.body(), Weighing)
        return said(await off(lambda: ordering.weigh(node, naam, told.tellingen)))

    @post("/herstelplannen/{naam:str}/_volgorde", status_code=200, summary="The best order of what is left of a plan")
    async def order(naam: Name, request: Request[Any, Any, Any]) -> Response[bytes]:
        told = read_as(await request.body(), Ordering)
        return said(await off(lambda: ordering.order(node, naam, told.tellingen, told.takken)))

    return [tally, weigh, order]
