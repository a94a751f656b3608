"""Bundles: the same bytes for the same range, any part in any order, each event once, closed is closed."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from itertools import count
from pathlib import Path

import pytest
from bundle_harness import applied, kinds_of_entries, made, parted
from exchange_harness import KIND
from links import Ends, ends, fetched, import_into

from keersluis import carrying
from keersluis.errors import Conflict, Incorrect, Unavailable
from keersluis.exchange import _store, _store_gates
from keersluis.exchange.gates import Bucket, GateOrder
from keersluis.exchange.packing import Wanted
from keersluis.sealing import Seals
from keersluis.timeline import texts
from keersluis.times import HOUR, SECOND


@pytest.fixture
def between(tmp_path: Path) -> Iterator[Ends]:
    with ends(tmp_path / "home") as both:
        yield both


# -- the same bytes, any order, once ---------------------------------------------------------------------------------


def test_the_same_range_gives_the_same_bytes(between: Ends) -> None:
    between.accept(1, 8)
    first = made(between, 1, 6)
    between.accept(9, 12)
    assert made(between, 1, 6) == first
    between.reopen("om")
    assert made(between, 1, 6) == first
    assert made(between, 1, 6, plain=False) != first, "sealing draws a new key each time"


def test_what_is_exported_is_what_the_peer_has_not_confirmed(between: Ends) -> None:
    between.accept(1, 5)
    between.source.pump(peers=["justid"])
    between.accept(6, 9)
    packed = carrying.make(between.source, Wanted("justid"))
    assert {each["kind"]: (each["from"], each["through"]) for each in packed.streams}[KIND] == (6, 9)
    again = carrying.make(between.source, Wanted("justid"))
    assert again.streams == packed.streams, "it may never arrive: nothing is noted as received"
    assert between.source.pump(peers=["justid"]).events == 4


def test_a_quiet_stream_brings_its_promise(between: Ends) -> None:
    between.clock.set(between.clock.now() + 24 * HOUR)
    applied(between, fetched(between.source, carrying.make(between.source, Wanted("justid"))))
    assert between.watermark() == between.clock.now() - between.chain.kinds[KIND].lag - 1


def test_parts_come_in_any_order_and_more_than_once(between: Ends) -> None:
    media = parted(1200)
    assert len(media) >= 3
    numbers = set()
    for medium in [media[2], media[0], media[2], *media[3:]]:
        numbers |= set(carrying.keep(between.register, BytesIO(medium)))
    (n,) = numbers
    assert carrying.take_in(between.register, n).missing == [2]
    assert between.stored() == []
    between.reopen("justid")  # the parts that came are kept
    assert applied(between, media[1]).events == 1200
    assert applied(between, b"".join(reversed(media))).events == 0


def test_P1_a_process_that_ends_half_way_goes_on_from_there(between: Ends) -> None:
    media = parted(4600)
    numbers = [n for medium in media for n in carrying.keep(between.register, BytesIO(medium))]

    class Ended(BaseException):
        pass

    reached = count(1)

    def end(step: int) -> None:
        if step == 11 and next(reached) == 5:
            raise Ended

    between.register.ctx.step = end
    with pytest.raises(Ended):
        carrying.take_in(between.register, numbers[0])
    assert 0 < len(between.stored()) < 4600
    between.reopen("justid")
    assert carrying.take_in(between.register, numbers[0]).done
    assert [position for _, position, _ in between.stored()] == list(range(1, 4601))
    assert between.facts() == 4600


def test_taking_in_may_stop_after_some_seconds_and_be_asked_on(between: Ends) -> None:
    (n, *_) = [n for medium in parted(4600) for n in carrying.keep(between.register, BytesIO(medium))]
    rounds = 0
    while not (taken := carrying.take_in(between.register, n, seconds=0)).done:
        rounds += 1
        assert taken.left > 0
    assert (rounds, between.facts()) == (1, 4600)
    (told,) = carrying.listing(between.register)["in"]
    assert (told["state"], told["applied"], told["events"]) == ("applied", 4600, 4600)


# -- gates, and what cannot be ---------------------------------------------------------------------------------------


def test_P4_a_gate_that_closes_half_way_stops_the_import_and_nothing_is_lost(between: Ends) -> None:
    (n, *_) = [n for medium in parted(4600) for n in carrying.keep(between.register, BytesIO(medium))]

    def close(done: int, _whole: int) -> None:
        if done == 4000:
            between.order("justid", "in", "closed", link="bundle")

    taken = carrying.take_in(between.register, n, progress=close)
    assert (len(between.stored()), taken.done, list(taken.refused)) == (4000, False, [KIND])
    assert between.watermark() == 0, "a part of a range promises nothing (P2)"
    with pytest.raises(Unavailable, match="closed by crisis team"):
        carrying.check_done([taken])
    between.order("justid", "in", "open", link="bundle")
    assert carrying.take_in(between.register, n).done
    assert between.facts() == 4600


def test_a_meter_lets_a_carried_batch_pass_and_holds_its_rate_over_time(between: Ends) -> None:
    (n, *_) = [n for medium in parted(4600) for n in carrying.keep(between.register, BytesIO(medium))]
    between.order("justid", "in", "metered", rate=2.0)
    taken = carrying.take_in(between.register, n)
    assert (len(between.stored()), taken.done) == (1000, False)
    assert "try again in 500 s" in taken.refused[KIND]
    assert carrying.take_in(between.register, n).events == 0
    between.clock.set(between.clock.now() + 501 * SECOND)
    carrying.take_in(between.register, n)
    assert len(between.stored()) == 2000


def test_a_gate_that_is_metered_by_bytes_is_debited_for_a_bundle_that_leaves(between: Ends) -> None:
    between.accept(1, 4)
    now, source = between.clock.now(), between.source
    order = GateOrder(now, "*", "out", "*", "metered", "crisis team", "test", byte_rate=10.0)
    source.order_gate([order])
    source.store.write(lambda tx: _store_gates.put_bucket(tx, order, Bucket(0.0, now, 100.0)))
    carrying.make(source, Wanted("justid", (KIND,), 2, 3))
    with source.store.read() as tx:
        row = _store.out_stream(tx, KIND)
        sizes = [len(bytes(each.bytes)) for each in _store.tail(tx, row.stream, 1, 3, 10)]
        left = _store_gates.bucket(tx, order)
    assert left is not None
    assert left.size == 100 - sum(sizes), "it passes whole and leaves a debt"
    with pytest.raises(Unavailable, match="metered"):
        carrying.make(source, Wanted("justid", (KIND,)))


def test_P4_a_bundle_made_before_the_gate_closed_is_not_handed_out(between: Ends) -> None:
    between.accept(1, 3)
    packed = carrying.make(between.source, Wanted("justid"))
    between.order("om", "out", "closed")
    with pytest.raises(Unavailable, match="closed"):
        carrying.part(between.source, packed.n, 1)


def test_P4_a_gate_that_closes_while_a_bundle_is_made_keeps_it_here(between: Ends) -> None:
    between.accept(1, 3)
    seals = between.source.seals

    class Slow(Seals):
        def seal(self, data: bytes, oin: str) -> bytes:
            if data:
                between.order("om", "out", "closed")
            return seals.seal(data, oin)

    between.source.seals = Slow(None, {})
    with pytest.raises(Unavailable, match="closed by crisis team"):
        carrying.make(between.source, Wanted("justid"))
    assert carrying.listing(between.source)["out"] == []
    assert "bundle.exported" not in kinds_of_entries(between.source)


def test_P4_one_closed_kind_is_left_out_and_said(between: Ends) -> None:
    between.accept(1, 3)
    moved = GateOrder(between.clock.now(), "justid", "out", "judgment", "closed", "crisis team", "test")
    between.source.order_gate([moved])
    packed = carrying.make(between.source, Wanted("justid"))
    assert KIND in {each["kind"] for each in packed.streams}
    assert packed.refused
    assert set(packed.refused.values()) == {"gate.closed"}
    assert all(kind.startswith("judgment") for kind in packed.refused)


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted("nobody"),
        Wanted("om"),
        Wanted("justid", ("no-such-kind",)),
        Wanted("justid", (KIND,), 2, 99),
        Wanted("justid", (KIND,), 9, 3),
        Wanted("justid", (), 1, 2),
        Wanted("justid", (KIND, "withdrawal"), 1, 2),
    ],
)
def test_what_cannot_be_exported_is_said_and_leaves_nothing(between: Ends, wanted: Wanted) -> None:
    between.accept(1, 3)
    with pytest.raises(Incorrect):
        carrying.make(between.source, wanted)
    assert carrying.listing(between.source) == {"out": [], "in": []}


def test_a_file_that_is_there_is_not_overwritten(between: Ends, tmp_path: Path) -> None:
    between.accept(1, 3)
    path = tmp_path / "carried"
    packed, files = carrying.export_bundle(between.source, "justid", path)
    assert (packed.events, files) == (3, [path])
    with pytest.raises(Conflict, match="file-exists"):
        carrying.export_bundle(between.source, "justid", path)
    assert [taken.events for taken in carrying.import_bundle(between.register, path)] == [3]


def test_P5_every_step_of_a_bundle_is_an_entry_with_a_sentence(between: Ends) -> None:
    between.accept(1, 3)
    applied(between, fetched(between.source, carrying.make(between.source, Wanted("justid"))))
    import_into(between.source, fetched(between.register, carrying.confirm(between.register, "om")))
    ours, theirs = kinds_of_entries(between.source), kinds_of_entries(between.register)
    assert {"bundle.exported", "bundle.kept", "bundle.imported", "batch.receipted"} <= set(ours)
    assert {"bundle.kept", "bundle.imported", "bundle.confirmed", "batch.applied"} <= set(theirs)
    assert {*ours, *theirs} <= set(texts.KINDS)
    (told,) = carrying.listing(between.source)["out"]
    assert (told["state"], told["events"], told["kept"]) == ("receipted", 3, 1)
