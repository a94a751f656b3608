"""Decisions from the answer to the end of it: provisional, settled, revisit; supplements early, late, old; gaps."""

from __future__ import annotations

import pytest
from sqlalchemy import Executable

from decisions.deciders import (
    CHAIN,
    CUT,
    DAY,
    FIRST,
    HOUR,
    LATER,
    MOMENT,
    alternative,
    answer,
    complete,
    fact,
    gap,
    marks,
    open_decider,
    supplement,
)
from keersluis.decisions import Provisional, Revisit, Settled, _store, desk
from keersluis.errors import Conflict, Forbidden, Incorrect
from keersluis.times import format_instant

CONVICTION = fact("judgment.serious", "2025-07-21")
ALL = marks(MOMENT + 3 * DAY)
SHORT = marks(CUT)


def test_complete_data_settle_a_decision_at_once() -> None:
    decider = open_decider()
    (decision,) = decider.take(answer(watermarks=ALL))
    assert (decision.state, decision.level, decision.issued) == (Settled(), 0, 0)
    assert decider.history() == [("settled", 0, True, "taken")]
    assert decider.counts() == {"total": 1, "provisional": 0, "settled": 1, "revisit": 0, "held": 0}


def test_p2_a_decision_lists_what_is_missing_and_only_that() -> None:
    decider = open_decider()
    (clear,) = decider.take(answer(watermarks=SHORT))
    (found,) = decider.take(answer("d2", CONVICTION, watermarks=SHORT))
    assert clear.state == Provisional(tuple(kind for kind in ALL if kind != "disposal"), ())
    assert found.state == Provisional(("disposal", "withdrawal", "correction"), ())


def test_p2_every_needed_watermark_counts_not_the_newest() -> None:
    decider = open_decider()
    decider.take(answer(watermarks=SHORT))
    decider.hear(complete(marks(MOMENT + 3 * DAY, judgment_other=CUT)))
    assert decider.get().state == Provisional(("judgment.other",), ())
    decider.hear(complete(ALL))
    assert decider.get().state == Settled()
    assert decider.history() == [("provisional", 0, False, "taken"), ("settled", 0, True, "complete")]


def test_p2_a_watermark_settles_less_by_the_bound_on_clock_differences() -> None:
    decider = open_decider()
    decider.take(answer(watermarks=SHORT))
    decider.hear(complete(marks(MOMENT + DAY, correction=MOMENT + CHAIN.skew - 1)))
    assert decider.get().state == Provisional(("correction",), ())
    decider.hear(complete(marks(MOMENT + DAY, correction=MOMENT + CHAIN.skew)))
    assert decider.get().state == Settled()


def test_a_late_conviction_puts_the_decision_on_the_desk_and_becomes_final_when_all_is_complete() -> None:
    decider = open_decider()
    decider.take(answer(watermarks=SHORT))
    decider.clock.set(LATER)
    decider.hear(supplement(answer("d1", CONVICTION, watermarks=SHORT, at=LATER), CONVICTION))
    assert decider.get().state == Revisit(0, 2, ("disposal", "withdrawal", "correction"))
    assert [(row["was"]["en"], row["now"]["en"], row["final"]) for row in decider.desk()] == [
        ("no objection found", "grave objection", False)
    ]
    decider.hear(complete(ALL))
    assert decider.get().state == Revisit(0, 2, ())
    assert decider.desk()[0]["final"]
    assert [body["decision"] for body in decider.entries("decision.revisit")] == ["d1"]
    assert decider.history()[1:] == [("revisit", 2, False, "supplement"), ("revisit", 2, True, "complete")]


def test_what_was_found_late_and_undone_later_is_off_the_desk_again() -> None:
    decider = open_decider()
    decider.take(answer(watermarks=SHORT))
    decider.hear(supplement(answer("d1", CONVICTION, watermarks=SHORT, at=LATER), CONVICTION))
    withdrawal = fact("withdrawal", "2025-07-22T10:00:00Z")
    decider.hear(supplement(answer("d1", watermarks=SHORT, at=LATER + 1), withdrawal))
    assert isinstance(decider.get().state, Provisional)
    assert decider.desk() == []
    assert decider.counts()["revisit"] == 0


def test_p2_a_supplement_that_overtakes_its_answer_is_not_lost() -> None:
    """The answer is still under way over HTTP when the register already sends what came after it."""
    decider = open_decider()
    late = answer("d1", CONVICTION, watermarks=SHORT, at=MOMENT + HOUR)
    assert decider.hear(supplement(late, CONVICTION), complete(ALL)) == (0, 1, 0, 0, 0)
    (decision,) = decider.take(answer(watermarks=SHORT))
    assert (decision.state, decision.level, decision.issued) == (Settled(), 2, 2)


def test_p2_a_completeness_statement_that_overtakes_an_answer_settles_it() -> None:
    decider = open_decider()
    decider.hear(complete(ALL), told_at=MOMENT + HOUR)
    assert decider.take(answer(watermarks=SHORT))[0].state == Settled()


def test_p2_the_watermarks_of_one_answer_say_nothing_of_another() -> None:
    """A supplement to the first may still be under way on the stream when the second is answered."""
    decider = open_decider()
    decider.take(answer("d1", watermarks=SHORT))
    decider.take(answer("d2", watermarks=ALL, at=LATER))
    decider.hear(complete(SHORT))
    assert isinstance(decider.get("d1").state, Provisional)
    assert decider.get("d2").state == Settled()


def test_a_supplement_older_than_what_a_decision_rests_on_is_left() -> None:
    decider = open_decider()
    decider.take(answer("d1", CONVICTION, watermarks=SHORT, at=MOMENT + HOUR))
    decider.hear(supplement(answer("d1", watermarks=SHORT, at=MOMENT), CONVICTION))
    assert decider.get().level == 2
    assert len(decider.history()) == 1


def test_of_several_supplements_in_one_batch_the_newest_counts_and_all_late_facts_are_named() -> None:
    decider = open_decider()
    decider.take(answer(watermarks=SHORT))
    other = fact("judgment.other", "2025-07-20")
    first = supplement(answer("d1", other, watermarks=SHORT, at=LATER), other)
    second = supplement(answer("d1", other, CONVICTION, watermarks=SHORT, at=LATER + 1), CONVICTION)
    decider.hear(first, second)
    assert decider.get().level == 2
    assert "2 more" not in decider.desk()[0]["because_en"]
    assert "20 July" in decider.desk()[0]["because_en"]
    assert "21 July" in decider.desk()[0]["because_en"]


def test_a_broken_promise_reopens_a_settled_decision() -> None:
    decider = open_decider()
    decider.take(answer(watermarks=ALL))
    decider.hear(supplement(answer("d1", CONVICTION, watermarks=ALL, at=LATER), CONVICTION))
    assert decider.get().state == Revisit(0, 2, ())
    assert "had promised to be complete" in decider.desk()[0]["because_en"]


def test_taking_again_under_the_same_id_gives_the_decision_that_is_here() -> None:
    decider = open_decider()
    (first,) = decider.take(answer(watermarks=SHORT))
    (again,) = decider.take(answer("d1", CONVICTION, watermarks=SHORT, at=LATER))
    assert again == first
    assert decider.counts()["total"] == 1
    with pytest.raises(Conflict) as caught:
        decider.take(answer(watermarks=SHORT, subject="skn:2"))
    assert caught.value.code == "decisions.id-reused"


def test_an_answer_about_somebody_else_is_no_answer() -> None:
    decider = open_decider()
    request = {"id": "d1", "policy": "vog-standard", "subject": "skn:2"}
    with pytest.raises(Incorrect) as caught:
        decider.store.write(lambda tx: desk.take(tx, decider.ctx, [request], [answer(watermarks=ALL)], b"\0", MOMENT))
    assert caught.value.code == "decisions.unanswered"
    assert decider.counts()["total"] == 0


def test_an_organisation_decides_by_its_own_policies_only() -> None:
    decider = open_decider("justis")
    with pytest.raises(Forbidden, match="a policy by which justis decides, got immigration, of ind"):
        decider.take(answer(watermarks=ALL), policy="immigration")


def test_a_standing_answer_given_anew_makes_a_decision_of_its_own() -> None:
    decider = open_decider()
    decider.take(answer("s", watermarks=SHORT), policy="screening-child-care")
    offence = fact("prosecution-decision.sexual", "2025-08-10T10:00:00Z", "act-7")
    at = MOMENT + 10 * DAY
    anew = answer("s", offence, watermarks=SHORT, moment=at, at=LATER)
    assert decider.hear(supplement(anew, offence, anchor="act-7")).derived == 1
    assert decider.get("s").level == 0
    decision = decider.get("s/act-7")
    assert (decision.level, decision.issued, decision.moment) == (2, 2, at)
    assert decider.counts()["total"] == 2
    withdrawn = answer("s", watermarks=SHORT, moment=at, at=LATER + 1)
    decider.hear(supplement(withdrawn, fact("withdrawal", "2025-08-09T10:00:00Z"), anchor="act-7"))
    assert decider.get("s/act-7").state == Revisit(2, 0, decider.get("s/act-7").state.missing)  # type: ignore[union-attr]


def test_p2_a_standing_answer_given_anew_before_its_first_is_here_is_not_lost() -> None:
    decider = open_decider()
    offence = fact("prosecution-decision.sexual", "2025-08-10T10:00:00Z", "act-7")
    anew = answer("s", offence, watermarks=SHORT, moment=MOMENT + 10 * DAY, at=LATER)
    decider.hear(supplement(anew, offence, anchor="act-7"))
    decider.take(answer("s", watermarks=SHORT), policy="screening-child-care")
    assert decider.get("s/act-7").level == 2


def test_a_gap_found_afterwards_makes_provisional_again_what_waited_for_its_kind() -> None:
    decider = open_decider()
    decider.take(answer("d1", watermarks=ALL), answer("d2", CONVICTION, watermarks=ALL))
    early = MOMENT - 20 * DAY
    decider.take(answer("d3", watermarks=ALL, moment=early))
    decider.hear(complete(ALL))
    ended = decider.hear(gap("judgment.serious", MOMENT - 10 * DAY, "d1", "d2"), told_at=LATER)
    assert ended.reopened == 1
    assert decider.get("d1").state == Provisional(("judgment.serious",), ())
    assert decider.get("d2").state == Settled(), "what is found at the highest level does not wait for more of it"
    assert decider.get("d3").state == Settled(), "a gap says nothing of moments before it"
    decider.hear(complete(marks(MOMENT + 3 * DAY, judgment_serious=MOMENT - 10 * DAY - 1)))
    assert isinstance(decider.get("d1").state, Provisional)
    decider.hear(complete(ALL))
    assert decider.get("d1").state == Settled()
    assert decider.history("d1")[1:] == [("provisional", 0, False, "gap"), ("settled", 0, True, "complete")]
    assert decider.replay("d1") == ()


def test_p2_an_answer_from_before_a_gap_does_not_settle_after_it() -> None:
    decider = open_decider()
    decider.hear(complete(ALL), told_at=MOMENT - HOUR)
    decider.hear(gap("judgment.serious", MOMENT - 10 * DAY), told_at=MOMENT + HOUR)
    assert decider.take(answer(watermarks=ALL))[0].state == Provisional(("judgment.serious",), ())
    decider.hear(complete(ALL), told_at=MOMENT + 2 * HOUR)
    assert decider.get().state == Settled()


def test_what_is_found_and_filled_within_one_batch_reopens_nothing() -> None:
    decider = open_decider()
    decider.take(answer(watermarks=ALL))
    decider.hear(complete(ALL))
    assert decider.hear(gap("judgment.serious", MOMENT - DAY), complete(ALL)).reopened == 0
    assert len(decider.history()) == 1


def test_p6_settling_costs_one_update_for_a_group_however_many_decisions_it_has() -> None:
    decider = open_decider()
    many = [answer(f"d{n}", watermarks=SHORT, moment=MOMENT - n * HOUR) for n in range(300)]
    decider.take(*many)
    assert decider.hear(complete(marks(MOMENT - 100 * HOUR))).settled > 100
    assert decider.hear(complete(ALL)).settled > 0
    assert decider.counts()["settled"] == 300
    with decider.store.read() as tx:
        assert sum(1 for _change in desk.ever_settled(tx)) == 300
    assert sum(len(body["decisions"]) for body in decider.entries("decision.settled")) == 300


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (_store._SETTLE, "decisions_open"),
        (_store._SETTLE_CHANGES, "decisions_open"),
        (_store._RELEASE, "decisions_open"),
        (_store._GROUPS, "decisions_open"),
        (_store._COUNTS, "decisions_unsettled"),
        (_store._DESK, "decision_revisits_worst"),
    ],
)
def test_p6_what_is_done_often_goes_by_an_index(statement: Executable, index: str) -> None:
    """Cost follows the decisions that are touched, not those that there are."""
    decider = open_decider()
    with decider.store.read() as tx:
        compiled = statement.compile(dialect=tx.dialect)  # type: ignore[attr-defined]
        values = tuple(0 for _name in compiled.positiontup)
        plan = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", values).all()
    assert any(index in row[3] for row in plan), plan
    assert not any("TEMP B-TREE" in row[3] or row[3] == "SCAN decisions" for row in plan), plan


def test_the_outcome_of_an_emergency_route_is_issued_but_does_not_settle() -> None:
    decider = open_decider()
    brought = fact("police-data.serious", "2025-08-01T10:00:00Z")
    route = alternative("police-data.serious", FIRST, MOMENT + DAY, brought)
    (decision,) = decider.take(answer(watermarks=SHORT, alternatives=[route]), policy="screening-taxi")
    assert (decision.level, decision.issued) == (0, 2)
    assert isinstance(decision.state, Provisional)
    assert decision.state.covered == (FIRST,)
    decider.hear(complete(ALL))
    assert decider.get().state == Revisit(2, 0, ()), "the regular stream never told of it"
    assert decider.desk()[0]["because_en"].endswith("the regular data say otherwise than the emergency route")
    assert decider.replay() == ()


def test_an_emergency_route_that_said_the_same_settles_without_a_revisit() -> None:
    decider = open_decider()
    brought = fact("police-data.serious", "2025-08-01T10:00:00Z")
    route = alternative("police-data.serious", FIRST, MOMENT + DAY, brought)
    decider.take(answer(watermarks=SHORT, alternatives=[route]), policy="screening-taxi")
    regular = fact(FIRST, "2025-08-01T12:00:00Z")
    decider.hear(supplement(answer("d1", regular, watermarks=SHORT, at=LATER, alternatives=[route]), regular))
    decider.hear(complete(ALL))
    assert decider.get().state == Settled()
    assert decider.desk() == []


def test_requests_are_told_all_their_faults_at_once() -> None:
    policies = desk.policies_of(CHAIN)
    wrong = [
        {"id": "a", "policy": "vog-standaard", "subject": "skn:1"},
        {"id": "b", "policy": "vog-standard", "subject": "1234"},
        {"id": "c", "policy": "vog-standard", "subject": "skn:1", "moment": "yesterday"},
        {"id": "d", "policy": "vog-standard", "subject": "skn:1", "moment": "2001-01-01T00:00:00Z"},
        {"policy": "vog-standard", "subject": "skn:1", "momentt": "x"},
    ]
    with pytest.raises(Incorrect) as caught:
        desk.questions_for(CHAIN, policies, wrong, MOMENT)
    told = "\n".join(caught.value.faults)
    for part in (
        "(did you mean 'vog-standard'?)",
        "request b: subject",
        "'yesterday'",
        "when vog-standard begins",
        "request 5: id",
    ):
        assert part in told
    assert "1234" not in told, "no number of a person in an error, which may be logged"


def test_a_request_becomes_a_question_for_all_that_the_version_of_its_moment_needs() -> None:
    policies = desk.policies_of(CHAIN)
    request = {"id": "a", "policy": "screening-taxi", "subject": "skn:1"}
    (question,) = desk.questions_for(CHAIN, policies, [request], MOMENT)
    assert (question.moment, question.standing, question.purpose) == (format_instant(MOMENT), True, "screening")
    assert set(question.needs) == set(ALL)
