"""Backlogs made from a seed, of the sorts that real ones are."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from keersluis.recovery.history import Counts, History, history

Chance = np.random.Generator


def waiting_line(arrivals: Counts, served: Callable[[int], int]) -> History:
    """First come, first served; at most `served(t)` leave in step t."""
    line: deque[int] = deque()
    came: list[int] = []
    went: list[int] = []
    for t, number in enumerate(arrivals.tolist()):
        line.extend(range(len(came), len(came) + number))
        came.extend([t] * number)
        went.extend([-1] * number)
        for _ in range(min(len(line), served(t))):
            went[line.popleft()] = t
    return history(np.array(came, np.int64), np.array(went, np.int64), len(arrivals))


def each_by_itself(arrivals: Counts, chance: Chance, leaves: float) -> History:
    """Every item leaves with the same probability in each step."""
    came = np.repeat(np.arange(len(arrivals)), arrivals)
    went = came + chance.geometric(leaves, len(came)) - 1
    return history(came, np.where(went < len(arrivals), went, -1), len(arrivals))


def _stable(chance: Chance, steps: int) -> History:
    return waiting_line(chance.poisson(90, steps), lambda t: int(chance.poisson(96)))


def _many_servers(chance: Chance, steps: int) -> History:
    return each_by_itself(chance.poisson(40, steps), chance, 0.15)


def _growing(chance: Chance, steps: int) -> History:
    return waiting_line(chance.poisson(60, steps), lambda t: int(chance.poisson(52)))


def _seasonal(chance: Chance, steps: int) -> History:
    wave = 60 * (1 + 0.5 * np.sin(2 * np.pi * np.arange(steps) / 52))
    return each_by_itself(chance.poisson(wave), chance, 0.2)


def _monthly(chance: Chance, steps: int) -> History:
    """One dispatch of everything a month, not always in the same week of it."""
    days = set((np.arange(steps) * 4.33 + chance.integers(0, 2, steps)).astype(int).tolist())
    return waiting_line(chance.poisson(50, steps), lambda t: 10**6 if t in days else 0)


def _tiny(chance: Chance, steps: int) -> History:
    return each_by_itself(chance.poisson(0.7, steps), chance, 0.3)


def _cut_and_return(chance: Chance, steps: int) -> History:
    cut = range(steps // 2, steps // 2 + 6)
    return waiting_line(chance.poisson(50, steps), lambda t: 0 if t in cut else int(chance.poisson(60)))


def _level_shift(chance: Chance, steps: int) -> History:
    return each_by_itself(chance.poisson(np.where(np.arange(steps) < steps // 2, 40, 70)), chance, 0.15)


def _trend(chance: Chance, steps: int) -> History:
    return each_by_itself(chance.poisson(np.linspace(20, 80, steps)), chance, 0.12)


def _dying(chance: Chance, steps: int) -> History:
    """What comes dries up in the second half."""
    half = steps // 2
    rates = np.concatenate([np.full(half, 60.0), np.linspace(60, 0, steps - half)])
    return waiting_line(chance.poisson(rates), lambda t: int(chance.poisson(62)))


def _bursts(chance: Chance, steps: int) -> History:
    extra = (chance.random(steps) < 0.08) * chance.poisson(200, steps)
    return waiting_line(chance.poisson(20, steps) + extra, lambda t: int(chance.poisson(42)))


def _drifting(chance: Chance, steps: int) -> History:
    """What comes wanders around a mean."""
    logs = np.zeros(steps)
    for t in range(1, steps):
        logs[t] = 0.9 * logs[t - 1] + chance.normal(0, 0.25)
    return each_by_itself(chance.poisson(40 * np.exp(logs)), chance, 0.25)


def _staffing(chance: Chance, steps: int) -> History:
    """Capacity stays for some months, and is another one then."""
    able = 60
    capacities = []
    for _ in range(steps):
        able = int(chance.choice([40, 55, 65, 90])) if chance.random() < 0.05 else able
        capacities.append(able)
    return waiting_line(chance.poisson(58, steps), lambda t: int(chance.poisson(capacities[t])))


def _holidays(chance: Chance, steps: int) -> History:
    week = np.arange(steps) % 52
    closed = ((week >= 28) & (week < 34)) | (week >= 51)
    return waiting_line(
        chance.poisson(np.where(closed, 42, 55)), lambda t: int(chance.poisson(20 if closed[t] else 70))
    )


def _terms(chance: Chance, steps: int) -> History:
    """Most leave when a term ends, after 8 to 12 steps."""
    came = np.repeat(np.arange(steps), chance.poisson(30, steps))
    quick = chance.random(len(came)) < 0.3
    went = came + np.where(quick, chance.integers(0, 4, len(came)), chance.integers(8, 13, len(came)))
    return history(came, np.where(went < steps, went, -1), steps)


def _few(chance: Chance, steps: int) -> History:
    return each_by_itself(chance.poisson(0.15, steps), chance, 0.5)


SORTS: dict[str, Callable[[Chance, int], History]] = {
    "stable": _stable,
    "many servers": _many_servers,
    "growing": _growing,
    "seasonal": _seasonal,
    "monthly": _monthly,
    "tiny": _tiny,
    "cut and return": _cut_and_return,
    "level shift": _level_shift,
    "trend": _trend,
    "dying": _dying,
    "bursts": _bursts,
    "drifting": _drifting,
    "staffing": _staffing,
    "holidays": _holidays,
    "terms": _terms,
    "few": _few,
}


def made(sort: str, steps: int, seed: int) -> History:
    return SORTS[sort](np.random.default_rng(seed), steps)
