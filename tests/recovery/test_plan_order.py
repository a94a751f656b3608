"""What waits, by stream and by stage, and the order of a plan that it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keersluis.chain import load_chain
from keersluis.errors import Incorrect
from keersluis.exchange.gates import Scope
from keersluis.ordering import scheduled, weighed
from keersluis.recovery.plan_order import Standing, order_of, waiting
from keersluis.recovery.planfiles import find_plan, load_plan
from keersluis.recovery.plans import Plan, PlanGate, Stage, Team
from keersluis.recovery.weights import (
    Load,
    Tally,
    Waits,
    answered_by,
    by_stage,
    by_stream,
    loads,
    newest,
    opened_by,
    read_tallies,
)
from keersluis.times import DAY, HOUR, format_instant, parse_instant

CHAIN = load_chain("nl-justice")
BEGIN = parse_instant("2025-08-01T00:00:00Z")
WORDS = {"nl": "x", "en": "x"}
SHIPPED = load_plan(find_plan("om-return", CHAIN), CHAIN)


def stage(
    key: str, hours: int, *needs: str, gates: Sequence[PlanGate] = (), start: int = 0, weight: float = 1.0
) -> Stage:
    begin = BEGIN + start * HOUR
    return Stage(
        key, WORDS, "trial", begin, begin + hours * HOUR, hours * HOUR, ("a", "b"),
        depends_on=needs, gates=tuple(gates), team="links", weight=weight,
    )  # fmt: skip


def plan_of(*stages: Stage, capacity: int = 1) -> Plan:
    teams = {"links": Team("links", WORDS, capacity)}
    return Plan("p", WORDS, WORDS, "om", {}, {each.key: each for each in stages}, teams, "0")


def out(kind: str, peer: str = "justid") -> PlanGate:
    return PlanGate("om", Scope(peer, "out", kind, "*"))


def tally(organisation: str, *groups: tuple[Sequence[str], int, int], as_of: str = "2025-08-01T00:00:00Z") -> Tally:
    rows = tuple(Waits(tuple(missing), "vog", gravity, False, number) for missing, gravity, number in groups)
    return Tally(organisation, as_of, rows)


# -- by stream


def test_a_stream_is_told_with_all_that_it_holds_up() -> None:
    found = by_stream(
        [
            tally("justis", (["judgment.serious"], 6, 2), (["judgment.serious", "disposal"], 1, 5)),
            tally("rvdk", (["disposal", "reservation"], 3, 4)),
        ],
        CHAIN,
    )
    rows = {row["kind"]: row for row in found}
    serious = rows["judgment.serious"]
    assert (serious["source"], serious["decisions"], serious["alone"], serious["weight"]) == ("om", 7, 2, 17)
    assert serious["by_gravity"] == [{"gravity": 6, "decisions": 2}, {"gravity": 1, "decisions": 5}]
    assert (rows["disposal"]["decisions"], rows["disposal"]["weight"]) == (9, 17)
    assert (rows["reservation"]["source"], rows["reservation"]["decisions"]) == (None, 4)
    assert [row["weight"] for row in found] == sorted((row["weight"] for row in found), reverse=True)


def test_of_an_organisation_that_was_counted_twice_the_newest_counts_and_who_is_missing_is_told() -> None:
    old, new = (
        tally("justis", (["disposal"], 1, 9)),
        tally("justis", (["disposal"], 1, 2), as_of="2025-08-02T00:00:00Z"),
    )
    for both in ([old, new], [new, old]):
        told = weighed(both, CHAIN, None, Standing(BEGIN))
        assert told["counted"] == [{"organisation": "justis", "as_of": new.as_of, "decisions": 2}]
        assert told["streams"][0]["decisions"] == 2
        assert told["missing"] == ["rvdk", "ind"]


def test_what_is_written_is_read_again() -> None:
    told = weighed([tally("justis", (["disposal"], 2, 3)), tally("ind")], CHAIN, SHIPPED, Standing(BEGIN))
    again = read_tallies(msgspec.json.encode(told), "file")
    assert weighed(again, CHAIN, SHIPPED, Standing(BEGIN)) == told
    one = tally("rvdk", (["disposal"], 2, 3))
    assert read_tallies(msgspec.json.encode(one), "file") == [one]


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"tallies": 3}', b'{"tallies": [{"organisation": "justis", "as_of": "x"}]}', b"\xff",
     b'{"organisation": "justis", "as_of": "x", "groups": [{"missing": [], "policy": "", "gravity": -1, "held": 0,'
     b' "decisions": 1}]}'],
)  # fmt: skip
def test_a_file_that_is_no_tally_is_refused(data: bytes) -> None:
    with pytest.raises(Incorrect) as caught:
        read_tallies(data, "x.json")
    assert (caught.value.code, caught.value.where) == ("weights.unreadable", "x.json")


def test_a_tally_of_another_chain_is_refused_with_all_faults() -> None:
    with pytest.raises(Incorrect) as caught:
        newest([tally("nobody"), tally("justis", as_of="yesterday")], CHAIN)
    assert len(caught.value.faults) == 2


# -- by stage


def test_a_stream_waits_for_every_stage_that_has_a_gate_on_its_way() -> None:
    inward = PlanGate("justid", Scope("om", "in", "judgment", "*"))
    plan = plan_of(
        stage("all", 1, gates=[out("judgment", "*")]),
        stage("one", 1, gates=[out("disposal")]),
        stage("register", 1, gates=[inward]),
        stage("elsewhere", 1, gates=[out("disposal", "politie"), PlanGate("justis", Scope("justid", "in", "*", "*"))]),
    )
    opened = opened_by(plan, CHAIN)
    assert opened["judgment.sexual"] == {"all", "register"}
    assert opened["disposal"] == {"one"}
    assert opened["correction"] == frozenset()
    assert answered_by(plan, CHAIN, "justis") == {"elsewhere"}
    assert answered_by(plan, CHAIN, "rvdk") == frozenset()


def test_the_stages_of_the_shipped_plan_open_every_stream_of_the_prosecution_service() -> None:
    opened = opened_by(SHIPPED, CHAIN)
    for kind in CHAIN.kinds.values():
        if kind.source == "om":
            assert opened[kind.path], kind.path


STAGES = ("a", "b", "c", "d")
some_loads = st.lists(
    st.builds(
        lambda stages, n, gravity: Load(frozenset(stages), n, 0, n * gravity, {gravity: n}, 0),
        st.sets(st.sampled_from(STAGES)),
        st.integers(0, 20),
        st.integers(1, 6),
    ),
    max_size=8,
)


@given(some_loads, st.permutations(STAGES))
def test_a_decision_counts_at_the_last_stage_that_it_waits_for(found: list[Load], line: list[str]) -> None:
    """By opening one stage after the other and looking at what is free."""
    rows = by_stage(found, {key: n for n, key in enumerate(line)})
    assert [row["stage"] for row in rows] == line
    for n, row in enumerate(rows):
        free = [each for each in found if each.stages and each.stages <= set(line[: n + 1])]
        before = [each for each in free if each.stages <= set(line[:n])]
        assert row["settles"] == sum(e.decisions for e in free) - sum(e.decisions for e in before)
        assert row["settles_weight"] == sum(e.weight for e in free) - sum(e.weight for e in before)
        assert row["alone"] == sum(e.decisions for e in found if e.stages == {row["stage"]})
        assert row["holds_up"] == sum(e.decisions for e in found if row["stage"] in e.stages)
        assert row["settles"] == sum(each["decisions"] for each in row["by_gravity"])


def test_what_is_done_holds_nothing_up_and_what_no_stage_opens_is_told() -> None:
    plan = plan_of(stage("first", 1, gates=[out("judgment")]), stage("second", 1, gates=[out("disposal")]))
    counted = [
        tally(
            "justis",
            (["judgment.sexual", "disposal"], 2, 3),
            (["correction"], 1, 7),
            (["disposal", "correction"], 1, 5),
        )
    ]
    found = {tuple(sorted(each.stages)): each for each in loads(counted, plan, CHAIN)}
    assert {key: each.decisions for key, each in found.items()} == {("first", "second"): 3, (): 7, ("second",): 5}
    assert found["second",].elsewhere == 5
    later = loads(counted, plan, CHAIN, done=["first"])
    assert {tuple(sorted(each.stages)): each.decisions for each in later} == {("second",): 8, (): 7}


# -- the order


@st.composite
def small_orders(draw: st.DrawFn) -> tuple[Plan, list[Load]]:
    stages = []
    for n, key in enumerate(STAGES):
        needs = draw(st.lists(st.sampled_from(STAGES[:n]), unique=True, max_size=1)) if n else []
        stages.append(stage(key, draw(st.integers(0, 50)), *needs, start=draw(st.integers(0, 30))))
    return plan_of(*stages), draw(some_loads)


def ends_in(plan: Plan, line: Sequence[str], since: int) -> dict[str, int]:
    """One stage at a time, in this order."""
    ends, now = {}, since
    for key in line:
        now += plan.stages[key].duration
        ends[key] = now
    return ends


@settings(max_examples=60, deadline=None)
@given(small_orders())
def test_no_order_makes_decisions_wait_less(case: tuple[Plan, list[Load]]) -> None:
    plan, found = case
    order = order_of(plan, found, Standing(BEGIN))
    if order.weighed:
        able = [
            ends_in(plan, line, order.since)
            for line in permutations(STAGES)
            if all(line.index(need) < line.index(key) for key in STAGES for need in plan.stages[key].depends_on)
        ]
        least = min(waiting(found, ends, order.since)[1] for ends in able)
        assert waiting(found, order.ends, order.since)[1] == least
        assert waiting(found, order.in_planned_order, order.since)[1] >= least
        assert order.schedule.proven
    for key in STAGES:
        assert order.ends[key] - order.starts[key] == plan.stages[key].duration
        assert all(order.starts[key] >= order.ends[need] for need in plan.stages[key].depends_on)


def test_what_holds_up_most_for_its_work_comes_first() -> None:
    plan = plan_of(stage("long", 48, gates=[out("judgment")]), stage("short", 24, gates=[out("disposal")], start=48))
    counted = [
        tally("justis", (["judgment.sexual"], 1, 10), (["disposal"], 1, 30), (["disposal", "judgment.other"], 6, 1))
    ]
    told = scheduled(plan, counted, CHAIN, Standing(BEGIN))
    assert [(row["key"], row["settles"]) for row in told["stages"]] == [("short", 30), ("long", 11)]
    assert told["stages"][0]["end"] == format_instant(BEGIN + DAY)
    assert told["proposed"]["decision_days"] == 30 * 1 + 11 * 3
    assert told["proposed"]["weighted_days"] == 30 * 1 + 10 * 3 + 6 * 3 == told["cost"] == told["bound"]
    assert told["planned_order"]["decision_days"] == 10 * 2 + 31 * 3
    assert told["planned_order"]["more_days"] == (10 * 2 + 31 * 3) - (30 + 33)
    assert (
        told["planned_dates"]["more_weighted_days"] == told["planned_order"]["more_weighted_days"] == 20 + 90 + 18 - 78
    )
    assert (told["proven"], told["gap"], told["weights"]) == (True, 0, "decisions")
    assert told["missing"] == ["rvdk", "ind"]


def test_without_decisions_the_weights_of_the_plan_count() -> None:
    plan = plan_of(stage("light", 24, weight=0.5), stage("heavy", 24, weight=2.5, start=24))
    told = scheduled(plan, [], CHAIN, Standing(BEGIN))
    assert [row["key"] for row in told["stages"]] == ["heavy", "light"]
    assert (told["weights"], told["cost"], told["bound"]) == ("plan", 3.5, 3.5)
    assert told["missing"] == ["justis", "rvdk", "ind"]


def test_what_is_done_is_left_out_and_what_is_begun_takes_what_is_left() -> None:
    plan = plan_of(stage("a", 24), stage("b", 48, "a", start=24), stage("c", 24, "b", start=72))
    now = BEGIN + 2 * DAY
    told = scheduled(plan, [], CHAIN, Standing(now, done={"a": BEGIN + DAY}, begun={"b": BEGIN + DAY}))
    assert [(row["key"], row["end"]) for row in told["stages"]] == [
        ("b", format_instant(now + DAY)),
        ("c", format_instant(now + 2 * DAY)),
    ]
    assert told["done"] == ["a"]
    assert scheduled(plan, [], CHAIN, Standing(now, done=dict.fromkeys("abc", now)))["stages"] == []


def test_planned_dates_that_ask_for_more_than_there_is_are_told() -> None:
    plan = plan_of(stage("a", 24), stage("b", 24))
    assert scheduled(plan, [], CHAIN, Standing(BEGIN))["planned_dates"]["breaks"] == [
        "team links: more is taken than its 1"
    ]
    assert (
        scheduled(plan_of(stage("a", 24), stage("b", 24, start=24)), [], CHAIN, Standing(BEGIN))["planned_dates"][
            "breaks"
        ]
        == []
    )


def test_planned_dates_that_are_kept_to_the_minute_break_nothing() -> None:
    """Of twelve and a half hours: rounded up to whole hours, the first would end after the second begins."""
    first, second = stage("a", 24), stage("b", 24, "a")
    half = 25 * HOUR // 2
    first = replace(first, end=BEGIN + half, duration=half)
    second = replace(second, start=first.end, end=first.end + half, duration=half)
    assert scheduled(plan_of(first, second), [], CHAIN, Standing(BEGIN))["planned_dates"]["breaks"] == []
    early = replace(second, start=second.start - HOUR // 60)
    assert scheduled(plan_of(first, early), [], CHAIN, Standing(BEGIN))["planned_dates"]["breaks"] == [
        "b: begins before a ends",
        "team links: more is taken than its 1",
    ]


def test_the_shipped_plan_is_ordered_and_proven() -> None:
    kinds: list[Any] = [kind.path for kind in CHAIN.kinds.values() if kind.source == "om"]
    counted = [tally("justis", *(([kind], 2, 10 * n) for n, kind in enumerate(kinds, 1)), (kinds, 6, 1000))]
    told = scheduled(SHIPPED, counted, CHAIN, Standing(0))
    assert told["proven"]
    assert told["helped_by_no_stage"] == 0
    assert told["planned_order"]["more_weighted_days"] >= 0
