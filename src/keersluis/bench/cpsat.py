"""CP-SAT of OR-Tools on the same plan: what schedules are held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

from keersluis.recovery.tasks import Task


class Found(NamedTuple):
    """`cost` None: no schedule was found in time. `makespan`: the least at that cost, only where the cost is proven and
    it was asked for."""

    cost: int | None
    makespan: int | None
    bound: int
    proven: bool


def why_not() -> str | None:
    """Why it cannot be measured here; None when it can."""
    return None if find_spec("ortools") else "OR-Tools is not installed"


def solved(
    tasks: Sequence[Task], capacity: Mapping[str, int], seconds: float, *, workers: int = 1, makespan: bool = False
) -> Found:
    """The least cost it finds in so many seconds."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    start = _model(model, tasks, capacity)
    cost = sum(task.weight * (start[task.name] + task.duration) for task in tasks)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = workers
    solver.parameters.max_time_in_seconds = seconds
    model.minimize(cost)
    status = solver.solve(model)
    bound = round(solver.best_objective_bound)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Found(None, None, bound, False)
    best = round(solver.objective_value)
    if status != cp_model.OPTIMAL or not makespan:
        return Found(best, None, bound, status == cp_model.OPTIMAL)
    end = model.new_int_var(0, _horizon(tasks), "end")
    for task in tasks:
        model.add(end >= start[task.name] + task.duration)
    model.add(cost == best)
    model.minimize(end)
    solver.solve(model)
    return Found(best, round(solver.objective_value), bound, True)


def _horizon(tasks: Sequence[Task]) -> int:
    return sum(task.duration for task in tasks) + max(task.release for task in tasks)


def _model(model: Any, tasks: Sequence[Task], capacity: Mapping[str, int]) -> dict[str, Any]:
    """The constraints, and the variables of the starts."""
    horizon, duration = _horizon(tasks), {task.name: task.duration for task in tasks}
    start = {task.name: model.new_int_var(task.release, horizon, task.name) for task in tasks}
    for task in tasks:
        for need in task.needs:
            model.add(start[task.name] >= start[need] + duration[need])
    for team, size in capacity.items():
        using = [task for task in tasks if task.teams.get(team) and task.duration]
        spans = [model.new_fixed_size_interval_var(start[t.name], t.duration, f"{team}.{t.name}") for t in using]
        if using:
            model.add_cumulative(spans, [task.teams[team] for task in using], size)
    return start
