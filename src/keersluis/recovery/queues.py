"""A queue served item by item: when each item of each class is begun, on many paths at once. Pure.

Several servers take one item at a time. A server that comes free takes the oldest item of the class of highest
priority in which one waits; if none waits, the next that arrives. What has been begun is finished first
(non-preemptive priority, first come first served within a class; L. Kleinrock, *Queueing Systems II*, 1976, 3.6).
A gate holds a class until it opens; stock is there at moment 0.

One step serves one item on every path: the moment is the later of the first free server and the earliest item that is
there (the recursion of J. Kiefer, J. Wolfowitz, *On the Theory of Queues with Many Servers*, 1955, with classes). So no
calendar of events is kept, and a path costs some thirty array operations an item, shared with two thousand others.

Times are float64, in any one unit, from 0. Items, not counts by day: for those see `paths`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from keersluis.errors import Incorrect
from keersluis.recovery.draws import Drawn, Given, Source, Times
from keersluis.recovery.history import Counts, Numbers

FAR = 1e300
"""The arrival of an item that never comes. Finite, so that FAR - FAR is 0."""
CHUNK = 2048
"""Paths that are stepped together: enough to pay for a call of NumPy, few enough to stay in a core's cache."""
STEPS = 64
"""Steps between two looks at how far each class has come."""
ROWS = 256
"""Items of a class held at first; more where paths drift apart."""


@dataclass(frozen=True)
class ItemClass:
    """`stock` items at moment 0, then one after each of `gaps` (None: no more). None is begun before `opens`."""

    service: Times
    gaps: Times | None = None
    stock: int = 0
    opens: float = 0.0


@dataclass(frozen=True)
class Queue:
    """`classes`, highest priority first. `servers`: the moment from which each one works. New items come up to and
    including `until`; all that came is served."""

    classes: tuple[ItemClass, ...]
    servers: tuple[float, ...]
    until: float


@dataclass(frozen=True)
class Served:
    """By class and path: `items` that were there at `since` or later, and the sum of their `waits` from when they were
    there (their arrival, or the opening of the gate that held them) until they were begun; `last`: when the last of all
    was begun (0: there was none). `watched`: by watched item and path when it was begun (inf: there was no such
    item)."""

    items: Counts
    waits: Numbers
    last: Numbers
    watched: Numbers

    def mean_wait(self, k: int) -> float:
        """Over all items of class k on all paths; NaN where there were none."""
        number = int(self.items[k].sum())
        return float(self.waits[k].sum()) / number if number else float("nan")


@dataclass(frozen=True)
class Asked:
    """`since`: items that were there before do not count. `watched`: (class, number of the item within it from 0)."""

    since: float = 0.0
    watched: tuple[tuple[int, int], ...] = ()


Flushed = Callable[[int, int, Numbers, Numbers], None]
"""Gets class, number of the first item, arrivals and starts, both (items, paths), once all these have been begun."""


def simulate(
    queue: Queue, paths: int, seed: int, asked: Asked = Asked(), over: Callable[..., Iterable[Any]] = map
) -> Served:
    """Run `paths` independent paths. The same seed gives the same bytes, also where `over` (a `map`) spreads the
    chunks over processes.

    Raises Incorrect `queue.*` for a queue that cannot be, or that has no end.
    """
    check(queue, paths, asked)
    sizes = chunks(paths)
    seeds = np.random.SeedSequence(seed).spawn(len(sizes))
    parts = list(over(partial(one_chunk, queue, asked), sizes, seeds))
    return Served(*(np.concatenate([getattr(p, name) for p in parts], axis=1) for name in Served.__annotations__))


def chunks(paths: int) -> list[int]:
    """Sizes of the chunks: even, at most CHUNK, two where there is enough for two processors. By `paths` alone."""
    number = max(-(-paths // CHUNK), 2 if paths >= CHUNK // 2 else 1)
    return [paths // number + (n < paths % number) for n in range(number)]


def one_chunk(queue: Queue, asked: Asked, paths: int, seed: np.random.SeedSequence) -> Served:
    """One chunk on a seed of its own; each class draws its gaps and its services from streams of their own."""
    sources = [
        Drawn(each.service, each.gaps, each.stock, each.opens, queue.until, FAR, own)
        for each, own in zip(queue.classes, seed.spawn(len(queue.classes)), strict=True)
    ]
    return served(sources, queue.servers, paths, asked)


def starts(items: Sequence[tuple[Numbers, Numbers]], servers: Sequence[float]) -> list[Numbers]:
    """When each given item is begun. `items`: by class, highest priority first, the (arrivals, services), both
    (items, paths), arrivals ascending down each path. Gives by class an array of that shape."""
    begun = [np.empty_like(arrivals) for arrivals, _ in items]

    def keep(k: int, first: int, arrivals: Numbers, starts: Numbers) -> None:
        rows = min(len(starts), len(begun[k]) - first)
        if rows > 0:
            begun[k][first : first + rows] = starts[:rows]

    _Line([Given(*each, FAR) for each in items], servers, items[0][0].shape[1], keep).run()
    return begun


def served(sources: Sequence[Source], servers: Sequence[float], paths: int, asked: Asked) -> Served:
    """Serve what the sources give, and add up."""
    sums = _Sums(len(sources), paths, asked)
    _Line(sources, servers, paths, sums.flushed).run()
    return Served(sums.items, sums.waits, sums.last, np.where(sums.watched >= FAR, np.inf, sums.watched))


def check(queue: Queue, paths: int, asked: Asked) -> None:
    """Raises Incorrect `queue.classes`, `.servers`, `.size`, `.until`, `.watched`."""
    number = len(queue.classes)
    if not 1 <= number <= 100:
        raise Incorrect("queue.classes", expected="1 to 100 classes", got=str(number))
    if not queue.servers or not all(0 <= each < FAR for each in queue.servers):
        raise Incorrect("queue.servers", expected="servers that work from moment 0 or later", got=str(queue.servers))
    if paths < 1 or any(each.stock < 0 or not 0 <= each.opens < FAR for each in queue.classes):
        raise Incorrect("queue.size", expected="one path or more, stock of 0 or more, gates that open", got=str(paths))
    if not 0 <= queue.until < FAR:
        raise Incorrect("queue.until", expected="a moment until which items come", got=str(queue.until))
    if any(not (0 <= k < number and item >= 0) for k, item in asked.watched):
        raise Incorrect("queue.watched", expected=f"classes 0 to {number - 1}, items from 0", got=str(asked.watched))


class _Sums:
    """Counts and adds what has been begun."""

    def __init__(self, classes: int, paths: int, asked: Asked) -> None:
        self.asked = asked
        self.items = np.zeros((classes, paths), np.int64)
        self.waits = np.zeros((classes, paths))
        self.last = np.zeros((classes, paths))
        self.watched = np.full((len(asked.watched), paths), FAR)

    def flushed(self, k: int, first: int, arrivals: Numbers, starts: Numbers) -> None:
        for n, (of, item) in enumerate(self.asked.watched):
            if of == k and first <= item < first + len(starts):
                self.watched[n] = starts[item - first]
        waits = starts - arrivals
        ended, early = bool(arrivals[-1].max() >= FAR), bool(arrivals[0].min() < self.asked.since)
        if not (ended or early):
            self.items[k] += len(starts)
            self.waits[k] += waits.sum(axis=0)
            self.last[k] = starts[-1]
            return
        came = arrivals < FAR
        self.last[k] = np.maximum(self.last[k], np.where(came, starts, 0.0).max(axis=0))
        came &= arrivals >= self.asked.since
        self.items[k] += came.sum(axis=0)
        self.waits[k] += np.where(came, waits, 0.0).sum(axis=0)


class _Line:
    """The state of one chunk. An item is a place in `arrivals` and `services`, both (classes, rows, paths) and read
    flat: `at[k, p]` is the place of the first item of class k that path p has not begun, `heads[k, p]` its arrival.
    Once an item is begun, `services` holds its start. `free`: the servers' free moments, ascending down each path."""

    def __init__(self, sources: Sequence[Source], servers: Sequence[float], paths: int, flushed: Flushed) -> None:
        self.sources, self.paths, self.flushed = sources, paths, flushed
        number = len(sources)
        self.arrivals = np.empty((number, ROWS, paths))
        self.services = np.empty((number, ROWS, paths))
        self.filled, self.gone = [0] * number, [0] * number
        self.path = np.arange(paths)
        self.at = np.arange(number)[:, None] * (ROWS * paths) + self.path
        self.heads = np.empty((number, paths))
        self.free = np.repeat(np.sort(np.array(servers, dtype=float))[:, None], paths, axis=1)

    @property
    def rows(self) -> int:
        return self.arrivals.shape[1]

    def run(self) -> None:
        """Serve everything, then hand over what is left."""
        for k in range(len(self.sources)):
            self._refill(k, 0)
        self.heads[:] = self.arrivals[:, 0]
        step = _one_class if len(self.sources) == 1 else _classes
        while self.heads.min() < FAR:
            for k in range(len(self.sources)):
                first, last = (int(end) // self.paths - k * self.rows for end in (self.at[k].min(), self.at[k].max()))
                if self.filled[k] - 1 - last < STEPS:
                    self._refill(k, first)
            step(self, STEPS)
        for k in range(len(self.sources)):
            self._flush(k, int(self.at[k].max()) // self.paths - k * self.rows)

    def _flush(self, k: int, rows: int) -> None:
        if rows:
            self.flushed(k, self.gone[k], self.arrivals[k, :rows], self.services[k, :rows])

    def _refill(self, k: int, first: int) -> None:
        """Hand over the rows that every path is past, move the rest up, draw new ones behind."""
        self._flush(k, first)
        live = self.filled[k] - first
        for array in (self.arrivals, self.services):
            array[k, :live] = array[k, first : first + live]
        self.at[k] -= first * self.paths
        self.gone[k] += first
        if live > self.rows // 2:
            self._grow()
        self.sources[k].fill(self.arrivals[k, live:], self.services[k, live:])
        self.filled[k] = self.rows

    def _grow(self) -> None:
        number, rows, paths = self.arrivals.shape
        self.at += np.arange(number)[:, None] * (rows * paths)
        for name in ("arrivals", "services"):
            wider = np.empty((number, 2 * rows, paths))
            wider[:, :rows] = getattr(self, name)
            setattr(self, name, wider)


def _one_class(line: _Line, steps: int) -> None:
    """With one class every path is at the same item, so that rows are read as they lie."""
    arrivals, services, paths = line.arrivals[0], line.services[0], line.paths
    free, moment, done = list(line.free), np.empty(paths), np.empty(paths)
    first = int(line.at[0, 0]) // paths
    for row in range(first, first + steps):
        np.maximum(arrivals[row], free[0], out=moment)
        np.add(services[row], moment, out=done)
        services[row] = moment
        _occupy(free, done)
    line.at += steps * paths
    line.heads[0] = arrivals[first + steps]


def _classes(line: _Line, steps: int) -> None:
    """One item on every path in each step; all arrays are as long as there are paths."""
    paths, path, heads, free = line.paths, line.path, list(line.heads), list(line.free)
    arrivals, services, at, head = (a.reshape(-1) for a in (line.arrivals, line.services, line.at, line.heads))
    moment, done, coming = np.empty(paths), np.empty(paths), np.empty(paths)
    place, item = np.empty(paths, np.intp), np.empty(paths, np.intp)
    chosen = _Chosen(paths)
    for _ in range(steps):
        np.minimum(heads[0], heads[1], out=moment)
        for each in heads[2:]:
            np.minimum(moment, each, out=moment)
        np.maximum(moment, free[0], out=moment)
        np.multiply(chosen.of(heads, moment), paths, out=place, dtype=np.intp, casting="unsafe")
        np.add(place, path, out=place)
        at.take(place, out=item, mode="clip")
        services.take(item, out=done, mode="clip")
        services[item] = moment
        np.add(done, moment, out=done)
        np.add(item, paths, out=item)
        at[place] = item
        arrivals.take(item, out=coming, mode="clip")
        head[place] = coming
        _occupy(free, done)


class _Chosen:
    """Which class is served: the first of which an item is there."""

    def __init__(self, paths: int) -> None:
        self.later, self.none = np.empty(paths, bool), np.empty(paths, bool)
        self.number = np.empty(paths, np.int8)

    def of(self, heads: list[Numbers], moment: Numbers) -> npt.NDArray[np.int8]:
        """How many classes, from the first on, have nothing there. The last one need not be asked."""
        np.greater(heads[0], moment, out=self.none)
        self.number[:] = self.none.view(np.int8)
        for each in heads[1:-1]:
            np.greater(each, moment, out=self.later)
            np.logical_and(self.none, self.later, out=self.none)
            np.add(self.number, self.none.view(np.int8), out=self.number)
        return self.number


def _occupy(free: list[Numbers], done: Numbers) -> None:
    """The first free server works until `done`; the free moments stay ascending. `done` is used up."""
    for n in range(1, len(free)):
        np.minimum(done, free[n], out=free[n - 1])
        np.maximum(done, free[n], out=done)
    free[-1][:] = done
