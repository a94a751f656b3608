"""A node's HTTP API: Dutch resource names, `/v0`, problems as RFC 9457. Thin: every handler calls one method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from litestar.types import ExceptionHandlersMap

from keersluis import status
from keersluis.errors import KeersluisError
from keersluis.service import Node
from keersluis.times import parse_instant
from keersluis.web.api_backlogs import backlog_handlers
from keersluis.web.api_bundles import bundle_handlers
from keersluis.web.api_forecasts import forecast_handlers
from keersluis.web.api_gates import gate_handlers
from keersluis.web.api_intake import intake_handlers
from keersluis.web.api_keys import key_handlers
from keersluis.web.api_letters import letter_handlers
from keersluis.web.api_order import order_handlers
from keersluis.web.api_paths import path_handlers
from keersluis.web.api_plans import plan_handlers
from keersluis.web.api_public import public_handlers
from keersluis.web.api_reconciliation import reconciliation_handlers
from keersluis.web.api_records import record_handlers
from keersluis.web.api_recovery import recovery_handlers
from keersluis.web.api_reservations import reservation_handlers
from keersluis.web.api_services import service_handlers
from keersluis.web.binding import events_of
from keersluis.web.bodies import HEADERS, read_as, said
from keersluis.web.peers import peer_of
from keersluis.web.problems import Problems
from keersluis.web.threads import afar, off

T = TypeVar("T")

After: TypeAlias = Annotated[int, QueryParameter(ge=0, le=2**53, description="Entries after this number.")]
AtMost: TypeAlias = Annotated[int, QueryParameter(ge=1, le=1000, description="How many entries at most.")]

PREFIX = "/v0"
MAX_BODY = 64 * 1024 * 1024


class CountsStatement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the organisation's own system of record counts, from the beginning through a source time."""

    soort: str
    tot: str
    aantal: int


class LookUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A look-up of one person by a member of staff."""

    onderwerp: str
    wie: str
    doel: str
    geldigOp: str | None = None  # noqa: N815, the standard's own name
    beschikbaarOp: str | None = None  # noqa: N815, the standard's own name


class Gap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Acts of `van`..`tot` (event time) of a kind are missing or, when `gevuld`, have come."""

    soort: str
    van: str
    tot: str
    gevuld: bool = False


class Closing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody has dealt with a revisit."""

    wie: str
    waarom: str
    ongedaan: bool = False


def exchange_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """Publishing, the wire between nodes and counts."""

    @post("/gebeurtenissen", status_code=200, summary="Accept events (CloudEvents: single, batch or binary)")
    async def publish(request: Request[Any, Any, Any]) -> Response[bytes]:
        events = events_of(request.headers.multi_items(), await request.body())
        accepted = await off(lambda: node.accept(events))
        return said({"accepted": accepted})

    @post("/uitwisseling/partijen", status_code=200, summary="Receive batches of a peer's streams")
    async def receive(request: Request[Any, Any, Any]) -> Response[bytes]:
        body, oin = await request.body(), peer_of(request.scope)
        return said(await off(lambda: node.receive(body, oin)))

    @post("/uitwisseling/_verzend", status_code=200, summary="Send what waits, and a heartbeat, now")
    async def pump() -> Response[bytes]:
        return said((await afar(node.pump)).sent)

    @post("/tellingen", status_code=200, summary="State the counts of the system of record")
    async def counts(request: Request[Any, Any, Any]) -> Response[bytes]:
        stated = [
            (c.soort, parse_instant(c.tot), c.aantal) for c in read_as(await request.body(), list[CountsStatement])
        ]
        await off(lambda: node.state_counts(stated))
        return said({"stated": len(stated)})

    return [publish, receive, pump, counts]


def answer_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """Questions to the register, and look-ups by its own staff."""

    @post("/vragen", status_code=200, summary="Answer a decider's signed questions")
    async def answer(request: Request[Any, Any, Any]) -> Response[bytes]:
        body, oin = await request.body(), peer_of(request.scope)
        return said(await off(lambda: node.answer(body, oin)))

    @post("/personen/_zoek", status_code=200, summary="Look a person up, with time travel")
    async def look_up(request: Request[Any, Any, Any]) -> Response[bytes]:
        asked = read_as(await request.body(), LookUp)
        found = await off(
            lambda: node.look_up(asked.onderwerp, asked.wie, asked.doel, asked.geldigOp, asked.beschikbaarOp)
        )
        return said(found)

    @post("/gaten", status_code=200, summary="Declare that acts of a past period are missing, or that they have come")
    async def gap(request: Request[Any, Any, Any]) -> Response[bytes]:
        told = read_as(await request.body(), Gap)
        since, until = parse_instant(told.van), parse_instant(told.tot)
        act = node.fill_gap if told.gevuld else node.declare_gap
        return said({"result": await off(lambda: act(told.soort, since, until))})

    return [answer, look_up, gap]


def decision_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """Decisions, and the desk where revisits land."""

    @post("/beslissingen", status_code=200, summary="Take decisions on answers of the register")
    async def decide(request: Request[Any, Any, Any]) -> Response[bytes]:
        requests = read_as(await request.body(), list[dict[str, Any]])
        return said({"decisions": await afar(lambda: node.decide(requests))})

    @get("/beslissingen/_aantallen", summary="How many decisions are in which state")
    async def numbers() -> Response[bytes]:
        return said(await off(node.decision_counts))

    @get("/beslissingen/{decision:path}", summary="One decision with its basis")
    async def decision(decision: str) -> Response[bytes]:
        return said(await off(lambda: node.decision(decision.lstrip("/"))))

    @get("/herzieningen", summary="Decisions to be revisited, worst first")
    async def revisits() -> Response[bytes]:
        return said({"revisits": await off(lambda: node.revisits(1000))})

    @post("/herzieningen/{decision:path}", status_code=200, summary="A revisit has been dealt with")
    async def close(decision: str, request: Request[Any, Any, Any]) -> Response[bytes]:
        told = read_as(await request.body(), Closing)
        return said(
            await off(lambda: node.close_revisit(decision.lstrip("/"), told.wie, told.waarom, undo=told.ongedaan))
        )

    return [decide, numbers, decision, revisits, close]


def status_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """The node's state, and its timeline."""

    @get("/stand", summary="State of this node")
    async def stand() -> Response[bytes]:
        return said(await off(lambda: status.of(node)))

    @get("/tijdlijn", summary="Entries of the timeline after a number")
    async def timeline(na: After = 0, aantal: AtMost = 100) -> Response[bytes]:
        return said({"entries": await off(lambda: status.entries(node, na, aantal))})

    return [stand, timeline]


def api(node: Node) -> Router:
    """The whole API of one node."""
    handlers = [
        *exchange_handlers(node),
        *gate_handlers(node),
        *intake_handlers(node),
        *reconciliation_handlers(node),
        *bundle_handlers(node),
        *recovery_handlers(node),
        *reservation_handlers(node),
        *service_handlers(node),
        *forecast_handlers(node),
        *backlog_handlers(node),
        *record_handlers(node),
        *status_handlers(node),
        *public_handlers(node),
    ]
    handlers += key_handlers(node)
    handlers += letter_handlers(node)
    handlers += plan_handlers(node)
    handlers += order_handlers(node)
    handlers += path_handlers(node)
    if "register" in node.me.roles:
        handlers += answer_handlers(node)
    if "decider" in node.me.roles:
        handlers += decision_handlers(node)
    return Router(PREFIX, route_handlers=handlers, exception_handlers=_on_error())


def _on_error() -> ExceptionHandlersMap:
    problems = Problems(HEADERS)
    return {KeersluisError: problems.foreseen, HTTPException: problems.refused, Exception: problems.unforeseen}
