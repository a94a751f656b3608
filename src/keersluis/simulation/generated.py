"""A feed drawn from a scenario: a generated world, played with the cut and without it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from keersluis.chain import Chain
from keersluis.sections import Words
from keersluis.simulation.drawing import Act, Flow, Mirror, World, draw_acts
from keersluis.simulation.feed import Ask, Counts, GateOrder, Item, Publish, Reconcile, Request, Waiting
from keersluis.simulation.population import Calendar, Population, generator
from keersluis.times import DAY, SECOND, Instant, format_instant


@dataclass(frozen=True, slots=True)
class Questions:
    """`count` questions of a decider under one policy, for 100,000 persons; a share `known` of them about persons
    with facts. With `at_start` they are asked on the first day, each about another person."""

    organisation: str
    policy: str
    count: int
    known: float
    at_start: bool


@dataclass(frozen=True, slots=True)
class Cut:
    """From `start` to `end` a share `paper` of the acts of `organisation` lies on paper; that is entered, roughly
    in order, between the two moments of `entry`. All other acts are entered as usual, but not sent."""

    organisation: str
    start: Instant
    end: Instant
    paper: float
    channels: tuple[str, ...]
    entry: tuple[Instant, Instant]


@dataclass(frozen=True, slots=True)
class Loss:
    """Of the acts of one kind that are entered from `start` on, a share does not reach the outbox. At `found` the fault
    is found and no more is lost; what was lost comes with the next reconciliation that publishes."""

    kind: str
    share: float
    start: Instant
    found: Instant


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """At `at` an organisation compares its system of record with what it published of a kind; with `publish` it enters
    what is missing."""

    at: Instant
    organisation: str
    kind: str
    publish: bool


@dataclass(frozen=True)
class Scenario:
    """A scenario file as data. Numbers of acts and questions are for 100,000 persons; `last` is the end of the last
    day on which anything happens, `end` the end of the feed."""

    name: str
    title: Words
    summary: Words
    history: Instant
    start: Instant
    last: Instant
    end: Instant
    tick: int
    seed: int
    persons: int
    known: float
    flows: tuple[Flow, ...]
    mirrors: tuple[Mirror, ...]
    questions: tuple[Questions, ...]
    orders: tuple[GateOrder, ...]
    cut: Cut | None
    loss: Loss | None
    reconciliations: tuple[Reconciliation, ...] = ()
    requests: tuple[Request, ...] = ()


class GeneratedFeed:
    """The feed of one scenario for one seed and number of persons; acts and questions are drawn once."""

    def __init__(self, chain: Chain, scenario: Scenario) -> None:
        self.chain, self.scenario = chain, scenario
        self.start, self.tick = scenario.start, scenario.tick
        self.end = scenario.start - (scenario.start - scenario.end) // scenario.tick * scenario.tick
        self._population = Population(scenario.persons, scenario.known, scenario.seed)
        self._calendar = Calendar(scenario.history, scenario.last, chain.timezone)

    @cached_property
    def acts(self) -> Sequence[Act]:
        """All acts of the world in order of event time."""
        it = self.scenario
        people, days = self._population, self._calendar
        world = World(self.chain, people, days, it.history, it.start, it.last, it.seed)
        return draw_acts(world, it.flows, it.mirrors)

    @cached_property
    def asks(self) -> Sequence[Ask]:
        """All questions, the same in both variants."""
        return [ask for questions in self.scenario.questions for ask in self._asked(questions)]

    @property
    def total_events(self) -> int:
        return len(self.acts)

    def items(self, cut: bool) -> Iterator[Item]:
        """Both variants from the same acts. Within one moment: orders, then requests, paper, acts, reconciliations,
        questions, counts."""
        waiting, published = self._with_cut() if cut else ([], self._uncut())
        orders = self.scenario.orders if cut else ()
        compared = self._compared() if cut else []
        stated = self._stated(self._paper() if cut else {})
        requests = [row for row in self.scenario.requests if cut or row.uncut]
        items: list[Item] = [*orders, *requests, *waiting, *published, *compared, *self.asks, *stated]
        items.sort(key=lambda item: item.at)
        return iter(items)

    def _asked(self, questions: Questions) -> list[Ask]:
        it = self.scenario
        random = generator(it.seed, f"{questions.organisation} {questions.policy}")
        number = round(questions.count * it.persons / 100_000)
        last = min(it.start + DAY, it.last) if questions.at_start else it.last
        moments = self._calendar.working(random, number, it.start, last)
        subjects = self._population.for_questions(random, number, questions.known, questions.at_start)
        return [
            Ask(at, questions.organisation, _request(f"{questions.policy}-{n:05d}", questions.policy, subject, at))
            for n, (at, subject) in enumerate(zip(moments, subjects, strict=False), 1)
        ]

    def _uncut(self) -> list[Publish]:
        return [Publish(act.entered, act.kind.source, act.event) for act in self.acts]

    def _with_cut(self) -> tuple[list[Waiting], list[Publish]]:
        lost, paper = self._lost(), self._paper()
        published = [
            Publish(paper.get(act.id, act.entered), act.kind.source, act.event)
            for act in self.acts
            if act.id not in lost
        ]
        waiting = [self._waits(act) for act in self.acts if act.id in paper]
        return waiting, published

    @cached_property
    def _drawn(self) -> dict[str, tuple[float, float, float]]:
        """Three numbers from 0 to 1 for each act: is it delayed, how long, by what channel."""
        rows = generator(self.scenario.seed, "fate").random((len(self.acts), 3))
        return {act.id: (float(a), float(b), float(c)) for act, (a, b, c) in zip(self.acts, rows, strict=True)}

    def _paper(self) -> dict[str, Instant]:
        """Acts that lie on paper, with the moment at which they are entered at last."""
        cut = self.scenario.cut
        if cut is None:
            return {}
        found = {}
        for act in self.acts:
            fate, jitter, _ = self._drawn[act.id]
            if act.kind.source == cut.organisation and cut.start <= act.start < cut.end and fate < cut.paper:
                found[act.id] = _paper_entry(cut, act, jitter)
        return found

    def _waits(self, act: Act) -> Waiting:
        """Put on the list of paper when it would have been entered: no promise can have passed it by then (P2)."""
        channels = self.scenario.cut.channels if self.scenario.cut else ()
        channel = channels[int(self._drawn[act.id][2] * len(channels))]
        return Waiting(act.entered, act.kind.source, act.kind.path, act.id, act.occurred, channel)

    def _lost(self) -> dict[str, Instant]:
        """Acts that never reached the outbox, with the moment of the reconciliation that enters them."""
        loss = self.scenario.loss
        if loss is None:
            return {}
        comes = min(r.at for r in self.scenario.reconciliations if r.kind == loss.kind and r.publish)
        return {
            act.id: comes
            for act in self.acts
            if act.kind.path == loss.kind
            and loss.start <= act.entered < loss.found
            and self._drawn[act.id][0] < loss.share
        }

    def _compared(self) -> list[Reconcile]:
        """What the systems of record hold when the tick of each reconciliation ends."""
        lost, paper = self._lost(), self._paper()
        found = []
        for it in self.scenario.reconciliations:
            ends = it.at + (self.start - it.at) % self.tick
            acts = [act for act in self.acts if act.kind.path == it.kind and paper.get(act.id, act.entered) <= ends]
            adds = tuple(act.event for act in acts if lost.get(act.id) == it.at and it.publish)
            record = tuple(act.event for act in acts)
            found.append(Reconcile(it.at, it.organisation, it.kind, it.publish, record, adds))
        return found

    def _stated(self, paper: dict[str, Instant]) -> list[Counts]:
        """At the start and every tick's end, for each kind that has counts: what the system of record holds. Paper
        is not in it until it is entered; what the link lost is."""
        stated = []
        for kind in self.chain.kinds.values():
            if not kind.counts:
                continue
            own = (act for act in self.acts if act.kind.path == kind.path)
            entered = sorted(paper.get(act.id, act.entered) for act in own)
            for through in range(self.start, self.end + 1, self.tick):
                count = bisect_right(entered, through)
                stated.append(Counts(through, kind.source, kind.path, through, count))
        return stated


def _request(id_: str, policy: str, subject: str, at: Instant) -> dict[str, str]:
    return {"id": id_, "policy": policy, "subject": subject, "moment": format_instant(at)}


def _paper_entry(cut: Cut, act: Act, jitter: float) -> Instant:
    """The piles are worked off roughly from the oldest on, some days earlier or later."""
    first, last = cut.entry
    place = (act.start - cut.start) / (cut.end - cut.start)
    at = first + int((last - first) * place) + int((jitter - 0.5) * 10 * DAY)
    earliest = max(first, act.entered + DAY)
    return min(max(at, earliest), max(last, earliest)) // SECOND * SECOND
