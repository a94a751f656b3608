"""The queue served item by item: as a plain simulation of events says, and as is known exactly."""

from __future__ import annotations

import heapq
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keersluis.errors import Incorrect
from keersluis.recovery import queues
from keersluis.recovery.draws import Drawn, Exponential, Fixed, Lognormal, Measured
from keersluis.recovery.queues import FAR, Asked, ItemClass, Queue, chunks, one_chunk, simulate, starts

Items = list[list[tuple[float, float]]]
"""Of one path, by class: (arrival, service) of each item."""


def by_events(items: Items, servers: list[float]) -> list[list[float]]:
    """The plain way: a calendar of arrivals and of servers that come free, one path, one item at a time."""
    calendar = [(arrival, k, n) for k, each in enumerate(items) for n, (arrival, _) in enumerate(each)]
    calendar += [(moment, len(items), 0) for moment in servers]
    heapq.heapify(calendar)
    waiting: list[list[int]] = [[] for _ in items]
    begun, idle = [[float("inf")] * len(each) for each in items], 0
    while calendar:
        now = calendar[0][0]
        while calendar and calendar[0][0] == now:
            _, k, n = heapq.heappop(calendar)
            if k == len(items):
                idle += 1
            else:
                waiting[k].append(n)
        while idle and any(waiting):
            k = next(k for k, each in enumerate(waiting) if each)
            n = waiting[k].pop(0)
            begun[k][n], idle = now, idle - 1
            heapq.heappush(calendar, (now + items[k][n][1], len(items), 0))
    return begun


MOMENTS = st.one_of(st.integers(0, 12).map(float), st.floats(0, 12))
"""Whole ones are often equal: then everything that falls on a moment is there before anybody chooses."""
CLASSES = st.lists(st.lists(st.tuples(MOMENTS, MOMENTS), min_size=1, max_size=12), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(CLASSES, st.lists(MOMENTS, min_size=1, max_size=4))
def test_each_item_is_begun_when_a_plain_simulation_of_events_begins_it(items: Items, servers: list[float]) -> None:
    items = [sorted(each, key=lambda item: item[0]) for each in items]
    given = [tuple(np.array(column)[:, None] for column in zip(*each, strict=True)) for each in items]
    told = [each[:, 0].tolist() for each in starts(given, servers)]  # type: ignore[arg-type]
    assert told == by_events(items, servers)


@settings(max_examples=100, deadline=None)
@given(CLASSES, st.integers(1, 3))
def test_priorities_order_and_work_hold_on_every_path(items: Items, servers: int) -> None:
    """None of lower priority is begun while one of higher priority waits; within a class the first come is the first
    begun; nobody waits while a server is idle; no more are served at once than there are servers."""
    items = [sorted(each, key=lambda item: item[0]) for each in items]
    given = [tuple(np.array(column)[:, None] for column in zip(*each, strict=True)) for each in items]
    told = [each[:, 0].tolist() for each in starts(given, [0.0] * servers)]  # type: ignore[arg-type]
    rows = [
        (k, came, begin, begin + work)
        for k, each in enumerate(items)
        for (came, work), begin in zip(each, told[k], strict=True)
    ]
    assert all(each == sorted(each) for each in told)
    for k, came, begin, _ in rows:
        assert begin >= came
        assert not [1 for j, arrival, start, _ in rows if j < k and arrival <= begin < start]
        for moment in [came, *(end for *_, end in rows)]:
            busy = sum(start <= moment < end for _, _, start, end in rows)
            assert busy <= servers
            if came <= moment < begin:
                assert busy + sum(start == end == moment for _, _, start, end in rows) >= servers


RETURN = Queue(
    (
        ItemClass(Exponential(1.0), Exponential(2.0), stock=5),
        ItemClass(Measured((0.5, 1.0, 3.0)), Fixed(3.0), stock=30, opens=20.0),
        ItemClass(Lognormal(1.0, 0.5), Exponential(5.0)),
        ItemClass(Fixed(2.0), None, stock=12),
    ),
    (0.0, 4.0, 30.0),
    until=200.0,
)
"""Every feature at once: stock, a gate, a class with nothing new, three kinds of times, servers that come later."""


def drawn(queue: Queue, paths: int, seed: np.random.SeedSequence, most: int = 400) -> list[tuple[Any, Any]]:
    """The items of each class, by their rules: (arrivals, services), both (items, paths)."""
    found = []
    for each, own in zip(queue.classes, seed.spawn(len(queue.classes)), strict=True):
        arrivals, services = np.empty((most, paths)), np.empty((most, paths))
        Drawn(each.service, each.gaps, each.stock, each.opens, queue.until, FAR, own).fill(arrivals, services)
        found.append((arrivals, services))
    return found


def test_stock_gate_and_late_servers_come_out_as_in_a_plain_simulation_of_events() -> None:
    paths, watched = 20, ((1, 29), (1, 30), (2, 3), (3, 11), (3, 12))
    told = one_chunk(RETURN, Asked(25.0, watched), paths, np.random.SeedSequence(7))
    items = drawn(RETURN, paths, np.random.SeedSequence(7))
    for p in range(paths):
        own = [[pair for pair in zip(a[:, p], s[:, p], strict=True) if pair[0] < FAR] for a, s in items]
        begun = by_events(own, list(RETURN.servers))
        counted = [[n for n, (arrival, _) in enumerate(each) if arrival >= 25.0] for each in own]
        assert told.items[:, p].tolist() == [len(each) for each in counted]
        waits = [sum(begun[k][n] - own[k][n][0] for n in each) for k, each in enumerate(counted)]
        assert told.waits[:, p] == pytest.approx(waits)
        assert told.last[:, p].tolist() == [each[-1] for each in begun]
        assert told.watched[:, p].tolist() == [(*begun[k], *[np.inf] * 400)[n] for k, n in watched]


def test_the_items_are_drawn_by_their_rules() -> None:
    arrivals, services = drawn(RETURN, 50, np.random.SeedSequence(3))[1]
    assert (arrivals[:36] == 20.0).all(), "30 in stock and 6 that came every 3 wait for the gate"
    assert (arrivals[36:96, 0] == np.arange(21.0, 201.0, 3.0)).all()
    assert (arrivals[96:] == FAR).all(), "none after the end"
    assert set(np.unique(services)) == {0.5, 1.0, 3.0}
    assert (drawn(RETURN, 50, np.random.SeedSequence(3))[3][0][:12] == 0.0).all()


def test_nothing_of_a_class_is_begun_before_its_gate_opens() -> None:
    told = simulate(RETURN, 100, 1, Asked(watched=((1, 0), (0, 0))))
    assert told.watched[0].min() >= 20.0
    assert told.watched[1].max() == 0.0


def test_same_seed_same_bytes_however_the_work_is_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over processes, over chunks one by one, and over blocks of items that are drawn and kept in other sizes."""
    asked = Asked(since=10.0, watched=((2, 3), (0, 80), (1, 60)))
    once = simulate(RETURN, 1100, 5, asked)
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        spread = simulate(RETURN, 1100, 5, asked, pool.map)
    sizes = chunks(1100)
    seeds = np.random.SeedSequence(5).spawn(len(sizes))
    alone = one_chunk(RETURN, asked, sizes[1], seeds[1])
    monkeypatch.setattr(queues, "ROWS", 20)
    monkeypatch.setattr(queues, "STEPS", 7)
    small = simulate(RETURN, 1100, 5, asked)
    for name in ("items", "waits", "last", "watched"):
        whole = getattr(once, name)
        assert getattr(spread, name).tobytes() == whole.tobytes()
        assert getattr(alone, name).tobytes() == np.ascontiguousarray(whole[:, sizes[0] :]).tobytes()
        assert getattr(small, name) == pytest.approx(whole, rel=1e-12), "sums of waits are added in another order"
    assert simulate(RETURN, 1100, 6, asked).waits.tobytes() != once.waits.tobytes()


def test_chunks_follow_from_the_number_of_paths_alone() -> None:
    assert (chunks(1), chunks(1023), chunks(2000), chunks(5000)) == ([1], [1023], [1000, 1000], [1667, 1667, 1666])


@pytest.mark.parametrize(
    ("services", "gap", "servers", "exact"),
    [
        (Exponential(1.0), 0.5, 3, 4 / 9),  # Erlang: three servers, load 2
        (Exponential(1.0), 1.0, 2, 1 / 3),
        (Fixed(1.0), 2.0, 1, 0.5),  # Pollaczek and Khinchine: rate x second moment / (2 (1 - load))
        (Lognormal(1.0, 1.0), 2.0, 1, 1.0),
        (Measured((0.5, 1.5)), 2.0, 1, 0.625),
    ],
)
def test_the_mean_wait_is_the_exact_one_within_one_percent(
    services: Any, gap: float, servers: int, exact: float
) -> None:
    queue = Queue((ItemClass(services, Exponential(gap)),), (0.0,) * servers, until=3000.0 * gap)
    assert simulate(queue, 1024, 11, Asked(since=100.0)).mean_wait(0) == pytest.approx(exact, rel=0.01)


def test_waits_by_priority_are_the_exact_ones_within_one_percent() -> None:
    """Cobham, one server, load a quarter in each of two classes: 1/2 / (3/4), and 1/2 / (3/4 x 1/2)."""
    each = ItemClass(Exponential(1.0), Exponential(4.0))
    told = simulate(Queue((each, each), (0.0,), until=8000.0), 1024, 12, Asked(since=100.0))
    assert [told.mean_wait(0), told.mean_wait(1)] == pytest.approx([2 / 3, 4 / 3], rel=0.01)


@pytest.mark.parametrize(
    ("code", "queue", "paths", "watched"),
    [
        ("queue.classes", Queue((), (0.0,), 1.0), 1, ()),
        ("queue.servers", Queue(RETURN.classes, (), 1.0), 1, ()),
        ("queue.servers", Queue(RETURN.classes, (float("nan"),), 1.0), 1, ()),
        ("queue.size", RETURN, 0, ()),
        ("queue.size", Queue((ItemClass(Fixed(1.0), None, stock=-1),), (0.0,), 1.0), 1, ()),
        ("queue.until", Queue(RETURN.classes, (0.0,), float("inf")), 1, ()),
        ("queue.watched", RETURN, 1, ((4, 0),)),
    ],
)
def test_a_queue_that_cannot_be_is_refused(code: str, queue: Queue, paths: int, watched: Any) -> None:
    with pytest.raises(Incorrect) as refused:
        simulate(queue, paths, 1, Asked(watched=watched))
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("kind", "values"), [(Exponential, (0.0,)), (Fixed, (-1.0,)), (Measured, ((),)), (Lognormal, (1.0, float("nan")))]
)
def test_times_that_cannot_be_are_refused(kind: Any, values: tuple[Any, ...]) -> None:
    with pytest.raises(Incorrect) as refused:
        kind(*values)
    assert refused.value.code == "queue.times"


def test_an_empty_queue_serves_nothing() -> None:
    told = simulate(Queue((ItemClass(Fixed(1.0)), ItemClass(Fixed(1.0))), (0.0,), 10.0), 3, 1)
    assert told.items.sum() == 0
    assert np.isnan(told.mean_wait(0))


def test_the_last_item_is_known_where_a_block_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "ROWS", 20)
    monkeypatch.setattr(queues, "STEPS", 7)
    told = simulate(Queue((ItemClass(Fixed(1.0), stock=14),), (0.0,), 10.0), 3, 1)
    assert told.last.tolist() == [[13.0] * 3]
    assert told.waits.tolist() == [[sum(range(14))] * 3]
