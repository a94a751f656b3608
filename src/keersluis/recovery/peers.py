"""Plain forecasts that ours is held against: seasonal naive, and random walk with drift. Pure.

Intervals are the usual ones of these methods (Hyndman & Athanasopoulos, *Forecasting: Principles and Practice*,
3rd ed., section 5.5), with normal quantiles and bounds that may be negative: statsforecast computes the same.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import TypeAlias

import numpy as np

from keersluis.recovery.history import Numbers

Peer: TypeAlias = Callable[[Numbers, int, float], tuple[Numbers, Numbers]]
"""(stock so far, steps ahead, level) -> (lower, upper) bound for each step ahead."""


def _around(centre: Numbers, deviation: Numbers, level: float) -> tuple[Numbers, Numbers]:
    reach = NormalDist().inv_cdf(0.5 + level / 2) * deviation
    return centre - reach, centre + reach


def random_walk_with_drift(stock: Numbers, ahead: int, level: float) -> tuple[Numbers, Numbers]:
    """The last value, moved on by the mean change so far. Needs 3 values."""
    number, h = len(stock), np.arange(1, ahead + 1)
    drift = (stock[-1] - stock[0]) / (number - 1)
    sigma = float(np.std(np.diff(stock) - drift))
    return _around(stock[-1] + drift * h, sigma * np.sqrt(h * (1 + h / (number - 1))), level)


def seasonal_naive(season: int) -> Peer:
    """What it was a season ago; while no season has passed, what it was last."""

    def told(stock: Numbers, ahead: int, level: float) -> tuple[Numbers, Numbers]:
        period, h = (season if len(stock) > season + 1 else 1), np.arange(1, ahead + 1)
        sigma = float(np.sqrt(np.mean((stock[period:] - stock[:-period]) ** 2)))
        centre = stock[len(stock) - period + (h - 1) % period]
        return _around(centre, sigma * np.sqrt((h - 1) // period + 1), level)

    return told
