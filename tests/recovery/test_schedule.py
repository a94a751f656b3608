"""Schedules: each one possible, the small ones the best there is, the bound below every one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keersluis.bench import cpsat
from keersluis.bench.made_plans import Plan, made_plan
from keersluis.errors import Incorrect
from keersluis.recovery import relaxation
from keersluis.recovery.relaxation import nothing_begun, relaxed, ways_of, whole
from keersluis.recovery.schedule import Effort, Schedule, broken, propose
from keersluis.recovery.tasks import Task, jobs_of


def oracle(tasks: Sequence[Task], capacity: Mapping[str, int]) -> tuple[int, int | None, int]:
    """(cost, least makespan at that cost, bound of the cost) by CP-SAT; a makespan only where the cost is proven."""
    found = cpsat.solved(tasks, capacity, 60.0, makespan=True)
    assert found.cost is not None
    return found.cost, found.makespan, found.bound


CAPACITY = {"field": 2, "lab": 1, "desk": 3}


def possible(tasks: Sequence[Task], capacity: Mapping[str, int], start: Mapping[str, int]) -> bool:
    """By looking at every step of time."""
    by_name = {task.name: task for task in tasks}
    for task in tasks:
        ends = [start[need] + by_name[need].duration for need in task.needs]
        if start[task.name] < max([task.release, *ends]):
            return False
    for step in range(max((start[t.name] + t.duration for t in tasks), default=0)):
        running = [t for t in tasks if start[t.name] <= step < start[t.name] + t.duration]
        if any(sum(t.teams.get(team, 0) for t in running) > size for team, size in capacity.items()):
            return False
    return True


def every_worth(tasks: Sequence[Task], capacity: Mapping[str, int]) -> tuple[int, int]:
    """The least (cost, makespan) by placing the tasks in every order, each at the first step where it fits."""
    best: tuple[int, int] | None = None
    for line in permutations(tasks):
        place = {task.name: n for n, task in enumerate(line)}
        if any(place[need] > place[task.name] for task in line for need in task.needs):
            continue
        start: dict[str, int] = {}
        for n, task in enumerate(line):
            start[task.name] = 0
            while not possible(line[: n + 1], capacity, start):
                start[task.name] += 1
        worth = worth_of(tasks, start)
        best = worth if best is None else min(best, worth)
    assert best is not None
    return best


def worth_of(tasks: Sequence[Task], start: Mapping[str, int]) -> tuple[int, int]:
    ends = {task.name: start[task.name] + task.duration for task in tasks}
    return sum(task.weight * ends[task.name] for task in tasks), max(ends.values(), default=0)


@st.composite
def small_plans(draw: st.DrawFn, most: int = 5) -> Plan:
    number = draw(st.integers(1, most))
    tasks = []
    for n in range(number):
        teams = draw(st.dictionaries(st.sampled_from(list(CAPACITY)), st.integers(0, 3), max_size=2))
        task = Task(
            f"t{n}",
            draw(st.integers(0, 4)),
            tuple(f"t{m}" for m in draw(st.lists(st.integers(0, n - 1), max_size=2))) if n else (),
            {team: min(amount, CAPACITY[team]) for team, amount in teams.items()},
            draw(st.sampled_from([0, 0, 0, 3])),
            draw(st.integers(0, 5)),
        )
        tasks.append(task)
    return draw(st.permutations(tasks)), CAPACITY


@settings(max_examples=60, deadline=None)
@given(small_plans())
def test_a_small_plan_is_scheduled_as_well_as_can_be(plan: Plan) -> None:
    found = propose(*plan, Effort(rounds=10, passes=4, branches=10_000))
    assert possible(*plan, found.start)
    assert (found.cost, found.makespan) == worth_of(plan[0], found.start) == every_worth(*plan)
    assert found.complete
    assert found.proven
    assert found.gap == 0


@settings(max_examples=150, deadline=None)
@given(small_plans(), st.data(), st.sampled_from([0, 80]))
def test_no_shares_make_a_bound_that_is_too_high(plan: Plan, data: st.DataObject, cliques: int) -> None:
    """Whatever way the weight is divided: the bound is below the least cost, and the span below the least of ends.
    Also with the machines of a large plan."""
    jobs = jobs_of(*plan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relaxation, "CLIQUES", cliques)
        ways = ways_of(jobs)
    shares: list[float] = []
    for first, last in zip(ways.first, ways.first[1:], strict=False):
        parts = data.draw(st.lists(st.integers(0, 9), min_size=last - first, max_size=last - first))
        parts[0] += not any(parts)
        shares += [part / sum(parts) for part in parts]
    said = relaxed(jobs, ways, shares, nothing_begun(jobs, ways))
    ends_only = [Task(t.name, t.duration, t.needs, t.teams, t.release, 0) for t in plan[0]]
    assert whole(said.bound) <= every_worth(*plan)[0]
    assert said.span <= every_worth(ends_only, plan[1])[1]


@pytest.mark.parametrize("cliques", [0, 80])
def test_what_fits_together_is_not_bounded_as_if_it_did_not(cliques: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relaxation, "CLIQUES", cliques)
    tasks = [Task(name, 4, (), {"field": 1, "desk": 1}, 0, 1) for name in "ab"]
    jobs = jobs_of(tasks, {"field": 2, "desk": 2})
    ways = ways_of(jobs)
    for way in range(ways.first[1]):
        shares = [float(each % ways.first[1] == way) for each in range(ways.first[2])]
        said = relaxed(jobs, ways, shares, nothing_begun(jobs, ways))
        assert (said.span, whole(said.bound)) <= (4, 8)


@pytest.mark.parametrize("number", [8, 12, 16])
@pytest.mark.parametrize("seed", range(4))
def test_the_best_is_what_or_tools_finds(number: int, seed: int) -> None:
    pytest.importorskip("ortools")
    tasks, capacity = made_plan(seed, number, waiting=number // 3)
    cost, makespan, _bound = oracle(tasks, capacity)
    found = propose(tasks, capacity, Effort(rounds=60, passes=30, branches=20_000))
    assert possible(tasks, capacity, found.start)
    assert (found.cost, found.makespan) == (cost, makespan)
    assert found.complete


@pytest.mark.long
@pytest.mark.parametrize("number", [10, 14, 18, 22, 26])
@pytest.mark.parametrize("seed", range(100, 120))
def test_the_best_is_what_or_tools_finds_at_length(number: int, seed: int) -> None:
    pytest.importorskip("ortools")
    tasks, capacity = made_plan(seed, number, waiting=number // 2, teams=2 + seed % 3, density=seed % 4 / 2)
    cost, makespan, bound = oracle(tasks, capacity)
    found = propose(tasks, capacity)
    assert possible(tasks, capacity, found.start)
    assert found.bound <= cost
    assert found.cost >= bound
    if found.complete and makespan is not None:
        assert (found.cost, found.makespan) == (cost, makespan)


@pytest.mark.parametrize("branches", [0, 1, 7, 60])
@pytest.mark.parametrize("seed", [0])
def test_a_search_cut_short_still_tells_the_truth(branches: int, seed: int) -> None:
    pytest.importorskip("ortools")
    tasks, capacity = made_plan(seed, 16, waiting=5)
    cost, _makespan, _bound = oracle(tasks, capacity)
    found = propose(tasks, capacity, Effort(rounds=20, passes=10, branches=branches))
    assert possible(tasks, capacity, found.start)
    assert found.bound <= cost <= found.cost
    assert not found.complete
    assert found.gap == pytest.approx(1 - found.bound / found.cost)


@pytest.mark.parametrize("seed", range(3))
def test_a_plan_too_large_to_prove_is_possible_and_bounded(seed: int) -> None:
    tasks, capacity = made_plan(seed, 300, waiting=60, teams=6, window=40, density=2.0)
    found = propose(tasks, capacity, Effort(rounds=20, passes=40, branches=0))
    assert possible(tasks, capacity, found.start)
    assert found.cost == worth_of(tasks, found.start)[0]
    in_given_order = sum(task.weight * end for task, end in zip(tasks, given_order(tasks, capacity), strict=True))
    assert found.bound <= found.cost < in_given_order


def given_order(tasks: Sequence[Task], capacity: Mapping[str, int]) -> list[int]:
    """Ends when each task waits for the one given before it: nothing at the same time."""
    ends: list[int] = []
    for task in tasks:
        ends.append(max(ends[-1] if ends else 0, task.release) + task.duration)
    return ends


def test_two_thousand_services_are_possible_and_bounded() -> None:
    tasks, capacity = made_plan(7, 2000, waiting=300, teams=8, window=200, density=2.5)
    found = propose(tasks, capacity, Effort(rounds=5, passes=4, branches=0))
    assert broken(tasks, capacity, found.start) == []
    assert 0 < found.bound <= found.cost


def test_the_same_plan_gives_the_same_schedule() -> None:
    plan = made_plan(3, 20, waiting=6)
    assert propose(*plan, Effort(20, 50, 100)) == propose(*plan, Effort(20, 50, 100))


@settings(max_examples=200, deadline=None)
@given(small_plans(), st.lists(st.integers(0, 12), min_size=5, max_size=5))
def test_what_a_schedule_breaks_is_told(plan: Plan, starts: list[int]) -> None:
    start = {task.name: starts[n] for n, task in enumerate(plan[0])}
    assert (broken(*plan, start) == []) == possible(*plan, start)


@settings(max_examples=40, deadline=None)
@given(small_plans())
def test_the_answer_is_no_worse_than_a_schedule_that_is_known(plan: Plan) -> None:
    best = propose(*plan, Effort(10, 4, 10_000))
    again = propose(*plan, Effort(1, 0, 0), known=best.start)
    assert (again.cost, again.makespan) == (best.cost, best.makespan)


def test_a_known_schedule_that_cannot_be_does_not_count() -> None:
    tasks = [Task("a", 2, (), {"lab": 1}, 0, 1), Task("b", 2, (), {"lab": 1}, 0, 1)]
    found = propose(tasks, {"lab": 1}, known={"a": 0, "b": 0})
    assert found.cost == 2 + 4


def test_a_decision_waits_for_the_last_of_its_streams() -> None:
    """Ten decisions wait for both links, nine for one: that one goes first, though both together weigh more."""
    tasks = [
        Task("both", 0, ("slow", "other"), {}, 0, 10),
        Task("one", 0, ("quick",), {}, 0, 9),
        *(Task(name, 3, (), {"lab": 1}) for name in ("slow", "other", "quick")),
    ]
    found = propose(tasks, {"lab": 1})
    assert found.finish["one"] == 3
    assert found.finish["both"] == 9
    assert (found.cost, found.proven) == (9 * 3 + 10 * 9, True)


def test_of_schedules_that_cost_the_same_the_one_that_ends_first() -> None:
    tasks = [Task("worth", 1, (), {"desk": 1}, 0, 1), Task("long", 5, (), {"desk": 1}), Task("after", 5, ("long",))]
    found = propose(tasks, {"desk": 2})
    assert (found.cost, found.makespan) == (1, 10)


def test_nothing_and_one_task() -> None:
    assert propose([], {}) == Schedule({}, {}, 0, 0, 0, True, 0)
    found = propose([Task("only", 4, (), {"lab": 1}, 3, 2)], {"lab": 1})
    assert (found.start, found.cost, found.bound, found.proven) == ({"only": 3}, 14, 14, True)


def test_tasks_that_take_no_time_take_no_team() -> None:
    tasks = [Task(f"t{n}", 0, (f"t{n - 1}",) if n else (), {"lab": 1}, 0, 1) for n in range(50)]
    found = propose(tasks, {"lab": 1})
    assert (found.cost, found.makespan, found.proven) == (0, 0, True)


def test_all_that_cannot_be_is_told_at_once() -> None:
    tasks = [
        Task("a", 2, ("b",), {"lab": 2}),
        Task("b", -1, ("a", "c"), {"loft": 1}),
        Task("d", 1, (), {"lab": True}, 10**16, -5),
        Task("d", 1),
    ]
    with pytest.raises(Incorrect) as caught:
        propose(tasks, {"lab": 1, "field": -1})
    assert caught.value.code == "schedule.impossible"
    told = "\n".join(caught.value.faults)
    for part in (
        "d: expected a name of its own",
        "team field: expected a whole number, got -1",
        "a: needs 2 of team lab, which has 1",
        "b: duration: expected a whole number from 0",
        "b: needs team loft, which is not there",
        "b: needs c, which is no task",
        "d: team lab: expected a whole number, got True",
        "d: release: expected a whole number",
        "d: weight: expected a whole number",
        "a -> b -> a",
    ):
        assert part in told


@pytest.mark.parametrize("size", [1, 3, 10**15])
def test_numbers_as_large_as_are_let_in(size: int) -> None:
    tasks = [Task(f"t{n}", 10**15 - n, (), {"lab": size}, 0, 10**15 - n) for n in range(5)]
    found = propose(tasks, {"lab": size})
    assert broken(tasks, {"lab": size}, found.start) == []
    assert found.bound <= found.cost
