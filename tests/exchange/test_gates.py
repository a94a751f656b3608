"""Gates as accountable objects: moves beforehand and back, windows, meters of events and bytes, the same again."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from exchange_harness import KIND, START, Pair, event, make_pair
from hypothesis import given
from hypothesis import strategies as st

from keersluis.errors import Conflict, Incorrect, Unavailable
from keersluis.exchange import gatekeeper
from keersluis.exchange.gates import (
    ALL,
    LARGEST_EVENT,
    OPEN,
    Bucket,
    GateOrder,
    Scope,
    Window,
    at_moment,
    check_order,
    effective,
    in_force,
    refill,
    repeated,
    standing,
    undoing,
)
from keersluis.times import DAY, HOUR, MINUTE, SECOND, Instant, parse_instant

PEERS, KINDS, LINKS = ("justid", "politie"), ("a.b", "a.c", "d"), ("wire", "bundle", "paper")
EVERY = [*product(PEERS, ("in", "out"), KINDS, LINKS)]


def orders_of(draw: st.DrawFn, most: int = 8) -> list[GateOrder]:
    """Orders as a database gives them: numbered, some of them with a later start."""
    scope = st.tuples(
        st.sampled_from([ALL, *PEERS]),
        st.sampled_from(["in", "out"]),
        st.sampled_from([ALL, "a", *KINDS]),
        st.sampled_from(["closed", "metered", "open"]),
        st.sampled_from([ALL, *LINKS]),
        st.none() | st.integers(1, 30),
    )
    drawn = draw(st.lists(scope, max_size=most))
    return [
        GateOrder(n, peer, way, kind, state, "who", "why", 1.0 if state == "metered" else None, link=link)  # type: ignore[arg-type]
        if later is None
        else GateOrder(n, peer, way, kind, "closed", "who", "why", link=link, starts=n + later)  # type: ignore[arg-type]
        for n, (peer, way, kind, state, link, later) in enumerate(drawn, 1)
    ]


@st.composite
def some_orders(draw: st.DrawFn) -> list[GateOrder]:
    return [replace(order, number=n) for n, order in enumerate(orders_of(draw), 1)]


def states(orders: list[GateOrder], now: Instant) -> dict[tuple[str, ...], str]:
    """The state of each gate, said as simply as can be: of the orders that took effect, the last that covers."""
    told = {}
    for peer, way, kind, link in EVERY:
        there = [o for o in orders if o.covers(peer, way, kind, link) and (o.starts is None or o.starts <= now)]  # type: ignore[arg-type]
        last = max(there, key=lambda o: (o.starts or o.at, o.number), default=OPEN)
        told[peer, way, kind, link] = last.state
    return told


def shown(orders: list[GateOrder]) -> dict[tuple[str, ...], str]:
    return {gate: standing(orders, *gate).state for gate in EVERY}  # type: ignore[arg-type]


@given(some_orders(), st.integers(0, 45))
def test_the_last_order_that_took_effect_and_covers_a_gate_stands(orders: list[GateOrder], now: int) -> None:
    assert shown(at_moment(orders, now)) == states(orders, now)


@given(some_orders(), st.integers(0, 45))
def test_what_is_shown_as_in_force_decides_as_all_orders_do(orders: list[GateOrder], now: int) -> None:
    there = at_moment(orders, now)
    assert shown(list(reversed(in_force(there)))) == shown(there)


@given(some_orders(), st.sampled_from([ALL, *PEERS]), st.sampled_from([ALL, "a", *KINDS]))
def test_undo_gives_what_would_stand_had_the_order_not_been_given(
    orders: list[GateOrder], peer: str, kind: str
) -> None:
    there = effective(orders, 99)
    scope = Scope(peer, "out", kind, ALL)
    by = GateOrder(100, peer, "out", kind, "open", "another", "a mistake")
    covering = [order for order in there if scope.within(order.scope)]
    if not covering:
        with pytest.raises(Incorrect, match="covers"):
            undoing(there, scope, by)
        return
    again = [replace(o, number=50 + n) for n, o in enumerate(undoing(there, scope, by))]
    without = [order for order in there if order.number != covering[-1].number]
    assert shown([*there, *again]) == shown(without)
    assert {(o.who, o.why, o.undoes) for o in again} == {("another", "a mistake", covering[-1].number)}
    redone = undoing([*there, *again], covering[-1].scope, replace(by, at=101))
    assert shown([*there, *again, *redone]) == shown(there), "an undoing is a move: it can be taken back"


@given(some_orders(), st.integers(0, 7))
def test_the_same_order_again_changes_nothing(orders: list[GateOrder], which: int) -> None:
    there = effective(orders, 99)
    if not there:
        return
    again = replace(there[which % len(there)], at=100, starts=None, number=0)
    before = shown(there)
    if repeated(there, again):
        assert shown([*there, replace(again, number=99)]) == before


def test_the_same_order_after_another_is_an_order() -> None:
    close = GateOrder(1, ALL, "out", ALL, "closed", "who", "why", number=1)
    open_one = GateOrder(2, ALL, "out", "d", "open", "who", "why", number=2)
    assert repeated([close], replace(close, at=3, number=0)) == close
    assert repeated([close], replace(close, who="another")) is None, "somebody else takes it on himself"
    assert repeated([close, open_one], replace(close, at=3, number=0)) is None


@pytest.mark.parametrize(
    ("window", "at", "inside"),
    [
        ("22:00-06:00 Europe/Amsterdam", "2025-07-17T21:59:59+02:00", False),
        ("22:00-06:00 Europe/Amsterdam", "2025-07-17T22:00:00+02:00", True),
        ("22:00-06:00 Europe/Amsterdam", "2025-07-18T05:59:59+02:00", True),
        ("22:00-06:00 Europe/Amsterdam", "2025-07-18T06:00:00+02:00", False),
        ("22:00-06:00 Europe/Amsterdam", "2025-12-18T06:00:00+01:00", False),
        ("22:00-06:00 Europe/Amsterdam", "2025-12-18T05:59:59+01:00", True),
        ("09:00-17:00 UTC", "2025-07-18T18:59:00+02:00", True),
        ("09:00-17:00 UTC", "2025-07-18T19:00:00+02:00", False),
    ],
)
def test_a_window_is_in_the_local_time_of_the_chain(window: str, at: str, inside: bool) -> None:
    assert Window.parse(window).holds(parse_instant(at)) is inside


@pytest.mark.parametrize(
    "window", ["22:00", "22:00-22:00 UTC", "24:00-06:00 UTC", "22:00-06:00 Nowhere/City", "22:00-06:00 ../x", "*"]
)
def test_a_window_that_is_none_is_refused(window: str) -> None:
    order = GateOrder(0, ALL, "out", ALL, "metered", "who", "why", 1.0, window=window, outside="closed")
    with pytest.raises(Incorrect) as refused:
        check_order(order, [], [])
    assert "window" in refused.value.got


@given(st.floats(1, 1e9), st.lists(st.tuples(st.integers(0, 10**8), st.integers(1, LARGEST_EVENT)), max_size=40))
def test_a_meter_of_bytes_lets_through_no_more_than_its_rate_and_keeps_no_event_for_ever(
    rate: float, tries: list[tuple[int, int]]
) -> None:
    bucket: Bucket | None = None
    now = passed = 0
    for wait, size in tries:
        now += wait
        bucket = refill(bucket, None, now, rate)
        if size <= bucket.size:
            bucket = Bucket(bucket.tokens, bucket.at, bucket.size - size)
            passed += size
    most = max(LARGEST_EVENT, 10 * rate)
    assert passed <= most + rate * now / SECOND + 1
    patient = refill(bucket, None, now + int(LARGEST_EVENT / rate * SECOND) + SECOND, rate)
    assert patient.size >= LARGEST_EVENT


# -- on the store --------------------------------------------------------------------------------------------------


@pytest.fixture
def pair() -> Pair:
    return make_pair()


def give(pair: Pair, state: str = "closed", **more: object) -> GateOrder | None:
    order = GateOrder(pair.source.clock.now(), "*", "out", "*", state, "crisis team", "test", **more)  # type: ignore[arg-type]
    return pair.source.store.write(lambda tx: gatekeeper.move(tx, pair.source.ctx, order))


def told_of(pair: Pair, kind: str) -> list[dict[str, object]]:
    from keersluis.timeline import log

    with pair.source.store.read() as tx:
        return [dict(each.body) for each in log.entries(tx, 0, 1000) if each.kind == kind]


def test_P4_a_scheduled_order_takes_effect_at_its_moment_and_says_so(pair: Pair) -> None:
    pair.source.accept([event(1, START - HOUR)])
    give(pair, starts=START + HOUR, until="2025-08-01")
    pair.go_on(HOUR - SECOND)
    pair.pump()
    assert len(pair.register.applied) == 1
    pair.source.accept([event(2, START - HOUR)])
    pair.go_on(SECOND)
    sent = pair.pump()
    assert (len(pair.register.applied), sent.refused[KIND]) == (1, "gate.closed")
    with pair.source.store.read() as tx:
        assert gatekeeper.closed_kinds(tx, "justid", "out", [KIND], pair.source.clock.now()) == {KIND}
    pair.source.store.write(lambda tx: gatekeeper.note_effects(tx, pair.source.clock.now()))
    pair.source.store.write(lambda tx: gatekeeper.note_effects(tx, pair.source.clock.now()))
    assert [body["number"] for body in told_of(pair, "gate.took-effect")] == [1]
    assert told_of(pair, "gate.moved")[0]["starts"] == "2025-06-30T23:00:00Z"


def test_P4_an_order_that_took_effect_stands_when_the_clock_is_put_back(pair: Pair) -> None:
    give(pair, starts=START + HOUR)
    with pair.source.store.read() as tx:
        assert not gatekeeper.closed_kinds(tx, "justid", "out", [KIND], START)
    pair.source.store.write(lambda tx: gatekeeper.note_effects(tx, START + HOUR))
    with pair.source.store.read() as tx:
        assert gatekeeper.closed_kinds(tx, "justid", "out", [KIND], START)


def test_P4_an_order_stands_over_earlier_ones_also_with_a_clock_that_was_put_back(pair: Pair) -> None:
    opened = GateOrder(START + DAY, "*", "out", "*", "open", "link manager", "test")
    pair.source.store.write(lambda tx: gatekeeper.move(tx, pair.source.ctx, opened))
    give(pair)
    with pair.source.store.read() as tx:
        assert gatekeeper.closed_kinds(tx, "justid", "out", [KIND], START) == {KIND}


def test_an_order_that_is_called_off_never_takes_effect(pair: Pair) -> None:
    order = give(pair, starts=START + HOUR)
    assert order is not None
    off = (order.number, "link manager", "not needed")
    pair.source.store.write(lambda tx: gatekeeper.call_off(tx, pair.source.ctx, *off, START))
    with pair.source.store.read() as tx:
        assert not gatekeeper.closed_kinds(tx, "justid", "out", [KIND], START + DAY)
        assert [row["became"] for row in gatekeeper.history(tx, 0, 10, START + DAY)] == ["called-off"]
    assert told_of(pair, "gate.called-off")[0]["who"] == "link manager"
    with pytest.raises(Incorrect, match="still to take effect"):
        pair.source.store.write(lambda tx: gatekeeper.call_off(tx, pair.source.ctx, *off, START))


def test_the_same_order_and_the_same_key_give_one_entry(pair: Pair) -> None:
    assert give(pair) is not None
    assert give(pair) is None
    assert give(pair, "open", key="k-1") is not None
    assert give(pair) is not None
    assert give(pair, "open", key="k-1") is None, "a call that is repeated late does not open what was closed since"
    with pytest.raises(Conflict):
        give(pair, "closed", key="k-1")
    assert len(told_of(pair, "gate.moved")) == 3


def test_outside_its_window_a_gate_is_as_the_order_says(pair: Pair) -> None:
    give(pair, "metered", rate=5.0, window="22:00-06:00", outside="closed")
    noon, night = START + 12 * HOUR, START + 23 * HOUR
    with pair.source.store.read() as tx:
        with pytest.raises(Unavailable):
            gatekeeper.allowance(tx, "justid", "out", KIND, noon)
        assert gatekeeper.allowance(tx, "justid", "out", KIND, night).events == 5
        assert gatekeeper.orders_in_force(tx, noon)[0].state == "closed"
    assert told_of(pair, "gate.moved")[0]["window"] == "22:00-06:00 Europe/Amsterdam"


def test_of_events_and_bytes_the_tighter_counts(pair: Pair) -> None:
    pair.source.accept([event(n, START - HOUR) for n in range(300)])
    size = len(event(1, START - HOUR)) + 100
    give(pair, "metered", rate=1000.0, byte_rate=float(10 * size))
    pair.go_on(MINUTE)
    pair.pump()
    first = len(pair.register.applied)
    assert 0 < first <= 1 + LARGEST_EVENT // (size - 100)
    for _ in range(10):
        pair.go_on(SECOND)
        pair.pump()
    assert 50 <= len(pair.register.applied) - first <= 130, "some ten a second"


def test_a_receiver_that_meters_bytes_is_offered_less_and_then_the_rest(pair: Pair) -> None:
    pair.source.accept([event(n, START - HOUR) for n in range(1000)])
    order = GateOrder(START, "om", "in", "*", "metered", "crisis team", "test", byte_rate=float(LARGEST_EVENT))
    pair.register.store.write(lambda tx: gatekeeper.move(tx, pair.register.ctx, order))
    pair.pump()
    assert 0 < len(pair.register.applied) < 400
    for _ in range(10):
        pair.go_on(SECOND)
        pair.pump()
    assert len(pair.register.applied) == 1000


def test_undo_is_an_order_with_a_name_and_a_reason(pair: Pair) -> None:
    give(pair, "metered", rate=3.0)
    give(pair, "closed")
    scope = Scope("*", "out", "*", "*")
    by = GateOrder(START, "*", "out", "*", "open", "link manager", "a false alarm", evidence="report 7")
    pair.source.store.write(lambda tx: gatekeeper.undo(tx, pair.source.ctx, scope, by))
    with pair.source.store.read() as tx:
        (order,) = gatekeeper.orders_in_force(tx, START)
    assert (order.state, order.rate, order.undoes) == ("metered", 3.0, 2)
    assert told_of(pair, "gate.moved")[-1]["why"] == "a false alarm"


@pytest.mark.parametrize("side", ["source", "register"])
def test_a_promise_that_a_closed_gate_held_back_is_said_with_the_next_offer(pair: Pair, side: str) -> None:
    """Between two heartbeats nothing is promised, but for what is owed."""
    pair.pump()
    before = pair.register.watermark()
    who, direction = (pair.source, "out") if side == "source" else (pair.register, "in")

    def order(state: str) -> None:
        given = GateOrder(pair.source.clock.now(), "*", direction, "*", state, "crisis team", "test")  # type: ignore[arg-type]
        who.store.write(lambda tx: gatekeeper.move(tx, who.ctx, given))

    order("closed")
    pair.go_on(DAY)
    pair.pump()
    pair.pump(heartbeat=False)
    assert pair.register.watermark() == before
    order("open")
    pair.go_on(SECOND)
    pair.pump(heartbeat=False)
    assert pair.register.watermark() >= before + DAY
    pair.go_on(DAY)
    pair.pump(heartbeat=False)
    assert pair.register.watermark() < before + 2 * DAY, "it was owed once"
