"""Plans made from a seed, and what OR-Tools says that they cost at least."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from keersluis.recovery.tasks import Task

Plan = tuple[list[Task], dict[str, int]]


def made_plan(
    seed: int,
    number: int,
    *,
    teams: int = 3,
    waiting: int = 3,
    longest: int = 12,
    window: int = 8,
    density: float = 1.0,
) -> Plan:
    """`number` stages that need up to a few of the `window` before them, and `waiting` groups of decisions, of no
    duration, that wait for some of them."""
    chance = np.random.default_rng(seed)
    capacity = {f"team{k}": int(chance.integers(1, 4)) for k in range(teams)}
    tasks = []
    for n in range(number):
        before = range(max(0, n - window), n)
        count = min(len(before), int(chance.poisson(density)))
        needs = tuple(f"t{m}" for m in sorted(chance.choice(before, count, replace=False).tolist())) if count else ()
        mine = chance.choice(teams, int(chance.integers(1, min(3, teams + 1))), replace=False).tolist()
        demand = {f"team{k}": int(chance.integers(1, capacity[f"team{k}"] + 1)) for k in mine}
        duration = 0 if chance.random() < 0.05 else int(chance.integers(1, longest + 1))
        release = int(chance.integers(0, longest * 2)) if chance.random() < 0.2 else 0
        weight = int(chance.integers(0, 10)) if chance.random() < 0.5 else 0
        tasks.append(Task(f"t{n}", duration, needs, demand, release, weight))
    for n in range(waiting):
        for_ = sorted(chance.choice(number, min(number, int(chance.integers(1, 4))), replace=False).tolist())
        tasks.append(Task(f"w{n}", 0, tuple(f"t{m}" for m in for_), {}, 0, int(chance.integers(1, 40))))
    return tasks, capacity


def oracle(tasks: Sequence[Task], capacity: Mapping[str, int], seconds: float = 60.0) -> tuple[int, int, int]:
    """(cost, least makespan at that cost, bound of the cost) by CP-SAT; a makespan only where the cost is proven."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    horizon = sum(t.duration for t in tasks) + max(t.release for t in tasks)
    start = {t.name: model.new_int_var(t.release, horizon, t.name) for t in tasks}
    for t in tasks:
        for need in t.needs:
            duration = next(u.duration for u in tasks if u.name == need)
            model.add(start[t.name] >= start[need] + duration)
    for team, size in capacity.items():
        using = [t for t in tasks if t.teams.get(team) and t.duration]
        spans = [model.new_fixed_size_interval_var(start[t.name], t.duration, f"{team}{t.name}") for t in using]
        if using:
            model.add_cumulative(spans, [t.teams[team] for t in using], size)
    cost = sum(t.weight * (start[t.name] + t.duration) for t in tasks)
    end = model.new_int_var(0, horizon, "end")
    for t in tasks:
        model.add(end >= start[t.name] + t.duration)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = seconds
    model.minimize(cost)
    first = solver.solve(model)
    best, bound = round(solver.objective_value), round(solver.best_objective_bound)
    if first != cp_model.OPTIMAL:
        return best, -1, bound
    model.add(cost == best)
    model.minimize(end)
    solver.solve(model)
    return best, round(solver.objective_value), bound
