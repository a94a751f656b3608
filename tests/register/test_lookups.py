"""Every look-up is recorded before the answer leaves; time travel shows what was known, with the promises of then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from keersluis.errors import Forbidden, Incorrect
from keersluis.exchange.envelope import Received
from keersluis.register import _store
from keersluis.register import desk as room
from keersluis.register.lookups import Lookup, pseudonym
from keersluis.timeline import log
from keersluis.times import MINUTE, format_instant, parse_instant
from register.harness import (
    CORRECTION,
    DAY,
    DISPOSAL,
    POLICE,
    SERIOUS,
    START,
    WITHDRAWAL,
    Desk,
    event,
    open_desk,
    question,
)

AT = START + 20 * DAY


def about(desk: Desk, subject: str) -> list[Lookup]:
    with desk.store.read() as tx:
        return room.lookups_about(tx, desk.ctx, subject)


def test_one_record_per_data_subject_per_look_up() -> None:
    desk = open_desk()
    desk.ask(question("a", "skn:1"), question("b", "skn:2"), question("c", "skn:1"))
    desk.look_up("skn:1")
    assert desk.counts()["lookups"] == 4
    records = about(desk, "skn:1")
    assert [record.name for record in records] == ["register.answer", "register.answer", "register.look-up"]
    assert len({(record.trace_id, record.span_id) for record in records}) == 3
    assert records[0].trace_id == records[1].trace_id != records[2].trace_id
    assert records[2].who == "desk 3"


def test_a_record_has_the_fields_of_ldv_and_no_number_of_a_person() -> None:
    desk = open_desk()
    desk.ask(question("a", "skn:123456789"))
    (record,) = about(desk, "skn:123456789")
    ldv = record.ldv()
    assert ldv["dpl.core.data_subject_id"] == pseudonym(desk.ctx.secret, "skn:123456789")
    assert ldv["dpl.core.data_subject_id_type"] == "skn"
    assert ldv["dpl.core.processing_activity_id"].endswith(":vog")
    assert (len(ldv["trace_id"]), len(ldv["span_id"]), ldv["status"]) == (32, 16, "Ok")
    assert ldv["start_time"] == ldv["end_time"] == format_instant(AT)
    assert "123456789" not in str(ldv)


def test_a_pseudonym_is_of_no_use_without_the_secret() -> None:
    assert pseudonym(b"a" * 32, "skn:1") != pseudonym(b"b" * 32, "skn:1")


def test_P5_look_ups_and_answers_are_entries_in_the_timeline_without_a_persons_number() -> None:
    desk = open_desk()
    desk.ask(question("a", "skn:123456789"))
    desk.look_up("skn:123456789")
    with desk.store.read() as tx:
        entries = log.entries(tx)
    assert [entry.kind for entry in entries] == ["lookup", "answer.given", "lookup"]
    assert entries[0].body["records"][0][2] == pseudonym(desk.ctx.secret, "skn:123456789")
    assert "123456789" not in str(entries)


def test_an_answer_whose_record_cannot_be_written_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = open_desk()

    def full(_tx: Connection, _records: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(_store, "add_lookups", full)
    with pytest.raises(OSError, match="disk full"):
        desk.ask(question())
    monkeypatch.undo()
    assert desk.counts()["answers_open"] == 0


def test_kinds_for_another_purpose_are_not_shown() -> None:
    desk = open_desk()
    desk.apply(event(POLICE, "p", "skn:1", "2025-07-26T10:00:00Z"))
    desk.apply(event(SERIOUS, "a", "skn:1", "2025-07-02T10:00:00Z"))
    assert [fact.id for fact in desk.look_up("skn:1", purpose="vog").facts] == ["a"]
    assert [fact.id for fact in desk.look_up("skn:1", purpose="screening").facts] == ["a", "p"]
    assert POLICE not in {mark.kind for mark in desk.look_up("skn:1", purpose="vog").watermarks}


@pytest.mark.parametrize(("subject", "purpose"), [("123456789", "vog"), ("skn:1", "curiosity")])
def test_a_wrong_look_up_is_refused_and_says_no_number(subject: str, purpose: str) -> None:
    desk = open_desk()
    with pytest.raises((Incorrect, Forbidden)) as caught:
        desk.look_up(subject, purpose=purpose)
    assert "123456789" not in str(caught.value)
    assert desk.counts()["lookups"] == 0


def test_a_look_up_back_in_time_states_the_promises_of_then() -> None:
    desk = open_desk(at=START)
    for day in range(1, 5):
        desk.clock.set(START + day * DAY)
        desk.complete(START + day * DAY - 1)
    then = desk.look_up("skn:1", known_at=START + 3 * DAY - 1)
    assert {mark.complete_through for mark in then.watermarks} == {format_instant(START + 2 * DAY - 1)}
    assert then.known_at == format_instant(START + 3 * DAY - 1)
    assert {m.complete_through for m in desk.look_up("skn:1").watermarks} == {format_instant(START + 4 * DAY - 1)}
    assert {m.complete_through for m in desk.look_up("skn:1", known_at=START - DAY).watermarks} == {
        "1970-01-01T00:00:00Z"
    }


def test_the_promises_of_a_past_moment_are_never_later_ones() -> None:
    desk = open_desk(at=START)
    for minute in range(0, 300, 25):
        desk.clock.set(START + minute * MINUTE // 60)
        desk.complete(START + minute)
    for minute in range(300):
        then = desk.look_up("skn:1", known_at=START + minute * MINUTE // 60)
        assert all(parse_instant(mark.complete_through) <= START + minute for mark in then.watermarks)


ACTIONS = {SERIOUS: "record", DISPOSAL: "end", CORRECTION: "correct", WITHDRAWAL: "withdraw"}


@st.composite
def recorded(draw: st.DrawFn) -> list[tuple[int, Received]]:
    """(system day, event) pairs in order of recording; acts may refer to what is recorded later."""
    number = draw(st.integers(1, 7))
    found = []
    for n in range(number):
        kind = draw(st.sampled_from([SERIOUS, SERIOUS, DISPOSAL, CORRECTION, WITHDRAWAL]))
        more: dict[str, Any] = {} if kind == SERIOUS else {"refers_to": f"e{draw(st.integers(0, number - 1))}"}
        if draw(st.booleans()):
            more["valid_from"] = format_instant(START + draw(st.integers(0, 9)) * DAY)
        if kind in (SERIOUS, CORRECTION) and draw(st.booleans()):
            more["valid_to"] = format_instant(START + draw(st.integers(0, 9)) * DAY)
        day = draw(st.integers(0, 9))
        text = f"2025-07-{day + 1:02d}" if kind == DISPOSAL else format_instant(START + day * DAY)
        made = event(kind, f"e{n}", "skn:1", text, position=n + 1, content={"n": draw(st.integers(0, 2))}, **more)
        found.append((draw(st.integers(0, 9)), made))
    return sorted(found, key=lambda pair: pair[0])


def naive(history: list[tuple[int, Received]], valid_day: int, known_day: int) -> Mapping[str, object]:
    """Id -> content on one day of valid time as known on one day of system time, straight from the payloads."""
    rows = []
    for known, each in history:
        data = msgspec.json.decode(each.envelope.data)
        start = data.get("valid_from") and (parse_instant(data["valid_from"]) - START) // DAY
        end = data.get("valid_to") and (parse_instant(data["valid_to"]) - START) // DAY
        at = (each.when.start - START) // DAY
        rows.append((each.envelope.id, ACTIONS[each.kind.path], at, known, start, end, data))
    rows = [row for row in rows if row[3] <= known_day]

    def alive(id_: str, over: frozenset[str] = frozenset()) -> bool:
        hits = [row[0] for row in rows if row[1] == "withdraw" and row[6]["refers_to"] == id_]
        return not any(hit not in over and alive(hit, over | {hit}) for hit in hits)

    found = {}
    for id_, action, at, _known, start, end, data in rows:
        if action != "record" or not alive(id_):
            continue
        content, first, last = data["content"], at if start is None else start, end
        acts = [row for row in rows if row[1] != "record" and row[6]["refers_to"] == id_ and alive(row[0])]
        corrections = sorted((row for row in acts if row[1] == "correct"), key=lambda row: (row[2], row[0]))
        for _id, _action, _at, _k, cstart, cend, cdata in corrections[-1:]:
            content = cdata["content"]
            first, last = (cstart, cend) if cstart is not None else (first, last if cend is None else cend)
        ends = [row[2] if row[4] is None else row[4] for row in acts if row[1] == "end"]
        if first <= valid_day and all(valid_day < bound for bound in [*ends, *([] if last is None else [last])]):
            found[id_] = content
    return found


def in_circles(history: list[tuple[int, Received]]) -> bool:
    """Some withdrawals undo each other in a circle; the naive model knows no answer to that."""
    withdrawals = [each.envelope for _, each in history if each.kind.path == WITHDRAWAL]
    to = {each.id: msgspec.json.decode(each.data)["refers_to"] for each in withdrawals}
    for start in to:
        at, steps = start, 0
        while at in to and steps <= len(to):
            at, steps = to[at], steps + 1
        if steps > len(to):
            return True
    return False


@settings(max_examples=60)
@given(recorded().filter(lambda history: not in_circles(history)), st.integers(0, 9), st.integers(0, 9))
def test_geldigOp_and_beschikbaarOp_against_a_naive_model(
    history: list[tuple[int, Received]], valid_day: int, known_day: int
) -> None:
    desk = open_desk(at=START + 30 * DAY)
    for day, each in history:
        desk.apply(each, now=START + day * DAY)
    shown = desk.look_up("skn:1", valid_at=START + valid_day * DAY, known_at=START + known_day * DAY)
    assert {fact.id: fact.content for fact in shown.facts} == naive(history, valid_day, known_day)
