"""Answers: facts, watermarks and moments together; who may see what; what may stand in for what does not come."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from keersluis.errors import Conflict, Forbidden, Incorrect
from keersluis.register.answers import Answer, Question, permitted
from keersluis.times import SECOND, format_instant
from register.harness import (
    CHAIN,
    DAY,
    DISPOSAL,
    HOUR,
    JUDGMENT,
    NEEDS,
    POLICE,
    SERIOUS,
    START,
    Desk,
    event,
    open_desk,
    question,
)

MOMENT = START + 20 * DAY
ON_ROUTE = START + 30 * DAY  # 31 July: the emergency route has a ground


@pytest.fixture
def desk() -> Desk:
    return open_desk()


def ids(answer: Answer) -> list[str]:
    return [fact.id for fact in answer.facts]


def test_an_answer_states_facts_watermarks_and_moments_together(desk: Desk) -> None:
    desk.apply(event(SERIOUS, "a", "skn:1", "2025-07-02T10:00:00Z", content={"offence": "robbery"}))
    desk.complete(START + 3 * DAY)
    (answer,) = desk.ask(question())
    stated = msgspec.json.decode(msgspec.json.encode(answer))
    assert stated["register"] == CHAIN.organisations["justid"].oin
    assert stated["asker"] == CHAIN.organisations["justis"].oin
    assert (stated["moment"], stated["answered_at"]) == (format_instant(MOMENT), format_instant(desk.clock.now()))
    assert stated["state"] == "provisional"
    (fact,) = stated["facts"]
    assert fact == {
        "id": "a",
        "source": CHAIN.organisations["om"].oin,
        "kind": SERIOUS,
        "occurred": "2025-07-02T10:00:00Z",
        "valid_from": "2025-07-02T10:00:00Z",
        "valid_to": None,
        "content": {"offence": "robbery"},
    }
    assert {mark["kind"]: mark["complete_through"] for mark in stated["watermarks"]} == dict.fromkeys(
        NEEDS, format_instant(START + 3 * DAY)
    )
    assert stated["alternatives"] == []


def test_P7_a_stream_that_never_promised_says_so(desk: Desk) -> None:
    (answer,) = desk.ask(question())
    assert {mark.complete_through for mark in answer.watermarks} == {"1970-01-01T00:00:00Z"}
    assert answer.state == "provisional"


def test_P2_settled_needs_every_stream_not_the_newest(desk: Desk) -> None:
    for lagging in NEEDS:
        marks = dict.fromkeys(NEEDS, MOMENT + 2 * DAY) | {lagging: MOMENT - HOUR}
        (answer,) = desk.ask(question(f"q-{lagging}"), watermarks=marks)
        assert answer.state == "provisional", lagging
    (answer,) = desk.ask(question("q"), watermarks=dict.fromkeys(NEEDS, MOMENT + 2 * DAY))
    assert answer.state == "settled"


def test_P2_the_bound_on_clock_differences_counts(desk: Desk) -> None:
    (short,) = desk.ask(question("a", needs=[SERIOUS]), watermarks={SERIOUS: MOMENT + CHAIN.skew - 1})
    (exact,) = desk.ask(question("b", needs=[SERIOUS]), watermarks={SERIOUS: MOMENT + CHAIN.skew})
    assert (short.state, exact.state) == ("provisional", "settled")


def test_P2_a_kind_known_by_day_settles_at_the_end_of_the_day(desk: Desk) -> None:
    noon = START + 20 * DAY + 12 * HOUR
    (before,) = desk.ask(question("a", moment=noon, needs=[JUDGMENT]), watermarks={JUDGMENT: noon + 11 * HOUR})
    through = START + 21 * DAY - 1 + CHAIN.skew
    (after,) = desk.ask(question("b", moment=noon, needs=[JUDGMENT]), watermarks={JUDGMENT: through})
    assert (before.state, after.state) == ("provisional", "settled")


def test_facts_of_after_the_moment_and_of_other_kinds_are_not_stated(desk: Desk) -> None:
    desk.apply(
        event(SERIOUS, "before", "skn:1", "2025-07-20T10:00:00Z"),
        event(SERIOUS, "after", "skn:1", "2025-07-21T10:00:00Z"),
        event(JUDGMENT, "other", "skn:1", "2025-07-02"),
        event(SERIOUS, "another", "skn:2", "2025-07-02T10:00:00Z"),
    )
    (answer,) = desk.ask(question())
    assert ids(answer) == ["before"]


def test_P2_an_act_of_a_kind_that_is_not_needed_ends_nothing(desk: Desk) -> None:
    """Nobody waits for that kind, so an answer that let it speak could change after it was settled."""
    desk.apply(
        event(SERIOUS, "a", "skn:1", "2025-07-02T10:00:00Z"),
        event(DISPOSAL, "d", "skn:1", "2025-07-03", refers_to="a"),
    )
    with_disposal, without = desk.ask(question("1"), question("2", needs=[SERIOUS]))
    assert (ids(with_disposal), ids(without)) == ([], ["a"])


def test_needs_may_be_inner_nodes_of_the_tree(desk: Desk) -> None:
    (answer,) = desk.ask(question(needs=["prosecution-decision"]))
    assert {mark.kind for mark in answer.watermarks} == {kind.path for kind in CHAIN.under("prosecution-decision")}


def test_the_emergency_route_stands_in_for_its_purpose_only(desk: Desk) -> None:
    desk.clock.set(ON_ROUTE)
    desk.apply(event(POLICE, "p", "skn:1", "2025-07-26T10:00:00Z", content={"offence": "robbery"}))
    vog, screening = desk.ask(
        question("vog", moment=ON_ROUTE), question("screening", moment=ON_ROUTE, purpose="screening")
    )
    assert vog.alternatives == []
    assert ids(screening) == []
    (alternative,) = screening.alternatives
    assert (alternative.kind, alternative.covers, alternative.route) == (POLICE, SERIOUS, "police-serious")
    assert [fact.id for fact in alternative.facts] == ["p"]
    assert "p" not in str(msgspec.json.encode(vog.facts))


@pytest.mark.parametrize("at", [START + 10 * DAY, START + 100 * DAY])
def test_the_emergency_route_has_a_ground_for_some_time_only(at: int) -> None:
    (answer,) = open_desk(at=at).ask(question(moment=at, purpose="screening"))
    assert answer.alternatives == []


def test_a_kind_for_some_purposes_is_refused_for_others(desk: Desk) -> None:
    with pytest.raises(Forbidden) as caught:
        desk.ask(question(needs=[SERIOUS, POLICE]))
    assert caught.value.code == "register.purpose"
    assert desk.counts()["lookups"] == 0
    assert desk.ask(question(needs=[POLICE], purpose="screening"))


def test_all_faults_of_all_questions_are_told_at_once(desk: Desk) -> None:
    good = question()
    wrong = [
        good,
        replace_(good, moment="yesterday"),
        replace_(good, id="q2", needs=("judgement",), subject="12345 6789"),
        replace_(good, id="a b", purpose="curiosity", needs=()),
    ]
    with pytest.raises(Incorrect) as caught:
        desk.ask(*wrong)
    told = "\n".join(caught.value.faults)
    expected = ["q1: id", "q1: moment", "q2: subject", "q2: needs", "a b: id", "a b: purpose", "a b: needs"]
    assert [part for part in expected if part not in told] == []
    assert "12345" not in told
    assert desk.counts() == {"facts": 0, "subjects": 0, "answers_open": 0, "lookups": 0}


def test_who_does_not_decide_is_not_answered(desk: Desk) -> None:
    with pytest.raises(Forbidden):
        desk.ask(question(), asker="politie")


def test_a_question_asked_again_is_answered_anew_and_stays_one_answer(desk: Desk) -> None:
    first = desk.ask(question())
    desk.clock.set(MOMENT + SECOND)
    desk.apply(event(SERIOUS, "a", "skn:1", "2025-07-02T10:00:00Z"))
    again = desk.ask(question())
    assert (ids(first[0]), ids(again[0])) == ([], ["a"])
    assert again[0].answered_at > first[0].answered_at
    assert desk.counts()["answers_open"] == 1
    assert desk.counts()["lookups"] == 2


def test_another_question_under_a_known_id_is_a_conflict(desk: Desk) -> None:
    desk.ask(question())
    with pytest.raises(Conflict, match="question q1"):
        desk.ask(question(subject="skn:2"))


def test_two_askers_may_use_the_same_id(desk: Desk) -> None:
    desk.ask(question())
    desk.ask(question(subject="skn:2", purpose="immigration"), asker="ind")
    assert desk.counts()["answers_open"] == 2


def test_answers_come_in_the_order_of_the_questions_and_each_about_its_subject(desk: Desk) -> None:
    subjects = [f"skn:{n}" for n in range(700)]
    desk.apply(*(event(SERIOUS, f"e-{s}", s, "2025-07-02T10:00:00Z", position=n) for n, s in enumerate(subjects, 1)))
    answers = desk.ask(*(question(f"q-{s}", s) for s in reversed(subjects)))
    assert [answer.subject for answer in answers] == subjects[::-1]
    assert all(ids(answer) == [f"e-{answer.subject}"] for answer in answers)


def replace_(asked: Question, **changes: object) -> Question:
    return msgspec.structs.replace(asked, **changes)


def test_a_route_that_lies_in_the_past_is_not_permitted() -> None:
    route = replace(CHAIN.routes["police-serious"], until=None)
    assert permitted(route, START + 1000 * DAY)
    assert not permitted(route, route.start - 1)
