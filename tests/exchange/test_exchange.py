"""The exchange between two organisations, fault by fault (steps 1-13 of DESIGN.md)."""

from __future__ import annotations

import msgspec
import pytest
from exchange_harness import KIND, START, Loopback, Pair, event, make_pair

from keersluis.errors import Conflict, Incorrect, Unavailable
from keersluis.exchange import _store, gatekeeper, outbox, overview
from keersluis.exchange.batches import Batch, Parcel, decode, encode
from keersluis.exchange.gates import GateOrder
from keersluis.signing import Signer, sign_note, unverified_text
from keersluis.storage import open_store
from keersluis.timeline import log
from keersluis.times import DAY, HOUR, MINUTE, SECOND, parse_instant
from keersluis.watermarks import Checkpoint


@pytest.fixture
def pair() -> Pair:
    return make_pair()


def ids(pair: Pair) -> list[str]:
    return [each.envelope.id for each in pair.register.applied]


def order(
    pair: Pair, side: str, state: str, *, kind: str = "*", rate: float | None = None, direction: str = "out"
) -> None:
    who = pair.source if side == "source" else pair.register
    peer = "justid" if side == "source" else "om"
    move = GateOrder(who.clock.now(), peer, direction, kind, state, "crisis team", "test", rate)  # type: ignore[arg-type]
    who.store.write(lambda tx: gatekeeper.move(tx, who.ctx, move))


def altered(pair: Pair, change) -> None:
    """From now on what travels is changed on the way."""

    class Altering(Loopback):
        def spoil(self, body: bytes) -> bytes:
            parcel = decode(body, Parcel)
            return encode(Parcel([change(batch) for batch in parcel.batches]))

    pair.sender.link = Altering(pair.register)


def honest(pair: Pair) -> None:
    pair.sender.link = Loopback(pair.register)


# -- acceptance ----------------------------------------------------------------------------------------------------


def test_P1_same_event_again_is_accepted_once(pair: Pair) -> None:
    first = pair.source.accept([event(1, START - HOUR)])
    again = pair.source.accept([event(1, START - HOUR)])
    assert (first[0].position, again[0].position, again[0].duplicate) == (1, 1, True)
    pair.pump()
    assert ids(pair) == ["e-1"]


def test_same_key_with_other_content_is_a_conflict(pair: Pair) -> None:
    pair.source.accept([event(1, START - HOUR)])
    with pytest.raises(Conflict) as refused:
        pair.source.accept([event(1, START - 2 * HOUR)])
    assert refused.value.code == "exchange.key-reused"


def test_same_key_with_other_content_in_one_request_is_a_conflict(pair: Pair) -> None:
    with pytest.raises(Conflict):
        pair.source.accept([event(1, START - HOUR), event(1, START - 2 * HOUR)])
    pair.pump()
    assert ids(pair) == []


def test_one_faulty_event_refuses_all_and_every_fault_is_named(pair: Pair) -> None:
    bad = msgspec.json.encode(msgspec.json.decode(event(2, START)) | {"source": "urn:nld:oin:1:x"})
    late = event(3, START + DAY)
    with pytest.raises(Incorrect) as refused:
        pair.source.accept([event(1, START - HOUR), bad, late, b"{"])
    assert len(refused.value.faults) == 3
    assert [fault.split(":")[0] for fault in refused.value.faults] == ["event 2", "event 3", "event 4"]
    pair.pump()
    assert ids(pair) == []


def test_sixty_four_kilobytes_and_no_more(pair: Pair) -> None:
    big = msgspec.json.decode(event(1, START - HOUR))
    big["data"]["content"]["text"] = "x" * 65_536
    with pytest.raises(Incorrect, match="too-large"):
        pair.source.accept([msgspec.json.encode(big)])


def test_P2_a_day_alone_is_refused_where_promises_settle_moments(pair: Pair) -> None:
    with pytest.raises(Incorrect, match="a time, not a day"):
        pair.source.accept([event(1, "2025-06-30")])
    pair.source.accept([event(2, "2025-06-30", kind="judgment.serious")])


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
def test_a_day_at_the_edge_of_the_calendar_is_no_fault_of_ours(pair: Pair, day: str) -> None:
    if day.startswith("9"):
        with pytest.raises(Incorrect, match="act of the past"):
            pair.source.accept([event(1, day, kind="judgment.serious")])
    else:
        pair.source.accept([event(1, day, kind="judgment.serious")])
    pair.pump()


def test_bytes_arrive_verbatim_and_unknown_attributes_are_kept(pair: Pair) -> None:
    raw = msgspec.json.decode(event(1, START - HOUR)) | {"traceparent": "00-abc", "time": "2001-01-01T00:00:00Z"}
    pair.source.accept([msgspec.json.encode(raw)])
    pair.pump()
    with pair.source.store.read() as tx:
        kept = next(s for s in _store.all_out_streams(tx) if s.kind == KIND)
        stored = bytes(_store.tail(tx, kept.stream, 0, 1, 1)[0].bytes)
    assert pair.register.applied[0].bytes == stored
    told = msgspec.json.decode(stored)
    assert told["traceparent"] == "00-abc"
    assert told["time"] != raw["time"], "source time is the node's own"
    assert told["sequence"] == "0" * 19 + "1"
    assert len(told["salt"]) == 32


# -- promises ------------------------------------------------------------------------------------------------------


def test_P7_watermark_follows_heartbeats_and_stands_still_without(pair: Pair) -> None:
    pair.pump()
    lag = pair.source.ctx.chain.kinds[KIND].lag
    assert pair.register.watermark() == START - lag - 1
    pair.go_on(DAY)
    before = pair.register.watermark()
    with pair.register.store.read() as tx:
        states = {
            row["kind"]: row["state"] for row in overview.received(tx, pair.register.ctx, pair.register.clock.now())
        }
    assert pair.register.watermark() == before
    assert states[KIND] == "silent"
    pair.pump()
    assert pair.register.watermark() == START + DAY - lag - 1


def test_paper_holds_the_promise_back_until_it_is_entered(pair: Pair) -> None:
    act = START + HOUR
    pair.go_on(2 * HOUR)
    waits = [(KIND, "e-9", "2025-07-01T01:00:00+02:00", "paper")]
    pair.source.store.write(lambda tx: outbox.register_waiting(tx, pair.source.ctx, waits, pair.source.clock.now()))
    pair.go_on(30 * DAY)
    pair.pump()
    assert pair.register.watermark() == act - 1
    pair.source.accept([event(9, "2025-07-01T01:00:00+02:00")])
    pair.pump()
    assert pair.register.watermark() > START + 29 * DAY


def test_a_part_of_the_backlog_promises_no_more_than_the_part(pair: Pair) -> None:
    pair.source.accept([event(i, START - i * MINUTE) for i in range(1, 31)])  # the oldest act is entered last
    order(pair, "source", "metered", rate=1.0)
    pair.go_on(10 * SECOND)
    pair.pump()
    assert 0 < len(ids(pair)) < 30
    assert pair.register.watermark() < START - 30 * MINUTE
    for _ in range(6):
        pair.go_on(10 * SECOND)
        pair.pump()
    assert len(ids(pair)) == 30
    lag = pair.source.ctx.chain.kinds[KIND].lag
    assert pair.register.watermark() == pair.source.clock.now() - lag - 1


def test_broken_promise_is_found_when_the_event_arrives(pair: Pair) -> None:
    pair.go_on(10 * DAY)
    pair.pump()
    pair.source.accept([event(1, START + HOUR)])
    pair.pump()
    with pair.register.store.read() as tx:
        found = overview.breaches(tx)
    assert [each["event"] for each in found] == ["e-1"]


def test_an_act_known_by_day_is_no_breach_before_the_day_is_covered(pair: Pair) -> None:
    kind = "judgment.serious"
    pair.go_on(2 * DAY)
    pair.pump()
    covered = pair.register.watermark(kind)
    assert parse_instant("2025-07-01T00:00:00+02:00") < covered < parse_instant("2025-07-02T00:00:00+02:00")
    pair.source.accept([event(1, "2025-07-01", kind=kind)])
    pair.pump()
    with pair.register.store.read() as tx:
        assert overview.breaches(tx) == []


# -- counts --------------------------------------------------------------------------------------------------------


def counted(pair: Pair, count: int) -> None:
    now = pair.source.clock.now()
    pair.source.store.write(lambda tx: outbox.state_counts(tx, pair.source.ctx, [(KIND, now, count)]))


def test_counts_that_differ_stop_the_watermark_and_agreeing_ones_free_it() -> None:
    pair = make_pair(counted=True)
    pair.source.accept([event(1, START - HOUR), event(2, START - HOUR)])
    counted(pair, 2)
    pair.pump()
    before = pair.register.watermark()
    assert before > 0
    pair.go_on(HOUR)
    pair.source.accept([event(3, START)])
    counted(pair, 5)  # two acts never reached the outbox
    pair.pump()
    assert pair.register.watermark() == before
    with pair.register.store.read() as tx:
        row = next(r for r in overview.received(tx, pair.register.ctx, pair.register.clock.now()) if r["kind"] == KIND)
    assert row["state"] == "stopped"
    assert row["reason"]["code"] == "counts.differ"
    pair.go_on(HOUR)
    pair.source.accept([event(4, START), event(5, START)])
    counted(pair, 5)
    pair.pump()
    assert pair.register.watermark() > before


def test_P5_the_timeline_tells_what_the_system_of_record_counts_once_a_call() -> None:
    pair = make_pair(counted=True)
    said = [(KIND, START, 1), (KIND, START + HOUR, 2)]
    pair.source.store.write(lambda tx: outbox.state_counts(tx, pair.source.ctx, said))
    pair.source.store.write(lambda tx: outbox.state_counts(tx, pair.source.ctx, []))
    with pair.source.store.read() as tx:
        (told,) = log.newest(tx, 10, {"counts.stated"})
    counts = [(each["kind"], parse_instant(each["through"]), each["count"]) for each in told.body["counts"]]
    assert counts == said


def test_a_counted_stream_without_counts_promises_nothing() -> None:
    pair = make_pair(counted=True)
    pair.pump()
    assert pair.register.watermark() == 0


# -- gates ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["source", "register"])
def test_P4_closed_is_closed_on_either_side_and_nothing_is_lost(pair: Pair, side: str) -> None:
    pair.source.accept([event(1, START - HOUR)])
    order(pair, side, "closed", direction="out" if side == "source" else "in")
    sent = pair.pump()
    assert ids(pair) == []
    assert sent.refused[KIND] == "gate.closed"
    assert pair.register.watermark() == 0
    order(pair, side, "open", direction="out" if side == "source" else "in")
    pair.pump()
    assert ids(pair) == ["e-1"]


def test_P4_a_gate_closed_between_offer_and_apply_holds(pair: Pair) -> None:
    pair.source.accept([event(1, START - HOUR)])

    class ClosesOnTheWay(Loopback):
        def spoil(self, body: bytes) -> bytes:
            order(pair, "register", "closed", direction="in")
            return body

    pair.sender.link = ClosesOnTheWay(pair.register)
    pair.pump()
    assert ids(pair) == []


def test_the_last_order_that_covers_a_gate_stands(pair: Pair) -> None:
    pair.source.accept([event(1, START - HOUR), event(2, START - HOUR, kind="prosecution-decision.other")])
    order(pair, "source", "closed")
    order(pair, "source", "open", kind="prosecution-decision.serious")
    pair.pump()
    assert ids(pair) == ["e-1"]
    order(pair, "source", "open", kind="prosecution-decision")
    pair.pump()
    assert ids(pair) == ["e-1", "e-2"]


def test_metered_lets_through_no_more_than_its_rate(pair: Pair) -> None:
    pair.source.accept([event(i, START - HOUR) for i in range(200)])
    order(pair, "register", "metered", rate=2.0, direction="in")
    for _ in range(10):
        pair.go_on(5 * SECOND)
        before = len(ids(pair))
        pair.pump()
        assert len(ids(pair)) - before <= 20
    assert 90 <= len(ids(pair)) <= 120


def test_a_gate_order_names_every_fault(pair: Pair) -> None:
    with pytest.raises(Incorrect) as refused:
        gatekeeper.check_order(
            GateOrder(0, "nobody", "up", "no-kind", "ajar", " ", "", 3.0),  # type: ignore[arg-type]
            pair.source.ctx.chain.organisations,
            pair.source.ctx.chain.kinds,
        )
    assert len(refused.value.faults) == 7


# -- what goes wrong on the way ------------------------------------------------------------------------------------


def dropped(batch: Batch) -> Batch:
    return msgspec.structs.replace(batch, events=batch.events[:-1])


def dropped_first(batch: Batch) -> Batch:
    return msgspec.structs.replace(batch, events=batch.events[1:])


def flipped(batch: Batch) -> Batch:
    events = [msgspec.Raw(bytes(raw).replace(b"generated", b"generateD")) for raw in batch.events]
    return msgspec.structs.replace(batch, events=events)


def swapped(batch: Batch) -> Batch:
    return msgspec.structs.replace(batch, events=batch.events[::-1])


def added(batch: Batch) -> Batch:
    return msgspec.structs.replace(batch, events=[*batch.events, *batch.events[-1:]])


def promised_more(batch: Batch) -> Batch:
    return msgspec.structs.replace(
        batch, checkpoint=batch.checkpoint.replace("complete-through 2025", "complete-through 2026")
    )


@pytest.mark.parametrize("attack", [dropped, dropped_first, flipped, swapped, added, promised_more])
def test_an_altered_batch_is_refused_and_the_next_offer_mends_it(pair: Pair, attack) -> None:
    pair.source.accept([event(i, START - HOUR) for i in range(3)])
    altered(pair, lambda batch: attack(batch) if batch.events else batch)
    pair.pump()
    assert ids(pair) == []
    assert pair.register.watermark() == 0
    honest(pair)
    pair.go_on(SECOND)
    pair.pump()
    assert ids(pair) == ["e-0", "e-1", "e-2"]
    with pair.register.store.read() as tx:
        assert overview.quarantine(tx) == []


def test_a_batch_of_another_signer_is_refused(pair: Pair) -> None:
    pair.source.accept([event(1, START - HOUR)])
    thief = Signer.from_seed(pair.source.ctx.me.oin, b"\x66" * 32)
    altered(pair, lambda b: msgspec.structs.replace(b, checkpoint=sign_note(unverified_text(b.checkpoint), thief)))
    sent = pair.pump()
    assert ids(pair) == []
    assert sent.refused[KIND].startswith("note.")


def test_P1_a_lost_receipt_makes_no_second_copy(pair: Pair) -> None:
    pair.source.accept([event(1, START - HOUR)])

    class LosesReceipts(Loopback):
        def send(self, peer: str, path: str, body: bytes) -> bytes:
            super().send(peer, path, body)
            raise Unavailable("link.unreachable")

    pair.sender.link = LosesReceipts(pair.register)
    pair.pump()
    honest(pair)
    pair.source.accept([event(2, START - HOUR)])
    pair.pump()
    assert ids(pair) == ["e-1", "e-2"]


def test_a_receiver_restored_from_an_old_copy_gets_the_rest_again(pair: Pair) -> None:
    pair.source.accept([event(1, START - HOUR)])
    pair.pump()
    fresh = make_pair()
    pair.register.store, pair.register.applied = fresh.register.store, []
    pair.source.accept([event(2, START - HOUR)])
    pair.pump()
    assert ids(pair) == ["e-1", "e-2"]
    with pair.source.store.read() as tx:
        (told,) = log.newest(tx, 100, {"batch.asked-again"})
    assert (told.body["by"], told.body["from"]) == ("justid", 1)


def test_a_source_that_tells_two_stories_is_found_out(pair: Pair) -> None:
    pair.source.accept([event(1, START - HOUR), event(2, START - HOUR)])
    pair.pump()
    forged = Checkpoint(f"{pair.source.ctx.me.oin}/{KIND}/1", 1, b"\x01" * 32, START, START)
    parcel = Parcel([Batch(sign_note(forged.text(), pair.source.ctx.signer), 1, [msgspec.Raw(b"{}")])])
    told = msgspec.json.decode(pair.register.receive(encode(parcel)))
    assert told["outcomes"][0]["problem"]["code"] == "exchange.forked"


def test_receipts_are_signed_by_both(pair: Pair) -> None:
    pair.source.accept([event(1, START - HOUR)])
    pair.pump()
    with pair.source.store.read() as tx:
        receipts = [row.receipt for row in _store.out_peers_of(tx)]
    assert receipts
    assert all(note.count("\u2014 ") == 2 for note in receipts)


def test_P1_what_was_accepted_survives_reopening(tmp_path) -> None:
    pair = make_pair(url=f"sqlite:///{tmp_path / 'x.db'}")
    pair.source.accept([event(1, START - HOUR)])
    pair.source.store.close()
    reopened = open_store(f"sqlite:///{tmp_path / 'x.db'}", [outbox.MIGRATIONS], inline=True)
    pair.source.store = pair.sender.store = reopened
    pair.pump()
    assert ids(pair) == ["e-1"]


def test_a_counted_backlog_that_drains_in_parts_is_not_stopped_meanwhile() -> None:
    pair = make_pair(counted=True)
    pair.source.accept([event(i, START - HOUR) for i in range(40)])
    order(pair, "source", "metered", rate=1.0)
    counted(pair, 40)
    for _ in range(3):
        pair.go_on(10 * SECOND)
        pair.pump()
    with pair.register.store.read() as tx:
        row = next(r for r in overview.received(tx, pair.register.ctx, pair.register.clock.now()) if r["kind"] == KIND)
    assert 0 < row["size"] < 40
    assert row["state"] == "flowing"


def test_a_forged_head_of_a_log_holds_up_no_events_and_is_not_remembered(pair: Pair) -> None:
    pair.source.accept([event(1, START - HOUR)])
    altered(pair, lambda batch: msgspec.structs.replace(batch, timeline="no note"))
    pair.pump()
    assert ids(pair) == ["e-1"]
    with pair.register.store.read() as tx:
        assert log.witnessed(tx) == {}
