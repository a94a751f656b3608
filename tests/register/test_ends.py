"""An answer is owed its end: supplements, then completeness, in that order (P2), the same whatever came first (P3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from keersluis.exchange.envelope import Received
from keersluis.register import _store, ends
from keersluis.register import desk as room
from keersluis.register.answers import Answer
from keersluis.times import format_instant
from register.harness import (
    CHAIN,
    CORRECTION,
    DAY,
    DISPOSAL,
    HOUR,
    NEEDS,
    POLICE,
    SERIOUS,
    START,
    WITHDRAWAL,
    Desk,
    event,
    open_desk,
    question,
)

MOMENT = START + 20 * DAY
AFTER = MOMENT + 2 * DAY
DATABASES = ["memory", "file", "postgresql"]


@pytest.fixture(params=DATABASES)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    if request.param == "postgresql":
        url = request.getfixturevalue("empty_postgresql")
    else:
        url = "sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path / 'node.db'}"
    opened = open_desk(url)
    yield opened
    opened.store.close()


def suspicion(id_: str = "a", at: str = "2025-07-10T10:00:00Z", subject: str = "skn:1", position: int = 1) -> Received:
    return event(SERIOUS, id_, subject, at, position=position, content={"offence": "robbery"})


def test_P2_a_late_fact_supplements_the_open_answer_it_touches(desk: Desk) -> None:
    desk.ask(question("q1"), question("q2", "skn:2"))
    applied = desk.apply(suspicion())
    assert (applied.facts, applied.supplements, applied.breaches) == (1, 1, ())
    (sent,) = desk.sent
    assert sent.kind == "answer-end.justis"
    data = sent.data
    assert data["because"] == [{"id": "a", "kind": SERIOUS, "occurred": "2025-07-10T10:00:00Z"}]
    assert (data["answer"]["id"], data["answer"]["state"]) == ("q1", "provisional")
    assert [fact["id"] for fact in data["answer"]["facts"]] == ["a"]
    assert "anchor" not in data


def test_P2_an_act_known_by_day_touches_every_moment_of_its_day(desk: Desk) -> None:
    desk.apply(suspicion())
    desk.ask(question(moment=MOMENT + 12 * HOUR, standing=True))
    desk.apply(event(DISPOSAL, "d", "skn:1", "2025-07-21", refers_to="a"))
    (data,) = desk.supplements()
    assert ("anchor" in data, data["answer"]["facts"]) == (False, [])


def test_facts_that_do_not_touch_an_answer_supplement_nothing(desk: Desk) -> None:
    desk.ask(question())
    later = suspicion("later", format_instant(MOMENT + HOUR))
    other = event("judgment.serious", "j", "skn:1", "2025-07-02")
    police = event(POLICE, "p", "skn:1", "2025-07-10T10:00:00Z")
    assert desk.apply(later, other, police, suspicion("x", subject="skn:2")).supplements == 0
    assert desk.sent == []


def test_several_late_facts_of_one_batch_are_one_supplement(desk: Desk) -> None:
    desk.ask(question())
    desk.apply(suspicion("b", "2025-07-12T10:00:00Z", position=1), suspicion("a", position=2))
    (data,) = desk.supplements()
    assert [late["id"] for late in data["because"]] == ["a", "b"]


def test_P1_a_fact_that_is_here_already_stays_and_counts_once(desk: Desk) -> None:
    assert desk.apply(suspicion()).facts == 1
    assert desk.apply(suspicion()).facts == 0
    assert (desk.counts()["facts"], desk.counts()["subjects"]) == (1, 1)


def test_P1_events_of_two_sources_with_one_id_are_two_facts(desk: Desk) -> None:
    desk.apply(suspicion("7"), event(POLICE, "7", "skn:1", "2025-07-10T10:00:00Z"))
    assert desk.counts()["facts"] == 2


def test_P2_watermarks_settle_open_answers_and_tell_the_asker_once(desk: Desk) -> None:
    desk.ask(question("q1"), question("q2", moment=MOMENT + 10 * DAY))
    assert desk.complete(AFTER) == 1
    (data,) = desk.completeness()
    assert data["settled"] == ["q1"]
    assert {mark["kind"]: mark["complete_through"] for mark in data["watermarks"]} == dict.fromkeys(
        NEEDS, format_instant(AFTER)
    )
    assert desk.complete(AFTER) == 0
    assert len(desk.sent) == 1
    assert desk.counts()["answers_open"] == 1


@pytest.mark.parametrize("lagging", NEEDS)
def test_P2_one_lagging_stream_keeps_it_open(lagging: str) -> None:
    desk = open_desk()
    desk.ask(question())
    assert desk.complete(AFTER, {lagging: MOMENT - HOUR}) == 0
    assert desk.completeness()[-1]["settled"] == []
    assert desk.complete(AFTER, {lagging: AFTER}) == 1


def test_P7_watermarks_that_nobody_waits_for_are_not_told(desk: Desk) -> None:
    desk.ask(question())
    desk.complete(MOMENT - DAY)
    told = len(desk.sent)
    desk.moved({"judgment.serious": AFTER})
    assert len(desk.sent) == told
    desk.moved({SERIOUS: AFTER})
    assert len(desk.sent) == told + 1


def test_nobody_is_told_when_nobody_asked(desk: Desk) -> None:
    desk.complete(AFTER)
    assert desk.sent == []
    (answer,) = desk.ask(question(), watermarks=dict.fromkeys(NEEDS, AFTER))
    assert answer.state == "settled"
    assert desk.counts()["answers_open"] == 0


def test_who_was_answered_hears_once_more_of_the_watermarks_and_then_no_more(desk: Desk) -> None:
    desk.ask(question(), watermarks=dict.fromkeys(NEEDS, AFTER))
    desk.complete(AFTER + HOUR)
    assert [data["settled"] for data in desk.completeness()] == [[]]
    desk.complete(AFTER + 2 * HOUR)
    assert len(desk.sent) == 1


def test_asked_again_an_answer_may_have_settled(desk: Desk) -> None:
    assert desk.ask(question())[0].state == "provisional"
    assert desk.ask(question(), watermarks=dict.fromkeys(NEEDS, AFTER))[0].state == "settled"
    assert desk.counts()["answers_open"] == 0


def test_watermarks_that_move_back_are_not_believed(desk: Desk) -> None:
    desk.complete(AFTER)
    desk.complete(START)
    assert desk.ask(question())[0].state == "settled"


def test_P2_a_breach_reopens_the_settled_answer_and_says_which(desk: Desk) -> None:
    desk.ask(question())
    desk.complete(AFTER)
    applied = desk.apply(suspicion())
    (breach,) = applied.breaches
    assert (breach.asker, breach.answer) == ("justis", "q1")
    assert breach.events == ((f"{CHAIN.organisations['om'].oin}/{SERIOUS}/1", 1),)
    assert desk.supplements()[-1]["answer"]["state"] == "provisional"
    assert desk.counts()["answers_open"] == 1
    assert desk.complete(AFTER) == 1  # no watermark moved: it is owed its end all the same
    assert desk.completeness()[-1]["settled"] == ["q1"]


def test_events_of_one_stream_have_ids_of_their_own(desk: Desk) -> None:
    desk.ask(question("q1"), question("q2"))
    desk.apply(suspicion())
    desk.complete(MOMENT - DAY)
    desk.complete(AFTER)
    assert [sent.id for sent in desk.sent] == [f"answer-end.justis/{n}" for n in range(1, 5)]


def test_many_answers_that_settle_at_once_are_told_in_portions(desk: Desk) -> None:
    desk.ask(*(question(f"q{n}", f"skn:{n}") for n in range(1201)))
    assert desk.complete(AFTER) == 1201
    sizes = [len(data["settled"]) for data in desk.completeness()]
    assert sizes == [500, 500, 201]
    assert sum(sizes) == len({name for data in desk.completeness() for name in data["settled"]})


def test_portions_fit_in_an_event_also_with_long_names() -> None:
    names = [f"{n:0250d}" for n in range(450)]
    portions = ends._portions(names)
    assert [name for portion in portions for name in portion] == names
    assert all(sum(len(name) + 3 for name in portion) <= ends.MOST_BYTES for portion in portions)


def test_a_standing_question_is_answered_anew_for_each_later_fact(desk: Desk) -> None:
    desk.ask(question(standing=True))
    desk.apply(suspicion("b", format_instant(MOMENT + 5 * DAY)))
    (first,) = desk.supplements()
    assert (first["anchor"], first["answer"]["id"]) == ("b", "q1")
    assert first["answer"]["moment"] == format_instant(MOMENT + 5 * DAY)
    desk.apply(suspicion("a", format_instant(MOMENT + 3 * DAY), position=2))
    later = desk.supplements()[1:]
    assert {data["anchor"]: [fact["id"] for fact in data["answer"]["facts"]] for data in later} == {
        "a": ["a"],
        "b": ["a", "b"],
    }
    desk.complete(MOMENT + 4 * DAY + HOUR)
    assert desk.completeness()[-1]["settled"] == ["q1", "q1/a"]
    desk.complete(MOMENT + 6 * DAY + HOUR)
    assert desk.completeness()[-1]["settled"] == ["q1/b"]


def test_a_fact_of_before_a_standing_question_supplements_its_own_answer(desk: Desk) -> None:
    desk.ask(question(standing=True))
    desk.apply(suspicion())
    (data,) = desk.supplements()
    assert "anchor" not in data
    assert data["answer"]["moment"] == format_instant(MOMENT)


def test_a_fact_that_is_here_before_the_standing_question_calls_for_an_answer_too(desk: Desk) -> None:
    desk.apply(suspicion("b", format_instant(MOMENT + 5 * DAY)))
    desk.ask(question(standing=True))
    assert [data["anchor"] for data in desk.supplements()] == ["b"]
    desk.ask(question(standing=True))
    assert len(desk.supplements()) == 1


def test_the_emergency_route_answers_a_standing_screening_anew() -> None:
    at = START + 30 * DAY
    desk = open_desk(at=at)
    desk.ask(question("s", moment=at, purpose="screening", standing=True), question("v", moment=at, standing=True))
    desk.apply(event(POLICE, "p", "skn:1", format_instant(at + HOUR)))
    (data,) = desk.supplements()
    assert data["anchor"] == "p"
    assert data["answer"]["facts"] == []
    assert [fact["id"] for fact in data["answer"]["alternatives"][0]["facts"]] == ["p"]


def test_a_fact_of_the_emergency_route_is_not_named_when_the_route_has_no_ground_any_more() -> None:
    at = START + 30 * DAY
    desk = open_desk(at=at)
    desk.ask(question("s", moment=at, purpose="screening", standing=True))
    desk.clock.set(at + 300 * DAY)
    desk.apply(event(POLICE, "p", "skn:1", format_instant(at + HOUR)))
    (data,) = desk.supplements()
    assert (data["because"], data["answer"]["alternatives"], data["answer"]["facts"]) == ([], [], [])


def test_a_declared_gap_reopens_what_was_settled_in_it_and_after_it(desk: Desk) -> None:
    desk.ask(question("before", moment=START + 5 * DAY), question("in"), question("other", needs=[DISPOSAL]))
    desk.complete(AFTER)
    since, until = START + 10 * DAY, START + 15 * DAY
    assert desk.store.write(lambda tx: room.reopen(tx, desk.ctx, SERIOUS, since, until)) == 1
    told = desk.completeness()[-1]
    assert (told["reopened"], told["settled"]) == (["in"], [])
    marks = {mark["kind"]: mark["complete_through"] for mark in told["watermarks"]}
    assert (marks[SERIOUS], marks[DISPOSAL]) == (format_instant(since - 1), format_instant(AFTER))
    assert desk.complete(AFTER + DAY) == 0
    assert desk.ask(question("new"))[0].state == "provisional"
    assert desk.store.write(lambda tx: room.fill(tx, desk.ctx, SERIOUS, since, until, AFTER))
    assert desk.complete(AFTER + DAY) == 2
    assert not desk.store.write(lambda tx: room.fill(tx, desk.ctx, SERIOUS, since, until, AFTER))


def plan(desk: Desk, statement: sa.Select[Any], **values: Any) -> str:
    """SQLite's plan for a statement of the store."""
    text = statement.params(**values).compile(dialect=desk.store.engine.dialect, compile_kwargs={"literal_binds": True})
    with desk.store.read() as tx:
        rows = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
    return "; ".join(str(row[3]) for row in rows)


def test_P6_settling_and_supplementing_go_by_an_index() -> None:
    desk = open_desk()
    group = {"asker_": "justis", "needs_": 1, "upto": MOMENT}
    cases: list[tuple[sa.Select[Any], dict[str, Any]]] = [
        (_store._DUE, group),
        (_store._GROUPS, {}),
        (_store._TOUCHED, {"subjects": ["skn:1", "skn:2"], "since": 0}),
        (_store._FACTS_OF, {"subjects": ["skn:1"]}),
    ]
    for statement, values in cases:
        told = plan(desk, statement, **values)
        assert "SCAN answers" not in told
        assert "SCAN facts" not in told
        assert "answers_open" in told or "answers_touched" in told or "facts" in told


def statements(desk: Desk, act: Any) -> int:
    """How many statements an act takes."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    sa.event.listen(desk.store.engine, "before_cursor_execute", note)
    act()
    sa.event.remove(desk.store.engine, "before_cursor_execute", note)
    return len(seen)


def test_P6_a_batch_takes_as_many_statements_as_one_event() -> None:
    desk = open_desk()
    desk.ask(*(question(f"q{n}", f"skn:{n}") for n in range(300)))
    one = statements(desk, lambda: desk.apply(suspicion("x", subject="skn:0")))
    many = statements(
        desk, lambda: desk.apply(*(suspicion(f"e{n}", subject=f"skn:{n}", position=n + 2) for n in range(300)))
    )
    assert many == one
    few = statements(desk, lambda: desk.ask(question("a")))
    lot = statements(desk, lambda: desk.ask(*(question(f"b{n}", f"skn:{n}") for n in range(200))))
    assert lot == few


# -- any order of arrival, any batches, any moment of asking -------------------------------------------------------

KINDS = [SERIOUS, SERIOUS, DISPOSAL, CORRECTION, WITHDRAWAL]
LAST = START + 40 * DAY


@st.composite
def worlds(draw: st.DrawFn) -> list[Received]:
    """Events about two subjects; numbered per stream in order of event time."""
    number = draw(st.integers(1, 8))
    drawn = sorted(draw(st.lists(st.integers(0, 39), min_size=number, max_size=number)))
    made = []
    for n, day in enumerate(drawn):
        kind = draw(st.sampled_from(KINDS))
        more: dict[str, Any] = {} if kind == SERIOUS else {"refers_to": f"e{draw(st.integers(0, number - 1))}"}
        at = START + day * DAY
        text = f"2025-0{7 + day // 31}-{day % 31 + 1:02d}" if kind == DISPOSAL else format_instant(at + 12 * HOUR)
        subject = draw(st.sampled_from(["skn:1", "skn:2"]))
        made.append(event(kind, f"e{n}", subject, text, position=n + 1, content={"n": n}, **more))
    return made


QUESTIONS = (
    question("ordinary", "skn:1", moment=START + 20 * DAY),
    question("standing", "skn:1", moment=START + 10 * DAY, standing=True),
    question("second", "skn:2", moment=START + 15 * DAY, standing=True),
    question("narrow", "skn:2", moment=START + 30 * DAY, needs=[SERIOUS]),
)


def said(answers: Sequence[Answer], sent: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """Name of each decision -> moment and facts of the last answer given for it."""
    found = {a.id: (a.moment, msgspec.to_builtins(a.facts)) for a in answers}
    for data in sent:
        if data["what"] == "supplement":
            answer = data["answer"]
            name = f"{answer['id']}/{data['anchor']}" if "anchor" in data else answer["id"]
            found[name] = (answer["moment"], answer["facts"])
    return found


def truth(world: Sequence[Received]) -> dict[str, tuple[Any, ...]]:
    """What is said when every fact comes at once, in order, after the questions."""
    desk = open_desk(at=LAST)
    answers = desk.ask(*QUESTIONS)
    desk.apply(*world)
    return said(answers, desk.supplements())


def promised(waiting: Sequence[Received]) -> dict[str, int]:
    """Watermarks that honest sources can have given while these events are still to come."""
    marks = dict.fromkeys(NEEDS, LAST)
    for each in waiting:
        marks[each.kind.path] = min(marks[each.kind.path], each.when.end - 1)
    return marks


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Received], list[list[Received]], int]:
    """A world, its events in any order cut in batches, and the batch before which the questions are asked."""
    world = draw(worlds())
    order = draw(st.permutations(world))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=4)))
    batches = [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    return world, batches, draw(st.integers(0, len(batches)))


@settings(max_examples=80)
@given(deliveries())
def test_P2_P3_any_delivery_ends_in_the_same_answers_and_settles_none_falsely(
    delivery: tuple[list[Received], list[list[Received]], int],
) -> None:
    world, batches, asked_before = delivery
    expected = truth(world)
    desk = open_desk(at=LAST)
    answers: list[Answer] = []
    waiting = list(world)
    settled: dict[str, tuple[Any, ...]] = {}
    for n, batch in enumerate([*batches, []]):
        if n == asked_before:
            answers = desk.ask(*QUESTIONS, watermarks=promised(waiting))
            settled |= {a.id: said(answers, [])[a.id] for a in answers if a.state == "settled"}
        assert desk.apply(*batch).breaches == ()
        waiting = [each for each in waiting if each not in batch]
        told = len(desk.sent)
        desk.moved(promised(waiting))
        now_said = said(answers, desk.supplements())
        settled |= {name: now_said[name] for sent in desk.sent[told:] for name in sent.data["settled"]}
    assert settled == {name: expected[name] for name in settled}  # P2: once settled, it is the truth
    assert said(answers, desk.supplements()) == expected  # P3
    desk.complete(LAST + 30 * DAY)
    ended = {name for data in desk.completeness() for name in data["settled"]}
    assert ended | {a.id for a in answers if a.state == "settled"} == set(expected)
    assert desk.counts()["answers_open"] == 0


@settings(max_examples=40)
@given(worlds().flatmap(lambda world: st.tuples(st.just(world), st.permutations(world))))
def test_P3_contents_are_the_same_in_any_order_of_arrival(both: tuple[list[Received], list[Received]]) -> None:
    stores = []
    for events in both:
        desk = open_desk(at=LAST)
        for each in events:
            desk.apply(each)
        with desk.store.read() as tx:
            stores.append(list(room.contents(tx)))
    assert stores[0] == stores[1]
    assert len(stores[0]) == len(both[0])
