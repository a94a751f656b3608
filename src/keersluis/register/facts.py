"""Facts on two time axes, and which of them are in force. Pure: a result depends on the set of facts alone.

Arrival order never matters (P3). Four clocks: `when` is event time, `source_time` when the source entered it,
`system_time` when this register recorded it, `valid_from`..`valid_to` when the content holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from keersluis.times import Instant, When

Key = tuple[str, str]
"""Source (OIN) and id: what makes an event the same event."""


class Fact(msgspec.Struct, frozen=True, gc=False):
    """One event of one stream about one subject.

    `action` is that of its kind: a ``record`` is a fact itself, ``end``, ``correct`` and ``withdraw`` act on the event
    that `refers_to` names. `content` is JSON. Instants in microseconds since 1970; `valid_to` is exclusive.
    A ``correct`` without `valid_from` keeps the period of what it corrects.
    """

    id: str
    subject: str
    origin: str
    position: int
    kind: str
    action: str
    when: When
    source_time: Instant
    system_time: Instant
    valid_from: Instant | None
    valid_to: Instant | None
    refers_to: str | None
    content: bytes

    @property
    def source(self) -> str:
        """OIN of the source organisation."""
        return self.origin.partition("/")[0]

    @property
    def key(self) -> Key:
        return (self.source, self.id)


class _Acts:
    """The acts among the facts, by what they refer to.

    An id is unique within its source only, so a reference means the source's own event of that id where there is
    one, and else the event of that id of another source (a court refers to a decision of the prosecution).
    """

    def __init__(self, facts: Sequence[Fact]) -> None:
        self._keys = {fact.key for fact in facts}
        self._by_target: dict[str, list[Fact]] = {}
        for fact in facts:
            if fact.refers_to is not None and fact.action != "record":
                self._by_target.setdefault(fact.refers_to, []).append(fact)
        self._effective = self._effective_withdrawals([fact for fact in facts if fact.action == "withdraw"])

    def on(self, target: Fact, action: str) -> list[Fact]:
        """The acts of this action that refer to `target`, undone or not."""
        return [act for act in self._by_target.get(target.id, ()) if act.action == action and self._means(act, target)]

    def undone(self, fact: Fact) -> bool:
        """A withdrawal that is not itself undone refers to it."""
        return any(act.key in self._effective for act in self.on(fact, "withdraw"))

    def _means(self, act: Fact, target: Fact) -> bool:
        return act.source == target.source or (act.source, target.id) not in self._keys

    def _effective_withdrawals(self, withdrawals: Sequence[Fact]) -> set[Key]:
        """The withdrawals that are not undone; those that undo each other in a circle have no effect."""
        against = {each.key: {by.key for by in self.on(each, "withdraw")} for each in withdrawals}
        effective: set[Key] = set()
        void: set[Key] = set()
        while True:
            undecided = against.keys() - effective - void
            stands = {key for key in undecided if against[key] <= void}
            falls = {key for key in undecided if against[key] & effective}
            if not stands and not falls:
                return effective
            effective |= stands
            void |= falls


def in_force(
    facts: Iterable[Fact],
    *,
    moment: Instant | None = None,
    valid_at: Instant | None = None,
    known_at: Instant | None = None,
) -> tuple[Fact, ...]:
    """The facts of one subject that count, corrected and with the end that they were given, ordered by event time.

    `moment`: only what happened up to then in event time; an act known by day precedes every moment of its day.
    `valid_at` (`geldigOp`): only what holds then; without it, whatever was not withdrawn.
    `known_at` (`beschikbaarOp`): only what was recorded here up to then. Each limit that is None is not applied.
    """
    seen = _seen(facts, moment, known_at)
    records = [fact for fact in seen if fact.action == "record"]
    if len(records) < len(seen):
        acts = _Acts(seen)
        records = [_as_acted_on(fact, acts) for fact in records if not acts.undone(fact)]
    if valid_at is not None:
        records = [fact for fact in records if _holds(fact, valid_at)]
    return tuple(sorted(records, key=order))


def recorded(facts: Iterable[Fact], *, moment: Instant | None = None, known_at: Instant | None = None) -> list[Fact]:
    """The records of one subject as corrected, also those that were withdrawn or no longer hold."""
    seen = _seen(facts, moment, known_at)
    acts = _Acts(seen)
    return [_as_acted_on(fact, acts) for fact in seen if fact.action == "record"]


def _seen(facts: Iterable[Fact], moment: Instant | None, known_at: Instant | None) -> list[Fact]:
    return [
        fact
        for fact in facts
        if (moment is None or fact.when.start <= moment) and (known_at is None or fact.system_time <= known_at)
    ]


def order(fact: Fact) -> tuple[Instant, str, str]:
    """Event time, then id: the order in which acts count, the same at every receiver."""
    return (fact.when.start, fact.id, fact.origin)


def by_subject(facts: Iterable[Fact]) -> Mapping[str, list[Fact]]:
    """Facts grouped by whom they are about."""
    found: dict[str, list[Fact]] = {}
    for fact in facts:
        found.setdefault(fact.subject, []).append(fact)
    return found


def _holds(fact: Fact, at: Instant) -> bool:
    return (fact.valid_from is None or fact.valid_from <= at) and (fact.valid_to is None or at < fact.valid_to)


def _as_acted_on(fact: Fact, acts: _Acts) -> Fact:
    """The fact with the content and period of its last correction, cut off at its earliest end."""
    corrections = [act for act in acts.on(fact, "correct") if not acts.undone(act)]
    if corrections:
        fact = _corrected(fact, max(corrections, key=order))
    ends = [act.valid_from for act in acts.on(fact, "end") if act.valid_from is not None and not acts.undone(act)]
    if fact.valid_to is not None:
        ends.append(fact.valid_to)
    return msgspec.structs.replace(fact, valid_to=min(ends)) if ends else fact


def _corrected(fact: Fact, by: Fact) -> Fact:
    """A correction that says from when its content holds gives the whole period; else it changes what it names."""
    if by.valid_from is not None:
        return msgspec.structs.replace(fact, content=by.content, valid_from=by.valid_from, valid_to=by.valid_to)
    valid_to = by.valid_to if by.valid_to is not None else fact.valid_to
    return msgspec.structs.replace(fact, content=by.content, valid_to=valid_to)
