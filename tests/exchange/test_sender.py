"""What a sender must withstand: its own threads, meters that are shared, peers that shut, lag behind or lie."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from exchange_harness import KIND, START, Loopback, Pair, event, make_pair
from sqlalchemy import Connection

from keersluis.errors import Incorrect, Unavailable
from keersluis.exchange import _store, _store_gates, gatekeeper, outbox, overview
from keersluis.exchange.batches import Outcome, Outcomes, Parcel, Receipt, decode, encode
from keersluis.exchange.gates import GateOrder, check_order
from keersluis.merkle import EMPTY_ROOT
from keersluis.signing import sign_note
from keersluis.storage import upsert
from keersluis.timeline import log
from keersluis.times import DAY, HOUR, MINUTE, SECOND
from keersluis.watermarks import Checkpoint

OTHER = "prosecution-decision.other"


@pytest.fixture
def pair() -> Pair:
    return make_pair()


def order(pair: Pair, state: str, *, rate: float | None = None, side: str = "source") -> None:
    who, peer, direction = (pair.source, "justid", "out") if side == "source" else (pair.register, "om", "in")
    move = GateOrder(who.clock.now(), peer, direction, "*", state, "crisis team", "test", rate)  # type: ignore[arg-type]
    who.store.write(lambda tx: gatekeeper.move(tx, who.ctx, move))


def applied(pair: Pair) -> int:
    return len(pair.register.applied)


def entries(pair: Pair, kind: str) -> int:
    with pair.source.store.read() as tx:
        return sum(entry.kind == kind for entry in log.entries(tx, 0, 10_000))


# -- several calls at once -----------------------------------------------------------------------------------------


def test_a_call_that_another_overtook_says_nothing_and_does_not_fail(pair: Pair) -> None:
    early = pair.source.store.write(lambda tx: outbox.make_promises(tx, pair.source.ctx, pair.source.clock.now()))
    pair.source.accept([event(1, START - HOUR)])
    pair.pump()
    assert pair.sender.send_all(early, heartbeat=True).refused == {}
    assert applied(pair) == 1


def test_a_receipt_that_was_overtaken_moves_no_peer_back(pair: Pair) -> None:
    pair.source.accept([event(1, START - HOUR)])

    class Overtaken(Loopback):
        def send(self, peer: str, path: str, body: bytes) -> bytes:
            answer = super().send(peer, path, body)
            if len(self.sent) == 1:
                pair.source.accept([event(2, START - HOUR)])
                pair.pump()
            return answer

    pair.sender.link = Overtaken(pair.register)
    pair.pump()
    with pair.source.store.read() as tx:
        stream = next(s.stream for s in _store.all_out_streams(tx) if s.kind == KIND)
        sizes = {row.stream: row.size for row in _store.out_peers_of(tx, "justid")}
    assert sizes[stream] == 2


# -- meters --------------------------------------------------------------------------------------------------------


def test_kinds_under_one_meter_share_its_tokens(pair: Pair) -> None:
    pair.source.accept([event(i, START - HOUR, kind=(KIND, OTHER)[i % 2]) for i in range(100)])
    order(pair, "metered", rate=1.0)
    for _ in range(3):
        pair.go_on(10 * SECOND)
        before = applied(pair)
        pair.pump()
        assert 1 <= applied(pair) - before <= 10


def test_tokens_owed_let_nothing_through(pair: Pair) -> None:
    pair.source.accept([event(i, START - HOUR) for i in range(50)])
    order(pair, "metered", rate=1.0)
    gate = {"peer": "justid", "direction": "out", "kind": "*", "link": "*"}
    row = gate | {"tokens": -7.0, "size": 0.0, "at": pair.source.clock.now()}

    def owe(tx: Connection) -> None:
        upsert(tx, _store_gates.gate_meters, [row], key=list(gate))

    pair.source.store.write(owe)
    sent = pair.pump()
    assert (applied(pair), sent.refused[KIND]) == (0, "gate.metered")


def test_no_kind_starves_behind_a_meter(pair: Pair) -> None:
    pair.source.accept([event(i, START - HOUR, kind=(KIND, OTHER)[i % 2]) for i in range(200)])
    order(pair, "metered", rate=0.1)
    for _ in range(40):
        pair.go_on(10 * SECOND)
        pair.pump()
    shares = Counter(each.kind.path for each in pair.register.applied)
    assert set(shares) == {KIND, OTHER}
    assert sum(shares.values()) <= 42


@pytest.mark.parametrize("rate", [1e308, 1e-300, float("inf"), float("nan"), 0.0, -1.0])
def test_a_rate_that_no_meter_can_count_is_refused(pair: Pair, rate: float) -> None:
    move = GateOrder(0, "*", "out", "*", "metered", "crisis team", "test", rate)
    with pytest.raises(Incorrect, match="events per second"):
        check_order(move, [], [])


# -- peers that do not answer, are shut, or lie --------------------------------------------------------------------


def test_to_a_shut_gate_no_events_travel_and_no_offer_is_noted_twice(pair: Pair) -> None:
    pair.source.accept([event(i, START - HOUR) for i in range(10)])
    order(pair, "closed", side="register")
    for _ in range(5):
        pair.pump()
    sent = [decode(body, Parcel) for body in pair.sender.link.sent]  # type: ignore[attr-defined]
    assert sum(len(batch.events) for parcel in sent for batch in parcel.batches) == 10, "but once, when nobody knew"
    assert entries(pair, "batch.offered") == 1
    order(pair, "open", side="register")
    pair.pump(heartbeat=False)
    assert applied(pair) == 10


def test_a_peer_that_is_down_costs_no_tokens_and_gets_all_when_it_answers(pair: Pair) -> None:
    pair.source.accept([event(i, START - HOUR) for i in range(5)])

    class Down(Loopback):
        def send(self, peer: str, path: str, body: bytes) -> bytes:
            raise Unavailable("link.unreachable")

    pair.sender.link = Down(pair.register)
    for _ in range(5):
        assert not pair.pump().reached
    assert entries(pair, "batch.offered") == 1
    pair.sender.link = Loopback(pair.register)
    assert pair.pump().reached
    assert applied(pair) == 5


def test_an_older_receipt_shown_again_moves_nothing_and_ends(pair: Pair) -> None:
    pair.source.accept([event(1, START - HOUR)])
    shown: list[bytes] = []

    class Replays(Loopback):
        def send(self, peer: str, path: str, body: bytes) -> bytes:
            shown.append(super().send(peer, path, body))
            assert len(shown) < 10, "it goes on for ever"
            return shown[0]

    pair.sender.link = Replays(pair.register)
    pair.pump()
    pair.source.accept([event(2, START - HOUR)])
    assert pair.pump().refused[KIND] == "receipt.behind"


@pytest.mark.parametrize("told", [{"code": "gate.metered", "allowed": 1}, {"code": "exchange.gap", "next": 1}])
def test_a_peer_that_always_asks_for_less_is_not_asked_for_ever(pair: Pair, told: dict[str, object]) -> None:
    pair.source.accept([event(1, START - HOUR)])
    pair.pump()
    pair.source.accept([event(i, START - HOUR) for i in range(2, 9)])
    calls: list[bytes] = []

    class Never(Loopback):
        def send(self, peer: str, path: str, body: bytes) -> bytes:
            calls.append(body)
            assert len(calls) < 10, "it goes on for ever"
            return encode(Outcomes([Outcome(problem=told) for _ in decode(body, Parcel).batches]))

    pair.sender.link = Never(pair.register)
    assert pair.pump().refused[KIND] == told["code"]


def test_what_finds_no_room_in_a_parcel_goes_with_the_next(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keersluis.exchange.sender.BATCH_BYTES", 2000)
    pair.source.accept([event(i, START - HOUR, kind=(KIND, OTHER)[i % 2]) for i in range(40)])
    pair.pump()
    assert applied(pair) == 40
    assert pair.register.watermark("judgment.serious") > 0, "each stream was promised, also the last in line"


# -- promises that nobody heard ------------------------------------------------------------------------------------


def test_P2_a_promise_that_nobody_heard_is_not_made_when_paper_turns_out_to_wait(pair: Pair) -> None:
    pair.pump()
    order(pair, "closed")
    for _ in range(10):
        pair.go_on(DAY)
        pair.pump()
    act = START + 5 * DAY
    waits = [(KIND, "e-9", "2025-07-06T00:00:00+02:00", "paper")]
    pair.source.store.write(lambda tx: outbox.register_waiting(tx, pair.source.ctx, waits, pair.source.clock.now()))
    order(pair, "open")
    pair.pump()
    assert pair.register.watermark() == act - 1
    pair.source.accept([event(9, "2025-07-06T00:00:00+02:00")])
    pair.pump()
    assert entries(pair, "promise.broken") == 0
    with pair.register.store.read() as tx:
        assert overview.breaches(tx) == []


def test_a_promise_that_was_heard_is_not_taken_back_by_paper_that_turns_up(pair: Pair) -> None:
    pair.go_on(10 * DAY)
    pair.pump()
    heard = pair.register.watermark()
    waits = [(KIND, "e-9", "2025-07-02T00:00:00+02:00", "paper")]
    pair.source.store.write(lambda tx: outbox.register_waiting(tx, pair.source.ctx, waits, pair.source.clock.now()))
    pair.go_on(DAY)
    pair.pump()
    assert pair.register.watermark() == heard
    pair.source.accept([event(9, "2025-07-02T00:00:00+02:00")])
    assert entries(pair, "promise.broken") == 1


# -- what a receiver keeps -----------------------------------------------------------------------------------------


def quarantined(pair: Pair) -> list[bytes]:
    with pair.register.store.read() as tx:
        return [bytes(row.body) for row in tx.execute(_store.quarantine.select())]


def signed(pair: Pair, size: int, root: bytes, epoch: str = "1") -> bytes:
    me, now = pair.source.ctx, pair.source.clock.now()
    checkpoint = Checkpoint(f"{me.me.oin}/{KIND}/{epoch}", size, root, now, now)
    batch = {"checkpoint": sign_note(checkpoint.text(), me.signer), "first": size + 1, "events": []}
    return msgspec.json.encode({"batches": [batch]})


def outcome(pair: Pair, body: bytes) -> Outcome:
    return decode(pair.register.receive(body), Outcomes).outcomes[0]


def test_P5_two_stories_of_a_source_are_kept_with_its_signature(pair: Pair) -> None:
    pair.source.accept([event(i, START - HOUR) for i in range(3)])
    pair.pump()
    told = outcome(pair, signed(pair, 2, b"\x07" * 32))
    assert told.problem is not None
    assert told.problem["code"] == "exchange.forked"
    assert [pair.source.ctx.me.oin.encode() in body for body in quarantined(pair)] == [True]


def test_the_same_faulty_batch_again_and_again_fills_no_disk(pair: Pair) -> None:
    body = signed(pair, 0, b"\x07" * 32)
    for _ in range(50):
        pair.go_on(SECOND)
        assert outcome(pair, body).receipt is None
    assert len(quarantined(pair)) == 1


@pytest.mark.parametrize("epoch", ["2", "01", "\u0661"])
def test_a_stream_cannot_begin_anew_under_another_number(pair: Pair, epoch: str) -> None:
    pair.pump()
    before = pair.register.watermark()
    pair.go_on(30 * DAY)
    told = outcome(pair, signed(pair, 0, EMPTY_ROOT, epoch))
    assert told.problem is not None
    assert told.problem["code"] == "exchange.epoch"
    assert pair.register.watermark() == before


def test_a_fault_that_nobody_foresaw_sets_the_batch_apart(pair: Pair) -> None:
    pair.source.accept([event(1, START - HOUR), event(2, START - HOUR, kind=OTHER)])
    handle = pair.register.handle

    def fails(tx: Connection, events: list[object], now: int) -> None:
        if events[0].kind.path == KIND:  # type: ignore[attr-defined]
            raise ZeroDivisionError
        handle(tx, events, now)  # type: ignore[arg-type]

    pair.register.handle = fails  # type: ignore[assignment, method-assign]
    sent = pair.pump()
    assert sent.refused == {KIND: "exchange.not-applied"}
    assert [each.kind.path for each in pair.register.applied] == [OTHER]
    pair.register.handle = handle  # type: ignore[method-assign]
    pair.go_on(MINUTE)
    pair.pump()
    assert applied(pair) == 2


def test_a_batch_that_was_applied_is_receipted_again_for_itself(pair: Pair) -> None:
    pair.source.accept([event(1, START - HOUR)])
    pair.pump()
    first = next(body for body in pair.sender.link.sent if b"e-1" in body)  # type: ignore[attr-defined]
    pair.source.accept([event(2, START - HOUR)])
    pair.pump()
    receipts = [each.receipt for each in decode(pair.register.receive(first), Outcomes).outcomes]
    assert all(isinstance(each, Receipt) for each in receipts)
    told = next(each.checkpoint for each in receipts if each and f"/{KIND}/" in each.checkpoint)
    assert Checkpoint.parse(told.split("\n\n")[0] + "\n").size == 1
