"""What no schedule can cost less than: a bound by relaxation. Pure.

Two things make a schedule hard: teams that are short, and tasks that wait for each other. Each alone is easy.

- **A team alone.** A task that takes q of the c people of a team for p steps is q x p / c steps of work for a machine.
  Let the machine work on any task in parts. The mean of the moments at which it works on a task is then least, weighted
  and summed, when it always works on the task with the most weight per work that may begin (M. Goemans, *Improved
  Approximation Algorithms for Scheduling with Release Dates*, 1997). In a real schedule a task runs at an even rate, so
  that it ends half its duration after that mean.
- **Waiting alone.** A task ends no earlier than its needs do, plus its own duration; nor than its earliest beginning.

So the weight of a task may be divided over these ways to bound its end, in any shares: each part costs at least what
its way says. Shares that are good are found by turns, moving weight to the ways that say more (a Lagrangian relaxation
of the dependencies, its multipliers kept as shares; Y. Freund, R. Schapire, *A Decision-Theoretic Generalization*,
1997, for the turns). Whatever the shares, the bound holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import combinations
from math import ceil
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from keersluis.recovery.tasks import Jobs

HEAD, TEAM, NEED = range(3)

CLIQUES = 80
"""Up to so many tasks, all sets of tasks that exclude each other are looked for; beyond, those within one team."""

Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ways:
    """The ways to bound each task's end, in one row: those of task n from `first[n]` to `first[n + 1]`. `kind` is HEAD,
    TEAM or NEED; `which` the team or the task that it needs. `works[k]`: (task, place of the way, work) of a team."""

    first: tuple[int, ...]
    kind: tuple[int, ...]
    which: tuple[int, ...]
    works: tuple[tuple[tuple[int, int, float], ...], ...]

    def even(self) -> list[float]:
        """The same share for each way."""
        return [1.0 / (b - a) for a, b in zip(self.first, self.first[1:], strict=False) for _ in range(b - a)]


@dataclass(frozen=True)
class Relaxed:
    """`bound` as a real number; `ends`: what the shares say of each task's end; `values`: what each way says of it;
    `span`: no schedule ends before it."""

    bound: float
    ends: list[float]
    values: list[float]
    span: int


@dataclass(frozen=True, eq=False)
class Begun:
    """A schedule that was begun: `done[n]` is when a task that is placed ends, else -1; the others begin from their
    `heads` on; `free[k]` is what a machine has left (`mean_times`)."""

    done: Sequence[int]
    heads: Sequence[int]
    free: Sequence[Sequence[tuple[float, float]]]


def ways_of(jobs: Jobs) -> Ways:
    machines = machines_of(jobs)
    of: list[list[int]] = [[] for _ in range(len(jobs))]
    for k, machine in enumerate(machines):
        for n in machine:
            of[n].append(k)
    first, kind, which = [0], [HEAD][:0], [HEAD][:0]
    works: list[list[tuple[int, int, float]]] = [[] for _ in machines]
    for n in range(len(jobs)):
        for k in of[n]:
            works[k].append((n, len(kind) + 1 + of[n].index(k), machines[k][n]))
        kind += [HEAD, *(TEAM for _ in of[n]), *(NEED for _ in jobs.needs[n])]
        which += [0, *of[n], *jobs.needs[n]]
        first.append(len(kind))
    return Ways(tuple(first), tuple(kind), tuple(which), tuple(map(tuple, works)))


Machine: TypeAlias = Mapping[int, float]
"""Task -> steps of work that it is for the machine."""


def machines_of(jobs: Jobs) -> list[Machine]:
    """Each team as a machine; and each set of tasks no two of which fit into the same moment, since one waits for the
    other or they take more than there is of some team."""
    teams = [
        {n: q * jobs.duration[n] / size for n, need in enumerate(jobs.demand) for each, q in need if each == k}
        for k, size in enumerate(jobs.capacity)
    ]
    alone = _never_together(jobs) if len(jobs) <= CLIQUES else _large_shares(jobs)
    sets = {each for each in alone if len(each) > 1 and not any(_equals(each, team, jobs) for team in teams)}
    sole = [{n: float(jobs.duration[n]) for n in sorted(each)} for each in sorted(sets, key=sorted)]
    return [*(team for team in teams if team), *sole]


def _equals(alone: frozenset[int], team: Machine, jobs: Jobs) -> bool:
    return all(team.get(n, 0.0) >= jobs.duration[n] for n in alone)


def _large_shares(jobs: Jobs) -> Iterator[frozenset[int]]:
    """Of each team the tasks that take more than half of it."""
    for k, size in enumerate(jobs.capacity):
        yield frozenset(n for n, need in enumerate(jobs.demand) if any(e == k and 2 * q > size for e, q in need))


def _never_together(jobs: Jobs) -> Iterator[frozenset[int]]:
    """For each task a largest set around it, found greedily: tasks that exclude most first."""
    apart = _apart(jobs)
    for n in range(len(jobs)):
        if jobs.duration[n]:
            found, others = {n}, set(apart[n])
            while others:
                best = max(others, key=lambda m: (len(apart[m] & others), -m))
                found.add(best)
                others &= apart[best]
            yield frozenset(found)


def _apart(jobs: Jobs) -> list[set[int]]:
    before: list[set[int]] = [set() for _ in range(len(jobs))]
    for n in jobs.order:
        before[n].update(*(before[m] | {m} for m in jobs.needs[n]))
    apart: list[set[int]] = [set() for _ in range(len(jobs))]
    for n, m in combinations([n for n in range(len(jobs)) if jobs.duration[n]], 2):
        taken = dict(jobs.demand[n])
        over = any(q + taken.get(k, 0) > jobs.capacity[k] for k, q in jobs.demand[m])
        if over or n in before[m] or m in before[n]:
            apart[n].add(m)
            apart[m].add(n)
    return apart


def whole(bound: float) -> int:
    """The bound as a whole number, since every cost is one; allowing for what doubles lose."""
    return ceil(bound - 1e-6 - 1e-11 * abs(bound))


def nothing_begun(jobs: Jobs, ways: Ways) -> Begun:
    return Begun([-1] * len(jobs), jobs.heads, [()] * len(ways.works))


def relaxed(jobs: Jobs, ways: Ways, shares: Sequence[float], begun: Begun) -> Relaxed:
    """The bound for these shares, of every schedule that goes on with what was begun."""
    done, heads, duration = begun.done, begun.heads, jobs.duration
    parts = _divided(jobs, ways, shares, done)
    values = [0.0] * len(ways.kind)
    span = 0.0
    for works, free in zip(ways.works, begun.free, strict=True):
        left = [each for each in works if done[each[0]] < 0]
        if left:
            means, end = mean_times([(heads[n], parts[place] / work, work) for n, place, work in left], free)
            span = max(span, end)
            for (n, place, _work), mean in zip(left, means, strict=True):
                values[place] = mean + duration[n] / 2
    ends = _ends(jobs, ways, shares, begun, values)
    last = [end if end >= 0 else heads[n] + duration[n] + jobs.tails[n] for n, end in enumerate(done)]
    bound = sum(w * end for w, end in zip(jobs.weight, ends, strict=True))
    return Relaxed(bound, ends, values, max([whole(span), *last]))


def _ends(jobs: Jobs, ways: Ways, shares: Sequence[float], begun: Begun, values: list[float]) -> list[float]:
    """What the shares say of each task's end; fills in the values of ways that no machine says."""
    ends = [float(end) for end in begun.done]
    kind, which, first = ways.kind, ways.which, ways.first
    for n in jobs.order:
        if begun.done[n] < 0:
            p, head, end = jobs.duration[n], float(begun.heads[n] + jobs.duration[n]), 0.0
            for way in range(first[n], first[n + 1]):
                if kind[way] == NEED and begun.done[which[way]] < 0:
                    values[way] = ends[which[way]] + p
                elif kind[way] != TEAM:
                    values[way] = head
                end += shares[way] * values[way]
            ends[n] = end
    return ends


def _divided(jobs: Jobs, ways: Ways, shares: Sequence[float], done: Sequence[int]) -> list[float]:
    """The weight that each way gets, of the tasks that are not placed yet."""
    weight = [float(w) for w in jobs.weight]
    parts = [0.0] * len(ways.kind)
    kind, which, first = ways.kind, ways.which, ways.first
    for n in reversed(jobs.order):
        if weight[n] and done[n] < 0:
            for way in range(first[n], first[n + 1]):
                parts[way] = part = weight[n] * shares[way]
                if kind[way] == NEED:
                    weight[which[way]] += part
    return parts


def mean_times(
    works: Sequence[tuple[float, float, float]], free: Sequence[tuple[float, float]] = ()
) -> tuple[list[float], float]:
    """(mean moment of work on each (begin, ratio, work), when all is done) of a machine that always works on the
    greatest ratio.

    `free`: (from, speed) by time, what it has left; speed 1 all the time when empty, and after the last."""
    line = sorted(range(len(works)), key=lambda n: works[n][0])
    left = [work for _begin, _ratio, work in works]
    sums = [0.0] * len(works)
    ready: list[tuple[float, int]] = []
    now, speed, at, turns, turn = 0.0, 1.0, 0, len(free), 0
    while at < len(line) or ready:
        if not ready:
            now = max(now, works[line[at]][0])
        while at < len(line) and works[line[at]][0] <= now:
            heappush(ready, (-works[line[at]][1], line[at]))
            at += 1
        while turn < turns and free[turn][0] <= now:
            speed = free[turn][1]
            turn += 1
        until = min(works[line[at]][0] if at < len(line) else 1e300, free[turn][0] if turn < turns else 1e300)
        if not speed:
            now = until
            continue
        n = ready[0][1]
        done = now + left[n] / speed
        if done <= until:
            heappop(ready)
            sums[n] += left[n] * (now + done) / 2
            now = done
        else:
            sums[n] += (until - now) * speed * (now + until) / 2
            left[n] -= (until - now) * speed
            now = until
    return [total / work for total, (_begin, _ratio, work) in zip(sums, works, strict=True)], now


def tightening(jobs: Jobs, ways: Ways, rounds: int) -> Iterator[tuple[list[float], Relaxed]]:
    """Shares and what they say, `rounds` times, each after moving weight to the ways that said more."""
    first = np.array(ways.first[:-1])
    number = np.diff(ways.first)
    begun = nothing_begun(jobs, ways)
    shares: Reals = np.array(ways.even())
    for turn in range(rounds):
        said = relaxed(jobs, ways, shares.tolist(), begun)
        yield shares.tolist(), said
        values, ends = np.array(said.values), np.array(said.ends)
        scale = np.maximum(np.maximum.reduceat(values, first), 1.0)
        gain = (values - np.repeat(ends, number)) / np.repeat(scale, number)
        shares = np.maximum(shares * np.exp(gain * (4.0 / (1 + turn) ** 0.5)), 1e-12)
        shares = shares / np.repeat(np.add.reduceat(shares, first), number)
