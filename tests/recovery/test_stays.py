"""What waited in exchange and decisions: in - out = stock, in every history, after every crash, with real ages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from exchange_harness import KIND, START, Pair, event, make_pair
from hypothesis import given, settings
from hypothesis import strategies as st

from decisions.deciders import CUT, LATER, MOMENT, answer, complete, fact, marks, open_decider, supplement
from keersluis.decisions import desk
from keersluis.decisions import staying as deciding
from keersluis.errors import Fault, Incorrect
from keersluis.exchange import _store_stays, intake, outbox
from keersluis.exchange import staying as exchanging
from keersluis.recovery import backlogs
from keersluis.recovery.imports import of_table
from keersluis.stays import Stay, totals
from keersluis.storage import open_store
from keersluis.timeline import log
from keersluis.times import DAY, HOUR, Instant, format_instant

OTHER = "prosecution-decision.other"


@dataclass
class Model:
    """The naive account: who waits in which channel, and every move, with its moment."""

    waiting: dict[str, tuple[str, Instant, Instant]] = field(default_factory=dict)
    bags: dict[str, tuple[str, int]] = field(default_factory=dict)
    came: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    left: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def stock(self, channel: str) -> int:
        return sum(c == channel for c, *_ in self.waiting.values()) + sum(
            n for c, n in self.bags.values() if c == channel
        )


class World:
    """Random histories of acts that wait for entry, told to a node and to the model."""

    def __init__(self, seed: int) -> None:
        self.random, self.pair, self.model, self.numbers = Random(seed), make_pair(), Model(), 0
        self.pair.go_on(30 * DAY)

    @property
    def now(self) -> Instant:
        return self.pair.source.clock.now()

    def step(self) -> None:
        self.pair.go_on(self.random.randrange(1, 2 * DAY))
        acts = (self.register, self.register, self.enter, self.enter, self.withdraw, self.bag, self.open, self.close)
        self.random.choice(acts)()

    def register(self) -> None:
        items = []
        for _ in range(self.random.randrange(1, 5)):
            self.numbers += 1
            born = self.now - self.random.randrange(HOUR, 20 * DAY)
            items.append((f"e-{self.numbers}", self.random.choice(["paper", "mailbox"]), born))
        source = self.pair.source
        rows = [(KIND, each, format_instant(born), channel) for each, channel, born in items]
        twice = self.random.random() < 0.3
        source.store.write(
            lambda tx: intake.register_waiting(tx, source.ctx, rows + rows[:1] if twice else rows, self.now)
        )
        for each, channel, born in items:
            self.model.waiting[each] = (channel, born, self.now)
            self.model.came[channel] += 1

    def enter(self) -> None:
        """Some that wait, and one that never did."""
        self.numbers += 1
        some = self.random.sample(sorted(self.model.waiting), min(2, len(self.model.waiting)))
        fresh = [event(10_000 + self.numbers, self.now - HOUR)]
        self.pair.source.accept([event(int(each[2:]), self.model.waiting[each][1]) for each in some] + fresh)
        self._gone(some)

    def withdraw(self) -> None:
        some = self.random.sample(sorted(self.model.waiting), min(1, len(self.model.waiting)))
        source = self.pair.source
        source.store.write(
            lambda tx: intake.withdraw(tx, source.ctx, [(KIND, each) for each in some], "desk", "a mistake", self.now)
        )
        self._gone(some)

    def _gone(self, some: Iterable[str]) -> None:
        for each in some:
            self.model.left[self.model.waiting.pop(each)[0]] += 1

    def bag(self) -> None:
        """A new bag, or one of which more or less is said than before, perhaps elsewhere."""
        name, channel = self.random.choice(["x", "y"]), self.random.choice(["paper", "mailbox"])
        number = self.random.randrange(1, 30)
        oldest = format_instant(self.now - self.random.randrange(HOUR, 9 * DAY))
        source = self.pair.source
        source.store.write(
            lambda tx: intake.register_mailbag(tx, source.ctx, KIND, name, number, oldest, channel, self.now)
        )
        had, before = self.model.bags.get(name, (channel, 0))
        if had != channel:
            self.model.left[had] += before
            before = 0
        self.model.came[channel] += max(0, number - before)
        self.model.left[channel] += max(0, before - number)
        self.model.bags[name] = (channel, number)

    def open(self) -> None:
        for name, (channel, number) in self.model.bags.items():
            if number:
                some = self.random.randrange(1, number + 1)
                source = self.pair.source
                source.store.write(lambda tx: intake.opened(tx, source.ctx, KIND, name, some, self.now))  # noqa: B023
                self.model.bags[name] = (channel, number - some)
                self.model.left[channel] += some
                return

    def close(self) -> None:
        if not self.model.bags:
            return
        name, (channel, number) = self.model.bags.popitem()
        source = self.pair.source
        source.store.write(lambda tx: intake.close_mailbag(tx, source.ctx, KIND, name, "desk", "empty", self.now))
        self.model.left[channel] += number

    def stays(self, channel: str) -> list[Stay]:
        with self.pair.source.store.read() as tx:
            return exchanging.entry(tx, [KIND], [channel])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40))
def test_what_came_less_what_went_is_what_waits_in_every_history(seed: int, steps: int) -> None:
    world = World(seed)
    for _ in range(steps):
        world.step()
    for channel in ("paper", "mailbox"):
        stays, model = world.stays(channel), world.model
        found = totals(stays)
        assert (found.came, found.left, found.stock) == (model.came[channel], model.left[channel], model.stock(channel))
        assert all(stay.ended is None or stay.ended >= stay.since for stay in stays)
        ages = sorted((s.born, s.since) for s in stays if s.ended is None and s.n == 1)
        assert set(ages) >= {(born, since) for at, born, since in world.model.waiting.values() if at == channel}


def test_an_act_that_was_entered_without_being_counted_out_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault that the check is for: planted, and caught at the next look."""
    world = World(1)
    world.register()
    monkeypatch.setattr(_store_stays, "entry_rows", lambda *_: [])
    with pytest.raises(Fault, match=r"backlog\.unbalanced"):
        world.stays("paper")


def test_a_registration_that_was_rolled_back_left_nothing_behind() -> None:
    world = World(3)
    world.register()
    before = [world.stays(channel) for channel in ("paper", "mailbox")]
    source = world.pair.source

    def crash(tx: sa.Connection) -> None:
        some = sorted(world.model.waiting)[:1]
        intake.withdraw(tx, source.ctx, [(KIND, each) for each in some], "desk", "a mistake", world.now)
        raise Incorrect("test.crash", expected="a commit", got="none")

    with pytest.raises(Incorrect):
        source.store.write(crash)
    assert [world.stays(channel) for channel in ("paper", "mailbox")] == before


# -- events for the receivers' receipts ------------------------------------------------------------------------------


def delivered(pair: Pair, at: list[Instant], kind: str = KIND) -> list[Stay]:
    with pair.source.store.read() as tx:
        return exchanging.delivery(tx, [kind], ["justid"], at)


def test_events_come_with_acceptance_and_go_with_the_receipt() -> None:
    pair = make_pair()
    at = [START + n * DAY for n in range(6)]
    pair.go_on(HOUR)
    pair.source.accept([event(n, START) for n in range(3)])
    pair.go_on(DAY)
    pair.source.accept([event(n, START) for n in range(3, 10)])
    pair.go_on(DAY)
    assert totals(delivered(pair, at)) == (10, 0, 10)
    pair.pump()
    pair.go_on(DAY)
    pair.source.accept([event(n, START + 2 * DAY) for n in range(10, 12)])
    stays = delivered(pair, at)
    assert totals(stays) == (12, 10, 2)
    assert sorted((s.n, s.since, s.ended) for s in stays if s.ended is not None) == [
        (3, START, START + 2 * DAY),
        (7, START + DAY, START + 2 * DAY),
    ]
    assert [(s.n, s.born, s.since) for s in stays if s.ended is None] == [(2, START + 2 * DAY, START + 3 * DAY + HOUR)]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_what_a_peer_asks_for_again_is_not_gone(seed: int) -> None:
    """A rewind: it had not got them. In - out = stock, and nothing leaves before it came."""
    random, pair, number, at = Random(seed), make_pair(), 0, [START + n * DAY for n in range(60)]
    for _ in range(12):
        pair.go_on(random.randrange(HOUR, 3 * DAY))
        what = random.random()
        if what < 0.5:
            more = random.randrange(1, 6)
            pair.source.accept([event(number + n, START) for n in range(more)])
            number += more
        elif what < 0.85:
            pair.pump()
        else:
            promises = pair.source.store.write(lambda tx: outbox.make_promises(tx, pair.source.ctx, START))
            promise = next(each for each in promises if each.kind.path == KIND)
            back = random.randrange(0, promise.size + 1)
            with pair.source.store.read() as tx:
                there = _store_stays.peers_of(tx, promise.stream).get("justid", 0)
            pair.source.store.write(
                lambda tx: outbox.rewind(tx, promise, "justid", min(back, there), pair.source.clock.now())  # noqa: B023
            )
    stays = delivered(pair, [*[each for each in at if each < pair.source.clock.now()], pair.source.clock.now()])
    with pair.source.store.read() as tx:
        row = _store_stays.streams_of(tx, [KIND], [])
        there = _store_stays.peers_of(tx, row[0].stream).get("justid", 0) if row else 0
    assert totals(stays) == (number, there, number - there)
    assert all(stay.ended is None or stay.ended >= stay.since for stay in stays)


def test_the_first_events_of_a_stream_are_found_by_strides() -> None:
    pair = make_pair()
    times = []
    for n in range(40):
        pair.go_on((n % 7) * HOUR)
        pair.source.accept([event(n, START)])
        times.append(pair.source.clock.now())
    with pair.source.store.read() as tx:
        stream = _store_stays.streams_of(tx, [KIND], [])[0]
        edges = [START - 1, *times, times[-1] + 1]
        expected = [sum(each < at for each in times) for at in edges]
        assert _store_stays.entered_by(tx, stream.stream, 40, edges) == expected
        assert _store_stays.entered_by(tx, stream.stream, 40, edges[17:23]) == expected[17:23]


# -- decisions -------------------------------------------------------------------------------------------------------

CONVICTION = fact("judgment.serious", "2025-07-21")


def test_a_revisit_comes_when_it_is_put_on_the_desk_and_goes_when_it_is_closed() -> None:
    decider = open_decider()
    decider.take(*(answer(f"d{n}", watermarks=marks(CUT), subject=f"skn:{n}") for n in range(3)))
    decider.clock.set(LATER)
    given_ = answer("d1", CONVICTION, watermarks=marks(CUT), at=LATER, subject="skn:1")
    decider.hear(supplement(given_, CONVICTION))
    with decider.store.read() as tx:
        assert deciding.stays(tx, "revisit") == [Stay(1, MOMENT, LATER, None)]
        assert totals(deciding.stays(tx, "provisional", ["vog-standard"])) == (3, 1, 2)
        assert deciding.stays(tx, "provisional", ["vog-taxi"]) == []
    decider.clock.set(LATER + 2 * DAY)
    decider.store.write(lambda tx: desk.close_revisit(tx, decider.ctx, "d1", "desk", "seen", LATER + 2 * DAY))
    with decider.store.read() as tx:
        assert totals(deciding.stays(tx, "revisit")) == (1, 1, 0)
    decider.store.write(lambda tx: desk.undo_close(tx, decider.ctx, "d1", "desk", "too soon", LATER + 2 * DAY))
    with decider.store.read() as tx:
        assert totals(deciding.stays(tx, "revisit")) == (2, 1, 1)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_counting_now_and_then_or_never_gives_the_same(seed: int) -> None:
    """The mark moves with what it stands for, in one transaction: whenever it moves, the account is the same."""
    random = Random(seed)
    now_and_then, never = open_decider("ind"), open_decider("ind")
    decided = 0
    for _ in range(10):
        what, through = random.random(), CUT + random.randrange(0, 60) * DAY
        for each in (now_and_then, never):
            each.clock.set(max(each.clock.now(), MOMENT) + 5 * HOUR)
            if what < 0.6:
                each.take(
                    *(answer(f"d{decided + n}", watermarks=marks(CUT), subject=f"skn:{n}") for n in range(3)),
                    policy="immigration",
                )
            else:
                each.hear(complete(marks(through)))
        decided += 3 if what < 0.6 else 0
        if random.random() < 0.5:
            now_and_then.store.write(deciding.advance)
    for which in deciding.DESKS:
        found = []
        for each in (now_and_then, never):
            with each.store.read() as tx:
                found.append(sorted(deciding.stays(tx, which), key=str))
                assert deciding.behind(tx) >= 0
        assert found[0] == found[1]


# -- on PostgreSQL ---------------------------------------------------------------------------------------------------


@pytest.mark.postgres
def test_the_same_is_counted_on_postgresql(empty_postgresql: str) -> None:
    pair, at = make_pair(url=empty_postgresql), [START + n * DAY for n in range(6)]
    source = pair.source
    pair.go_on(HOUR)
    source.accept([event(n, START) for n in range(3)])
    pair.go_on(DAY)
    pair.pump()
    pair.go_on(HOUR)
    source.accept([event(3, START + HOUR)])
    assert totals(delivered(pair, at)) == (4, 3, 1)
    born = format_instant(START)
    source.store.write(
        lambda tx: intake.register_waiting(
            tx, source.ctx, [(KIND, "e-7", born, "paper"), (KIND, "e-8", born, "paper")], source.clock.now()
        )
    )
    source.store.write(
        lambda tx: intake.register_mailbag(tx, source.ctx, KIND, "x", 9, born, "mailbox", source.clock.now())
    )
    source.accept([event(7, START)])
    source.store.write(lambda tx: intake.opened(tx, source.ctx, KIND, "x", 4, source.clock.now()))
    with source.store.read() as tx:
        assert totals(exchanging.entry(tx, [KIND], ["paper"])) == (2, 1, 1)
        assert totals(exchanging.entry(tx, [KIND], ["mailbox"])) == (9, 4, 5)
        assert exchanging.quarantine(tx, ["justid"]) == []


@pytest.mark.postgres
def test_decisions_and_imports_are_counted_on_postgresql(empty_postgresql: str) -> None:
    decider = open_decider(url=empty_postgresql)
    decider.take(*(answer(f"d{n}", watermarks=marks(CUT), subject=f"skn:{n}") for n in range(3)))
    decider.store.write(deciding.advance)
    decider.clock.set(LATER)
    decider.hear(complete(marks(LATER)))
    decider.store.write(deciding.advance)
    with decider.store.read() as tx:
        assert totals(deciding.stays(tx, "provisional")) == (3, 3, 0)
        assert deciding.behind(tx) == 0
    pair = make_pair()
    said = of_table(
        b"date,arrivals,completions,stock\n2025-07-01,5,2,13\n2025-07-02,5,9,9\n", ZoneInfo("Europe/Amsterdam")
    )
    store = open_store(empty_postgresql, [log.MIGRATIONS, backlogs.MIGRATIONS], inline=True)
    ctx = pair.source.ctx
    store.write(lambda tx: backlogs.take_in(tx, ctx, "om-calls", said, "ab" * 32, "planner", "count"))
    with store.read() as tx:
        assert backlogs.stands(tx, ctx, "om-calls", LATER).stock == 9
    store.write(lambda tx: backlogs.undo(tx, ctx, "om-calls", "planner", "mistake"))
    with store.read() as tx:
        assert backlogs.stands(tx, ctx, "om-calls", LATER).stock == 0
    store.close()
