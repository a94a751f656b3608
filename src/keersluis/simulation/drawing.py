"""Draws the acts of a generated world: new cases, what follows on them, and what another source sees of them.

Drawn once per feed, before anything is cut: id, event time and data of an act do not depend on what befalls it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np

from keersluis.chain import Chain, Kind
from keersluis.simulation.population import Calendar, Population, generator
from keersluis.times import SECOND, Instant, format_instant

_LAG_USED = 0.9
"""Usual entry takes at most this share of the kind's lag, so that usual work never breaks a promise."""


@dataclass(frozen=True, slots=True)
class Content:
    """One of the forms that an act's content takes; `ranges` gives the lowest and highest of a whole number."""

    weight: int
    fields: Mapping[str, str | int]
    ranges: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Flow:
    """Acts of one kind: `history` of them before the start and `count` after it, for 100,000 persons.

    A flow with `after` follows on earlier acts of those kinds, at least `least` microseconds later; with `closes`
    it ends their case, so that nothing else closes it. With `amends` its content is the target's, drawn anew.
    """

    kind: Kind
    system: str
    history: int
    count: int
    contents: tuple[Content, ...]
    after: tuple[str, ...] = ()
    least: int = 0
    closes: bool = False
    amends: bool = False


@dataclass(frozen=True, slots=True)
class Mirror:
    """Another source's view: a share of the acts of the kind `of`, seen some time `earlier` (from, to), within
    the window from `first` to `last`."""

    kind: Kind
    system: str
    of: str
    share: float
    earlier: tuple[int, int]
    first: Instant
    last: Instant


@dataclass(frozen=True, slots=True)
class Act:
    """An act in the world. `start` is the first moment of its event time; `entered` is when it is entered in
    normal times, or the start of the feed if it was done before it."""

    id: str
    kind: Kind
    subject: str
    occurred: str
    start: Instant
    entered: Instant
    event: bytes


@dataclass(frozen=True)
class World:
    """What acts are drawn from. `history` is the first moment of the past that the world remembers; after `last`
    nothing happens any more."""

    chain: Chain
    population: Population
    calendar: Calendar
    history: Instant
    start: Instant
    last: Instant
    seed: int

    def scaled(self, number: int) -> int:
        """A number per 100,000 persons, for the persons of this world."""
        return round(number * self.population.persons / 100_000)


@dataclass(slots=True)
class _Draft:
    flow: Flow | Mirror
    instant: Instant
    subject: str
    content: dict[str, Any]
    target: _Draft | None = None
    id: str = ""
    closed: bool = False


@dataclass
class _Drawing:
    world: World
    drafts: dict[str, list[_Draft]] = field(default_factory=dict)

    def add(self, flow: Flow) -> None:
        random = generator(self.world.seed, flow.kind.path)
        moments = _moments(self.world, flow, random)
        if flow.after:
            drafts = self._followers(flow, moments, random)
        else:
            subjects = self.world.population.for_acts(random, len(moments))
            pairs = zip(moments, subjects, strict=True)
            drafts = [_Draft(flow, at, who, _case(random, at) | _content(random, flow)) for at, who in pairs]
        self.drafts[flow.kind.path] = drafts

    def _followers(self, flow: Flow, moments: list[Instant], random: np.random.Generator) -> list[_Draft]:
        earlier = sorted((each for kind in flow.after for each in self.drafts[kind]), key=lambda it: it.instant)
        pool: list[_Draft] = []
        drafts, ahead = [], 0
        for moment in moments:
            while ahead < len(earlier) and earlier[ahead].instant + flow.least <= moment:
                pool.append(earlier[ahead])
                ahead += 1
            target = _pick(pool, random, flow.closes)
            if target is not None:
                content = _follow_up(random, flow, target)
                drafts.append(_Draft(flow, moment, target.subject, content, target))
        return drafts

    def mirror(self, mirror: Mirror) -> None:
        random = generator(self.world.seed, mirror.kind.path)
        drafts = []
        for seen in self.drafts[mirror.of]:
            earlier = int(random.integers(mirror.earlier[0], mirror.earlier[1] + 1))
            at = seen.instant - earlier // SECOND * SECOND
            if random.random() < mirror.share and mirror.first <= at < mirror.last:
                content = {key: value for key, value in seen.content.items() if key != "case"}
                drafts.append(_Draft(mirror, at, seen.subject, content))
        self.drafts[mirror.kind.path] = drafts

    def numbered(self) -> list[_Draft]:
        """All drafts in order of time, with ids: per source 1, 2, 3 .. in that order."""
        ordered = sorted((each for some in self.drafts.values() for each in some), key=lambda it: it.instant)
        numbers: dict[str, int] = {}
        for draft in ordered:
            source = draft.flow.kind.source
            numbers[source] = numbers.get(source, 0) + 1
            draft.id = f"{source}-{numbers[source]:06d}"
        return ordered


def draw_acts(world: World, flows: Sequence[Flow], mirrors: Sequence[Mirror]) -> list[Act]:
    """All acts of a world in order of time. A flow may follow on flows before it in the list only."""
    drawing = _Drawing(world)
    for flow in flows:
        drawing.add(flow)
    for mirror in mirrors:
        drawing.mirror(mirror)
    drafts = drawing.numbered()
    shares = generator(world.seed, "entry").random(len(drafts))
    return [_act(world, draft, float(share)) for draft, share in zip(drafts, shares, strict=True)]


def _moments(world: World, flow: Flow, random: np.random.Generator) -> list[Instant]:
    past, present = world.scaled(flow.history), world.scaled(flow.count)
    return [
        *world.calendar.working(random, past, world.history, world.start, rising=True),
        *world.calendar.working(random, present, world.start, world.last),
    ]


def _pick(pool: list[_Draft], random: np.random.Generator, closes: bool) -> _Draft | None:
    """Takes one out of the pool, rather a late one than an early one."""
    while pool:
        draft = pool.pop(int(len(pool) * random.random() ** 0.5))
        if not (closes and draft.closed):
            draft.closed = draft.closed or closes
            return draft
    return None


def _case(random: np.random.Generator, at: Instant) -> dict[str, Any]:
    """A case number in the form of a Dutch parketnummer."""
    court, number = int(random.integers(1, 97)), int(random.integers(0, 1_000_000))
    return {"case": f"{court:02d}/{number:06d}-{format_instant(at)[2:4]}"}


def _content(random: np.random.Generator, flow: Flow) -> dict[str, Any]:
    if not flow.contents:
        return {}
    place = int(random.integers(0, sum(each.weight for each in flow.contents)))
    for form in flow.contents:
        place -= form.weight
        if place < 0:
            break
    numbers = {key: int(random.integers(low, high + 1)) for key, (low, high) in form.ranges.items()}
    return {**form.fields, **numbers}


def _follow_up(random: np.random.Generator, flow: Flow, target: _Draft) -> dict[str, Any]:
    if flow.amends and isinstance(target.flow, Flow):
        return target.content | _content(random, target.flow)
    return target.content | _content(random, flow)


def _act(world: World, draft: _Draft, share: float) -> Act:
    kind = draft.flow.kind
    day = world.calendar.index(draft.instant)
    start = int(world.calendar.starts[day]) if kind.resolution == "day" else draft.instant
    entered = world.start
    if draft.instant >= world.start:
        entered = _usual_entry(draft.instant, start, kind, share)
    act = Act(draft.id, kind, draft.subject, _occurred(world, draft), start, entered, b"")
    return replace(act, event=msgspec.json.encode(_event(world, draft, act)))


def _usual_entry(done: Instant, start: Instant, kind: Kind, share: float) -> Instant:
    """Somewhere between the act itself and nearly its kind's lag after the start of its event time."""
    spare = start + int(kind.lag * _LAG_USED) - done
    return done + int(max(spare, 0) * share) // SECOND * SECOND


def _occurred(world: World, draft: _Draft) -> str:
    if draft.flow.kind.resolution == "day":
        return world.calendar.texts[world.calendar.index(draft.instant)]
    return format_instant(draft.instant)


def _event(world: World, draft: _Draft, act: Act) -> dict[str, Any]:
    data: dict[str, Any] = {"subject": act.subject, "content": draft.content}
    if draft.target is not None and act.kind.action != "record":
        data["refers_to"] = draft.target.id
        if act.kind.action == "correct":
            data["valid_from"] = _occurred(world, draft.target)
    oin = world.chain.organisations[act.kind.source].oin
    return {
        "specversion": "1.0",
        "id": act.id,
        "source": f"urn:nld:oin:{oin}:systeem:{draft.flow.system}",
        "type": world.chain.ce_type(act.kind),
        "occurred": act.occurred,
        "datacontenttype": "application/json",
        "data": data,
    }
