"""Reservations: doubt about what a source recorded, set and lifted with a reason. Pure.

A reservation moves no watermark. Every answer that rests on a reserved fact says so and is provisional, whatever the
watermarks; what was settled on it is open again. The source stands by its facts with a signed statement over a stream's
root, made after its own check (docs/formats.md, "Reaffirmation"); what it finds false it withdraws by ordinary events.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from keersluis.errors import Incorrect
from keersluis.register.facts import Fact
from keersluis.times import Instant, format_instant


@dataclass(frozen=True, slots=True)
class Reservation:
    """Number `n`: on what `source` (OIN) recorded of `kinds` (paths of leaves) between `since` and `until`, inclusive:
    entered by the source then, or recorded here then. `reaffirmed`: (origin, size) pairs that the source stands by."""

    n: int
    source: str
    kinds: frozenset[str]
    since: Instant
    until: Instant
    who: str
    why: str
    set_at: Instant
    reaffirmed: tuple[tuple[str, int], ...] = ()

    def covers(self, fact: Fact) -> bool:
        """Whether this fact is in doubt. A key that was stolen can write any source time, so both clocks count."""
        return (
            fact.source == self.source
            and fact.kind in self.kinds
            and (self.since <= fact.system_time <= self.until or self.since <= fact.source_time <= self.until)
            and not any(fact.origin == origin and fact.position <= size for origin, size in self.reaffirmed)
        )


class StatedReservation(msgspec.Struct, frozen=True):
    """A reservation as an answer states it: `facts` are the ids of what is in doubt and the answer rests on."""

    n: int
    source: str
    since: str
    until: str
    why: str
    facts: list[str]


def touching(
    reservations: Iterable[Reservation], facts: Sequence[Fact], kinds: Collection[str], moment: Instant
) -> list[StatedReservation]:
    """The reservations on which an answer about these facts of one subject rests. An act that took another away is
    rested on too, though it is not shown: so every fact of the kinds up to the moment counts."""
    found = []
    for each in reservations:
        ids = sorted(f.id for f in facts if f.kind in kinds and f.when.start <= moment and each.covers(f))
        if ids:
            since, until = format_instant(each.since), format_instant(each.until)
            found.append(StatedReservation(each.n, each.source, since, until, each.why, ids))
    return found


def check(who: str, why: str, since: Instant, until: Instant, kinds: Collection[str]) -> None:
    """Raises Incorrect `reservation.refused` with all faults at once."""
    faults = [
        f"{name}: expected a text, got nothing" for name, text in (("who", who), ("why", why)) if not text.strip()
    ]
    if since > until:
        faults.append(f"until: expected a time from {format_instant(since)} on, got {format_instant(until)}")
    if not kinds:
        faults.append("kinds: expected kinds that the source sends here, got none")
    if faults:
        raise Incorrect("reservation.refused", expected="a reservation", got="; ".join(faults), faults=faults)
