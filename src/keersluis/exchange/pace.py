"""How fast a stream drains towards a peer, and when it will have caught up: measured on receipts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from keersluis.times import MINUTE, SECOND, Instant, format_instant

MOST = 32
"""So many marks of a stream and a peer are kept."""

APART = SECOND
"""At least so far apart: a mark that comes sooner takes the place of the last one."""

WINDOW = 10 * MINUTE
"""Marks older than this say nothing of now, unless there is no other."""


class Mark(NamedTuple):
    """At `at` the peer had receipted `receipted` of the `accepted` events of the stream."""

    at: Instant
    receipted: int
    accepted: int


def marked(marks: Sequence[Mark], mark: Mark) -> list[Mark]:
    """The marks with a new one; where too many are kept, every other of the older half goes."""
    kept = list(marks)
    if len(kept) > 1 and mark.at - kept[-2].at < APART:
        kept.pop()
    kept.append(mark)
    if len(kept) > MOST:
        half = MOST // 2
        kept = kept[:half:2] + kept[half:]
    return kept


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Nothing waits."""


@dataclass(frozen=True, slots=True)
class Expected:
    """At the pace of the last receipts everything that waits is there at `at`."""

    at: Instant


@dataclass(frozen=True, slots=True)
class NotAtThisRate:
    """More is accepted than receipted."""


@dataclass(frozen=True, slots=True)
class GateClosed:
    """It waits until the gate opens."""


@dataclass(frozen=True, slots=True)
class NotKnown:
    """Too little was receipted to say."""


CatchUp: TypeAlias = CaughtUp | Expected | NotAtThisRate | GateClosed | NotKnown


def rate(marks: Sequence[Mark], now: Mark) -> float | None:
    """Events per second that the peer receipted of late; None where that is not known."""
    first = _first(marks, now)
    return None if first is None else (now.receipted - first.receipted) * SECOND / (now.at - first.at)


def catch_up(marks: Sequence[Mark], now: Mark, *, closed: bool) -> CatchUp:
    """When the peer will have everything, if both sides go on as they did of late."""
    backlog = now.accepted - now.receipted
    if backlog <= 0:
        return CaughtUp()
    if closed:
        return GateClosed()
    first = _first(marks, now)
    if first is None:
        return NotKnown()
    gained = (first.accepted - first.receipted) - backlog
    if gained <= 0:
        return NotAtThisRate()
    return Expected(now.at + backlog * (now.at - first.at) // gained)


def _first(marks: Sequence[Mark], now: Mark) -> Mark | None:
    """Where the measured stretch begins: long enough to measure, recent enough to count."""
    before = [mark for mark in marks if now.at - mark.at >= APART]
    recent = [mark for mark in before if now.at - mark.at <= WINDOW]
    return recent[0] if recent else (before[-1] if before else None)


def told(state: CatchUp, now: Instant) -> dict[str, Any]:
    """As JSON: a `state`, and for an expected moment `at` and the `seconds` until then."""
    if isinstance(state, Expected):
        return {"state": "expected", "at": format_instant(state.at), "seconds": max(0, state.at - now) // SECOND}
    names = {
        CaughtUp: "caught-up",
        NotAtThisRate: "not-at-this-rate",
        GateClosed: "gate-closed",
        NotKnown: "not-known",
    }
    return {"state": names[type(state)]}
