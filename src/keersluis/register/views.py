"""What one call of the register's desk sees: the chain, the watermarks that count, the reservations in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import Connection

from keersluis.context import Context
from keersluis.register import _store, _store_reservations, routes
from keersluis.register.answers import Answer, Owed, Scope, capped, derive, needed_leaves, scope, settles
from keersluis.register.facts import Fact
from keersluis.register.reservations import Reservation, StatedReservation, touching
from keersluis.times import Instant


@dataclass
class View:
    """What one call sees of the chain and of the watermarks; what a set of needs comes down to is worked out once."""

    tx: Connection
    ctx: Context
    now: Instant
    watermarks: Mapping[str, Instant]
    needs: dict[int, tuple[str, ...]]
    closed: frozenset[str]
    reservations: list[Reservation]
    _scopes: dict[tuple[int, str], Scope] = field(default_factory=dict)
    _settles: dict[int, Instant] = field(default_factory=dict)

    def number(self, paths: tuple[str, ...], purpose: str) -> int:
        """The number of the set of needs that these paths come down to."""
        kinds = needed_leaves(self.ctx.chain, paths, purpose)
        n = _store.need_set(self.tx, kinds)
        self.needs[n] = kinds
        return n

    def scope(self, owed: Owed) -> Scope:
        return self.scope_of(owed.needs, owed.purpose)

    def scope_of(self, needs: int, purpose: str) -> Scope:
        key = (needs, purpose)
        if key not in self._scopes:
            self._scopes[key] = scope(self.ctx.chain, self.needs[needs], purpose, self.now, self.closed)
        return self._scopes[key]

    def settles(self, needs: int) -> Instant:
        if needs not in self._settles:
            kinds = [self.ctx.chain.kinds[path] for path in self.needs[needs]]
            self._settles[needs] = settles(self.ctx.chain, kinds, self.watermarks)
        return self._settles[needs]

    def doubts(self, owed: Owed, facts: Sequence[Fact]) -> list[StatedReservation]:
        """The reservations that this answer rests on."""
        return touching(self.reservations, facts, self.scope(owed).kinds, owed.moment) if self.reservations else []

    def answer(self, owed: Owed, facts: Sequence[Fact]) -> Answer:
        doubts = self.doubts(owed, facts)
        found = derive(
            self.ctx.chain,
            self.ctx.me.oin,
            owed,
            self.scope(owed),
            facts,
            self.watermarks,
            at=owed.answered_at,
            state="provisional" if owed.open or doubts else "settled",
        )
        return msgspec.structs.replace(found, reservations=doubts) if doubts else found


def counted(tx: Connection, watermarks: Mapping[str, Instant]) -> dict[str, Instant]:
    return capped(watermarks, _store.open_gaps(tx))


def open_view(tx: Connection, ctx: Context, now: Instant, given: Mapping[str, Instant] | None = None) -> View:
    watermarks = _store.watermarks(tx) | dict(given or {})
    doubts = _store_reservations.in_force(tx)
    needs, closed = _store.all_need_sets(tx), routes.closed(tx, ctx, now)
    return View(tx, ctx, now, counted(tx, watermarks), needs, closed, doubts)


def keep_doubts(view: View, owed: Sequence[Owed], facts: Mapping[str, Sequence[Fact]]) -> None:
    """Answers that rest on a fact in doubt are settled by no watermark."""
    if not (view.reservations or _store_reservations.any_answers(view.tx)):
        return
    held: dict[bool, list[tuple[str, str, str]]] = {True: [], False: []}
    for each in owed:
        held[bool(view.doubts(each, facts.get(each.subject, ())))].append((each.asker, each.id, each.anchor))
    _store_reservations.put_answers(view.tx, held[True], held[False])
