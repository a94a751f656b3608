"""An old backup, and what travelled in bundles and letters meanwhile: of those no receipt came back (issue 3, 13)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from links import fetched, import_into

from keersluis import carrying, letters_desk, reconciling, reserving, restoring
from keersluis.errors import Conflict, Unavailable
from keersluis.exchange.epochs import GIVE_BACK
from keersluis.exchange.gates import GateOrder
from keersluis.exchange.packing import Wanted
from keersluis.exchange.reconciliation import FIRST, Entry, whole_hour
from keersluis.letters_desk import Wish
from keersluis.status import of as status_of
from restore.test_old_backup import lose
from restore.town import KIND, Town, make_town


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = make_town(tmp_path)
    yield town
    town.close()


@pytest.mark.parametrize("way", ["bundle", "letter"])
def test_P1_numbers_that_left_twice_by_hand_are_not_taken_back_over(town: Town, way: str) -> None:
    """Justid held more and could not be asked: politie was handed other events under the same numbers."""
    lose(town, politie_saw=0)
    town.publish([100, 101])
    om = town.nodes["om"]
    if way == "bundle":
        carrying.make(om, Wanted("politie", (KIND,)), plain=True)
    else:
        letters_desk.post(om, Wish(kind=KIND, first=6, last=7, to="politie"))
    told = restoring.take_back(om, "operator", "disk broke")
    assert [each["code"] for each in told["refused"]] == ["restore.given-twice"]
    assert restoring.new_epoch(om, KIND, "operator", "numbers left twice")["origin"].endswith("/2")


def test_P1_a_number_that_left_in_a_letter_is_not_given_again(town: Town) -> None:
    """A letter came before its turn: its receiver holds an event that no receipt speaks of."""
    om, politie = town.nodes["om"], town.nodes["politie"]
    town.publish(range(5))
    town.pump()
    copy = town.back_up("om")
    town.down |= {"politie", "justid"}
    town.publish([5, 6, 7])
    printed = letters_desk.post(om, Wish(kind=KIND, first=8, last=8, to="politie"))
    assert letters_desk.enter(politie, [printed.letters[0].packed])[0]["outcome"] == "applied"
    om = town.put_back("om", copy)
    town.down.clear()
    town.publish([100, 101, 102])
    assert town.pump()["politie"].refused[KIND] == "restore.behind"
    assert len(town.held_by("politie")) == 5
    told = restoring.take_back(om, "operator", "disk broke")
    assert [each["code"] for each in told["refused"]] == ["restore.withheld"]
    restoring.new_epoch(om, KIND, "operator", "what came by letter cannot be had back")
    town.pump()
    assert town.held_by("politie")[-3:] == ["e-100", "e-101", "e-102"]
    assert status_of(politie)["quarantine"] == []


@pytest.mark.parametrize("mend", ["take back", "new epoch"])
def test_what_was_counted_before_the_restore_was_mended_is_counted_again(town: Town, mend: str) -> None:
    lose(town, politie_saw=0)
    town.publish([100, 101])
    om, until = town.nodes["om"], whole_hour(town.clock.now())
    assert reconciling.count_digest(om, KIND, FIRST, until).count == 7
    if mend == "take back":
        restoring.take_back(om, "operator", "disk broke")
    else:
        town.pump()
        restoring.new_epoch(om, KIND, "operator", "disk broke")
    held = reconciling.count_digest(om, KIND, FIRST, until)
    assert held.count == town.accepted()
    if mend == "take back":
        restoring.confirm(om, [], "operator", "looked")
        town.pump()
        assert reconciling.count_digest(town.nodes["justid"], KIND, FIRST, until) == held


def close(town: Town, direction: str, kind: str = "*", peer: str = "*") -> None:
    order = GateOrder(town.clock.now(), peer, direction, kind, "closed", "crisis team", "test")  # type: ignore[arg-type]
    town.nodes["om"].order_gate([order])


def test_P4_nobody_is_asked_through_a_closed_gate_of_our_own(town: Town) -> None:
    lose(town, politie_saw=0)
    close(town, "out", peer="justid")
    town.sent.clear()
    assert restoring.check(town.nodes["om"])["answers"] == {"justid": "gate.closed", "politie": ""}
    restoring.new_epoch(town.nodes["om"], KIND, "operator", "cannot wait", even_so=True)
    reserving.reaffirm(town.nodes["om"], [], "operator", "checked")
    assert [peer for peer, *_rest in town.sent if peer == "justid"] == []


@pytest.mark.parametrize("direction", ["in", "out"])
def test_P4_nothing_is_taken_back_through_a_closed_gate_of_our_own(town: Town, direction: str) -> None:
    lose(town, politie_saw=0)
    town.pump()
    close(town, direction, KIND)
    town.sent.clear()
    told = restoring.take_back(town.nodes["om"], "operator", "disk broke")
    assert told["taken"] == []
    assert [each["code"] for each in told["refused"]] == ["gate.closed"]
    assert [path for _peer, path, _body in town.sent if path == GIVE_BACK] == []


@pytest.mark.parametrize("kind", ["question", KIND])
def test_P4_a_receiver_compares_nothing_through_a_closed_gate_of_its_own(town: Town, kind: str) -> None:
    town.publish(range(3))
    town.pump()
    town.sent.clear()
    justid = town.nodes["justid"]
    direction = "out" if kind == "question" else "in"
    order = GateOrder(town.clock.now(), "om", direction, kind, "closed", "crisis team", "test")  # type: ignore[arg-type]
    justid.order_gate([order])
    with pytest.raises(Unavailable, match="closed by crisis team"):
        reconciling.compare_with(justid, "om", KIND, FIRST, whole_hour(town.clock.now()))
    assert town.sent == []


def test_P3_a_gap_of_one_epoch_is_filled_by_the_word_of_the_next(town: Town) -> None:
    town.publish(range(3))
    town.pump()
    om, justid = town.nodes["om"], town.nodes["justid"]
    since, until = FIRST, whole_hour(town.clock.now())
    reconciling.declare(om, KIND, since, until, [Entry("e-9", since)], "a system lost it")
    town.pump()
    assert [each["filled_at"] for each in reconciling.overview(justid)["heard"]] == [None]
    restoring.new_epoch(om, KIND, "operator", "disk broke", even_so=True)
    town.publish([9])
    reconciling.fill(om, KIND, since, until, reconciling.count_digest(om, KIND, since, until))
    town.pump()
    (gap,) = reconciling.overview(justid)["heard"]
    assert gap["filled_at"] is not None


def test_P1_receipts_that_come_by_hand_show_an_old_backup_before_anything_more_leaves(town: Town) -> None:
    """Nobody can be asked: the wire is closed everywhere."""
    lose(town, politie_saw=0)
    om = town.nodes["om"]
    town.down |= {"justid", "politie"}
    town.publish([100])
    receipts = fetched(town.nodes["justid"], carrying.confirm(town.nodes["justid"], "om"))
    assert import_into(om, receipts) == ["receipt.ahead"]
    assert {each["code"] for each in restoring.state(om)["behind"]} == {"ahead"}
    with pytest.raises(Conflict, match="behind"):
        carrying.make(om, Wanted("politie"), plain=True)
    with pytest.raises(Conflict, match="behind"):
        carrying.make(om, Wanted("justid", (KIND,)), plain=True)
    assert carrying.make(om, Wanted("justid"), plain=True).refused == {KIND: "restore.behind"}
    for wish in (Wish(kind=KIND, to="politie"), Wish(event="e-100", to="politie"), Wish(waiting_for="politie")):
        with pytest.raises(Conflict, match=r"restore\.behind"):
            letters_desk.post(om, wish)
    assert letters_desk.post(om, Wish(waiting_for="justis")).letters == [], "nothing that is behind is for this one"
    town.down.clear()
    assert [each["kind"] for each in restoring.take_back(om, "operator", "disk broke")["taken"]] == [KIND]
    assert import_into(om, receipts) == []


def test_a_new_epoch_ends_the_quarantine_of_the_one_that_it_continues(town: Town) -> None:
    """The source told two stories and explained it; nothing is left to be done at the receiver."""
    lose(town, politie_saw=0)
    om, justid = town.nodes["om"], town.nodes["justid"]
    om.senders["justid"].guard = None
    town.publish([100, 101, 102, 103, 104])
    assert town.pump()["justid"].refused[KIND] == "exchange.root-differs"
    assert len(status_of(justid)["quarantine"]) == 1
    restoring.guard(om)
    restoring.new_epoch(om, KIND, "operator", "two stories")
    town.pump()
    assert town.held_by("justid")[-1] == "e-104"
    assert status_of(justid)["quarantine"] == []
