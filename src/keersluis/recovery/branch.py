"""The best schedule, and the proof that there is none better: branch and bound. Pure.

A branch begins one more task, never earlier than the one begun before it; so every schedule that cannot be pushed to
the left is reached, in the order of its beginnings (after J. Patterson, R. Slowinski, F. Talbot, J. Weglarz, *An
Algorithm for a General Class of Precedence and Resource Constrained Scheduling Problems*, 1989). The branch that may
still become the best goes on first. A branch is cut off

- when its bound (`relaxation`) is no better than the best schedule known;
- when it begins something so late that another task could have begun and ended before: that one first is no worse;
- when the same tasks are placed elsewhere at no more cost, with nothing ending later than it does here, or than what
  comes next can begin (E. Demeulemeester, W. Herroelen, *A Branch-and-Bound Procedure for the Multiple
  Resource-Constrained Project Scheduling Problem*, 1992).

Nothing is drawn by chance and no clock is read: a number of branches is the limit, and the same plan gives the same
answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple, TypeAlias

from keersluis.recovery.dispatch import in_turn, sequence_of
from keersluis.recovery.relaxation import Begun, Relaxed, Ways, relaxed, whole
from keersluis.recovery.tasks import Jobs

Worth: TypeAlias = tuple[int, int]
"""(cost, makespan)."""

DIVE = 16
"""Once in so many branches one is finished at once, so that good schedules are found on the way."""

KEPT = 8
"""Of each set of placed tasks, so many ways to have placed them are remembered for comparison."""


@dataclass(frozen=True)
class Searched:
    """`best` are the starts, or what was known before when nothing is better; `bound` is the least cost of what was
    not looked into; `complete`: nothing was left, so no schedule is worth more; `branches`: how many were looked at."""

    best: list[int]
    bound: int
    complete: bool
    branches: int


class _Branch(NamedTuple):
    """`ends[n]` is -1 where n is not placed; `now` when the last one began, `last` which; `placed` a set of bits."""

    ends: tuple[int, ...]
    now: int
    last: int
    placed: int
    cost: int


class _Choice(NamedTuple):
    task: int
    begin: int


def search(jobs: Jobs, ways: Ways, shares: Sequence[float], known: Sequence[int], branches: int) -> Searched:
    """From the schedule that is known, on `branches` branches at most; `shares` for the bound."""
    look = _Search(jobs, ways, shares, known)
    root = look.opened(_Branch((-1,) * len(jobs), 0, -1, 0, 0))
    line: list[tuple[Worth, int, int, _Branch]] = []
    look.offer(line, root)
    while line and line[0][0] < look.worth and look.looked < branches:
        _worth, _depth, _turn, branch = heappop(line)
        look.popped += 1
        if look.popped % DIVE == 1:
            look.dive(branch)
        if not look.worse(branch):
            for choice in look.choices(branch):
                look.offer(line, look.opened(look.placed(branch, choice)))
    complete = not (line and line[0][0] < look.worth)
    bound = look.worth[0] if complete else min(line[0][0][0], look.worth[0])
    return Searched(look.best, bound, complete, look.looked)


class _Search:
    """What is known while searching: the best schedule, and for each set of placed tasks how it was placed."""

    def __init__(self, jobs: Jobs, ways: Ways, shares: Sequence[float], known: Sequence[int]) -> None:
        self.jobs, self.ways, self.shares = jobs, ways, shares
        self.best, self.worth = list(known), jobs.worth(known)
        self.looked = self.popped = 0
        self.seen: defaultdict[int, list[_Branch]] = defaultdict(list)
        self.loads = [
            [(n, q) for n, need in enumerate(jobs.demand) for each, q in need if each == k]
            for k in range(len(jobs.capacity))
        ]
        self.behind = [_behind(jobs, n) for n in range(len(jobs))]

    def offer(self, line: list[tuple[Worth, int, int, _Branch]], branch: _Branch) -> None:
        """Put a branch in the line, unless it leads to nothing better or is whole."""
        self.looked += 1
        if all(end >= 0 for end in branch.ends):
            starts = [end - p for end, p in zip(branch.ends, self.jobs.duration, strict=True)]
            if self.jobs.worth(starts) < self.worth:
                self.best, self.worth = starts, self.jobs.worth(starts)
            return
        if self._beaten(branch):
            return
        worth = self._least(branch)
        if worth < self.worth:
            self._remember(branch)
            heappush(line, (worth, -branch.placed.bit_count(), self.looked, branch))

    def opened(self, branch: _Branch) -> _Branch:
        """The branch with everything placed that takes no team and waits for nothing unplaced: it may begin at once."""
        jobs, ends, placed, cost = self.jobs, list(branch.ends), branch.placed, branch.cost
        for n in jobs.order if branch.last < 0 else self.behind[branch.last]:
            if ends[n] < 0 and not jobs.demand[n] and all(ends[m] >= 0 for m in jobs.needs[n]):
                begin = max([jobs.release[n], *(ends[m] for m in jobs.needs[n])])
                ends[n] = begin + jobs.duration[n]
                placed |= 1 << n
                cost += jobs.weight[n] * ends[n]
        return branch._replace(ends=tuple(ends), placed=placed, cost=cost)

    def placed(self, branch: _Branch, choice: _Choice) -> _Branch:
        n, begin = choice
        end = begin + self.jobs.duration[n]
        ends = (*branch.ends[:n], end, *branch.ends[n + 1 :])
        return _Branch(ends, begin, n, branch.placed | 1 << n, branch.cost + self.jobs.weight[n] * end)

    def choices(self, branch: _Branch) -> list[_Choice]:
        """What may begin next, and when."""
        jobs, ends = self.jobs, branch.ends
        able = [
            _Choice(n, self._earliest(branch, n))
            for n in range(len(jobs))
            if ends[n] < 0 and jobs.demand[n] and all(ends[m] >= 0 for m in jobs.needs[n])
        ]
        first = min((begin + jobs.duration[n] for n, begin in able), default=0)
        return [each for each in able if each.begin < first]

    def _earliest(self, branch: _Branch, n: int) -> int:
        """The first moment from `now` on at which n fits beside what runs: what runs only ever becomes less."""
        jobs, ends = self.jobs, branch.ends
        begin = max([branch.now, jobs.release[n], *(ends[m] for m in jobs.needs[n])])
        for k, amount in jobs.demand[n]:
            running = sorted((ends[m], q) for m, q in self.loads[k] if ends[m] > begin)
            left = jobs.capacity[k] - sum(q for _end, q in running)
            for end, q in running:
                if left >= amount:
                    break
                left += q
                begin = end
        return begin

    def _least(self, branch: _Branch) -> Worth:
        jobs, ends = self.jobs, branch.ends
        heads = [0] * len(jobs)
        for n in jobs.order:
            if ends[n] < 0:
                head = max(jobs.release[n], branch.now if jobs.demand[n] else 0)
                for m in jobs.needs[n]:
                    head = max(head, ends[m] if ends[m] >= 0 else heads[m] + jobs.duration[m])
                heads[n] = head
        free = [_left(jobs, works, ends, branch.now) for works in self.ways.works]
        said: Relaxed = relaxed(jobs, self.ways, self.shares, Begun(ends, heads, free))
        return whole(said.bound), said.span

    def dive(self, branch: _Branch) -> None:
        """Finish the branch as the best schedule goes: that may be better already."""
        ends, p = branch.ends, self.jobs.duration
        rank = [float(ends[n] - p[n] if ends[n] >= 0 else branch.now + start) for n, start in enumerate(self.best)]
        found = in_turn(self.jobs, sequence_of(self.jobs, rank))
        if self.jobs.worth(found) < self.worth:
            self.best, self.worth = found, self.jobs.worth(found)

    def _beaten(self, branch: _Branch) -> bool:
        return any(_no_worse(other, branch) for other in self.seen[branch.placed])

    def worse(self, branch: _Branch) -> bool:
        """Whether something better than this branch was met since it was put in the line."""
        return any(other is not branch and _no_worse(other, branch) for other in self.seen[branch.placed])

    def _remember(self, branch: _Branch) -> None:
        others = [each for each in self.seen[branch.placed] if not _no_worse(branch, each)]
        self.seen[branch.placed] = [*others[-KEPT + 1 :], branch]


def _no_worse(one: _Branch, other: _Branch) -> bool:
    """Whether whatever goes on from `other` can go on from `one`, at no more cost; both have placed the same."""
    if one.now > other.now or one.cost > other.cost:
        return False
    return all(mine <= yours or mine <= other.now for mine, yours in zip(one.ends, other.ends, strict=True))


def _behind(jobs: Jobs, n: int) -> list[int]:
    """What takes no team and waits for n, by way of nothing that takes one; each after its needs."""
    found = {n}
    for m in jobs.order:
        if not jobs.demand[m] and found.intersection(jobs.needs[m]):
            found.add(m)
    return [m for m in jobs.order if m in found and m != n]


def _left(
    jobs: Jobs, works: Sequence[tuple[int, int, float]], ends: Sequence[int], now: int
) -> list[tuple[float, float]]:
    """(from, speed) of a machine beside the tasks that run: rounded, as what is full must be nothing left."""
    running = sorted((ends[n], work / jobs.duration[n]) for n, _place, work in works if ends[n] > now)
    speed = 1.0 - sum(rate for _end, rate in running)
    free = [(float(now), round(speed, 12))]
    for end, rate in running:
        speed += rate
        free.append((float(end), round(speed, 12)))
    return free if running else []
