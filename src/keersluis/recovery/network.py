"""What depends on what, as a graph: loops, names that nobody knows, an order, and the path that sets the end. Pure.

A graph is name -> the names that it depends on. The order in which the names are given is the one that ties fall back
on, so that the same data always gives the same answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import TypeAlias

from keersluis.errors import Incorrect

Graph: TypeAlias = Mapping[str, Collection[str]]
"""Name -> what it depends on. Names that have no entry of their own are `unknown`; the others pass them over."""

Cycle: TypeAlias = tuple[str, ...]
"""Each depends on the next, the last on the first; it begins with the one that the graph gives first."""


@dataclass(frozen=True)
class Critical:
    """Times as whole numbers in the unit of the durations, from 0. `slack`: how much later a thing may end without
    moving the end of all. `path`: things without slack, each depending on the one before, whose durations add up to
    `length`; of several such paths the one through what is given first."""

    start: Mapping[str, int]
    finish: Mapping[str, int]
    slack: Mapping[str, int]
    path: tuple[str, ...]

    @property
    def length(self) -> int:
        """When everything is done."""
        return max(self.finish.values(), default=0)


def unknown(graph: Graph) -> list[tuple[str, str]]:
    """(name, what it depends on) for each dependency that has no entry of its own, in the order of the graph."""
    return [(name, each) for name, needs in graph.items() for each in dict.fromkeys(needs) if each not in graph]


def cycles(graph: Graph) -> list[Cycle]:
    """The loops, each once and whole; empty for a graph that has an order.

    There may be exponentially many, so not every one is told: every dependency that lies on a loop stands in one that
    is.
    """
    found: dict[Cycle, None] = {}
    covered: set[tuple[str, str]] = set()
    place = {name: n for n, name in enumerate(graph)}
    for part in _knots(graph):
        for name in sorted(part, key=place.__getitem__):
            for need in _needs(graph, name):
                if need in part and (name, need) not in covered:
                    loop = (name, *_way(graph, need, name, part))
                    covered |= set(zip(loop, loop[1:] + loop[:1], strict=True))
                    found[_turned(loop, place)] = None
    return list(found)


def told(loops: Iterable[Cycle]) -> list[str]:
    """Each loop as `a -> b -> a`."""
    return [" -> ".join((*loop, loop[0])) for loop in loops]


def order(graph: Graph) -> list[str]:
    """Every name after all that it depends on; of those that may come next, the one that the graph gives first.

    Raises Incorrect `network.cycle` that names the loops.
    """
    names, waits, after = list(graph), *_edges(graph)
    free = [n for n, number in enumerate(waits) if not number]
    heapify(free)
    out = []
    while free:
        n = heappop(free)
        out.append(names[n])
        for each in after[n]:
            waits[each] -= 1
            if not waits[each]:
                heappush(free, each)
    if len(out) < len(names):
        loops = told(cycles(graph))
        expected = "dependencies without loops"
        raise Incorrect("network.cycle", expected=expected, got="; ".join(loops), faults=loops)
    return out


def critical(durations: Mapping[str, int], graph: Graph) -> Critical:
    """The earliest times when capacity is no limit, and what sets the end. Raises Incorrect `network.cycle`."""
    ordered = order(graph)
    start: dict[str, int] = {}
    finish: dict[str, int] = {}
    for name in ordered:
        start[name] = max((finish[each] for each in _needs(graph, name)), default=0)
        finish[name] = start[name] + durations[name]
    end = max(finish.values(), default=0)
    latest = dict.fromkeys(ordered, end)
    for name in reversed(ordered):
        for each in _needs(graph, name):
            latest[each] = min(latest[each], latest[name] - durations[name])
    slack = {name: latest[name] - finish[name] for name in graph}
    return Critical(
        {name: start[name] for name in graph},
        {name: finish[name] for name in graph},
        slack,
        _longest(start, finish, end, graph),
    )


def descendants(graph: Graph) -> dict[str, frozenset[str]]:
    """Name -> everything that waits for it, directly or not. Raises Incorrect `network.cycle`."""
    below: dict[str, set[str]] = {name: set() for name in graph}
    for name in reversed(order(graph)):
        for each in _needs(graph, name):
            below[each] |= below[name] | {name}
    return {name: frozenset(found) for name, found in below.items()}


def _needs(graph: Graph, name: str) -> Iterator[str]:
    """What it depends on, of the names that are known, each once."""
    return (each for each in dict.fromkeys(graph[name]) if each in graph)


def _edges(graph: Graph) -> tuple[list[int], list[list[int]]]:
    """(how many each waits for, who waits for each), by place in the graph."""
    place = {name: n for n, name in enumerate(graph)}
    waits = [0] * len(graph)
    after: list[list[int]] = [[] for _ in graph]
    for n, name in enumerate(graph):
        for each in _needs(graph, name):
            waits[n] += 1
            after[place[each]].append(n)
    return waits, after


def _longest(start: Mapping[str, int], finish: Mapping[str, int], end: int, graph: Graph) -> tuple[str, ...]:
    """Back from the end, each time to something that ended when this began."""
    path = [name for name in graph if finish[name] == end][:1]
    while path:
        before = [each for each in _needs(graph, path[-1]) if finish[each] == start[path[-1]]]
        if not before:
            break
        path.append(before[0])
    return tuple(reversed(path))


def _knots(graph: Graph) -> list[frozenset[str]]:
    """The sets of names that can all reach each other and hold a loop (R. Tarjan, 1972), without recursion: a chain
    of thousands must not exhaust the stack."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: dict[str, None] = {}
    found = []
    for root in graph:
        if root not in number:
            for name in _finished(graph, root, number, low, stack):
                if low[name] == number[name]:
                    part = _taken(stack, name)
                    if len(part) > 1 or name in graph[name]:
                        found.append(part)
    place = {name: n for n, name in enumerate(graph)}
    return sorted(found, key=lambda part: min(place[name] for name in part))


def _finished(
    graph: Graph, root: str, number: dict[str, int], low: dict[str, int], stack: dict[str, None]
) -> Iterator[str]:
    """Names in the order in which a search in depth leaves them; `low` is then known."""

    def enter(name: str) -> tuple[str, Iterator[str]]:
        number[name] = low[name] = len(number)
        stack[name] = None
        return name, _needs(graph, name)

    way = [enter(root)]
    while way:
        name, needs = way[-1]
        step = next((each for each in needs if _fresh(each, name, number, low, stack)), None)
        if step is not None:
            way.append(enter(step))
            continue
        way.pop()
        yield name
        if way:
            above = way[-1][0]
            low[above] = min(low[above], low[name])


def _fresh(each: str, name: str, number: Mapping[str, int], low: dict[str, int], stack: Collection[str]) -> bool:
    if each not in number:
        return True
    if each in stack:
        low[name] = min(low[name], number[each])
    return False


def _taken(stack: dict[str, None], last: str) -> frozenset[str]:
    part = set()
    while last not in part:
        part.add(stack.popitem()[0])
    return frozenset(part)


def _way(graph: Graph, start: str, goal: str, inside: Collection[str]) -> list[str]:
    """The shortest way from `start` to `goal`, both within `inside`, without the goal itself."""
    came: dict[str, str] = {}
    line = deque([start])
    while line and goal != start and goal not in came:
        name = line.popleft()
        for each in _needs(graph, name):
            if each in inside and each not in came and each != start:
                came[each] = name
                line.append(each)
    way = []
    step = goal
    while step != start:
        step = came[step]
        way.append(step)
    return way[::-1]


def _turned(loop: Cycle, place: Mapping[str, int]) -> Cycle:
    first = min(range(len(loop)), key=lambda n: place[loop[n]])
    return loop[first:] + loop[:first]
