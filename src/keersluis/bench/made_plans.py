"""Plans made from a seed, for `bench plan` and the tests."""

from __future__ import annotations

import numpy as np

from keersluis.recovery.tasks import Task

Plan = tuple[list[Task], dict[str, int]]
"""Tasks, and how many there are of each team."""


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
    """`number` stages, each of which needs about `density` of the `window` before it, and one or two of the teams; and
    `waiting` groups of decisions, of no duration, that wait for one to three of them."""
    chance = np.random.default_rng(seed)
    capacity = {f"team{k}": int(chance.integers(1, 4)) for k in range(teams)}
    tasks = [_stage(chance, n, capacity, longest, window, density) for n in range(number)]
    for n in range(waiting):
        count = min(number, int(chance.integers(1, 4)))
        for_ = sorted(chance.choice(number, count, replace=False).tolist())
        tasks.append(Task(f"w{n}", 0, tuple(f"t{m}" for m in for_), {}, 0, int(chance.integers(1, 40))))
    return tasks, capacity


def _stage(
    chance: np.random.Generator, n: int, capacity: dict[str, int], longest: int, window: int, density: float
) -> Task:
    before = np.arange(max(0, n - window), n)
    count = min(len(before), int(chance.poisson(density)))
    needs = sorted(chance.choice(before, count, replace=False).tolist()) if count else []
    mine = chance.choice(list(capacity), int(chance.integers(1, min(3, len(capacity) + 1))), replace=False).tolist()
    return Task(
        name=f"t{n}",
        duration=0 if chance.random() < 0.05 else int(chance.integers(1, longest + 1)),
        needs=tuple(f"t{m}" for m in needs),
        teams={team: int(chance.integers(1, capacity[team] + 1)) for team in mine},
        release=int(chance.integers(0, longest * 2)) if chance.random() < 0.2 else 0,
        weight=int(chance.integers(0, 10)) if chance.random() < 0.5 else 0,
    )
