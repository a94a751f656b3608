"""When a backlog will be gone, and what it takes to have it gone by a date: from what is said of its size. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from keersluis.recovery.calendar import Flags
from keersluis.recovery.history import Counts, History, Numbers
from keersluis.recovery.outlook import Forecaster, Outlook

LEVELS = (0.5, 0.8, 0.95)
"""Probabilities of the intervals around a date."""

GRID = (0.01, 0.025, 0.05, 0.1, 0.175, 0.25, 0.375, 0.5, 0.625, 0.75, 0.825, 0.9, 0.95, 0.975, 0.99)
"""Quantiles that a path is drawn by."""

FARTHEST = 520
"""Steps beyond which no date is given."""

RECENT = 8
"""Steps over which the present rate is taken: so few that soon after a return the cut no longer counts."""

ARRIVALS = 26
"""Steps over which arrivals are taken for the capacity that a date needs."""

RUN = 28
"""Days of which most tell whether a backlog is there, of what is simulated."""

STAYS = 182
"""Days after a date through which such a backlog must stay gone."""


@dataclass(frozen=True)
class Gone:
    """Steps from now until the stock is at or below `normal` (by paths: and stays so, see `lasting`). `middle`: with
    probability one half by then; an interval is (level, from, to). None: not within `FARTHEST` steps. `growth`: stock
    per step at the present rate."""

    normal: int
    middle: int | None
    intervals: tuple[tuple[float, int | None, int | None], ...]
    growth: float

    @property
    def never(self) -> bool:
        """At this rate it never ends."""
        return self.middle is None


def lasting(below: Flags, run: int, stays: int, ahead: int, working: Flags | None = None) -> tuple[Counts, Flags]:
    """([path] first row through `ahead` that is `below` (the row 0 is now) and stays so; `ahead` + 1: none; [path]
    whether it is back later than `stays` rows after that).

    It stays so if it is below in most `working` rows (None: all) of any `run` rows through the `stays` after it. There
    are at least `ahead` + `stays` rows after row 0.
    """
    working = np.ones(len(below), bool) if working is None else working
    below = below & working[:, None]
    held, worked = np.cumsum(below, axis=0, dtype=np.int32), np.cumsum(working)
    above = 2 * (held[run:] - held[:-run]) < (worked[run:] - worked[:-run])[:, None]
    runs = np.concatenate([np.zeros((1, below.shape[1]), np.int32), np.cumsum(above, axis=0, dtype=np.int32)])
    quiet = runs[stays - run + 1 :][: ahead + 1] == runs[: ahead + 1]
    found = below[: ahead + 1] & quiet
    first = np.where(found.any(axis=0), found.argmax(axis=0), ahead + 1)
    at_end = np.take_along_axis(runs, np.minimum(first, len(runs) - 1)[None, :], axis=0)[0]
    return first, (first <= ahead) & (runs[-1] > at_end)


def in_steps(days: int) -> tuple[int, int]:
    """`RUN` and `STAYS` in whole steps of so many days."""
    return max(1, RUN // days), STAYS // days


def rate(past: History, t: int, steps: int = RECENT) -> tuple[float, float]:
    """(arrivals, departures) a step over the last `steps`, at the end of step t."""
    recent = slice(max(0, t + 1 - steps), t + 1)
    return float(past.arrivals[recent].mean()), float(past.departures[recent].mean())


def gone(forecaster: Forecaster, t: int, normal: int = 0) -> Gone:
    """From the outlook at the end of step t; beyond its last step the present rate goes on, ever less certain."""
    past = forecaster.past
    arrivals, departures = rate(past, t)
    growth = arrivals - departures
    if past.stock[t] <= normal:
        return Gone(normal, 0, tuple((level, 0, 0) for level in LEVELS), growth)
    below = _below(_prolonged(forecaster.at(t, GRID), growth), normal + 0.5)
    intervals = tuple((level, _first(below, 0.5 - level / 2), _first(below, 0.5 + level / 2)) for level in LEVELS)
    return Gone(normal, _first(below, 0.5), intervals, growth)


def _prolonged(outlook: Outlook, growth: float) -> Numbers:
    """The quantiles, carried on to the farthest step: the middle by the rate, the rest apart as a random walk with an
    uncertain drift."""
    said = outlook.quantiles
    ahead = len(said)
    further = np.arange(1, FARTHEST - ahead + 1)
    middle = np.interp(0.5, GRID, said[-1])
    apart = (said[-1] - middle)[None, :] * ((ahead + further) / ahead)[:, None]
    return np.vstack([said, middle + growth * further[:, None] + apart])


def _below(quantiles: Numbers, normal: float) -> Numbers:
    """The probability by each step that the stock has been at or below `normal`, of what is known of it: the greatest
    of its probabilities at one step."""
    share = [np.interp(normal, np.maximum.accumulate(row), GRID, left=0.0, right=1.0) for row in quantiles]
    return np.maximum.accumulate(np.array(share))


def _first(below: Numbers, probability: float) -> int | None:
    reached = np.flatnonzero(below >= probability)
    return int(reached[0]) + 1 if len(reached) else None


def capacity(past: History, t: int, steps: int, normal: int = 0, certainty: float = 0.8) -> float:
    """Departures a step so that, with probability `certainty`, the stock is at most `normal` in `steps` steps from t.

    Arrivals go on as lately, and vary as they did: a sum over steps, with the rate itself uncertain.
    """
    recent = past.arrivals[max(0, t + 1 - ARRIVALS) : t + 1].astype(float)
    mean, number = float(recent.mean()), len(recent)
    spread = max(float(recent.var()), mean)
    reach = NormalDist().inv_cdf(certainty) * float(np.sqrt(spread * steps * (1 + steps / number)))
    return max(0.0, (float(past.stock[t]) - normal + mean * steps + reach) / steps)
