"""What is to be scheduled: tasks that wait for each other and share teams; and what any schedule of them costs. Pure.

The cost of a schedule is the sum over tasks of weight x completion. With the harm of waiting as the weight (decisions
held up, by gravity) that is the waiting which the order causes, in decision-steps; every earlier end counts, where the
end of all alone would not tell apart an order that helps many at once from one that helps nobody before its last day.
Of schedules that cost the same the one that ends first is better.

Something that waits until several tasks are done (a decision that needs three links) is a task of no duration that
needs them all: its completion is the last of theirs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from keersluis.errors import Incorrect
from keersluis.recovery.network import cycles, order, told, unknown
from keersluis.sections import nearest

Starts: TypeAlias = Sequence[int]
"""When each task begins, in steps from the start of the plan, in the order of the tasks."""

LARGEST = 10**15
"""No number that goes in may be larger, so that no sum leaves what a double holds exactly enough to bound."""


@dataclass(frozen=True)
class Task:
    """`duration` and `release` (not before) in steps, whole and not negative; `teams`: how many of each team it takes
    for all of its duration; `weight` (whole): the harm that a step of waiting for its end does."""

    name: str
    duration: int
    needs: tuple[str, ...] = ()
    teams: Mapping[str, int] = field(default_factory=dict)
    release: int = 0
    weight: int = 0


@dataclass(frozen=True, eq=False)
class Jobs:
    """The same by number, ready to reckon with: `needs` and `after` name tasks by place, `demand` is (team, amount)
    pairs, empty where a task takes no time or no team; `order` is one in which every task stands after its needs."""

    names: tuple[str, ...]
    duration: tuple[int, ...]
    release: tuple[int, ...]
    weight: tuple[int, ...]
    needs: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]
    demand: tuple[tuple[tuple[int, int], ...], ...]
    teams: tuple[str, ...]
    capacity: tuple[int, ...]
    order: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.names)

    def cost(self, starts: Starts) -> int:
        """Weight x completion, summed."""
        return sum(w * (s + p) for w, s, p in zip(self.weight, starts, self.duration, strict=True))

    def makespan(self, starts: Starts) -> int:
        """When the last task ends."""
        return max((s + p for s, p in zip(starts, self.duration, strict=True)), default=0)

    def worth(self, starts: Starts) -> tuple[int, int]:
        """What schedules are compared by: less is better."""
        return self.cost(starts), self.makespan(starts)

    @cached_property
    def heads(self) -> tuple[int, ...]:
        """The earliest that each task may begin, if no team were ever short."""
        heads = list(self.release)
        for n in self.order:
            heads[n] = max([heads[n], *(heads[m] + self.duration[m] for m in self.needs[n])])
        return tuple(heads)

    @cached_property
    def tails(self) -> tuple[int, ...]:
        """How long at least from the end of each task to the end of all."""
        tails = [0] * len(self)
        for n in reversed(self.order):
            tails[n] = max((tails[m] + self.duration[m] for m in self.after[n]), default=0)
        return tuple(tails)

    @cached_property
    def packed(self) -> tuple[tuple[int, ...], int, int]:
        """(demand of each task, all that there is, guards): of each team a field of one number, with a bit above it.

        What is taken fits into what is left when ``(left - taken) & guards == guards``: one step for all teams."""
        at, places, guards = 0, [], 0
        for size in self.capacity:
            places.append(at)
            at += size.bit_length() + 1
            guards |= 1 << (at - 1)
        demand = tuple(sum(q << places[k] for k, q in need) for need in self.demand)
        return demand, guards | sum(size << at for size, at in zip(self.capacity, places, strict=True)), guards


def jobs_of(tasks: Sequence[Task], capacity: Mapping[str, int]) -> Jobs:
    """Raises Incorrect `schedule.impossible` whose `.faults` names everything that cannot be."""
    faults = _faults(tasks, capacity)
    if faults:
        expected = "tasks that can be scheduled"
        raise Incorrect("schedule.impossible", expected=expected, got="; ".join(faults[:3]), faults=faults)
    place = {task.name: n for n, task in enumerate(tasks)}
    teams = {name: n for n, name in enumerate(capacity)}
    needs = tuple(tuple(place[each] for each in dict.fromkeys(task.needs)) for task in tasks)
    after: list[list[int]] = [[] for _ in tasks]
    for n, each in enumerate(needs):
        for m in each:
            after[m].append(n)
    return Jobs(
        names=tuple(place),
        duration=tuple(task.duration for task in tasks),
        release=tuple(task.release for task in tasks),
        weight=tuple(task.weight for task in tasks),
        needs=needs,
        after=tuple(map(tuple, after)),
        demand=tuple(
            tuple((teams[team], amount) for team, amount in task.teams.items() if amount and task.duration)
            for task in tasks
        ),
        teams=tuple(capacity),
        capacity=tuple(capacity.values()),
        order=tuple(place[name] for name in order({task.name: task.needs for task in tasks})),
    )


def _faults(tasks: Sequence[Task], capacity: Mapping[str, int]) -> list[str]:
    twice = [name for name, number in Counter(task.name for task in tasks).items() if number > 1]
    found = [f"{name}: expected a name of its own, got it more than once" for name in twice]
    found += [
        f"team {team}: expected a whole number, got {size!r}" for team, size in capacity.items() if not _fits(size)
    ]
    for task in tasks:
        found += [f"{task.name}: {fault}" for fault in _task_faults(task, capacity)]
    graph = {task.name: task.needs for task in tasks}
    found += [f"{name}: needs {each}, which is no task{nearest(each, graph)}" for name, each in unknown(graph)]
    return found + [f"expected dependencies without loops, got {loop}" for loop in told(cycles(graph))]


def _task_faults(task: Task, capacity: Mapping[str, int]) -> Iterable[str]:
    for what in ("duration", "release", "weight"):
        if not _fits(getattr(task, what)):
            yield f"{what}: expected a whole number from 0 to {LARGEST}, got {getattr(task, what)!r}"
    for team, amount in task.teams.items():
        if team not in capacity:
            yield f"needs team {team}, which is not there{nearest(team, capacity)}"
        elif not _fits(amount):
            yield f"team {team}: expected a whole number, got {amount!r}"
        elif amount > capacity[team]:
            yield f"needs {amount} of team {team}, which has {capacity[team]}"


def _fits(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= LARGEST
