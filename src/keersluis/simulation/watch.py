"""Who watches a run from outside: what crossed when, what took effect, what each node said of its streams.

It knows the gates by the orders that were given, not by the product's tables, and holds every message, every effect and
every watermark against the promises as it comes by (P1, P2, P4, P7). What only the end can tell is in `checks.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from keersluis.chain import Chain, Route
from keersluis.errors import KeersluisError
from keersluis.exchange.batches import Batch, Parcel, decode
from keersluis.exchange.questions import QUESTIONS
from keersluis.simulation.faults import REGISTER, Entry, Order
from keersluis.simulation.truth import Due, could_change
from keersluis.simulation.world import START, Act, Ask, World, text
from keersluis.times import SECOND, Instant, parse_instant

AT_ONCE = SECOND
"""P4: an order counts from one second after it was given."""

PURPOSES: Mapping[str, str] = {"screening": "licence", "credit": "licence", "watch": "care"}
"""For what each policy of the chain asks."""

SILENT_AFTER = 2
"""P7: heartbeats without a word after which a stream may no longer be said to flow."""


class Violation(NamedTuple):
    """A promise that did not hold, and how."""

    promise: str
    sentence: str


class Applied(NamedTuple):
    """An event that took effect at a receiver."""

    origin: str
    kind: str
    position: int
    id: str
    link: str = "wire"


class Entered(NamedTuple):
    """When a node acknowledged an act, as which number of which kind, and until when that kind was promised by then."""

    at: Instant
    kind: str
    position: int
    promised: Instant


class Receipted(NamedTuple):
    """A batch, perhaps without events, on which a receiver gave its receipt; `entered` is its checkpoint's."""

    kind: str
    entered: Instant
    link: str = "wire"


@dataclass(frozen=True, slots=True)
class Message:
    """Bytes from one node to another."""

    sender: str
    peer: str
    path: str
    body: bytes

    def with_body(self, body: bytes) -> Message:
        return replace(self, body=body)


@dataclass
class Gates:
    """The gates as they were ordered, by true time: a model of three rules, apart from the product's."""

    given: list[tuple[Instant, Order]] = field(default_factory=list)

    def closed(self, node: str, peer: str, direction: str, kind: str, now: Instant, link: str = "wire") -> bool:
        """Whether this gate was closed a second ago, and has not been opened since."""
        before = "open"
        since = []
        for at, order in self.given:
            if order.link not in ("*", link) or not _covers(order, node, peer, direction, kind):
                continue
            if at < now - AT_ONCE:
                before = order.state
            else:
                since.append(order.state)
        return before == "closed" and all(state == "closed" for state in since)


def _covers(order: Order, node: str, peer: str, direction: str, kind: str) -> bool:
    kinds = order.kind == "*" or kind == order.kind or kind.startswith(order.kind + ".")
    return order.node == node and order.direction == direction and order.peer in ("*", peer) and kinds


@dataclass
class Watch:
    """What was seen of one run. `now` tells true time; `entries` are how the plan has acts entered."""

    world: World
    entries: Mapping[str, Entry]
    now: Callable[[], Instant]
    due: Mapping[tuple[str, str], Due] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    gates: Gates = field(default_factory=Gates)
    effects: dict[str, dict[str, dict[int, str]]] = field(default_factory=dict)
    accepted: dict[str, Entered] = field(default_factory=dict)
    waiting: dict[str, Instant] = field(default_factory=dict)
    _promised: dict[str, Instant] = field(default_factory=dict)
    _here: dict[str, set[str]] = field(default_factory=dict)
    _touched: dict[tuple[str, str], Instant] = field(default_factory=dict)
    _heard: dict[tuple[str, str], Instant] = field(default_factory=dict)
    _newest: dict[tuple[str, str], Instant] = field(default_factory=dict)
    _news: dict[str, None] = field(default_factory=dict)
    _marks: dict[tuple[str, str], tuple[Instant, Instant]] = field(default_factory=dict)

    @property
    def chain(self) -> Chain:
        return self.world.chain

    def injected(self, fault: str) -> None:
        """A fault that really happened."""
        self.faults[fault] += 1

    def violated(self, promise: str, sentence: str) -> None:
        """Each sentence counts once: a fault that stays is found again at every look."""
        violation = Violation(promise, sentence)
        if violation not in self.violations:
            self.violations.append(violation)

    def surprised(self, what: str, error: BaseException) -> None:
        """The product failed in a way that is no answer."""
        self.violated("all", f"{what}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")

    # -- what people and systems of record did -------------------------------------------------------------------

    def moved(self, order: Order, at: Instant) -> None:
        """A node said that this order stands."""
        self.gates.given.append((at, order))

    def acknowledged(self, act: Act, kind: str, position: int) -> None:
        """A node said that it accepted the act under this number (P1: the same number each time)."""
        known = self.accepted.setdefault(act.id, Entered(self.now(), kind, position, self._promised.get(act.kind, 0)))
        if (known.kind, known.position) != (kind, position):
            said = f"{act.id} was accepted as {known.kind} {known.position}, and again as {kind} {position}"
            self.violated("P1", said)

    def kept(self, act: Act, now: Instant | None = None) -> bool:
        """Whether the source kept its promise about this act: entered, counted or registered as waiting in time, or at
        least before it promised that all of its time was entered.

        Acts of before the chain began are entered before the first promise. `now`: what is not due yet is kept.
        """
        kind = self.chain.kinds[act.kind]
        deadline = act.when.end + kind.lag
        if act.happened <= START or (now is not None and now <= deadline):
            return True
        entered = self.accepted.get(act.id)
        if (entered.promised if entered else self._promised.get(act.kind, 0)) < act.when.end:
            return True
        done = [at for at in (self.waiting.get(act.id), entered.at if entered else None) if at is not None]
        if kind.counts:
            done.append(self.entries[act.id].recorded if act.id in self.entries else act.entered)
        return any(at <= deadline for at in done)

    # -- what crosses --------------------------------------------------------------------------------------------

    def leaves(self, message: Message, now: Instant) -> None:
        """P4 on the way out; and what is promised."""
        for kind, through in _promises(message):
            self._promised[kind] = max(through, self._promised.get(kind, 0))
            if self.gates.closed(message.sender, message.peer, "out", kind, now):
                self.violated("P4", f"{message.sender} sent {kind} to {message.peer} at {text(now)}, out was closed")

    def arrives(self, message: Message, now: Instant) -> None:
        """Something of these streams reached a node, whatever becomes of it."""
        for kind in _kinds(message):
            self._touched[message.peer, kind] = now

    def answered(self, message: Message, now: Instant) -> None:
        """P4 on the way in: an asker was given an answer."""
        if message.path == QUESTIONS:
            self._crossed(message.peer, message.sender, "in", "question", now)
            self._crossed(message.peer, message.sender, "out", "answer", now)

    def decided(self, decider: str, now: Instant) -> None:
        """A decider rests a decision on an answer that it has just been given."""
        self._crossed(decider, REGISTER, "in", "answer", now)

    def carries(self, source: str, link: str, streams: Iterable[tuple[str, Instant]], now: Instant) -> None:
        """P4 for what is made to be carried to the register; and what it promises, for each of its kinds."""
        for kind, through in streams:
            self._promised[kind] = max(through, self._promised.get(kind, 0))
            self._crossed(source, REGISTER, "out", kind, now, link)

    def brings(self, kinds: Iterable[str], now: Instant) -> None:
        """Something of these streams was carried to the register, whatever becomes of it."""
        for kind in kinds:
            self._touched[REGISTER, kind] = now

    def covered(self, ask: Ask, kinds: Iterable[str], now: Instant) -> None:
        """P2: a decision may go out on emergency routes alone, where one is permitted and brought all that it has."""
        for kind in kinds:
            self.injected("emergency-route")
            routes = [route for route in self.chain.routes.values() if kind == route.covers]
            if not any(self._permits(route, ask, now) for route in routes):
                self.violated("P2", f"{kind} is called covered for {ask.id}, and no route is permitted for it")
            if not any(self._complete(route.kind, ask.moment, now) for route in routes):
                self.violated("P2", f"{kind} is called covered for {ask.id}, and the route has not brought all")

    def _permits(self, route: Route, ask: Ask, now: Instant) -> bool:
        slack = self.chain.skew
        in_time = route.start - slack <= now and (route.until is None or now <= route.until + slack)
        return in_time and (not route.purposes or PURPOSES[ask.policy] in route.purposes)

    def _complete(self, kind: str, moment: Instant, now: Instant) -> bool:
        here = self._here.get(REGISTER, set())
        of_kind = (act for act in self.world.acts if act.kind == kind and act.when.end <= moment)
        return all(act.id in here or not self.kept(act, now) for act in of_kind)

    def _crossed(self, node: str, peer: str, direction: str, kind: str, now: Instant, link: str = "wire") -> None:
        if self.gates.closed(node, peer, direction, kind, now, link):
            how = "" if link == "wire" else f" by {link}"
            self.violated("P4", f"{kind} crossed{how} at {node} at {text(now)}, {direction} was closed for {peer}")

    # -- what takes effect ---------------------------------------------------------------------------------------

    def committed(self, node: str, noted: Iterable[Applied | Receipted]) -> None:
        """What a transaction of a node did, now that it is durable."""
        for each in noted:
            if isinstance(each, Applied):
                self._applied(node, each)
            elif each.entered > self._newest.get((node, each.kind), 0):
                self._newest[node, each.kind] = each.entered
                self._heard[node, each.kind] = self.now()
            if node == REGISTER:
                self._news[each.kind] = None
            source = self.chain.kinds[each.kind].source
            self._crossed(node, source, "in", each.kind, self.now(), each.link)

    def _applied(self, node: str, event: Applied) -> None:
        """P1: each event of a stream takes effect once, whichever way it came; one after another, but for letters."""
        done = self.effects.setdefault(node, {}).setdefault(event.origin, {})
        early = event.link != "paper" and any(n not in done for n in range(1, event.position))
        if event.position in done or early:
            how = "again" if event.position in done else "too early"
            self.violated("P1", f"{event.origin} event {event.position} ({event.id}) took effect at {node} {how}")
        done[event.position] = event.id
        self._here.setdefault(node, set()).add(event.id)

    def news_of_streams(self) -> list[str]:
        """The kinds of which something came to the register since this was asked before."""
        kinds, self._news = list(self._news), {}
        return kinds

    def claims(self, kind: str, through: Instant) -> None:
        """The register's watermark of a stream, as soon as it can be seen."""
        self._check_complete(kind, through, self.now())

    def settled(self, decider: str, news: Iterable[tuple[str, int]]) -> None:
        """P2 at the moment of settling: no act of before its moment that could change it is under way or on paper."""
        here = self._here.get(REGISTER, set())
        for decision, level in news:
            due = self.due.get((decider, decision))
            for act in self.world.acts if due else ():
                if due and act.id not in here and could_change(due, level, act) and self.kept(act, self.now()):
                    self.violated(
                        "P2", f"decision {decision} of {decider} settled at level {level} before {act.id} came"
                    )

    # -- what a node says ----------------------------------------------------------------------------------------

    def looks(self, node: str, streams: Iterable[Mapping[str, Any]], now: Instant) -> None:
        """A look at the status of a node: its watermarks (P2) and the state of its streams (P7)."""
        for row in streams:
            kind, through = str(row["kind"]), parse_instant(row["complete_through"])
            before, looked = self._marks.get((node, kind), (0, START))
            self._marks[node, kind] = (through, now)
            if through < before:
                self.violated("P2", f"the watermark of {kind} at {node} went back from {text(before)}")
            if through > before and self._touched.get((node, kind), 0) < looked:
                self.violated("P7", f"the watermark of {kind} at {node} moved to {text(through)} without a promise")
            self._check_state(node, kind, str(row["state"]), now)
            if node == REGISTER:
                self._check_complete(kind, through, now)

    def _check_state(self, node: str, kind: str, state: str, now: Instant) -> None:
        slack = 2 * self.chain.skew
        limit = SILENT_AFTER * self.chain.heartbeat
        quiet = now - self._touched.get((node, kind), START)
        if quiet > limit + slack and state == "flowing":
            self.violated(
                "P7", f"{node} says that {kind} flows at {text(now)}, and nothing came for {quiet // SECOND} s"
            )
        heard = self._heard.get((node, kind))
        if heard is not None and now - heard < limit - slack and state in ("silent", "never"):
            self.violated("P7", f"{node} says that {kind} is {state} at {text(now)}, and it was heard at {text(heard)}")

    def _check_complete(self, kind: str, through: Instant, now: Instant) -> None:
        """P2: what a watermark covers, less the bound on clock differences, is here: of each act that was promised."""
        here = self._here.get(REGISTER, set())
        for act in self.world.acts:
            covered = act.kind == kind and act.when.end <= through - self.chain.skew
            if covered and act.id not in here and self.kept(act, now):
                self.violated(
                    "P2", f"{kind} is called complete through {text(through)} at {text(now)}, and {act.id} is not here"
                )


def _promises(message: Message) -> Iterator[tuple[str, Instant]]:
    """The kinds that a message speaks of, heartbeats too, and until when it promises them."""
    if message.path == QUESTIONS:
        yield "question", 0
        return
    try:
        batches = decode(message.body, Parcel).batches
    except KeersluisError:
        return
    for batch in batches:
        yield kind_of(batch), _line(batch, "complete-through ")


def _kinds(message: Message) -> Iterator[str]:
    return (kind for kind, _through in _promises(message))


def kind_of(batch: Batch) -> str:
    """The kind that a batch says it is of; empty where it says nothing that can be read."""
    parts = batch.checkpoint.partition("\n")[0].split("/")
    return parts[1] if len(parts) == 3 else ""


def entered_of(batch: Batch) -> Instant:
    """Until when the source had entered everything, as the batch's checkpoint says it; 0 where it says nothing."""
    return _line(batch, "entered-through ")


def _line(batch: Batch, name: str) -> Instant:
    said = [line.removeprefix(name) for line in batch.checkpoint.split("\n") if line.startswith(name)]
    try:
        return parse_instant(said[0]) if said else 0
    except KeersluisError:
        return 0
