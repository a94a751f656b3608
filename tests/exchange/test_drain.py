"""The drain order: gravest first, nobody starves, what is live is not blocked; backlogs without reading all of them."""

from __future__ import annotations

from collections import Counter

import pytest
from exchange_harness import KIND, START, Loopback, event, make_pair
from hypothesis import given, settings
from hypothesis import strategies as st

from keersluis.exchange import _store, _store_backlog, gatekeeper, outbox, overview, sender
from keersluis.exchange.batches import Parcel, decode
from keersluis.exchange.drain import LIVE, DrainOrder, Waits, rounds
from keersluis.exchange.gates import GateOrder
from keersluis.exchange.pace import (
    MOST,
    CaughtUp,
    Expected,
    GateClosed,
    Mark,
    NotAtThisRate,
    NotKnown,
    catch_up,
    marked,
    rate,
)
from keersluis.storage import open_store
from keersluis.times import HOUR, MINUTE, SECOND

OTHER = "prosecution-decision.other"
ROOM = 10_000


class Streams:
    """Streams that wait, with events of one size each; takes what the order gives them."""

    def __init__(self, waiting: dict[int, int], sizes: dict[int, int], meter: int | None = None) -> None:
        self.waiting, self.sizes, self.meter = dict(waiting), sizes, meter
        self.order = DrainOrder()
        self.got: list[Counter[int]] = []

    def round(self, room: int = ROOM, most: int = 1000) -> Counter[int]:
        got: Counter[int] = Counter()

        def take(waits: Waits, events: int, size: int) -> tuple[int, int]:
            one = self.sizes[waits.stream]
            count = min(events, self.waiting[waits.stream], max(1, size // one))
            self.waiting[waits.stream] -= count
            got[waits.stream] += count
            return count, count * one

        metered = {} if self.meter is None else {"meter": "shared", "tokens": self.meter}
        waits = [Waits(key, key, str(key), n, **metered) for key, n in self.waiting.items() if n]  # type: ignore[arg-type]
        self.order.divide(waits, room, most, take)
        self.got.append(got)
        return got


@given(
    st.dictionaries(st.integers(1, 9), st.integers(1, 5000), min_size=1, max_size=9),
    st.lists(st.integers(1, 64_000), min_size=9, max_size=9),
    st.none() | st.integers(1, 5),
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 2000)), max_size=30),
)
def test_every_stream_that_waits_gets_something_within_the_bound(
    waiting: dict[int, int], sizes: list[int], meter: int | None, later: list[tuple[int, int]]
) -> None:
    streams = Streams(waiting, dict(enumerate(sizes, 1)), meter)
    hungry: Counter[int] = Counter()
    for number in range(60):
        if number < len(later):  # new events come in for streams that are there
            key, count = later[number]
            if key in streams.waiting:
                streams.waiting[key] += count
        wait = {key for key, count in streams.waiting.items() if count}
        got = streams.round()
        assert not wait or got.total(), "a round in which something waits brings something"
        assert meter is None or got.total() <= meter
        hungry = Counter({key: hungry[key] + 1 for key in wait if not got[key]})
        assert max(hungry.values(), default=0) < rounds(len(waiting))


def test_the_gravest_goes_first_and_gets_most() -> None:
    streams = Streams({1: 100_000, 2: 100_000, 3: 100_000}, dict.fromkeys((1, 2, 3), 100))
    first = streams.round()
    assert list(first) == [1]
    for _ in range(30):
        streams.round()
    shares = sum(streams.got, Counter())
    assert shares[1] > shares[2] + shares[3]
    assert min(shares.values()) > 0


def test_what_is_live_is_not_blocked_behind_the_backlog_of_a_graver_kind() -> None:
    streams = Streams({1: 100_000, 9: 1}, {1: 100, 9: 100})
    assert streams.round()[9] == 1


def test_live_streams_take_no_more_than_their_share() -> None:
    streams = Streams({1: 100_000, **dict.fromkeys(range(2, 10), LIVE)}, dict.fromkeys(range(1, 10), 100))
    assert streams.round()[1] * 100 >= ROOM // 2


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 4000), min_size=1, max_size=60), st.data())
def test_P6_the_oldest_of_the_rest_by_blocks_is_the_oldest_of_all(ages: list[int], data: st.DataObject) -> None:
    pair = make_pair()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_store_backlog, "BLOCK", 8)
        cuts = data.draw(st.lists(st.integers(1, len(ages)), max_size=5))
        for first, upto in zip([0, *sorted(cuts)], [*sorted(cuts), len(ages)], strict=True):
            pair.source.accept([event(n, START - HOUR - ages[n] * SECOND) for n in range(first, upto)])
            pair.go_on(SECOND)
        with pair.source.store.read() as tx:
            stream = next(row.stream for row in _store.all_out_streams(tx) if row.kind == KIND)
            rows = tx.execute(_store.out_events.select().order_by(_store.out_events.c.position)).all()
            for position in range(len(ages)):
                rest = rows[position:]
                naive = (min(r.occurred_start for r in rest), min(r.source_time for r in rest))
                size = sum(len(r.bytes) for r in rest)
                assert _store_backlog.backlog(tx, stream, position) == (*naive, size)
            assert _store_backlog.backlog(tx, stream, len(ages)) == (None, None, 0)


def test_blocks_of_an_older_database_are_made_when_it_is_opened(tmp_path: object) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    pair = make_pair(url=url)
    pair.source.accept([event(n, START - n * SECOND) for n in range(50)])
    with pair.source.store.read() as tx:
        stream = next(row.stream for row in _store.all_out_streams(tx) if row.kind == KIND)
        before = _store_backlog.backlog(tx, stream, 10)

    def older(tx: object) -> None:
        tx.exec_driver_sql("DROP TABLE out_blocks")  # type: ignore[attr-defined]
        tx.exec_driver_sql("UPDATE schema_versions SET version = 1 WHERE room = 'exchange'")  # type: ignore[attr-defined]

    pair.source.store.write(older)
    pair.source.store.close()
    again = open_store(url, [outbox.MIGRATIONS], inline=True)
    with again.read() as tx:
        assert _store_backlog.backlog(tx, stream, 10) == before
    again.close()


def test_what_is_accepted_during_a_long_backlog_does_not_wait_for_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = make_pair()
    pair.sender.most = 10
    pair.source.accept([event(n, START - HOUR) for n in range(400)])
    live = event(1000, START, kind=OTHER)
    seen: list[int] = []

    class Slow(Loopback):
        def send(self, peer: str, path: str, body: bytes) -> bytes:
            if len(self.sent) == 3:
                pair.source.accept([live])
            answer = super().send(peer, path, body)
            if any(
                b"/prosecution-decision.other/" in b.checkpoint.encode() and b.events
                for b in decode(body, Parcel).batches
            ):
                seen.append(len(self.sent))
            return answer

    pair.sender.link = Slow(pair.register)

    def promises() -> list[outbox.Promised]:
        return pair.source.store.write(lambda tx: outbox.make_promises(tx, pair.source.ctx, pair.source.clock.now()))

    pair.sender.send_all(promises(), heartbeat=True, renew=promises)
    assert len(pair.register.applied) == 401
    assert 3 < seen[0] <= 3 + 2 * sender.RENEWED


# -- pace ----------------------------------------------------------------------------------------------------------


def test_the_expected_moment_follows_from_what_was_receipted_and_what_came_in() -> None:
    marks = [Mark(0, 0, 1000), Mark(10 * SECOND, 100, 1050)]
    now = Mark(20 * SECOND, 200, 1100)
    assert rate(marks, now) == 10.0
    # gained: 1000 waited, now 900: 100 in 20 s, so 900 more in 180 s
    assert catch_up(marks, now, closed=False) == Expected(200 * SECOND)
    assert catch_up(marks, now, closed=True) == GateClosed()
    assert catch_up(marks, Mark(20 * SECOND, 200, 2000), closed=False) == NotAtThisRate()
    assert catch_up(marks, Mark(20 * SECOND, 1100, 1100), closed=True) == CaughtUp()
    assert catch_up([], now, closed=False) == NotKnown()
    assert catch_up([Mark(0, 0, 9), *marks], Mark(11 * MINUTE, 500, 1100), closed=False) != NotKnown()


@given(st.lists(st.integers(0, 5_000_000), max_size=300))
def test_marks_are_few_and_in_order(steps: list[int]) -> None:
    marks: list[Mark] = []
    at = 0
    for number, step in enumerate(steps):
        at += step
        marks = marked(marks, Mark(at, number, number))
    assert len(marks) <= MOST
    assert marks == sorted(marks)
    assert not steps or marks[-1].receipted == len(steps) - 1


def test_status_tells_of_each_peer_what_waits_and_until_when() -> None:
    pair = make_pair()
    pair.source.accept([event(n, START - HOUR) for n in range(200)])
    meter = GateOrder(START, "*", "out", "*", "metered", "crisis team", "test", 10.0)
    pair.source.store.write(lambda tx: gatekeeper.move(tx, pair.source.ctx, meter))
    for _ in range(6):
        pair.pump()
        pair.go_on(SECOND)

    def told() -> dict[str, object]:
        with pair.source.store.read() as tx:
            (stream,) = [row for row in overview.own_streams(tx, pair.source.ctx) if row["kind"] == KIND]
        (peer,) = stream["peers"]
        found: dict[str, object] = peer
        return found

    row = told()
    assert row["backlog"] == 200 - len(pair.register.applied)
    assert int(str(row["backlog_bytes"])) > 100 * int(str(row["backlog"]))
    assert 8 <= float(str(row["rate"])) <= 13
    state = row["catch_up"]
    assert isinstance(state, dict)
    assert state["state"] == "expected"
    assert 8 <= state["seconds"] <= 20
    close = GateOrder(pair.source.clock.now(), "*", "out", "*", "closed", "crisis team", "test")
    pair.source.store.write(lambda tx: gatekeeper.move(tx, pair.source.ctx, close))
    assert told()["catch_up"] == {"state": "gate-closed"}
