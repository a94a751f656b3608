"""Holds, the desk, closing and undoing, replay: what people do with decisions, and what an auditor can check."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from decisions.deciders import (
    CHAIN,
    CUT,
    DAY,
    LATER,
    MOMENT,
    Decider,
    alternative,
    answer,
    complete,
    fact,
    marks,
    open_decider,
    supplement,
)
from keersluis.chain import Route
from keersluis.decisions import Held, Provisional, Revisit, Settled, desk
from keersluis.errors import Conflict, Incorrect
from keersluis.register.answers import StatedFact

CONVICTION = fact("judgment.serious", "2025-07-21")
THEFT = fact("judgment.other", "2025-03-03", offence="theft", maximum_months=48)
ALL = marks(MOMENT + 3 * DAY)
SHORT = marks(CUT)


def held() -> Decider:
    """Immigration: somebody with a record, while the OM is cut off."""
    decider = open_decider("ind")
    decider.take(answer("d1", THEFT, watermarks=SHORT), policy="immigration")
    return decider


def revisited(*late: StatedFact, policy: str = "vog-standard") -> Decider:
    decider = open_decider()
    decider.take(answer(watermarks=SHORT), policy=policy)
    decider.clock.set(LATER)
    decider.hear(supplement(answer("d1", *late, watermarks=SHORT, at=LATER), *late))
    return decider


def test_a_risky_case_is_held_and_one_that_is_not_goes_out() -> None:
    decider = held()
    decider.take(answer("d2", watermarks=SHORT), policy="immigration")
    assert isinstance(decider.get("d1").state, Held)
    assert decider.get("d1").issued is None
    assert isinstance(decider.get("d2").state, Provisional)
    assert decider.counts() == {"total": 2, "provisional": 2, "settled": 0, "revisit": 0, "held": 1}


def test_a_hold_says_what_it_waits_for() -> None:
    with (decider := held()).store.read() as tx:
        (found,) = desk.holds(tx, decider.ctx)
    assert found["waits_en"] == (
        "for Sunday 3 August 2025 12:00: data of Public Prosecution Service are complete through 17 July 06:00"
    )
    assert found["waits_nl"].startswith("voor zondag 3 augustus 2025 12:00: gegevens van Openbaar Ministerie")


def test_a_hold_ends_with_settlement_at_the_level_found_and_is_no_revisit() -> None:
    decider = held()
    decider.hear(supplement(answer("d1", THEFT, CONVICTION, watermarks=SHORT, at=LATER), CONVICTION))
    assert isinstance(decider.get().state, Held)
    decider.hear(complete(ALL))
    assert (decider.get().state, decider.get().issued) == (Settled(), 2)
    assert decider.desk() == []


def test_a_hold_ends_when_what_made_it_risky_is_withdrawn() -> None:
    decider = held()
    decider.hear(supplement(answer("d1", watermarks=SHORT, at=LATER), fact("withdrawal", "2025-07-30T10:00:00Z")))
    assert isinstance(decider.get().state, Provisional)
    assert decider.get().issued == 0


def test_a_person_may_release_a_hold_with_a_reason_and_only_a_hold() -> None:
    decider = held()
    with pytest.raises(Incorrect, match="who decides this"):
        decider.store.write(lambda tx: desk.release_hold(tx, decider.ctx, "d1", "desk 3", " ", LATER))
    decider.store.write(lambda tx: desk.release_hold(tx, decider.ctx, "d1", "desk 3", "urgent, seen by hand", LATER))
    assert isinstance(decider.get().state, Provisional)
    assert decider.get().issued == 1
    assert decider.entries("hold.released")[0]["why"] == "urgent, seen by hand"
    with pytest.raises(Conflict):
        decider.store.write(lambda tx: desk.release_hold(tx, decider.ctx, "d1", "desk 3", "again", LATER))
    decider.hear(complete(ALL))
    assert decider.get().state == Settled()


GRAVE = "judgment.serious"
PENDING = fact("prosecution-decision.other", "2025-07-01T10:00:00Z")


def with_route() -> Decider:
    """Immigration in a chain in which the police may stand in for it when convictions for violence do not come."""
    kinds = {path: replace(kind, purposes=()) for path, kind in CHAIN.kinds.items()}
    route = Route("r", "police-data.serious", GRAVE, {}, {}, CUT, None, ("immigration",))
    return open_decider("ind", replace(CHAIN, kinds=kinds, routes={"r": route}))


def test_a_route_that_is_complete_lets_a_decision_go_out_without_a_hold() -> None:
    decider = with_route()
    short = marks(MOMENT + 3 * DAY, judgment_serious=CUT)
    stale = alternative("police-data.serious", GRAVE, CUT)
    fresh = alternative("police-data.serious", GRAVE, MOMENT + DAY)
    decider.take(answer("stale", PENDING, watermarks=short, alternatives=[stale]), policy="immigration")
    decider.take(answer("fresh", PENDING, watermarks=short, alternatives=[fresh]), policy="immigration")
    assert decider.get("stale").state == Held((GRAVE,))
    assert decider.get("fresh").state == Provisional((GRAVE,), (GRAVE,))


def test_a_hold_ends_as_soon_as_a_route_covers_what_is_missing() -> None:
    decider = with_route()
    short = marks(MOMENT + 3 * DAY, judgment_serious=CUT)
    decider.take(answer("d1", PENDING, watermarks=short), policy="immigration")
    assert isinstance(decider.get().state, Held)
    decider.hear(complete(short | {"police-data.serious": MOMENT - DAY}))
    assert isinstance(decider.get().state, Held)
    decider.hear(complete(short | {"police-data.serious": MOMENT + DAY}))
    assert isinstance(decider.get().state, Provisional)
    assert decider.get().issued == 1
    assert decider.history()[-1] == ("provisional", 1, False, "covered")
    decider.hear(complete(ALL))
    assert decider.get().state == Settled()
    assert decider.replay() == ()


def test_the_reason_of_a_revisit_is_one_sentence_in_two_languages() -> None:
    (row,) = revisited(CONVICTION).desk()
    assert row["because_en"] == (
        "issued 3 August on data of Public Prosecution Service complete through 17 July 06:00; "
        "a conviction of 21 July arrived on 2 October"
    )
    assert row["because_nl"] == (
        "afgegeven op 3 augustus op gegevens van Openbaar Ministerie, volledig tot en met 17 juli 06:00; "
        "op 2 oktober kwam binnen: een veroordeling van 21 juli"
    )


def test_the_desk_shows_the_worst_first() -> None:
    """Issued clear and found grave comes before the reverse; then the graver by the policy's weight."""
    decider = open_decider()
    decider.take(answer("freed", CONVICTION, watermarks=SHORT), policy="screening-child-care")
    for name, policy in (("light", "vog-standard"), ("grave", "vog-standard"), ("child", "screening-child-care")):
        decider.take(answer(name, watermarks=SHORT), policy=policy)
    decider.hear(
        supplement(answer("freed", watermarks=SHORT, at=LATER), CONVICTION),
        *(
            supplement(answer(name, late, watermarks=SHORT, at=LATER), late)
            for name, late in (("light", THEFT), ("grave", CONVICTION), ("child", CONVICTION))
        ),
    )
    assert [(row["id"], row["gravity"], row["harmful"]) for row in decider.desk()] == [
        ("child", 6, True), ("grave", 2, True), ("light", 1, True), ("freed", 6, False),
    ]  # fmt: skip


def test_closing_needs_who_and_why_and_can_be_undone() -> None:
    decider = revisited(CONVICTION)
    with pytest.raises(Incorrect) as caught:
        decider.store.write(lambda tx: desk.close_revisit(tx, decider.ctx, "d1", "", "seen", LATER))
    assert caught.value.code == "decisions.no-reason"
    closed = decider.store.write(lambda tx: desk.close_revisit(tx, decider.ctx, "d1", "desk 3", "withdrawn", LATER))
    assert isinstance(closed.state, Provisional)
    assert (closed.issued, decider.desk()) == (2, [])
    assert decider.entries("revisit.closed")[0]["who"] == "desk 3"
    again = decider.store.write(lambda tx: desk.undo_close(tx, decider.ctx, "d1", "desk 3", "wrong one", LATER))
    assert again.state == Revisit(0, 2, ("disposal", "withdrawal", "correction"))
    assert [row["id"] for row in decider.desk()] == ["d1"]
    with pytest.raises(Conflict):
        decider.store.write(lambda tx: desk.undo_close(tx, decider.ctx, "d1", "desk 3", "twice", LATER))


def test_a_closed_revisit_settles_quietly_and_comes_back_when_it_changes_again() -> None:
    decider = revisited(CONVICTION)
    decider.store.write(lambda tx: desk.close_revisit(tx, decider.ctx, "d1", "desk 3", "withdrawn", LATER))
    decider.hear(complete(ALL))
    assert decider.get().state == Settled()
    decider.clock.set(LATER + 5 * DAY)
    disposal = fact("disposal", "2025-07-30")
    decider.hear(supplement(answer("d1", watermarks=ALL, at=LATER + 5 * DAY), disposal))
    assert decider.get().state == Revisit(2, 0, ())
    assert decider.desk()[0]["because_en"].startswith("issued 2 October")


def test_a_decision_made_again_from_its_basis_gives_the_same_bytes() -> None:
    decider = revisited(CONVICTION)
    assert decider.replay() == ()
    decider.hear(complete(ALL))
    assert decider.replay() == ()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE decisions SET level = 1", "level 1 is stored, 2 follows"),
        ("UPDATE decision_bases SET outcome = CAST(replace(outcome, '2', '1') AS BLOB)", "the outcome is another"),
        ("UPDATE decision_settlements SET watermarks = CAST('{}' AS BLOB)", "was not complete when it settled"),
        ("UPDATE decisions SET policy = 'gone'", "policy gone is not here"),
    ],
)
def test_replay_tells_what_was_altered(change: str, told: str) -> None:
    decider = revisited(CONVICTION)
    decider.hear(complete(ALL))
    decider.store.write(lambda tx: tx.execute(sa.text(change)))
    assert told in "; ".join(decider.replay())


def test_a_decision_shows_what_it_rests_on() -> None:
    decider = revisited(CONVICTION)
    with decider.store.read() as tx:
        first, second = desk.basis_of(tx, "d1")
    assert first["policy"]["id"] == "vog-standard"
    assert first["watermarks"]["disposal"] == "2025-07-17T04:00:00Z"
    assert first["document"] == "00"
    assert list(second["found"]) == [CONVICTION.id]
    assert second["answer"]["facts"][0]["id"] == CONVICTION.id


def test_no_number_of_a_person_is_in_an_entry() -> None:
    decider = revisited(CONVICTION)
    decider.hear(complete(ALL))
    with decider.store.read() as tx:
        entries = tx.execute(sa.text("SELECT entry FROM timeline_entries")).scalars().all()
    assert entries
    assert not any(b"skn:1" in bytes(entry) for entry in entries)


def test_an_unknown_decision_is_told_so() -> None:
    decider = open_decider()
    with pytest.raises(Incorrect) as caught:
        decider.get("nobody")
    assert caught.value.code == "decisions.unknown"
    assert caught.value.got == "'nobody'"
