"""Runs a seed: one small world, played with all its faults and without any, on the product's own nodes.

Everything follows from the seed: the world, the plan of faults, the order in which things are done. Time is virtual,
the disks are in memory, the network is a function call; the nodes are those of `service.py`. A seed that violates a
promise violates it again, at the same place, however often it is run.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from keersluis.errors import Conflict, KeersluisError, Unavailable
from keersluis.exchange import overview
from keersluis.exchange.outbox import Accepted
from keersluis.service import Node, Pumped
from keersluis.simulation import checks, faults, world
from keersluis.simulation.couriers import Couriers
from keersluis.simulation.faults import DECIDERS, EVERYBODY, REGISTER, SOURCES, Again, Order, Plan, Skew
from keersluis.simulation.machine import Crash, Job, Machine, T, Time
from keersluis.simulation.network import Line, Network
from keersluis.simulation.truth import Truth
from keersluis.simulation.watch import Violation, Watch
from keersluis.simulation.world import END, HOURS, START, Act, Ask, World
from keersluis.times import HOUR, SECOND, Instant

DRAIN = (9, 96, 97)
"""Hours after the end at which everybody feeds, sends and asks: until all paper is entered, and long after that."""

COUNTED_EVERY = 2
"""Hours between two statements of a source's system of record."""


@dataclass(frozen=True)
class SeedReport:
    """How a seed went. `trace` is a digest of all that was done and came of it: equal for equal runs."""

    seed: int
    violations: tuple[Violation, ...]
    faults: Counter[str]
    events: int
    decisions: int
    trace: str

    def told(self) -> list[dict[str, Any]]:
        """The violations as JSON values, each with the command that repeats it."""
        command = f"keersluis simulate --seeds 1 --seed {self.seed}"
        return [
            {"seed": self.seed, "promise": promise, "sentence": sentence, "repeat": command}
            for promise, sentence in self.violations
        ]


def run(seed: int) -> SeedReport:
    """One seed: the chain with its faults and the chain that was never cut, both held against the naive truth."""
    drawn = world.draw(seed)
    truth = Truth(drawn)
    cut = Run(seed, drawn, faults.draw(seed, drawn))
    found = cut.play(truth)
    uncut = Run(seed, drawn, faults.NOTHING)
    true = uncut.play(truth)
    checks.same(cut.watch, found, true)
    never = (Violation(promise, f"in the chain that was never cut: {said}") for promise, said in uncut.watch.violations)
    trace = hashlib.sha256("\n".join((*cut.trace, "uncut", *uncut.trace)).encode()).hexdigest()
    violations = (*cut.watch.violations, *never)
    return SeedReport(seed, violations, cut.watch.faults, len(drawn.acts), len(found.levels), trace)


def run_many(seeds: Iterable[int], workers: int) -> Iterator[SeedReport]:
    """Many seeds in processes of their own, in the order in which they were asked for."""
    if workers == 1:
        yield from map(run, seeds)
        return
    with ProcessPoolExecutor(max_workers=workers) as pool:
        yield from pool.map(run, seeds, chunksize=2)


class Run:
    """One play of a world under a plan."""

    def __init__(self, seed: int, drawn: World, plan: Plan) -> None:
        self.world, self.plan, self.chain = drawn, plan, drawn.chain
        self.calm = plan is faults.NOTHING
        self.random = Random(f"{seed}/order")
        self.time = Time()
        due = {(each.decider, each.id): each for each in Truth(drawn).due()}
        self.watch = Watch(drawn, plan.entries, lambda: self.time.now, due)
        self.network = Network(plan, self.time, self.watch)
        self.trace: list[str] = []
        for key in EVERYBODY:
            line = Line(self.network, key)
            self.time.machines[key] = Machine(key, self.chain, plan, self.time, self.watch, line)
        self.machines = self.network.machines = self.time.machines
        self.network.meanwhile = self._meanwhile
        self.offices = {key: Office(self, key) for key in SOURCES}
        self.asks: list[Ask] = list(drawn.asks)
        self.orders: list[Order] = sorted(plan.orders, key=lambda order: order.at)
        self.skews: list[Skew] = sorted(plan.skews, key=lambda skew: skew.at)
        self.couriers = Couriers(self, seed, plan.carried)

    def play(self, truth: Truth) -> checks.Found:
        """From the beginning until long after the end; what is stored then."""
        for hour in range(0, HOURS, HOURS - 1 if self.calm else 1):
            self._hour(START + hour * HOUR)
            if hour % 2:
                self._look()
        self._mend()
        for hours in DRAIN[1 if self.calm else 0 :]:
            self._hour(END + hours * HOUR)
        self._look()
        nodes = {key: machine.node for key, machine in self.machines.items() if machine.node is not None}
        found = checks.at_the_end(self.watch, truth, nodes)
        self.trace += [f"{key} {level}" for key, level in sorted(found.levels.items())]
        for machine in self.machines.values():
            machine.close()
        return found

    # -- an hour -------------------------------------------------------------------------------------------------

    def _hour(self, at: Instant) -> None:
        """Who is down gets up, then all that is due is done, in an order that the seed says."""
        self.time.set(at)
        for machine in self.machines.values():
            if machine.node is None and machine.back <= self.time.now:
                machine.start()
                self.note(machine.key, "started")
        self._set_clocks()
        jobs = list(self._jobs())
        if self.network.healthy or self.calm:
            jobs.sort(key=lambda job: job[0])
        else:
            self.random.shuffle(jobs)
        jobs += [(9, partial(office.feed, last=True)) for office in self.offices.values()]
        self.couriers.hour(len(jobs))
        for number, (_stage, job) in enumerate(jobs):
            self.time.go_on(self.random.randrange(SECOND, 40 * SECOND))
            job()
            self.couriers.slot(number)

    def _jobs(self) -> Iterator[tuple[int, Callable[[], None]]]:
        """What is to be done in this hour, each with its place in a quiet hour."""
        now = self.time.now
        for order in [order for order in self.orders if order.at <= now]:
            yield 0, partial(self._order, order)
        for message in self.network.late(now):
            yield 1, partial(self.network.arrives_late, message)
        for office in self.offices.values():
            yield 2, partial(office.feed, last=self.calm or self.network.healthy)
        for decider in DECIDERS:
            yield 3, partial(self._ask, decider, now)
        steady = self.calm or self.network.healthy
        for office in self.offices.values():
            if steady or self.random.random() < 0.62:
                yield 4, partial(office.send, heartbeat=steady or self.random.random() < 0.5)
        if steady or self.random.random() < 0.62:
            yield 5, partial(self._send, REGISTER, heartbeat=steady or self.random.random() < 0.5)

    def _meanwhile(self, waiting: str) -> None:
        """While a message of `waiting` is under way the sources feed and send, then the register tells its askers."""
        self.time.go_on(self.random.randrange(3 * HOUR))
        for key, office in self.offices.items():
            office.feed(last=False)
            if key != waiting:
                office.send(heartbeat=False)
        for decider in DECIDERS:
            if decider != waiting:
                self._ask(decider, self.time.now)
        if waiting != REGISTER:
            self._send(REGISTER, heartbeat=False)

    def _set_clocks(self) -> None:
        while self.skews and self.skews[0].at <= self.time.now:
            skew = self.skews.pop(0)
            machine = self.machines[skew.node]
            if machine.offset != skew.offset:
                machine.offset = skew.offset
                self.watch.injected("clock-skew")
        self.time.go_on(0)

    def _mend(self) -> None:
        """All faults are over: everything runs, every gate is opened, what is late on the way arrives in time."""
        self.network.healthy = True
        for key, machine in self.machines.items():
            machine.crashes.clear()
            machine.mid_batch.clear()
            machine.disk.full.clear()
            machine.back = self.time.now
            for direction in ("in", "out"):
                self.orders.append(Order(key, self.time.now, "*", direction, "*", "open"))

    # -- what is done --------------------------------------------------------------------------------------------

    def call(self, key: str, what: str, job: Job[T], *expected: type[KeersluisError]) -> T | None:
        """Have a node do something; None when it is down, ends on the way or says that it cannot now."""
        machine = self.machines[key]
        node = machine.node
        if node is None:
            return None
        try:
            result = job(node)
        except Crash as crash:
            if machine.node is node:  # else it fell already, while its message was under way
                machine.fell(crash)
            self.note(key, what, "crash", crash.node)
        except Exception as error:  # noqa: BLE001, what was not foreseen is a finding, whatever it is
            if not isinstance(error, (Unavailable, *expected)):
                self.watch.surprised(f"{key} could not {what}", error)
            self.note(key, what, error.code if isinstance(error, KeersluisError) else type(error).__name__)
        else:
            return result
        return None

    def _order(self, order: Order) -> None:
        """Somebody orders a gate, again and again until the node has said that it stands."""

        def move(_node: Node) -> bool:
            self.machines[order.node].order(order)
            return True

        if self.call(order.node, "move a gate", move):
            self.orders.remove(order)
            if order in self.plan.orders:
                self.watch.injected("gate-moved")
            self.note(order.node, "gate", order.peer, order.direction, order.kind, order.state)

    def _send(self, key: str, *, heartbeat: bool) -> None:
        pumped = self.call(key, "send", lambda node: node.pump(heartbeat=heartbeat))
        if isinstance(pumped, Pumped):
            for peer, sent in pumped.sent.items():
                self.note(key, "sent", peer, sent.events, sent.batches, sorted(sent.refused.items()))

    def _ask(self, decider: str, now: Instant) -> None:
        """Decide on all that is due; what fails is asked again an hour later."""
        due = [ask for ask in self.asks if ask.decider == decider and ask.at <= now]
        if not due:
            return
        if not self.network.healthy:
            due = due[: self.random.choice((1, 3, len(due)))]
        requests = [ask.request() for ask in due]
        taken = self.call(decider, "decide", lambda node: node.decide(requests), KeersluisError)
        if taken is not None:
            self.watch.decided(decider, self.time.now)
            for ask, each in zip(due, taken, strict=True):
                self.watch.covered(ask, each["covered"], self.time.now)
            self.asks = [ask for ask in self.asks if ask not in due]
            self.note(decider, "decided", [(each["id"], each["state"], each["level"]) for each in taken])

    def _look(self) -> None:
        """What each node that is up says of the streams that it receives."""
        for key in (REGISTER, *DECIDERS):
            rows = self.call(key, "show its state", _streams)
            if rows is not None:
                self.watch.looks(key, rows, self.time.now)
                self.note(key, "says", [(row["kind"], row["complete_through"], row["state"]) for row in rows])

    def note(self, key: str, *what: object) -> None:
        """One line of the trace."""
        self.trace.append(f"{self.time.now} {key} {what}")


def _streams(node: Node) -> list[dict[str, Any]]:
    with node.store.read() as tx:
        return overview.received(tx, node.ctx, node.clock.now())


class Office:
    """A source organisation beside its node: people, paper, and a system of record that publishes and counts."""

    def __init__(self, run: Run, key: str) -> None:
        self.run, self.key, self.watch = run, key, run.watch
        entries = run.plan.entries
        acts = run.world.of(key)
        self.recorded = {a.id: entries[a.id].recorded if a.id in entries else a.entered for a in acts}
        published = {a.id: entries[a.id].published if a.id in entries else a.entered for a in acts}
        self.to_publish = sorted(((published[a.id], a) for a in acts), key=lambda pair: (pair[0], pair[1].id))
        papers = ((entries[a.id].waiting, a) for a in acts if a.id in entries)
        self.to_announce = [(at, a) for at, a in papers if at is not None]
        ours = {a.id: a for a in acts}
        self.to_repeat: list[tuple[Again, Act]] = [(g, ours[g.act]) for g in run.plan.again if g.act in ours]
        self.counted_at: Instant = 0

    @property
    def loaded(self) -> bool:
        """What was there before the chain began is entered before the first promise."""
        return all(act.happened > START for _at, act in self.to_publish)

    def feed(self, *, last: bool) -> None:
        """Announce paper, enter acts, count: what is due, and what failed before. Some wait until the `last` moment."""
        now = self.run.time.now
        self._announce([(at, act) for at, act in self.to_announce if at <= now])
        self._publish([(at, a) for at, a in self.to_publish if at <= now and (last or not a.at_the_last_moment)])
        self._repeat([(again, act) for again, act in self.to_repeat if again.at <= now])
        if now - self.counted_at >= COUNTED_EVERY * HOUR:
            self._count()

    def send(self, *, heartbeat: bool) -> None:
        """The node sends by itself, unless something holds it up."""
        now = self.run.time.now
        if any(s.node == self.key and s.since <= now < s.until for s in self.run.plan.silences):
            self.watch.injected("late-heartbeat")
        elif self.loaded:
            self.run._send(self.key, heartbeat=heartbeat)

    def _announce(self, due: list[tuple[Instant, Act]]) -> None:
        if not due:
            return
        items = [(act.kind, act.id, act.occurred, "paper") for _at, act in due]
        if self.run.call(self.key, "register paper", lambda node: node.register_waiting(items)):
            for at, act in due:
                self.to_announce.remove((at, act))
                self.watch.waiting[act.id] = self.run.time.now

    def _publish(self, due: list[tuple[Instant, Act]]) -> None:
        """In portions; all or nothing of each. An act that was not acknowledged is published again."""
        while due:
            portion, due = due[:8], due[8:]
            events = [world.event(act, self.run.chain) for _at, act in portion]
            accepted = self.run.call(self.key, "accept", partial(Node.accept, events=events))
            if accepted is None:
                return
            for pair, told in zip(portion, accepted, strict=True):
                self._accepted(pair, told)

    def _accepted(self, pair: tuple[Instant, Act], told: Accepted) -> None:
        self.to_publish.remove(pair)
        act = pair[1]
        self.watch.acknowledged(act, told.kind, told.position)
        if act.id in self.run.plan.entries:
            self.watch.injected(self.run.plan.entries[act.id].fault)
        self.run.note(self.key, "accepted", act.id, told.position, told.duplicate)

    def _repeat(self, due: list[tuple[Again, Act]]) -> None:
        for again, act in due:
            if act.id in self.watch.accepted:
                self.to_repeat.remove((again, act))
                self._again(again, act)

    def _again(self, again: Again, act: Act) -> None:
        """The same event again changes nothing; another under its key is refused."""
        other = {"another": True} if again.other else {}
        events = [world.event(act, self.run.chain, **other)]
        self.watch.injected("key-reused" if again.other else "published-twice")
        accepted = self.run.call(self.key, "accept again", lambda node: node.accept(events), Conflict)
        for told in accepted or ():
            if again.other or not told.duplicate:
                self.watch.violated("P1", f"{act.id} was accepted again as number {told.position}")
            self.watch.acknowledged(act, told.kind, told.position)

    def _count(self) -> None:
        """What the system of record holds, by the clock that it shares with its node."""
        kinds = [kind.path for kind in self.run.chain.kinds.values() if kind.source == self.key and kind.counts]
        if not kinds:
            return
        now = self.run.time.now
        acts = self.run.world.of(self.key)
        numbers = {path: sum(a.kind == path and self.recorded[a.id] <= now for a in acts) for path in kinds}

        def state(node: Node) -> bool:
            node.state_counts([(path, node.clock.now(), number) for path, number in numbers.items()])
            return True

        if self.run.call(self.key, "state counts", state):
            self.counted_at = now
