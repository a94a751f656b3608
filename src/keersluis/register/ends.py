"""How answers end: which answers a fact touches, and what the askers are told. Pure.

In the stream `answer-end.<asker>` each *supplement* that follows from what was applied before a watermark stands before
the *completeness* event that states that watermark. So an asker that has applied the latter knows all there was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from keersluis.chain import Chain, Kind
from keersluis.register.answers import Answer, Owed, Scope, Watermarks, because, marks
from keersluis.register.facts import Fact, order

MOST_NAMES = 500
MOST_BYTES = 40_000
"""Bounds on the answers named in one event, which is at most 64 KB."""


class Due(NamedTuple):
    """An answer that must be given again, because of these late facts. `breach`: it was settled, so that a source
    broke its promise."""

    owed: Owed
    because: tuple[Fact, ...]
    breach: bool


class Breach(NamedTuple):
    """A settled answer that was reopened: whose, which, and by which events (origin, position)."""

    asker: str
    answer: str
    events: tuple[tuple[str, int], ...]


def due(answers: Sequence[Owed], late: Mapping[str, Sequence[Fact]], scope_of: Callable[[Owed], Scope]) -> list[Due]:
    """The answers that new facts (by subject) touch.

    An act of up to an answer's moment supplements it, also when it was settled. A later act touches only a standing
    answer: that is given anew for the moment of the act. Which answers there are in the end depends on the facts
    alone, not on the order in which they came (P3).
    """
    found = []
    for owed in answers:
        kinds = scope_of(owed).kinds
        facts = tuple(f for f in late.get(owed.subject, ()) if f.kind in kinds and f.when.start <= owed.moment)
        if facts:
            found.append(Due(owed, tuple(sorted(facts, key=order)), not owed.open))
    known = {(owed.asker, owed.id, owed.anchor) for owed in answers}
    for owed in answers:
        if owed.standing and not owed.anchor:
            found += given_anew(owed, late.get(owed.subject, ()), scope_of(owed), known)
    return found


def given_anew(owed: Owed, facts: Iterable[Fact], scope: Scope, known: Collection[tuple[str, str, str]]) -> list[Due]:
    """What follows from a standing question: for each needed fact of after its moment an answer of its own."""
    later = [f for f in facts if f.when.start > owed.moment and scope.calls_for_anew(f)]
    return [
        Due(owed._replace(anchor=fact.id, moment=fact.when.end, open=True), (fact,), False)
        for fact in sorted(later, key=order)
        if (owed.asker, owed.id, fact.id) not in known
    ]


def breach(due: Due) -> Breach:
    """What a broken promise reopened."""
    return Breach(due.owed.asker, due.owed.name, tuple((fact.origin, fact.position) for fact in due.because))


def supplement(due: Due, answer: Answer, scope: Scope, chain: Chain) -> dict[str, Any]:
    """The event's data. `anchor` is there where a standing question is answered anew: the id of the fact that called
    for it. The decision on that is called `<answer id>/<anchor>`, also in later supplements, which bear the same."""
    data: dict[str, Any] = {"what": "supplement"}
    if due.owed.anchor:
        data["anchor"] = due.owed.anchor
    shown = [fact for fact in due.because if fact.kind in scope.kinds]
    return data | {"answer": msgspec.to_builtins(answer), "because": because(shown, chain)}


def completeness(
    chain: Chain,
    kinds: Iterable[Kind],
    watermarks: Watermarks,
    *,
    settled: Iterable[str] = (),
    reopened: Iterable[str] = (),
) -> Iterator[dict[str, Any]]:
    """The events' data: at least one, more where many answers end at once. `reopened` names the settled answers that
    a gap opened again; then the watermark of its kind is an earlier one than was told before."""
    stated = msgspec.to_builtins(marks(chain, kinds, watermarks))
    ended = [{"settled": names} for names in _portions(settled)]
    ended += [{"settled": [], "reopened": names} for names in _portions(reopened)]
    for names in ended or [{"settled": []}]:
        yield {"what": "completeness", "watermarks": stated} | names


def _portions(names: Iterable[str]) -> list[list[str]]:
    portions: list[list[str]] = []
    size = MOST_BYTES
    for name in names:
        size += len(name) + 3
        if size > MOST_BYTES or len(portions[-1]) == MOST_NAMES:
            portions.append([])
            size = len(name) + 3
        portions[-1].append(name)
    return portions
