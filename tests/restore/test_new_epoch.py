"""A stream whose lost events cannot be had back goes on in a declared epoch; receivers keep both (issue 3, 13)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keersluis import restoring
from keersluis.errors import Conflict, Incorrect, Untrusted
from keersluis.exchange import _store, _store_epochs
from keersluis.exchange.batches import Batch, Outcomes, Parcel, decode, encode
from keersluis.exchange.epochs import Declaration, Elsewhere
from keersluis.exchange.sender import BATCHES
from keersluis.merkle import EMPTY_ROOT
from keersluis.signing import Signer, sign_note, unverified_text
from keersluis.times import HOUR
from restore.test_old_backup import entries, events_sent, lose
from restore.town import KIND, Town, make_town


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = make_town(tmp_path)
    yield town
    town.close()


def lose_for_good(town: Town) -> str:
    """Justid holds nine events and gives none back; politie holds the five that the copy has."""
    lose(town, politie_saw=0)
    town.publish([100, 101])
    origin: str = restoring.new_epoch(town.nodes["om"], KIND, "operator", "justid cannot give them back")["origin"]
    return origin


def origins(town: Town, key: str) -> list[tuple[str, int]]:
    with town.nodes[key].store.read() as tx:
        return [(row.origin[-2:], row.size) for row in _store.all_in_streams(tx) if row.kind == KIND]


def test_receivers_keep_both_and_the_lost_acts_entered_again_count_once(town: Town) -> None:
    assert lose_for_good(town).endswith(f"{KIND}/2")
    town.pump()
    town.publish(range(5, 9))  # from the system of record, under their own ids
    town.pump()
    assert origins(town, "justid") == [("/1", 9), ("/2", 6)]
    assert origins(town, "politie") == [("/1", 5), ("/2", 6)]
    assert town.facts("justid") == town.facts("politie")
    assert len(town.facts("justid")) == 11
    assert [each["beyond"] for each in restoring.state(town.nodes["justid"])["epochs"]] == [4]
    assert entries(town)["epoch.opened"] == 1
    assert entries(town, "justid")["epoch.declared"] == entries(town, "politie")["epoch.declared"] == 1
    assert town.accepted() == 11


def test_P2_the_watermark_moves_no_step_back_and_none_forward_until_somebody_checked(town: Town) -> None:
    town.publish([50])
    town.pump(hours=200)
    before = town.watermark("justid")
    lose_for_good(town)
    town.pump(hours=300)
    held = town.watermark("justid")
    assert held >= before
    town.pump(hours=300)
    assert town.watermark("justid") == held
    restoring.confirm(town.nodes["om"], [KIND], "operator", "compared")
    town.pump()
    assert town.watermark("justid") > held + 300 * HOUR
    assert town.watermark("politie") > held + 300 * HOUR


def test_numbers_that_left_twice_end_in_an_epoch_and_every_fact_once(town: Town) -> None:
    """Politie was sent other events under numbers that justid holds."""
    lose(town, politie_saw=0)
    town.down.add("justid")
    town.publish([100, 101])
    town.pump()
    town.down.clear()
    town.pump()
    assert restoring.take_back(town.nodes["om"], "operator", "disk broke")["behind"] != []
    restoring.new_epoch(town.nodes["om"], KIND, "operator", "numbers left twice")
    town.publish(range(5, 9))
    town.pump()
    town.pump()
    assert town.facts("justid") == town.facts("politie")
    assert len(town.facts("justid")) == 11
    assert town.held_by("justid").count("e-100") == 1
    assert town.held_by("politie").count("e-100") == 2, "kept in both epochs, one fact"


def test_who_misses_a_part_of_the_old_epoch_gets_that_first(town: Town) -> None:
    town.publish(range(3))
    town.pump()
    town.down.add("politie")
    town.publish(range(3, 5))
    town.pump()
    restoring.new_epoch(town.nodes["om"], KIND, "operator", "move", even_so=True)
    town.publish([100])
    town.down.clear()
    for _ in range(3):
        town.pump()
    assert origins(town, "politie") == origins(town, "justid") == [("/1", 5), ("/2", 1)]
    assert town.held_by("politie") == [*(f"e-{n}" for n in range(5)), "e-100"]


def test_a_copy_from_before_the_epoch_is_found_out_and_a_third_epoch_follows(town: Town) -> None:
    town.publish(range(3))
    town.pump()
    copy = town.back_up("om")
    restoring.new_epoch(town.nodes["om"], KIND, "operator", "move", even_so=True)
    town.publish([100])
    town.pump()
    town.put_back("om", copy)
    town.sent.clear()
    town.publish([101])
    town.pump()
    assert events_sent(town) == []
    assert {each["code"] for each in restoring.state(town.nodes["om"])["behind"]} == {"later-epoch"}
    told = restoring.take_back(town.nodes["om"], "operator", "disk broke")
    assert {each["code"] for each in told["refused"]} == {"restore.other-epoch"}
    origin = restoring.new_epoch(town.nodes["om"], KIND, "operator", "disk broke")["origin"]
    assert origin.endswith("/3")
    town.publish([100])
    town.pump()
    assert origins(town, "justid") == [("/1", 3), ("/2", 1), ("/3", 2)]
    assert Counter(town.held_by("justid"))["e-101"] == 1


def test_counts_cover_both_epochs(tmp_path: Path) -> None:
    town = make_town(tmp_path, counted=True)
    om = town.nodes["om"]
    town.publish(range(3))
    om.state_counts([(KIND, town.clock.now(), 3)])
    town.pump()
    had = town.watermark("justid")
    assert had > 0
    restoring.new_epoch(om, KIND, "operator", "move", even_so=True)
    town.publish([100])
    om.state_counts([(KIND, town.clock.now(), 99)])
    town.pump()
    assert town.watermark("justid") == had, "the counts differ: the new epoch stands where the old one stood"
    town.clock.set(town.clock.now() + HOUR)
    om.state_counts([(KIND, town.clock.now(), 4)])
    town.pump(hours=2)
    before = town.watermark("justid")
    om.state_counts([(KIND, town.clock.now(), 5)])
    town.pump(hours=200)
    assert town.watermark("justid") == before, "one more was counted than came"
    om.state_counts([(KIND, town.clock.now(), 4)])
    town.pump()
    assert town.watermark("justid") > before
    town.close()


def test_no_epoch_is_opened_for_nothing_nor_twice(town: Town) -> None:
    town.publish([1])
    town.pump()
    with pytest.raises(Conflict, match="not-behind"):
        restoring.new_epoch(town.nodes["om"], KIND, "operator", "test")
    with pytest.raises(Incorrect, match="foreign-kind"):
        restoring.new_epoch(town.nodes["om"], "police-data.serious", "operator", "test", even_so=True)
    lose_for_good(town)
    with pytest.raises(Conflict, match="not-behind"):
        restoring.new_epoch(town.nodes["om"], KIND, "operator", "test")


# -- attacks -------------------------------------------------------------------------------------------------------


def offered(town: Town, change: Callable[[Batch], Batch]) -> str:
    """What justid says to the first batch of the new epoch, changed on its way."""
    town.publish([1])
    town.pump()
    restoring.new_epoch(town.nodes["om"], KIND, "operator", "test", even_so=True)
    town.publish([2])
    town.down.add("justid")
    promises = town.nodes["om"].store.write(town.nodes["om"].prepare)
    town.sent.clear()
    town.nodes["om"].senders["justid"].guard = None
    town.nodes["om"].senders["justid"].send_all(promises, heartbeat=True)
    town.down.clear()
    (body,) = [body for _peer, path, body in town.sent if path == BATCHES]
    (batch,) = [each for each in decode(body, Parcel).batches if f"{KIND}/2" in each.checkpoint]
    answer = town.nodes["justid"].receive(encode(Parcel([change(batch)])))
    (outcome,) = decode(answer, Outcomes).outcomes
    return "" if outcome.receipt else str((outcome.problem or {})["code"])


def changed(batch: Batch, note: str | None) -> Batch:
    return Batch(batch.checkpoint, batch.first, batch.events, batch.counts, batch.timeline, batch.more, note)


def test_a_declared_epoch_is_taken(town: Town) -> None:
    assert offered(town, lambda batch: batch) == ""


def test_attack_an_epoch_that_nobody_declared_is_refused(town: Town) -> None:
    assert offered(town, lambda batch: changed(batch, None)) == "exchange.epoch"


def test_attack_a_declaration_by_somebody_else_is_refused(town: Town) -> None:
    stranger = Signer.from_seed(town.nodes["om"].me.oin, b"x" * 32)
    politie = town.nodes["politie"].ctx.signer
    by_stranger = offered(town, lambda batch: changed(batch, sign_note(unverified_text(batch.epoch or ""), stranger)))
    assert by_stranger == "note.bad-signature"
    with town.nodes["om"].store.read() as tx:
        note = _store_epochs.declaration_of(tx, town.own().origin) or ""
    assert note
    assert sign_note(unverified_text(note), politie) != note


def test_attack_a_declaration_of_another_past_is_refused(town: Town) -> None:
    signer = town.nodes["om"].ctx.signer

    def lie(batch: Batch) -> Batch:
        said = Declaration.parse(unverified_text(batch.epoch or ""))
        other = Declaration(said.origin, said.continues, said.size, EMPTY_ROOT, (), said.at, said.who, said.why)
        return changed(batch, sign_note(other.text(), signer))

    assert offered(town, lie) == "exchange.forked"


def test_more_of_an_epoch_that_is_closed_is_refused(town: Town) -> None:
    town.publish(range(3))
    town.pump()
    town.down.add("justid")
    copy = town.back_up("om")
    town.publish([7])
    town.sent.clear()
    town.pump()
    late = next(body for peer, path, body in town.sent if (peer, path) == ("justid", BATCHES))
    town.put_back("om", copy)
    town.down = {"politie"}
    restoring.new_epoch(town.nodes["om"], KIND, "operator", "test", even_so=True)
    town.publish([8])
    town.pump()
    outcomes = decode(town.nodes["justid"].receive(late), Outcomes).outcomes
    assert "exchange.epoch" in {str((each.problem or {}).get("code")) for each in outcomes}


def test_a_declaration_reads_as_it_was_written() -> None:
    at = 1_750_000_000_000_000
    elsewhere = (Elsewhere("1/a/1", 9, b"r" * 32, "2"), Elsewhere("1/a/2", 3, b"q" * 32, "3"))
    said = Declaration("1/a/3", "1/a/1", 5, b"s" * 32, elsewhere, at, "an operator", "the disk\nbroke")
    assert Declaration.parse(said.text()).text() == said.text()
    assert Declaration.parse(said.text()).elsewhere == elsewhere
    for wrong in ("", "x\n", said.text().replace("size 5", "size 05"), said.text() + "more\n"):
        with pytest.raises(Untrusted, match="unreadable"):
            Declaration.parse(wrong)
