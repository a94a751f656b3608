"""The naive truth: what each decision should be and what the register should hold, straight from the world's acts.

A second, small implementation on purpose: it shares no code with the register or the decisions, and knows the three
policies of the small chain by heart. Slow and plain is right here.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from keersluis.simulation.world import Act, Ask, World
from keersluis.times import SECOND, Instant, When

_UNDOING = {"police.dropped", "court.reversal", "bank.correction"}
NEEDS: Mapping[str, set[str]] = {
    "screening": {"police.report", "court.conviction"} | _UNDOING,
    "credit": {"bank.debt", "bank.payment"} | _UNDOING,
    "watch": {"police.report", "court.conviction"} | _UNDOING,
}
"""The kinds that each policy sees."""

_RECORDS = {"police.report", "court.conviction", "bank.debt", "bank.payment"}


_CHANGING: Mapping[tuple[str, int], set[str]] = {
    ("screening", 0): {"police.report", "court.conviction", "court.reversal"},
    ("screening", 1): {"court.conviction", "court.reversal", "police.dropped"},
    ("screening", 2): {"court.reversal"},
    ("credit", 0): {"bank.debt", "court.reversal", "bank.correction"},
    ("credit", 1): {"bank.debt", "bank.payment", "court.reversal", "bank.correction"},
    ("credit", 2): {"bank.payment", "court.reversal", "bank.correction"},
    ("watch", 0): {"police.report", "court.conviction", "court.reversal"},
    ("watch", 1): {"police.report", "court.reversal"},
    ("watch", 2): {"court.reversal", "police.dropped"},
}
"""The kinds that can change a decision at a level, by themselves."""


class Due(NamedTuple):
    """A decision that there must be in the end."""

    decider: str
    id: str
    policy: str
    subject: str
    moment: Instant


class Held(NamedTuple):
    """A fact as the register must hold it."""

    kind: str
    subject: str
    when: When
    valid_from: Instant | None
    valid_to: Instant | None
    refers_to: str | None
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Truth:
    """What is true in a world."""

    world: World

    def level(self, due: Due, without: Collection[str] = ()) -> int:
        """The level of one decision, as if the acts in `without` (ids) had not been."""
        needs = NEEDS[due.policy]
        mine = [
            act for act in self.world.acts if act.subject == due.subject and act.kind in needs and act.id not in without
        ]
        return _POLICIES[due.policy](_in_force(mine, due.moment), due.moment, self.world)

    def due(self) -> list[Due]:
        """Every decision that was asked for, and those that follow from standing ones."""
        return [due for ask in self.world.asks for due in self._from(ask)]

    def _from(self, ask: Ask) -> Iterable[Due]:
        yield Due(ask.decider, ask.id, ask.policy, ask.subject, ask.moment)
        if ask.policy != "watch":
            return
        for act in self.world.acts:
            if act.subject == ask.subject and act.kind in NEEDS["watch"] and act.when.start > ask.moment:
                yield Due(ask.decider, f"{ask.id}/{act.id}", ask.policy, ask.subject, act.when.end)

    def register(self) -> dict[str, Held]:
        """Act id -> what the register must hold of it."""
        return {
            act.id: Held(act.kind, act.subject, act.when, _begins(act), act.valid_to, act.refers_to, act.content)
            for act in self.world.acts
        }


def could_change(due: Due, level: int, act: Act) -> bool:
    """Whether such an act, from before the decision's moment, can make its level another."""
    return act.subject == due.subject and act.when.start <= due.moment and act.kind in _CHANGING[due.policy, level]


def _begins(act: Act) -> Instant | None:
    if act.valid_from is not None:
        return act.valid_from
    return None if act.kind == "bank.correction" else act.when.start


class _Counting(NamedTuple):
    """A recorded act that counts at a moment, with its content as last corrected."""

    kind: str
    when: When
    content: Mapping[str, Any]


def _in_force(acts: list[Act], moment: Instant) -> list[_Counting]:
    seen = [act for act in acts if act.when.start <= moment]

    def stands(act: Act) -> bool:
        return not any(other.kind == "court.reversal" and other.refers_to == act.id and stands(other) for other in seen)

    standing = [act for act in seen if stands(act)]
    counting = []
    for act in standing:
        if act.kind in _RECORDS:
            about = sorted((o for o in standing if o.refers_to == act.id), key=lambda o: (o.when.start, o.id))
            found = _as_it_counts(act, about, moment)
            counting += [found] if found else []
    return counting


def _as_it_counts(act: Act, about: list[Act], moment: Instant) -> _Counting | None:
    begins, ends, content = _begins(act), act.valid_to, act.content
    corrections = [other for other in about if other.kind == "bank.correction"]
    if corrections:
        last = corrections[-1]
        content = last.content
        if last.valid_from is not None:
            begins, ends = last.valid_from, last.valid_to
    for other in about:
        if other.kind == "police.dropped":
            ended = _begins(other)
            if ended is not None:
                ends = ended if ends is None else min(ends, ended)
    holds = (begins is None or begins <= moment) and (ends is None or moment < ends)
    return _Counting(act.kind, act.when, content) if holds else None


def _screening(facts: list[_Counting], moment: Instant, world: World) -> int:
    since = _month_before(moment, world)
    for fact in facts:
        if fact.kind == "court.conviction" and fact.content["gravity"] >= 3 and fact.when.end >= since:
            return 2
    return 1 if any(fact.kind == "police.report" for fact in facts) else 0


def _credit(facts: list[_Counting], _moment: Instant, _world: World) -> int:
    debt = sum(fact.content["amount"] for fact in facts if fact.kind == "bank.debt")
    paid = sum(fact.content["amount"] for fact in facts if fact.kind == "bank.payment")
    return 2 if debt - paid > 400 else 1 if debt - paid > 100 else 0


def _watch(facts: list[_Counting], _moment: Instant, _world: World) -> int:
    if any(f.kind == "police.report" and f.content["offence"] in ("violence", "threat") for f in facts):
        return 2
    return 1 if any(fact.kind == "court.conviction" for fact in facts) else 0


_POLICIES = {"screening": _screening, "credit": _credit, "watch": _watch}


def _month_before(moment: Instant, world: World) -> Instant:
    """The same time on the same day of the month before, or on its last day."""
    now = datetime.fromtimestamp(moment // SECOND, world.chain.timezone)
    year, month = (now.year, now.month - 1) if now.month > 1 else (now.year - 1, 12)
    then = now.replace(year=year, month=month, day=min(now.day, monthrange(year, month)[1]))
    return int(then.timestamp()) * SECOND + moment % SECOND
