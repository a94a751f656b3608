"""What the parts of the exchange do to each other: letters, bundles, promises, gates and evidence at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from links import Ends, ends, fetched, import_into
from sqlalchemy import Connection

from exchange.exchange_harness import KIND, START, Pair, event, make_pair, shipped
from exchange.mailing import letters
from keersluis import carrying, letters_desk
from keersluis.errors import Incorrect, Unavailable
from keersluis.exchange import _store
from keersluis.exchange.packing import Wanted
from keersluis.letters_desk import Wish
from keersluis.merkle import Frontier, leaf_hash
from keersluis.sealing import Seals
from keersluis.service import Node
from keersluis.timeline import log
from keersluis.times import DAY, HOUR, MINUTE, SECOND
from keersluis.watermarks import parse_origin


@pytest.fixture
def between(tmp_path: Path) -> Iterator[Ends]:
    with ends(tmp_path / "home") as both:
        yield both


def told(node: Node, kind: str) -> list[dict[str, object]]:
    with node.store.read() as tx:
        return [dict(entry.body) for entry in log.entries(tx, 0, 10_000) if entry.kind == kind]


# -- promises (P2) ---------------------------------------------------------------------------------------------------


def a_pair(events: int) -> Pair:
    pair = make_pair()
    for number in range(1, events + 1):
        pair.source.accept([event(number, START - HOUR, chain=shipped())])
        pair.go_on(SECOND)
    return pair


def test_P2_a_letter_over_a_part_promises_a_part_also_to_who_was_promised_more() -> None:
    """A receiver that lost its store believes what the letter says, and nothing else."""
    pair = a_pair(6)
    pair.go_on(DAY)
    pair.pump()
    assert pair.register.watermark() > START - HOUR
    pair.go_on(HOUR)
    (letter, *_) = letters(pair, 1, 3)
    assert letter.checkpoint.complete_through < START - HOUR, "events 4-6 are of then"


@pytest.mark.parametrize("way", ["bundle", "letter"])
def test_P2_a_promise_that_was_carried_is_broken_by_an_older_act_before_any_receipt_is_back(
    between: Ends, way: str
) -> None:
    between.accept(1, 3)
    between.clock.set(between.clock.now() + DAY)
    between.cut = True
    if way == "bundle":
        packed = carrying.make(between.source, Wanted("justid", (KIND,)))
        assert import_into(between.register, fetched(between.source, packed)) == []
    else:
        printed = letters_desk.post(between.source, Wish(kind=KIND, to="justid"))
        letters_desk.enter(between.register, [each.packed for each in printed.letters])
    assert between.watermark() > START - HOUR
    between.source.register_waiting([(KIND, "e-91", "2025-06-30T12:00:00+02:00", "paper")])
    assert told(between.source, "intake.waiting")[-1]["late"] == 1
    between.source.accept([event(90, START - 20 * HOUR, chain=between.chain)])
    assert [each["events"] for each in told(between.source, "promise.broken")] == [["e-90"]]


# -- nonsense --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", ["²", "1" * 5000, "-1", "", "1.0"])
def test_an_epoch_that_is_no_number_is_wrong_input_whoever_signed_it(epoch: str) -> None:
    with pytest.raises(Incorrect, match="epoch"):
        parse_origin(f"00000099000000001001/{KIND}/{epoch}")


# -- cost (P6) -------------------------------------------------------------------------------------------------------


def test_P6_what_a_bundle_brought_is_not_sent_again_when_no_receipt_came_back(between: Ends) -> None:
    between.accept(1, 12)
    between.cut = True
    packed = carrying.make(between.source, Wanted("justid", (KIND,)))
    assert import_into(between.register, fetched(between.source, packed)) == []
    between.accept(13, 14)
    between.cut = False
    between.source.senders["justid"].most = 2
    between.source.pump(peers=["justid"])
    assert len(between.stored()) == 14
    offered = [body for body in told(between.source, "batch.offered") if KIND in str(body["origin"])]
    assert [(body["from"], body["through"]) for body in offered] == [(1, 2), (13, 14)]


def test_P1_a_receipt_of_more_than_was_promised_when_the_call_began_is_no_doubt(between: Ends) -> None:
    between.accept(1, 4)
    promises = between.source.store.write(between.source.prepare)
    between.accept(5, 6)
    packed = carrying.make(between.source, Wanted("justid", (KIND,)))
    assert import_into(between.register, fetched(between.source, packed)) == []
    sender = between.source.senders["justid"]
    sender.most = 2
    assert sender.send_all(promises, heartbeat=True).refused == {}
    assert between.receipted() == 6


# -- gates (P4) ------------------------------------------------------------------------------------------------------


def test_P4_receipts_that_were_packed_before_the_gate_closed_are_not_handed_out(between: Ends) -> None:
    between.accept(1, 3)
    between.source.pump(peers=["justid"])
    packed = carrying.confirm(between.register, "om")
    between.order("justid", "out", "closed", "bundle")
    with pytest.raises(Unavailable, match="closed"):
        carrying.part(between.register, packed.n, 1)


def test_P4_a_gate_that_closes_while_receipts_are_packed_keeps_them_here(between: Ends) -> None:
    between.accept(1, 3)
    between.source.pump(peers=["justid"])
    seals = between.register.seals

    class Slow(Seals):
        def seal(self, data: bytes, oin: str) -> bytes:
            if data:
                between.order("justid", "out", "closed")
            return seals.seal(data, oin)

    between.register.seals = Slow(None, {})
    with pytest.raises(Unavailable, match="closed by crisis team"):
        carrying.confirm(between.register, "om")
    assert told(between.register, "bundle.confirmed") == []


# -- evidence (P5) ---------------------------------------------------------------------------------------------------


def rewrite(tx: Connection, position: int) -> None:
    """Somebody with the database of the source alters an event that was signed, and mends the tree."""
    row = _store.out_stream(tx, KIND)
    assert row is not None
    (kept,) = _store.tail(tx, row.stream, position - 1, position, 1)
    altered = msgspec.json.decode(bytes(kept.bytes))
    altered["data"]["content"]["offence"] = "altered"
    data = msgspec.json.encode(altered)
    c = _store.out_events.c
    where = (c.stream == row.stream, c.position == position)
    tx.execute(_store.out_events.update().where(*where).values(bytes=data, leaf=leaf_hash(data)))
    tree = Frontier().extend(_store.leaves(tx, row.stream, 0, row.size))
    _store.update_out_stream(tx, row.stream, frontier=tree.to_bytes())


def test_P5_a_receipt_that_was_carried_ends_no_evidence_of_what_came_after_what_it_confirms(between: Ends) -> None:
    """The receipt is of the first day; it comes back on the fourth. What was signed in between is still owed."""
    between.accept(1, 3)
    between.source.pump(peers=["justid"])
    between.cut = True

    def a_day(number: int) -> None:
        between.clock.set(between.clock.now() + DAY - MINUTE)
        between.accept(number, number)
        between.source.pump(peers=["justid"])

    a_day(4)
    packed = carrying.make(between.source, Wanted("justid", (KIND,)))
    assert import_into(between.register, fetched(between.source, packed)) == []
    receipts = fetched(between.register, carrying.confirm(between.register, "om"))
    a_day(5)
    between.source.store.write(lambda tx: rewrite(tx, 5))
    a_day(6)
    assert import_into(between.source, receipts) == []
    between.cut = False
    sent = between.source.pump(peers=["justid"]).sent["justid"]
    assert sent.refused == {KIND: "exchange.rewritten"}
    assert len(between.stored()) == 4
