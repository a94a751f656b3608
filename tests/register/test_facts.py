"""Which facts are in force: two time axes against a naive model, and P3: the order of arrival never matters."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keersluis.register.facts import Fact, in_force
from keersluis.times import When

DAYS = 12
KINDS = {"record": "crime", "end": "disposal", "correct": "correction", "withdraw": "withdrawal"}


def fact(
    id_: str,
    action: str = "record",
    at: int = 0,
    *,
    refers_to: str | None = None,
    source: str = "om",
    known: int = 0,
    valid_from: int | None = None,
    valid_to: int | None = None,
    content: bytes = b"{}",
    day: int = 1,
) -> Fact:
    """A fact in a world where an instant is a small number; `day` is how long the act may have taken."""
    start = at if valid_from is None and action != "correct" else valid_from
    when = When(at, at + day - 1)
    origin = f"{source}/{KINDS[action]}/1"
    return Fact(id_, "skn:1", origin, 1, KINDS[action], action, when, at, known, start, valid_to, refers_to, content)


def ids(facts: Iterable[Fact]) -> list[str]:
    return [each.id for each in facts]


@st.composite
def histories(draw: st.DrawFn) -> list[Fact]:
    """Records, and acts that refer to any earlier event, also of another source and also with a shared id."""
    found: list[Fact] = []
    for n in range(draw(st.integers(1, 9))):
        action = draw(st.sampled_from(["record", "record", "end", "correct", "withdraw"])) if found else "record"
        target = draw(st.sampled_from(found)) if action != "record" else None
        bound = st.none() | st.integers(0, DAYS)
        found.append(
            fact(
                f"e{n}",
                action,
                draw(st.integers(0, DAYS)),
                refers_to=target.id if target else None,
                source=draw(st.sampled_from(["om", "politie"])),
                known=draw(st.integers(0, DAYS)),
                valid_from=draw(bound),
                valid_to=draw(bound) if action in ("record", "correct") else None,
                content=b'{"n":%d}' % draw(st.integers(0, 3)),
            )
        )
    return found


def naive(facts: list[Fact], day: int, moment: int, known_at: int) -> dict[str, bytes]:
    """Id -> content in force on one day, worked out from the definitions, a day at a time."""
    seen = [each for each in facts if each.when.start <= moment and each.system_time <= known_at]

    def alive(event: Fact) -> bool:
        return not any(alive(w) for w in seen if w.action == "withdraw" and w.refers_to == event.id)

    def acts(target: Fact, action: str) -> list[Fact]:
        return [act for act in seen if act.action == action and act.refers_to == target.id and alive(act)]

    found = {}
    for record in (each for each in seen if each.action == "record" and alive(each)):
        content, first, last = record.content, record.valid_from or 0, record.valid_to
        for correction in sorted(acts(record, "correct"), key=lambda act: (act.when.start, act.id))[-1:]:
            content = correction.content
            if correction.valid_from is not None:
                first, last = correction.valid_from, correction.valid_to
            elif correction.valid_to is not None:
                last = correction.valid_to
        days = [each for each in range(DAYS + 2) if first <= each and (last is None or each < last)]
        for end in acts(record, "end"):
            days = [each for each in days if each < (end.valid_from or 0)]
        if day in days:
            found[record.id] = content
    return found


@given(histories(), st.integers(0, DAYS), st.integers(0, DAYS), st.integers(0, DAYS))
def test_time_travel_gives_what_the_naive_model_gives(history: list[Fact], day: int, moment: int, known: int) -> None:
    got = in_force(history, moment=moment, valid_at=day, known_at=known)
    assert {each.id: each.content for each in got} == naive(history, day, moment, known)


@given(histories().flatmap(lambda history: st.tuples(st.just(history), st.permutations(history))))
def test_P3_any_order_of_arrival_gives_the_same_facts(both: tuple[list[Fact], list[Fact]]) -> None:
    history, shuffled = both
    assert in_force(history) == in_force(shuffled)
    assert in_force(history, moment=6, valid_at=5) == in_force(shuffled, moment=6, valid_at=5)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=7).flatmap(st.permutations))
def test_P3_withdrawals_in_a_circle_are_settled_the_same_way_in_any_order(edges: list[tuple[int, int]]) -> None:
    record = [fact("r")]
    withdrawals = [fact(f"w{a}", "withdraw", n, refers_to=f"w{b}" if b else "r") for n, (a, b) in enumerate(edges)]
    one = {each.id: each for each in sorted(withdrawals, key=lambda each: each.when.start)}
    assert in_force([*record, *one.values()]) == in_force([*reversed(one.values()), *record])


def test_two_withdrawals_of_each_other_have_no_effect_on_others() -> None:
    circle = [fact("w1", "withdraw", 1, refers_to="w2"), fact("w2", "withdraw", 2, refers_to="w1")]
    assert ids(in_force([fact("r"), *circle])) == ["r"]


def test_an_end_that_comes_before_its_record_has_effect_once_that_comes() -> None:
    end = fact("d", "end", 5, refers_to="r")
    assert in_force([end]) == ()
    assert ids(in_force([end, fact("r")], valid_at=4)) == ["r"]
    assert in_force([end, fact("r")], valid_at=5) == ()


def test_a_withdrawn_end_ends_nothing() -> None:
    facts = [fact("r"), fact("d", "end", 5, refers_to="r"), fact("w", "withdraw", 7, refers_to="d")]
    assert in_force(facts, moment=6, valid_at=6) == ()
    assert in_force(facts, moment=7, valid_at=6)[0].valid_to is None


def test_a_correction_may_reach_back_and_the_last_one_counts() -> None:
    facts = [
        fact("r", at=5, content=b'{"v":1}'),
        fact("c1", "correct", 6, refers_to="r", valid_from=1, content=b'{"v":2}'),
        fact("c2", "correct", 7, refers_to="r", content=b'{"v":3}'),
    ]
    assert [each.content for each in in_force(facts, moment=6, valid_at=2)] == [b'{"v":2}']
    assert in_force(facts, moment=7, valid_at=2) == ()
    assert [each.content for each in in_force(facts, moment=7, valid_at=5)] == [b'{"v":3}']


def test_a_withdrawn_correction_corrects_nothing() -> None:
    facts = [
        fact("r", content=b'{"v":1}'),
        fact("c", "correct", 2, refers_to="r", content=b'{"v":2}'),
        fact("w", "withdraw", 3, refers_to="c"),
    ]
    assert [each.content for each in in_force(facts)] == [b'{"v":1}']


def test_a_day_act_precedes_every_moment_of_its_day() -> None:
    assert ids(in_force([fact("r", at=10, day=10)], moment=10)) == ["r"]
    assert in_force([fact("r", at=10, day=10)], moment=9) == ()


def test_of_two_events_with_one_id_a_source_means_its_own() -> None:
    facts = [fact("1", source="om"), fact("1", source="politie"), fact("d", "end", 5, source="politie", refers_to="1")]
    left = in_force(facts, valid_at=6)
    assert [(each.source, each.id) for each in left] == [("om", "1")]


def test_a_source_may_refer_to_an_event_of_another() -> None:
    facts = [fact("1", source="politie"), fact("d", "end", 5, source="om", refers_to="1")]
    assert in_force(facts, valid_at=6) == ()


@pytest.mark.parametrize("known_at", [3, 4])
def test_known_at_leaves_out_what_was_recorded_later(known_at: int) -> None:
    facts = [fact("r", known=1), fact("w", "withdraw", 0, refers_to="r", known=4)]
    assert ids(in_force(facts, known_at=known_at)) == (["r"] if known_at < 4 else [])


def test_a_fact_cannot_be_altered() -> None:
    with pytest.raises(AttributeError):
        fact("r").content = b"{}"  # type: ignore[misc]
    assert msgspec.structs.replace(fact("r"), content=b"1").content == b"1"
