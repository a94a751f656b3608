"""Schedules made quickly: by rules of priority, and better by moving what waits too long to the front. Pure.

Two ways to place tasks in a given order of priority: `at_once` lets time run, and begins at every moment the first
tasks that fit; `in_turn` places one after the other as early as it fits. Neither is always better: the first never
leaves a team idle that something could use, the second keeps room for a task that needs many at once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from keersluis.recovery.tasks import Jobs, Starts

Reals = npt.NDArray[np.float64]

CLOSED = 5000
"""Up to so many tasks it is kept which waits for which, also indirectly: a number for each two of them."""


def at_once(jobs: Jobs, rank: Sequence[float]) -> list[int]:
    """The least rank first, of the tasks that may begin and fit."""
    demand, left, _guards = jobs.packed
    waits = [len(needs) for needs in jobs.needs]
    starts = [0] * len(jobs)
    coming = [(jobs.release[n], n) for n, number in enumerate(waits) if not number]
    heapify(coming)
    ending: list[tuple[int, int]] = []
    lines: Lines = {}
    while coming or ending:
        now = min(each[0][0] for each in (coming, ending) if each)
        while ending and ending[0][0] <= now:
            n = heappop(ending)[1]
            left += demand[n]
            for m in jobs.after[n]:
                waits[m] -= 1
                if not waits[m]:
                    heappush(coming, (max(now, jobs.release[m]), m))
        while coming and coming[0][0] <= now:
            n = heappop(coming)[1]
            starts[n] = now
            if demand[n]:
                heappush(lines.setdefault(demand[n], []), (rank[n], n))
            else:
                heappush(ending, (now + jobs.duration[n], n))
        if not (ending and ending[0][0] <= now):
            for n in _begun(lines, left, jobs.packed[2]):
                starts[n] = now
                left -= demand[n]
                heappush(ending, (now + jobs.duration[n], n))
    return starts


Lines: TypeAlias = dict[int, list[tuple[float, int]]]
"""Demand (`Jobs.packed`) -> the tasks that wait to begin and take just that, a heap by rank."""


def _begun(lines: Lines, left: int, guards: int) -> list[int]:
    """Take from the lines what fits; of each line only the first can be next."""
    begun = []
    fit = [(line[0], taken) for taken, line in lines.items() if (left - taken) & guards == guards]
    heapify(fit)
    while fit:
        (_rank, n), taken = heappop(fit)
        if (left - taken) & guards == guards:
            left -= taken
            begun.append(n)
            heappop(lines[taken])
            if lines[taken]:
                heappush(fit, (lines[taken][0], taken))
            else:
                del lines[taken]
    return begun


def in_turn(jobs: Jobs, sequence: Sequence[int]) -> list[int]:
    """Each task as early as it fits beside those placed before it; `sequence` has every task after its needs."""
    starts = [0] * len(jobs)
    used = [_Used(size) for size in jobs.capacity]
    for n in sequence:
        begin, p, demand = jobs.release[n], jobs.duration[n], jobs.demand[n]
        for m in jobs.needs[n]:
            begin = max(begin, starts[m] + jobs.duration[m])
        tried = -1
        while tried != begin:
            tried = begin
            for k, amount in demand:
                begin = used[k].room(begin, p, amount)
        starts[n] = begin
        for k, amount in demand:
            used[k].take(begin, begin + p, amount)
    return starts


class _Used:
    """How much of a team is taken, from each of `at` on until the next; before number `full` it is all of it."""

    __slots__ = ("amount", "at", "full", "size")

    def __init__(self, size: int) -> None:
        self.at, self.amount, self.full, self.size = [0], [0], 0, size

    def room(self, begin: int, length: int, amount: int) -> int:
        """The earliest moment from `begin` on from which `amount` is left for `length` steps."""
        at, taken, most = self.at, self.amount, self.size - amount
        n, last = bisect_right(at, begin) - 1, len(at) - 1
        if n < self.full:
            n, begin = self.full, at[self.full]
        while True:
            if taken[n] > most:
                begin = at[n + 1]  # nothing is taken from the last one on, so there is a next
            elif n == last or at[n + 1] >= begin + length:
                return begin
            n += 1

    def take(self, begin: int, end: int, amount: int) -> None:
        first, last = self._split(begin), self._split(end)
        for n in range(first, last):
            self.amount[n] += amount
        self._merge(last)
        self._merge(first)
        while self.amount[self.full] >= self.size:
            self.full += 1

    def _split(self, moment: int) -> int:
        n = bisect_left(self.at, moment)
        if n == len(self.at) or self.at[n] != moment:
            self.at.insert(n, moment)
            self.amount.insert(n, self.amount[n - 1])
        return n

    def _merge(self, n: int) -> None:
        if n > self.full and self.amount[n] == self.amount[n - 1]:
            del self.at[n], self.amount[n]


def sequence_of(jobs: Jobs, rank: Sequence[float]) -> list[int]:
    """The tasks by rank, each after its needs."""
    waits = [len(needs) for needs in jobs.needs]
    line = [(rank[n], n) for n, number in enumerate(waits) if not number]
    heapify(line)
    out = []
    while line:
        n = heappop(line)[1]
        out.append(n)
        for m in jobs.after[n]:
            waits[m] -= 1
            if not waits[m]:
                heappush(line, (rank[m], m))
    return out


def by_rules(jobs: Jobs) -> Iterator[list[float]]:
    """Ranks by each rule: as given; the longest way to the end first; the most weight per work first, of a task alone
    and of all that waits for it; and bundle by bundle. Of a very large plan only those that look at a task alone."""
    work = np.array([_work(jobs, n) for n in range(len(jobs))])
    weight = np.array(jobs.weight, float)
    yield [float(n) for n in range(len(jobs))]
    yield [float(-tail - p) for tail, p in zip(jobs.tails, jobs.duration, strict=True)]
    yield (-weight / work).tolist()
    if len(jobs) > CLOSED:
        return
    everything = _closure(jobs)
    behind = everything.T @ weight
    yield (-behind / (everything.T @ work)).tolist()
    yield (-behind / work).tolist()
    yield _bundles(everything, work, weight)


def mixtures(ranks: Sequence[Sequence[float]], chance: np.random.Generator) -> Iterator[list[float]]:
    """Each rule, then mixtures of them without end, by the places that each gives."""
    places = np.array([np.argsort(np.argsort(rank, kind="stable")) for rank in ranks], float)
    yield from places.tolist()
    while True:
        yield (chance.dirichlet(np.full(len(places), 0.4)) @ places).tolist()


def _work(jobs: Jobs, n: int) -> float:
    """The largest share of a team's time that it takes; a task that takes none, as good as nothing."""
    return max((q * jobs.duration[n] / jobs.capacity[k] for k, q in jobs.demand[n]), default=0.0) or 1e-6


def _closure(jobs: Jobs) -> Reals:
    """[n, m] is 1 where n is m or waits for it, directly or not."""
    closure = np.eye(len(jobs))
    for n in jobs.order:
        for m in jobs.needs[n]:
            np.maximum(closure[n], closure[m], out=closure[n])
    return closure


def _bundles(everything: Reals, work: Reals, weight: Reals) -> list[float]:
    """Again and again the task that, with all that it still needs, has the most weight per work (after J. Sidney,
    *Decomposition Algorithms for Single-Machine Sequencing with Precedence Relations*, 1975, with the bundles that one
    task makes)."""
    rank, turn = np.zeros(len(work)), 0.0
    still = np.ones(len(work), bool)
    works, weights = everything @ work, everything @ weight
    while still.any():
        n = int(np.where(still, weights / np.maximum(works, 1e-9), -1.0).argmax())
        now = np.flatnonzero(still & (everything[n] > 0))
        rank[now] = turn
        turn += 1
        still[now] = False
        works = works - everything[:, now] @ work[now]
        weights = weights - everything[:, now] @ weight[now]
    return rank.tolist()


def improved(jobs: Jobs, starts: Starts, tries: int, chance: np.random.Generator) -> list[int]:
    """Move a task, with all that it needs, to the front of others, `tries` times, and keep what is no worse.

    What waits long for its weight is tried most; every third time it is any task."""
    best, needed = list(starts), _needed(jobs)
    worth, line = jobs.worth(best), _line(jobs, best)
    weight, heads = np.array(jobs.weight, float), np.array(jobs.heads, float)
    for turn in range(tries if len(jobs) > 1 else 0):
        late = np.cumsum(weight * (best - heads) + 1e-9) if turn % 3 else np.arange(1.0, len(jobs) + 1)
        n = int(np.searchsorted(late, chance.random() * late[-1], side="right"))
        moved = _moved(line, n, needed[n], chance.random())
        found = in_turn(jobs, moved)
        if jobs.worth(found) <= worth:
            best, worth, line = found, jobs.worth(found), _line(jobs, found)
    return best


def _line(jobs: Jobs, starts: Starts) -> list[int]:
    """The tasks in the order of their beginnings."""
    return sequence_of(jobs, [float(start) for start in starts])


def _moved(line: list[int], n: int, needed: frozenset[int], share: float) -> list[int]:
    """The line with n, and what it needs, moved to a share of its place."""
    at = line.index(n)
    to = int(at * share)
    part = line[to:at]
    before, others = [m for m in part if m in needed], [m for m in part if m not in needed]
    return [*line[:to], *before, n, *others, *line[at + 1 :]]


def _needed(jobs: Jobs) -> list[frozenset[int]]:
    """All that each task needs, directly or not."""
    found: list[frozenset[int]] = [frozenset()] * len(jobs)
    for n in jobs.order:
        found[n] = frozenset().union(jobs.needs[n], *(found[m] for m in jobs.needs[n]))
    return found
