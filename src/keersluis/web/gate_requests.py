"""What may be asked of a gate, over the API or from the command line: bodies, and the orders that they make. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import msgspec

from keersluis.exchange.gates import ALL, GateOrder, Scope
from keersluis.times import parse_instant

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


def outcome(orders: Sequence[GateOrder], moved: Sequence[GateOrder]) -> dict[str, Any]:
    """What an order came to: those that changed something, and how many were in force already."""
    return {"moved": moved, "unchanged": len(orders) - len(moved)}
