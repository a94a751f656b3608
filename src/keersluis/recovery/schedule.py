"""The order of a plan by optimisation: what to do when, what that costs, and how far from the least it can be. Pure.

Three steps, each as long as the effort says, none by the clock: a bound that no schedule can go below (`relaxation`);
schedules by rules of priority and their mixtures, improved by moves (`dispatch`); and for a plan that is small enough a
search that proves the best (`branch`). The same plan gives the same schedule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

import numpy as np

from keersluis.recovery.branch import search
from keersluis.recovery.dispatch import at_once, by_rules, improved, in_turn, mixtures, sequence_of
from keersluis.recovery.relaxation import Ways, tightening, ways_of, whole
from keersluis.recovery.tasks import Jobs, Starts, Task, jobs_of

SEARCHED = 80
"""Up to so many tasks the best is searched for and proved; beyond, that is hopeless."""


@dataclass(frozen=True)
class Effort:
    """`rounds` to tighten the bound, `passes` in which a schedule is made by a rule or a move, `branches` to search."""

    rounds: int
    passes: int
    branches: int
    seed: int = 0


def effort_for(number: int) -> Effort:
    """Enough for a plan of `number` tasks: a few seconds at most, of 2,000 as of 20."""
    passes = min(600, 120_000 // max(number, 1))
    if number > SEARCHED:
        return Effort(rounds=max(20, min(100, 60_000 // number)), passes=passes, branches=0)
    return Effort(rounds=150, passes=passes, branches=min(20_000, 600_000 // max(number, 1)))


@dataclass(frozen=True)
class Schedule:
    """Times in steps from the start of the plan. `cost`: weight x completion, summed; no schedule costs less than
    `bound`; `proven`: this is the least. `shortest`: and of those that cost as little none ends earlier, which is known
    where the search was `complete`. `looked`: branches that it looked at."""

    start: Mapping[str, int]
    finish: Mapping[str, int]
    cost: int
    makespan: int
    bound: int
    complete: bool
    looked: int

    @property
    def proven(self) -> bool:
        return self.cost == self.bound

    @property
    def gap(self) -> float:
        """How much of the cost, at most, another order could save."""
        return (self.cost - self.bound) / self.cost if self.cost else 0.0


def propose(
    tasks: Sequence[Task],
    capacity: Mapping[str, int],
    effort: Effort | None = None,
    known: Mapping[str, int] | None = None,
) -> Schedule:
    """The best schedule found; `known`: one that is there already (name -> start), so that the answer is no worse;
    one that takes more of a team than there is does not count.

    Raises Incorrect `schedule.impossible` with all faults.
    """
    jobs = jobs_of(tasks, capacity)
    effort = effort or effort_for(len(jobs))
    if not jobs:
        return Schedule({}, {}, 0, 0, 0, True, 0)
    chance = np.random.default_rng(effort.seed)
    ways = ways_of(jobs)
    bound, shares, ranks = _bounded(jobs, ways, effort.rounds)
    best = _quick(jobs, [*by_rules(jobs), *ranks], effort.passes, chance)
    if known is not None and not broken(tasks, capacity, known):
        best = min(best, [known[name] for name in jobs.names], key=jobs.worth)
    if effort.branches:
        found = search(jobs, ways, shares, best, effort.branches)
        return _told(jobs, found.best, max(bound, found.bound), found.complete, found.branches)
    return _told(jobs, best, bound, False, 0)


def _bounded(jobs: Jobs, ways: Ways, rounds: int) -> tuple[int, list[float], list[list[float]]]:
    """(the best bound, its shares, the ranks by its ends)."""
    best, shares, ends = -1.0, ways.even(), [0.0] * len(jobs)
    for each, said in tightening(jobs, ways, rounds):
        if said.bound > best:
            best, shares, ends = said.bound, each, said.ends
    return whole(best), shares, [[end - p / 2 for end, p in zip(ends, jobs.duration, strict=True)]]


def _quick(jobs: Jobs, ranks: list[list[float]], passes: int, chance: np.random.Generator) -> list[int]:
    """The best by rules and mixtures in half the passes, then by moves in the other half."""
    best: list[int] = []
    for rank in islice(mixtures(ranks, chance), max(len(ranks), passes // 4)):
        for starts in (at_once(jobs, rank), in_turn(jobs, sequence_of(jobs, rank))):
            if not best or jobs.worth(starts) < jobs.worth(best):
                best = starts
    return improved(jobs, best, passes // 2, chance)


def _told(jobs: Jobs, starts: Starts, bound: int, complete: bool, looked: int) -> Schedule:
    return Schedule(
        start=dict(zip(jobs.names, starts, strict=True)),
        finish={n: s + p for n, s, p in zip(jobs.names, starts, jobs.duration, strict=True)},
        cost=jobs.cost(starts),
        makespan=jobs.makespan(starts),
        bound=bound,
        complete=complete,
        looked=looked,
    )


def broken(tasks: Sequence[Task], capacity: Mapping[str, int], start: Mapping[str, int]) -> list[str]:
    """What a schedule breaks: needs that end later, releases, a team asked for more than it has. Empty: nothing."""
    finish = {task.name: start[task.name] + task.duration for task in tasks}
    found = [f"{t.name}: begins before its release" for t in tasks if start[t.name] < t.release]
    found += [f"{t.name}: begins before {need} ends" for t in tasks for need in t.needs if start[t.name] < finish[need]]
    for team, size in capacity.items():
        uses = [t for t in tasks if t.teams.get(team) and t.duration]
        moves = sorted(
            [(start[t.name], t.teams[team]) for t in uses] + [(finish[t.name], -t.teams[team]) for t in uses]
        )
        if any(taken > size for taken in accumulate(amount for _moment, amount in moves)):
            found.append(f"team {team}: more is taken than its {size}")
    return found
