"""The queues that `bench forecast` has simulated by ours and by the peers, what is known of them exactly, and how
outcomes are compared. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import factorial, sqrt
from typing import NamedTuple

SERVERS = 5
RATE = 1.0
"""Items that one server does in one unit of time; services are exponential."""


class Kind(NamedTuple):
    """A class of items: `rate` new ones a unit of time (Poisson), `stock` at moment 0, none begun before `opens`."""

    rate: float
    stock: int = 0
    opens: float = 0.0


@dataclass(frozen=True)
class Model:
    """`kinds` by priority, highest first, none preempted; items come until `until` and all are served. Those that come
    before `since` are not counted."""

    kinds: tuple[Kind, ...]
    until: float = 2500.0
    since: float = 0.0

    @property
    def rate(self) -> float:
        return sum(each.rate for each in self.kinds)


PLAIN = Model((Kind(4.0),), since=100.0)
"""M/M/5 at a load of 0.8, after a time to settle."""
STEADY = Model((Kind(0.8), Kind(1.2), Kind(2.0)), since=100.0)
"""The same load in three priority classes."""
RETURN = Model((Kind(0.8, 20), Kind(1.2, 60), Kind(2.0, 400, 100.0)))
"""The same, with stock, and a gate that holds the last class for a time: about 10,500 items."""


@dataclass(frozen=True)
class Outcome:
    """By replication and class: how many items were counted, and the sum of their waits from release until begun."""

    items: Sequence[Sequence[float]]
    waits: Sequence[Sequence[float]]

    @property
    def number(self) -> int:
        return int(sum(map(sum, self.items)))

    def joined(self, other: Outcome) -> Outcome:
        return Outcome([*self.items, *other.items], [*self.waits, *other.waits])

    def wait(self, k: int | None = None) -> tuple[float, float]:
        """The mean wait of class k (None: of all) and its standard error (of a ratio, over the replications)."""
        items, waits = ([sum(row) if k is None else row[k] for row in rows] for rows in (self.items, self.waits))
        runs, number = len(items), sum(items)
        mean = sum(waits) / number
        spread = sum((w - mean * n) ** 2 for w, n in zip(waits, items, strict=True))
        return mean, sqrt(spread * runs / max(1, runs - 1)) / number


def erlang_wait(rate: float, servers: int = SERVERS, done: float = RATE) -> float:
    """The exact mean wait in M/M/c (A. K. Erlang, 1917)."""
    load = rate / done
    last = load**servers / factorial(servers) * servers / (servers - load)
    waits = last / (sum(load**n / factorial(n) for n in range(servers)) + last)
    return waits / (servers * done - rate)


def cobham_waits(rates: Sequence[float], servers: int = SERVERS, done: float = RATE) -> list[float]:
    """The exact mean waits by class in M/M/c with priorities, none preempted, one rate of service (A. Cobham, 1954)."""
    full = servers * done
    residual = erlang_wait(sum(rates), servers, done) * (1 - sum(rates) / full)
    loads = [sum(rates[:k]) / full for k in range(len(rates) + 1)]
    return [residual / ((1 - before) * (1 - upto)) for before, upto in pairwise(loads)]


def error(outcome: Outcome, exact: float, k: int | None = None) -> float:
    """How far the mean wait is from the exact one, as a share of it."""
    return abs(outcome.wait(k)[0] / exact - 1)


def agrees(outcome: Outcome, exact: float) -> bool:
    """Within 1 %, or within four standard errors where so few could be simulated that this says more."""
    mean, doubt = outcome.wait()
    return abs(mean - exact) <= max(0.01 * exact, 4 * doubt)


def alike(one: Outcome, other: Outcome, k: int) -> bool:
    """Whether two simulate the same class: within 1 % of one another, or four standard errors."""
    (mine, my_doubt), (theirs, their_doubt) = one.wait(k), other.wait(k)
    return abs(mine - theirs) <= max(0.01 * mine, 4 * sqrt(my_doubt**2 + their_doubt**2))
