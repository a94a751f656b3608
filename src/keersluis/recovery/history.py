"""A backlog's past as equal steps: what came, what went, and how old what stayed was. Pure.

Everything is *as it was known then*: the account of step t holds only what had happened by its end, so that a forecast
made at t in a backtest knows no more than one that was made that day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keersluis.errors import Incorrect

Counts = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]

OLDEST = 104
"""Steps of age that are told apart; what is older is taken together."""


@dataclass(frozen=True)
class History:
    """`arrivals[t]` and `departures[t]` in step t; `stock[t]` at its end; `held[t, a]`: those in stock at the end of t
    that arrived a steps before; `left[t, a]`: those that left in t at age a. In - out = stock always."""

    arrivals: Counts
    departures: Counts
    stock: Counts
    held: Counts
    left: Counts

    @property
    def steps(self) -> int:
        return len(self.stock)


def history(arrived: Counts, left: Counts, steps: int) -> History:
    """From each item's step of arrival and of departure (-1: it is still there), over `steps` steps from 0.

    Raises Incorrect `backlog.order` where something leaves before it arrives.
    """
    wrong = int(((left >= 0) & (left < arrived)).sum())
    if wrong:
        expected, got = "every item to leave at or after its arrival", f"{wrong} that left before"
        raise Incorrect("backlog.order", expected=expected, got=got)
    gone = np.where(left < 0, steps, left)
    here = arrived < steps
    arrived, gone = arrived[here], gone[here]
    arrivals = np.bincount(arrived, minlength=steps)[:steps]
    departures = np.bincount(gone[gone < steps], minlength=steps)[:steps]
    left_at = np.zeros((steps, OLDEST + 1), np.int64)
    done = gone < steps
    np.add.at(left_at, (gone[done], np.minimum(gone[done] - arrived[done], OLDEST)), 1)
    return History(arrivals, departures, np.cumsum(arrivals - departures), _held(arrived, gone, steps), left_at)


def _held(arrived: Counts, gone: Counts, steps: int) -> Counts:
    """By (arrival, departure) pairs, of which there are far fewer than items."""
    held = np.zeros((steps, OLDEST + 1), np.int64)
    pairs, numbers = np.unique(np.stack([arrived, gone], axis=1), axis=0, return_counts=True)
    for (start, end), number in zip(pairs, numbers, strict=True):
        during = np.arange(start, min(end, steps))
        np.add.at(held, (during, np.minimum(during - start, OLDEST)), number)
    return held
