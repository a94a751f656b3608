"""Evidence, go and no-go under a plan: four eyes, what falls with what, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keersluis import moves, planning
from keersluis.errors import Conflict, Incorrect, KeersluisError
from keersluis.exchange.gates import LONGEST
from keersluis.recovery.plan_evidence import Shown
from keersluis.signing import Signer, sign_note
from keersluis.timeline.model import timeline_origin
from keersluis.times import DAY
from keersluis.watermarks import Checkpoint
from recovery.plan_harness import PLAN, Office, by


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    office.adopt()
    yield office
    office.node.close()


class Refusal:
    """The block is refused with this code, and writes nothing."""

    def __init__(self, office: Office, code: str) -> None:
        self.office, self.code, self.before = office, code, office.size()

    def __enter__(self) -> None: ...

    def __exit__(self, _type: Any, error: Any, _trace: Any) -> bool:
        assert isinstance(error, KeersluisError)
        assert error.code == self.code, error
        assert self.office.size() == self.before
        return True


def waits(office: Office, stage: str) -> list[str]:
    return [each["waits_for"] for each in office.stage(stage)["waits_for"]]


def test_what_a_stage_waits_for_is_told_in_full(office: Office) -> None:
    assert waits(office, "first") == ["evidence", "votes"]
    assert waits(office, "second") == ["go", "votes"]
    office.vote("second", "ciso", go=False)
    assert waits(office, "second") == ["go", "no-go", "votes"]
    office.note()
    assert office.stage("first")["waits_for"] == [
        {"waits_for": "votes", "missing": 2, "roles": ["manager", "ciso", "owner"]}
    ]


def test_no_go_is_given_before_everything_is_shown(office: Office) -> None:
    with Refusal(office, "plan.not-ready"):
        office.vote("first", "manager")
    office.note()
    office.go("first")
    assert office.stage("first")["state"] == "go"
    assert office.stage("second")["ready"]
    assert [each.body["stage"] for each in office.entries("plan.stood")] == ["first"]


def test_four_eyes(office: Office) -> None:
    office.note(role="owner")
    office.vote("first", "manager", "A. Jansen")
    with Refusal(office, "plan.four-eyes"):  # the same person in another role
        office.vote("first", "ciso", "  a.  JANSEN ")
    with Refusal(office, "plan.four-eyes"):  # another person in the same role
        office.vote("first", "manager", "somebody else")
    with Refusal(office, "plan.four-eyes"):  # who recorded the evidence
        office.vote("first", "owner")
    with Refusal(office, "plan.four-eyes"):  # in whatever role
        office.vote("first", "ciso", "the owner")
    with Refusal(office, "plan.four-eyes"):  # who gave a go records no evidence of it afterwards
        planning.show_evidence(office.node, "back", "first", Shown("patched", note="x"), by("owner", "A. Jansen"))
    assert office.stage("first")["state"] == "waits"
    office.vote("first", "ciso")
    assert office.stage("first")["state"] == "go"


def test_who_wrote_the_note_gives_no_go_either(office: Office) -> None:
    entry = planning.note(office.node, "patched", "report 7", "the ciso")["entry"]
    office.note(entry=entry, note="")
    with Refusal(office, "plan.four-eyes"):
        office.vote("first", "ciso")


def test_a_role_does_only_what_it_may(office: Office) -> None:
    with Refusal(office, "plan.act"):
        office.note(role="manager")
    office.note()
    with Refusal(office, "plan.act"):
        office.vote("first", "forensics")
    with Refusal(office, "plan.act"):
        office.vote("first", "forensics", go=False)
    with Refusal(office, "plan.no-stage"):
        office.vote("frist", "manager")
    with Refusal(office, "plan.no-criterion"):
        office.note(criterion="pached")


def test_every_fault_of_an_act_is_told_at_once(office: Office) -> None:
    with pytest.raises(Incorrect) as told:
        planning.vote(office.node, "back", "first", by("nobody", " ", "x" * 3000), go=False)
    assert [fault.split(":")[0] for fault in told.value.faults] == ["who", "why", "role"]


def test_a_no_go_blocks_until_it_is_withdrawn(office: Office) -> None:
    office.note()
    office.go("first")
    number = office.vote("first", "owner", go=False)["number"]
    assert office.stage("first")["state"] == "fell"
    with Refusal(office, "plan.not-ready"):
        office.vote("first", "manager")
    with Refusal(office, "plan.act"):  # another role does not take it back
        planning.withdraw_no_go(office.node, "back", number, by("manager"))
    planning.withdraw_no_go(office.node, "back", number, by("owner", "their deputy"))
    assert office.stage("first")["state"] == "fell"  # the votes of before count no longer
    office.go("first")
    assert office.stage("first")["state"] == "go"


@pytest.mark.parametrize("entry", [0, -1, 10_000, 2**62])
def test_an_entry_that_is_not_there_is_no_evidence(office: Office, entry: int) -> None:
    with Refusal(office, "plan.no-entry"):
        office.note(entry=entry, note="")


def test_an_older_entry_counts_only_when_it_is_accepted_as_such(office: Office) -> None:
    entry = office.entries("gate.moved")[0].n
    with Refusal(office, "plan.entry-older"):
        office.note(entry=entry, note="")
    office.note(entry=entry, note="", older=True)
    assert office.stage("first")["criteria"][0]["evidence"][0]["older"]
    with Refusal(office, "plan.shown-already"):
        office.note(entry=entry, note="", older=True)


def test_acts_under_a_plan_are_no_evidence_for_it(office: Office) -> None:
    for kind in ("plan.adopted",):
        with Refusal(office, "plan.no-entry"):
            office.note(entry=office.entries(kind)[0].n, note="", older=True)


def test_evidence_that_a_later_entry_takes_back_fells_the_go_in_the_same_commit(office: Office) -> None:
    note = planning.note(office.node, "patched", "", "the writer")["entry"]
    office.note(entry=note, note="")
    office.go("first")
    office.go("second")
    office.move("open", "justid", "out", "judgment", starts=office.clock.now() + DAY)
    before = office.size()
    planning.withdraw_note(office.node, note, "the writer", "it was not")
    lapsed, *fell = office.entries("plan.evidence-lapsed") + office.entries("plan.fell")
    assert lapsed.body["by_entry"] == before + 1
    assert [each.body["stage"] for each in fell] == ["first", "second"]
    assert office.entries("gate.called-off")
    assert office.stage("first")["criteria"][0]["evidence"][0]["lost"] == "undone"
    with Refusal(office, "plan.entry-undone"):
        office.note(entry=note, note="")


def test_evidence_is_undone_by_a_gate_order_that_is_taken_back(office: Office) -> None:
    office.move("closed", "justid", "out", "withdrawal", who="another")
    office.note(entry=office.entries("gate.moved")[-1].n, note="")
    office.go("first")
    undo = office.order("open", "justid", "out", "withdrawal")
    moves.undo(office.node, [(undo.scope, undo)])
    assert office.stage("first")["state"] == "fell"


def foreign(office: Office, size: int, oin: str = "") -> tuple[str, str]:
    """(origin, note) of a signed head of the register's log."""
    from keersluis.identity import load_key

    register = office.chain.organisations["justid"]
    signer: Signer = load_key(office.home / "justid", register.oin)
    origin = timeline_origin(oin or register.oin)
    head = Checkpoint(origin, size, bytes(32), office.clock.now(), office.clock.now())
    return origin, sign_note(head.text(), signer)


def test_an_entry_of_another_log_counts_on_a_signed_head_that_covers_it(office: Office) -> None:
    origin, head = foreign(office, 9)
    with Refusal(office, "plan.no-entry"):  # no head of it was seen
        office.note(entry=9, note="", origin=origin, older=True)
    with Refusal(office, "plan.no-entry"):
        office.note(entry=10, note="", origin=origin, head=head, older=True)
    with Refusal(office, "plan.entry-older"):  # its time is not proven
        office.note(entry=9, note="", origin=origin, head=head)
    altered = head.replace("\n9\n", "\n99\n")
    with pytest.raises(KeersluisError):
        office.note(entry=9, note="", origin=origin, head=altered, older=True)
    other, forged = foreign(office, 9, office.chain.organisations["ind"].oin)
    with pytest.raises(KeersluisError):  # signed, by another than whose log it would be
        office.note(entry=9, note="", origin=other, head=forged, older=True)
    office.note(entry=9, note="", origin=origin, head=head, older=True)
    office.note(entry=8, note="", origin=origin, older=True)  # the head was seen by now
    assert waits(office, "first") == ["votes"]


def test_the_same_key_is_the_same_act(office: Office) -> None:
    shown = Shown("patched", note="looked at")
    first = planning.show_evidence(office.node, "back", "first", shown, by("forensics", key="k"))
    before = office.size()
    again = planning.show_evidence(office.node, "back", "first", shown, by("forensics", key="k"))
    assert (again["number"], again["repeated"], office.size()) == (first["number"], True, before)
    for act in (
        lambda: planning.show_evidence(
            office.node, "back", "first", Shown("patched", note="b"), by("forensics", key="k")
        ),
        lambda: planning.vote(office.node, "back", "first", by("manager", key="k"), go=True),
        lambda: planning.adopt(office.node, "back", by("manager", key="k")),
    ):
        with Refusal(office, "plan.key-reused"):
            act()
    planning.vote(office.node, "back", "first", by("manager", key="g"), go=True)
    planning.vote(office.node, "back", "first", by("manager", key="g"), go=True)
    assert len(office.stage("first")["votes"]) == 1


def test_a_roll_back_closes_the_gates_and_names_what_depends_on_it(office: Office) -> None:
    office.note()
    office.go("first")
    office.go("second")
    office.move("open")
    office.move("open", direction="in")
    before = office.size()
    dry = planning.roll_back(office.node, "back", "first", by("forensics"), dry_run=True)
    assert office.size() == before
    assert (dry["stages"], dry["dependents"], dry["falls"]) == (["first"], ["second", "third"], ["first", "second"])
    done = planning.roll_back(office.node, "back", "first", by("forensics"))
    assert [each["kind"] for each in done["moved"]] == ["judgment"]
    assert done["fell"] == ["second"]
    assert (office.state(), office.state("disposal")) == ("closed", "open")
    assert office.stage("first")["state"] == "rolled-back"
    assert office.stage("second")["open_without_go"]
    office.go("first")
    assert office.stage("first")["state"] == "go"


def test_a_roll_back_takes_its_dependents_along_where_that_is_asked(office: Office) -> None:
    office.note()
    office.go("first")
    office.go("second")
    office.move("open")
    office.move("open", direction="in")
    done = planning.roll_back(office.node, "back", "first", by("forensics"), dependents=True)
    assert done["stages"] == ["third", "second", "first"]
    assert len(done["moved"]) == 3
    assert {office.state(), office.state("disposal"), office.state("x", "in", "ind")} == {"closed"}
    assert office.state("withdrawal") == "open"
    assert {office.stage(key)["state"] for key in ("first", "second", "third")} == {"rolled-back"}


def test_a_roll_back_counts_its_gates_however_short_the_evidence_of_an_order_is_cut(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LONGEST, "evidence", 8)
    office.note()
    office.go("first")
    planning.roll_back(office.node, "back", "first", by("forensics"), dependents=True)
    told = {each.body["stage"]: each.body["gates"] for each in office.entries("plan.rolled-back")}
    assert told == {"third": 0, "second": 2, "first": 1}


def test_a_plan_is_completed_only_when_every_go_stands(office: Office) -> None:
    with Refusal(office, "plan.not-complete"):
        planning.end(office.node, "back", "completed", by("manager"))
    office.note()
    for stage in ("first", "second", "third"):
        office.go(stage)
    planning.end(office.node, "back", "completed", by("manager"))
    assert planning.shown(office.node, "back")["state"] == "completed"
    with Refusal(office, "plan.not-adopted"):
        office.vote("first", "owner")


def test_a_plan_that_ended_begins_anew_when_it_is_adopted_again(office: Office) -> None:
    office.note()
    office.go("first")
    planning.end(office.node, "back", "withdrawn", by("manager"), ("the ciso", "ciso"))
    office.adopt()
    assert waits(office, "first") == ["evidence", "votes"]


def test_an_edited_file_counts_only_once_it_is_adopted_anew_by_two(office: Office) -> None:
    office.note()
    office.go("first")
    office.go("second")
    path = office.chain.folder / "plans" / "back.toml"
    path.write_text(PLAN + '[stages.third.criteria.more]\ntitle = { nl = "m", en = "m" }\nsort = "other"\n')
    assert planning.shown(office.node, "back")["changed"]
    assert office.stage("third")["criteria"] == []
    with Refusal(office, "plan.four-eyes"):
        office.adopt()
    with Refusal(office, "plan.four-eyes"):
        office.adopt(second=("Board", "ciso"))
    office.adopt(second=("the ciso", "ciso"))
    assert office.stage("third")["criteria"][0]["key"] == "more"
    assert office.stage("first")["state"] == office.stage("second")["state"] == "go"
    path.write_text(PLAN.replace('sort = "patched"', 'sort = "monitoring"'))
    office.adopt(second=("the ciso", "ciso"))
    assert office.stage("first")["state"] == office.stage("second")["state"] == "fell"
    assert office.stage("first")["criteria"][0]["evidence"][0]["lost"] == "changed"
    with Refusal(office, "plan.adopted-already"):
        office.adopt(second=("the ciso", "ciso"))


def test_a_plan_of_others_is_not_adopted_here(office: Office) -> None:
    theirs = PLAN.replace('organisation = "om"', 'organisation = "justid"').replace(
        '"justid"\ndirection', '"ind"\ndirection'
    )
    (office.chain.folder / "plans" / "theirs.toml").write_text(theirs)
    with Refusal(office, "plan.not-ours"):
        office.adopt("theirs")
    with Refusal(office, "plan.not-found"):
        office.adopt("../back")


def test_planned_stands_beside_actual(office: Office) -> None:
    office.note()
    office.clock.set(office.clock.now() + 4 * DAY)
    office.go("first")
    office.move("open", "justid", "out", "judgment")
    told = office.stage("first")
    assert told["planned"]["end"] == "2025-07-24T22:00:00Z"
    assert told["actual"]["begun"] == "2025-07-23T08:00:00Z"
    assert told["actual"]["go"] == told["actual"]["moved"] == "2025-07-27T08:00:00Z"
    assert told["late"] == (2 * 24 + 10) * 3600
    shown = planning.shown(office.node, "back")
    assert shown["critical_path"] == ["first", "second", "third"]
    assert all(stage["slack"] == 0 for stage in shown["stages"])
    # second begins now, and takes its six days; third follows it in five
    assert office.stage("second")["expected_end"] == "2025-08-02T08:00:00Z"
    assert office.stage("third")["expected_end"] == "2025-08-07T08:00:00Z"


def test_everything_stands_as_it_stood_after_a_restart(office: Office) -> None:
    office.note()
    office.vote("first", "manager")
    before = planning.shown(office.node, "back")
    office.restart()
    assert planning.shown(office.node, "back") == before


def test_a_broken_file_is_told_beside_the_others_and_leaves_what_stands(office: Office) -> None:
    (office.chain.folder / "plans" / "broken.toml").write_text("stages = 3")
    (office.chain.folder / "plans" / "back.toml").write_text("nonsense")
    told = {each["name"]: each for each in planning.listed(office.node)}
    assert told["broken"]["faults"]
    assert told["back"]["state"] == "adopted"
    assert told["back"]["changed"]
    with pytest.raises(Conflict):
        office.move("open", "justid", "out", "judgment")


@pytest.mark.postgres
def test_a_plan_stands_on_postgresql_too(tmp_path: Path, empty_postgresql: str) -> None:
    from keersluis.exchange.wire import Wire
    from keersluis.service import open_node

    office = Office(tmp_path)
    office.node.close()
    office.node = open_node(office.chain, "om", office.home, office.clock, Wire({}), url=empty_postgresql, inline=True)
    office.adopt()
    number = office.note()
    office.go("first")
    assert office.stage("first")["state"] == "go"
    planning.withdraw_evidence(office.node, "back", number, by("forensics"))
    assert office.stage("first")["state"] == "fell"
    planning.end(office.node, "back", "withdrawn", by("manager"), ("the ciso", "ciso"))
    office.node.close()
