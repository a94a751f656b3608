"""Dates out of simulated paths: when it is gone, with intervals, and what a date takes. Pure."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from keersluis.errors import Incorrect
from keersluis.recovery.calendar import Days, Flags
from keersluis.recovery.dates import LEVELS
from keersluis.recovery.history import Counts, Numbers
from keersluis.recovery.paths import (
    BLOCK,
    WEEK,
    Organisation,
    Simulated,
    World,
    able,
    coming,
    flows,
    gone,
    in_order,
    serve,
)

PRESENT = 13
"""Weeks over which a rate is taken."""

_FINER = 11
"""Halvings of what is between too little and enough: to within a tenth of a percent."""

_DOUBLINGS = 7


@dataclass(frozen=True)
class Spread:
    """Of a number of days: `middle`, and an interval (level, from, to) for each of `dates.LEVELS`. None: not within the
    simulation."""

    middle: int | None
    intervals: tuple[tuple[float, int | None, int | None], ...]


def spread(days: Counts, never: int) -> Spread:
    """Of days by path; what is `never` or more is not within the simulation."""

    def at(level: float) -> int | None:
        found = int(np.quantile(days, level, method="inverted_cdf"))
        return None if found >= never else found

    return Spread(at(0.5), tuple((level, at(0.5 - level / 2), at(0.5 + level / 2)) for level in LEVELS))


@dataclass(frozen=True)
class Rates:
    """Items a week at the end of the simulation: what comes, what can be done, and so how the stock grows."""

    arrivals: float
    capacity: float

    @property
    def growth(self) -> float:
        return self.arrivals - self.capacity


def rates(found: Simulated, key: str) -> Rates:
    track = found.tracks[key]
    return Rates(float(track.arrivals[-PRESENT:].mean()), float(track.capacity[-PRESENT:].mean()))


def sizes(found: Simulated, key: str, every: int, levels: tuple[float, ...]) -> Numbers:
    """[step, level]: the size at the end of each `every` days; never below zero."""
    stock = found.tracks[key].stock[every - 1 : found.world.days.number : every]
    return np.asarray(np.quantile(stock, levels, axis=1).T)


@dataclass(frozen=True)
class Needed:
    """What it takes to be gone by a day: `factor[path]` of the present capacity (infinite: none is enough), which is
    `present` items a week on average until that day."""

    by: int
    factor: Numbers
    present: float

    def per_week(self, certainty: float) -> float | None:
        """Items a week, so that with probability `certainty` it is gone by then. None: however many are not enough."""
        factor = float(np.quantile(self.factor, certainty, method="inverted_cdf"))
        return None if np.isinf(factor) else factor * self.present

    def times(self, certainty: float) -> float | None:
        """The same as a multiple of the present capacity."""
        factor = float(np.quantile(self.factor, certainty, method="inverted_cdf"))
        return None if np.isinf(factor) else factor


def needed(world: World, key: str, by: int, threads: int = 2) -> Needed:
    """How much capacity `key` needs to be gone `by` days from now: found by halving, on each path with its own chances.
    What comes from others stays as it is. Raises Incorrect `forecast.by`."""
    if not 1 <= by <= world.days.number:
        expected = f"a date from {world.days.at(0)} through {world.days.at(world.days.number - 1)}"
        raise Incorrect("forecast.by", expected=expected, got=str(world.days.at(by - 1)))
    near = replace(world, days=Days(world.days.first, by, world.days.holidays))
    at = near.organisation(key)
    sequence = [each for each in in_order(near) if each.key in _before(near, key)]
    with ThreadPoolExecutor(max(1, threads)) as pool:
        blocks = range(-(-world.paths // BLOCK))
        found = list(pool.map(lambda block: _factors(near, at, block, sequence), blocks))
    factors, presents = (np.concatenate(each)[: world.paths] for each in zip(*found, strict=True))
    return Needed(by, factors, float(presents.mean()))


def _before(world: World, key: str) -> set[str]:
    """Whoever passes on to it, directly or not."""
    found: set[str] = set()
    wanted = {key}
    while wanted:
        wanted = {each.source for each in world.passages if each.target in wanted} - found
        found |= wanted
    return found - {key}


def _factors(world: World, at: Organisation, block: int, sequence: list[Organisation]) -> tuple[Numbers, Numbers]:
    came = coming(world, block, at, flows(world, block, sequence))
    capacity, dice = able(world, block, at)
    days = world.days.number

    def enough(factor: Numbers) -> Flags:
        stocks = serve(at, came, capacity * factor, dice, world.whole).stock
        return np.asarray(gone(world, at, np.sum(stocks, axis=0)) <= days)

    low, high = np.zeros(BLOCK), np.ones(BLOCK)
    for _ in range(_DOUBLINGS):
        short = ~enough(high)
        if not short.any():
            break
        low, high = np.where(short, high, low), np.where(short, 2 * high, high)
    lost = ~enough(high)
    for _ in range(_FINER):
        middle = (low + high) / 2
        met = enough(middle)
        low, high = np.where(met, low, middle), np.where(met, middle, high)
    return np.where(lost, np.inf, high), capacity[:days].mean(axis=0) * WEEK
