"""A gate that a stage lists moves towards more open only when its go stands. One test for each way around that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keersluis import moves, planning
from keersluis.errors import Conflict
from keersluis.exchange import keys
from keersluis.exchange.gates import GateOrder, Scope
from keersluis.identity import PublicKey
from keersluis.times import DAY, HOUR
from recovery.plan_harness import PLAN, Office, by


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.node.close()


@pytest.fixture
def guarded(office: Office) -> Office:
    office.adopt()
    return office


def refused(office: Office, *stages: str) -> Any:
    """The error of the block names exactly these stages, and nothing was written."""

    class Block:
        def __enter__(self) -> None:
            self.before = office.size()

        def __exit__(self, _type: Any, error: Any, _trace: Any) -> bool:
            assert isinstance(error, Conflict), error
            assert error.code == "plan.no-go"
            assert [each["stage"] for each in error.facts["stages"]] == list(stages)  # type: ignore[attr-defined]
            assert office.size() == self.before
            return True

    return Block()


def test_without_a_plan_gates_move_as_ever(office: Office) -> None:
    office.move("open")
    assert office.state() == "open"


@pytest.mark.parametrize(
    ("state", "rest"),
    [
        ("open", {}),
        ("metered", {"rate": 0.01}),
        ("metered", {"byte_rate": 1.0}),
        ("open", {"link": "paper"}),
        ("open", {"link": "bundle"}),
    ],
)
@pytest.mark.parametrize("kind", ["judgment", "judgment.serious"])
def test_a_listed_gate_does_not_open_without_a_go(guarded: Office, kind: str, state: str, rest: Any) -> None:
    with refused(guarded, "first"):
        guarded.move(state, "justid", "out", kind, **rest)
    assert guarded.state() == "closed"


def test_a_broad_order_that_would_open_listed_gates_names_every_stage_that_lacks_a_go(guarded: Office) -> None:
    with refused(guarded, "first", "second"):
        guarded.move("open")
    with refused(guarded, "second"):
        guarded.move("open", direction="in")
    with refused(guarded, "first"):
        guarded.move("open", "*", "out", "judgment.other")


def test_gates_that_no_stage_lists_move_freely(guarded: Office) -> None:
    guarded.move("open", "justid", "out", "withdrawal")
    assert guarded.state("withdrawal") == "open"


def test_a_go_opens_the_gates_of_its_stage_and_of_no_other(guarded: Office) -> None:
    guarded.note()
    guarded.go("first")
    guarded.move("open", "justid", "out", "judgment")
    assert guarded.state() == "open"
    with refused(guarded, "second"):
        guarded.move("open")


def test_one_vote_is_no_go(guarded: Office) -> None:
    guarded.note()
    guarded.vote("first", "manager")
    with refused(guarded, "first"):
        guarded.move("open", "justid", "out", "judgment")


def test_closing_is_always_possible_at_once(guarded: Office) -> None:
    guarded.note()
    guarded.go("first")
    guarded.move("open", "justid", "out", "judgment")
    number = next(each["number"] for each in guarded.stage("first")["criteria"][0]["evidence"])
    planning.withdraw_evidence(guarded.node, "back", number, by("forensics"))
    assert guarded.state() == "open"
    guarded.move("metered", "justid", "out", "judgment", rate=5)
    with refused(guarded, "first"):
        guarded.move("metered", "justid", "out", "judgment", rate=6)
    with refused(guarded, "first"):
        guarded.move("metered", "justid", "out", "judgment", byte_rate=1)
    guarded.move("metered", "justid", "out", "judgment", rate=4)
    guarded.move("metered", "justid", "out", "judgment", rate=4, byte_rate=100)
    with refused(guarded, "first"):
        guarded.move("metered", "justid", "out", "judgment", rate=4, byte_rate=101)
    guarded.move("closed")
    assert guarded.state() == "closed"


def test_a_scheduled_opening_is_refused_without_a_go(guarded: Office) -> None:
    with refused(guarded, "first"):
        guarded.move("open", "justid", "out", "judgment", starts=guarded.clock.now() + DAY)


def test_an_opening_scheduled_before_the_adoption_must_go_first(office: Office) -> None:
    office.move("open", starts=office.clock.now() + DAY)
    with pytest.raises(Conflict) as told:
        office.adopt()
    assert told.value.code == "plan.opens-ahead"
    office.adopt(call_off=True)
    office.clock.set(office.clock.now() + 2 * DAY)
    assert office.state() == office.state("disposal") == office.state("judgment.of-later") == "closed"
    assert office.state("withdrawal") == "open"  # no stage lists it


def test_a_scheduled_opening_does_not_take_effect_when_the_go_fell_meanwhile(guarded: Office) -> None:
    number = guarded.note()
    guarded.go("first")
    guarded.move("open", "justid", "out", "judgment", starts=guarded.clock.now() + DAY)
    planning.withdraw_evidence(guarded.node, "back", number, by("forensics"))
    guarded.restart()
    guarded.clock.set(guarded.clock.now() + 2 * DAY)
    assert guarded.state() == "closed"
    assert guarded.entries("gate.called-off")


def test_a_scheduled_opening_takes_effect_when_the_go_stands(guarded: Office) -> None:
    guarded.note()
    guarded.go("first")
    guarded.move("open", "justid", "out", "judgment", starts=guarded.clock.now() + DAY)
    guarded.clock.set(guarded.clock.now() + 2 * DAY)
    assert guarded.state() == "open"


def test_a_window_that_opens_each_night_is_refused(guarded: Office) -> None:
    for state, outside in (("closed", "open"), ("open", "closed"), ("metered", "closed")):
        rate = 1.0 if state == "metered" else None
        with refused(guarded, "first"):
            guarded.move(state, "justid", "out", "judgment", window="22:00-06:00", outside=outside, rate=rate)


def test_a_window_in_effect_stops_opening_when_the_go_falls(guarded: Office) -> None:
    number = guarded.note()
    guarded.go("first")
    guarded.move("open", "justid", "out", "judgment", window="22:00-06:00", outside="closed")
    planning.withdraw_evidence(guarded.node, "back", number, by("forensics"))
    for hour in range(48):
        guarded.clock.set(guarded.clock.now() + hour * HOUR)
        assert guarded.state() == "closed"


def test_undoing_a_closing_needs_a_go(guarded: Office) -> None:
    guarded.move("closed", "justid", "out", "judgment.serious", who="another")
    scope = Scope("justid", "out", "judgment.serious", "*")
    order = guarded.order("open", "justid", "out", "judgment.serious")
    moves.undo(guarded.node, [(scope, order)])  # the broad closing stands again: nothing opens
    assert guarded.state() == "closed"
    broad = guarded.order("open")
    with refused(guarded, "first", "second"):
        moves.undo(guarded.node, [(broad.scope, broad)])


def test_calling_off_a_closing_needs_a_go(guarded: Office) -> None:
    number = guarded.note()
    guarded.go("first")
    guarded.move("open", "justid", "out", "judgment")
    (closing,) = guarded.move("closed", "justid", "out", "judgment", starts=guarded.clock.now() + DAY)
    planning.withdraw_evidence(guarded.node, "back", number, by("forensics"))
    with refused(guarded, "first"):
        moves.call_off(guarded.node, closing.number, "somebody", "stay open")
    guarded.clock.set(guarded.clock.now() + 2 * DAY)
    assert guarded.state() == "closed"


def test_a_metering_to_come_does_not_open_what_was_closed_meanwhile(guarded: Office) -> None:
    """It was a step towards closed when it was given, and would be one towards open by now."""
    number = guarded.note()
    guarded.go("first")
    guarded.move("open", "justid", "out", "judgment")
    planning.withdraw_evidence(guarded.node, "back", number, by("forensics"))
    guarded.move("metered", "justid", "out", "judgment", rate=1, starts=guarded.clock.now() + DAY)
    guarded.move("closed")
    guarded.clock.set(guarded.clock.now() + 2 * DAY)
    assert guarded.state() == "closed"


def test_calling_off_what_is_to_come_keeps_its_closings(guarded: Office) -> None:
    """One order to come, that meters everything: it would open what is closed and narrow what is open."""
    number = guarded.note()
    guarded.go("first")
    guarded.move("open", "justid", "out", "judgment")
    planning.withdraw_evidence(guarded.node, "back", number, by("forensics"))
    guarded.move("metered", "*", "out", "judgment", rate=1, starts=guarded.clock.now() + DAY)
    guarded.move("open", "ind", "out")
    guarded.move("closed", "justid", "out", "judgment.serious")
    guarded.clock.set(guarded.clock.now() + 2 * DAY)
    assert guarded.state() == "closed"
    assert guarded.state("judgment.other") == "metered"
    assert guarded.state("judgment.serious", peer="ind") == "metered"  # no stage lists it


@pytest.mark.parametrize("way_back", ["fell first", "closed first"])
def test_what_closes_gates_that_no_stage_lists_too_still_closes_those(tmp_path: Path, way_back: str) -> None:
    """One order to come, that meters everything out, and a listed gate that is closed meanwhile."""
    office = Office(tmp_path, back=PLAN.replace('kind = "judgment"', 'kind = "judgment.serious"'))
    office.move("open")
    office.adopt()
    number = office.note()
    office.go("first")
    if way_back == "fell first":
        planning.withdraw_evidence(office.node, "back", number, by("forensics"))
    office.move("metered", rate=1, starts=office.clock.now() + DAY)
    office.move("closed", "justid", "out", "judgment.serious", who="another")
    if way_back == "closed first":
        planning.withdraw_evidence(office.node, "back", number, by("forensics"))
    assert office.state("correction") == "open"
    office.clock.set(office.clock.now() + 2 * DAY)
    assert office.state("judgment.serious") == "closed"
    for kind in ("correction", "judgment.sexual", "disposal"):
        assert office.state(kind) == office.state(kind, peer="ind") == "metered"
    assert not office.entries("gate.called-off")
    office.node.close()


def test_orders_to_come_are_held_back_one_by_one_and_each_keeps_its_closings(guarded: Office) -> None:
    number = guarded.note()
    guarded.go("first")
    guarded.move("closed", "justid", "out", "judgment.other", starts=guarded.clock.now() + 3 * DAY)
    guarded.move("metered", "justid", "out", "judgment", rate=1, starts=guarded.clock.now() + DAY)
    guarded.move("metered", "*", "out", "judgment", rate=5, starts=guarded.clock.now() + 2 * DAY, window="22:00-06:00",
                 outside="open")  # fmt: skip
    guarded.move("open", "justid", "out", "judgment.other")
    planning.withdraw_evidence(guarded.node, "back", number, by("forensics"))
    for _hour in range(24):
        assert (guarded.state(), guarded.state("judgment.other")) == ("closed", "open")
        guarded.clock.set(guarded.clock.now() + HOUR)
    for hour in range(47):
        assert guarded.state("judgment.other") == "metered", hour
        assert guarded.state() == "closed", hour
        guarded.clock.set(guarded.clock.now() + HOUR)
    guarded.clock.set(guarded.clock.now() + DAY)
    assert guarded.state("judgment.other") == "closed"


def test_an_order_that_takes_back_its_own_evidence_opens_nothing(guarded: Office) -> None:
    """The closing of a gate was shown as evidence: undoing it opens the gate, and fells the go on which that rests."""
    first = guarded.note()
    guarded.go("first")
    guarded.move("open", "justid", "out", "judgment")
    guarded.move("closed", "justid", "out", "judgment", who="another")
    guarded.note(entry=guarded.entries("gate.moved")[-1].n, note="")
    planning.withdraw_evidence(guarded.node, "back", first, by("forensics"))
    assert guarded.stage("first")["state"] == "go"
    undo = guarded.order("open", "justid", "out", "judgment")
    with refused(guarded, "first"):
        moves.undo(guarded.node, [(undo.scope, undo)])
    assert guarded.state() == "closed"


def test_an_opening_in_the_same_commit_as_what_fells_the_go_is_refused(guarded: Office) -> None:
    """Two requests in one transaction: the later sees what the earlier took back."""
    me = guarded.chain.organisations["om"].oin
    key = PublicKey(me, b"k" * 32)
    now = guarded.clock.now()
    guarded.node.store.write(lambda tx: keys.note(tx, "key.rotated", key, now, now, "w", "y"))
    guarded.note(entry=guarded.entries("key.rotated")[0].n, note="")
    guarded.go("first")

    def both(tx: Any) -> list[GateOrder | None]:
        keys.note(tx, "key.revoked", key, now, now, "w", "y")
        return guarded.node._move(tx, [guarded.order("open", "justid", "out", "judgment")])

    with refused(guarded, "first"):
        guarded.node.store.write(both)
    guarded.node.store.write(lambda tx: keys.note(tx, "key.revoked", key, now, now, "w", "y"))
    assert guarded.stage("first")["state"] == "fell"


def test_what_cannot_be_committed_leaves_gates_and_goes_as_they_were(guarded: Office) -> None:
    """P1: acts, entries and gates stand or fall together."""
    guarded.note()
    guarded.go("first")
    guarded.move("open", "justid", "out", "judgment")
    before = planning.shown(guarded.node, "back")

    def full(_tx: Any) -> None:
        raise RuntimeError("disk full")

    guarded.node.store.before_commit.append(full)
    with pytest.raises(RuntimeError):
        planning.roll_back(guarded.node, "back", "first", by("manager"))
    guarded.restart()
    assert planning.shown(guarded.node, "back") == before
    assert guarded.state() == "open"


def test_two_orders_of_one_request_are_all_or_nothing(guarded: Office) -> None:
    free = guarded.order("open", "justid", "out", "withdrawal")
    with refused(guarded, "first"):
        guarded.node.order_gate([free, guarded.order("open", "justid", "out", "judgment")])
    assert guarded.state("withdrawal") == "closed"


def test_a_key_that_was_used_before_opens_nothing(guarded: Office) -> None:
    guarded.note()
    guarded.go("first")
    order = guarded.order("open", "justid", "out", "judgment", key="k1")
    guarded.node.order_gate([order])
    planning.roll_back(guarded.node, "back", "first", by("manager"))
    assert guarded.state() == "closed"
    assert guarded.node.order_gate([order]) == []
    assert guarded.state() == "closed"


def test_a_clock_that_is_put_back_opens_nothing(guarded: Office) -> None:
    guarded.node.clock = guarded.node.ctx.clock = type(guarded.clock)(guarded.clock.now() - 30 * DAY)
    with refused(guarded, "first"):
        guarded.node.order_gate([guarded.order("open", "justid", "out", "judgment")])


def test_the_guard_stands_after_a_restart_and_whatever_the_file_says(guarded: Office) -> None:
    guarded.restart()
    with refused(guarded, "first"):
        guarded.move("open", "justid", "out", "judgment")
    path = guarded.chain.folder / "plans" / "back.toml"
    path.write_text(PLAN.replace('kind = "judgment"', 'kind = "withdrawal"'))
    guarded.restart()
    assert planning.shown(guarded.node, "back")["changed"]
    with refused(guarded, "first"):
        guarded.move("open", "justid", "out", "judgment")
    path.unlink()
    guarded.restart()
    with refused(guarded, "first"):
        guarded.move("open", "justid", "out", "judgment")


def test_a_plan_that_ended_guards_nothing(guarded: Office) -> None:
    with pytest.raises(Conflict, match="four-eyes"):
        planning.end(guarded.node, "back", "withdrawn", by("manager"))
    planning.end(guarded.node, "back", "withdrawn", by("manager"), ("the ciso", "ciso"))
    guarded.move("open")
    assert guarded.state() == "open"


def test_two_plans_at_once_guard_their_own_gates(tmp_path: Path) -> None:
    other = PLAN.replace('kind = "judgment"', 'kind = "withdrawal"').replace('kind = "disposal"', 'kind = "correction"')
    office = Office(tmp_path, back=PLAN, other=other)
    office.adopt()
    with pytest.raises(Conflict) as told:  # both list everything that comes in
        office.adopt("other")
    assert told.value.code == "plan.overlaps"
    apart = other.replace(
        'peer = "*"\ndirection = "in"\nkind = "*"', 'peer = "justid"\ndirection = "out"\nkind = "police-data"'
    )
    (office.chain.folder / "plans" / "other.toml").write_text(apart)
    office.adopt("other")
    with refused(office, "first"):
        office.move("open", "justid", "out", "judgment")
    with refused(office, "first"):
        office.move("open", "justid", "out", "withdrawal")
    planning.end(office.node, "back", "withdrawn", by("manager"), ("the ciso", "ciso"))
    office.move("open", "justid", "out", "judgment")
    with refused(office, "first"):
        office.move("open", "justid", "out", "withdrawal")
    office.node.close()
