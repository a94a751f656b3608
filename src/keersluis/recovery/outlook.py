"""How large a backlog will be, as quantiles for each coming step, from its past alone. Pure, and without chance.

Several simple experts look ahead; what they got wrong before (each error known by then) gives their weights, and the
errors of the weighted opinion give the interval: split conformal prediction on the forecast's own record (Vovk et al.,
*Algorithmic Learning in a Random World*, 2005), with older errors counting less. Errors are taken in units of the
square root of the stock, as counts vary; no bound is below zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keersluis.recovery.history import OLDEST, History, Numbers

QUICK, SLOW = 8.0, 26.0
"""Half-lives in steps of what the survival experts remember."""

YEAR = 52
"""Steps in a season."""

MEMORY = 78.0
"""Half-life in steps of the errors on which weights and intervals rest."""

WARM_UP = 4
"""Steps of history without which nobody says anything."""

_BASE = 8.0
"""Added to the stock before its root is taken: a small stock does not vary less than this."""


@dataclass(frozen=True)
class Outlook:
    """`quantiles[h - 1, q]`: the stock h steps on, for each of `levels`. `weights` by expert, and on how many errors of
    its own record each step's interval rests."""

    levels: tuple[float, ...]
    quantiles: Numbers
    weights: dict[str, float]
    errors: tuple[int, ...]


def experts(past: History, ahead: int) -> dict[str, Numbers]:
    """Expert -> what it says at the end of each step t of the stock h steps on: an array [t, h - 1]."""
    stock = past.stock.astype(float)
    steps, h = past.steps, np.arange(1, ahead + 1)
    then = np.arange(steps)[:, None] + h[None, :] - YEAR
    mean = _mean(stock, YEAR)[:, None].repeat(ahead, axis=1)
    return {
        "quick": _survivors(past, ahead, QUICK),
        "slow": _survivors(past, ahead, SLOW),
        "last": stock[:, None].repeat(ahead, axis=1),
        "mean": mean,
        "season": np.where(then >= 0, stock[np.clip(then, 0, None)], mean),
    }


def _mean(values: Numbers, window: int) -> Numbers:
    """The mean of the last `window` values, of as many as there are."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts))


def _survivors(past: History, ahead: int, half: float) -> Numbers:
    """Each item leaves with the hazard that its age had lately, and as many come as lately."""
    keep = 0.5 ** (1 / half)
    at_risk, gone = np.zeros(OLDEST + 1), np.zeros(OLDEST + 1)
    came = out = level = weight = 0.0
    slow = 0.5 ** (1 / SLOW)
    told = np.zeros((past.steps, ahead))
    for t in range(past.steps):
        if t:
            at_risk = keep * at_risk + past.held[t - 1]
            gone = keep * gone
            gone[:-1] += past.left[t, 1:]
            gone[-1] += past.left[t, -1] - min(past.left[t, -1], past.held[t - 1, -2])
        came, out = keep * came + past.arrivals[t], keep * out + past.left[t, 0]
        level, weight = slow * level + past.arrivals[t], slow * weight + 1
        usual = gone.sum() / max(at_risk.sum(), 1.0)
        hazard = np.clip((gone + 2 * usual) / (at_risk + 2), 0.0, 1.0)
        stay = (level / weight) * (1 - out / max(came, 1.0))
        held = past.held[t].astype(float)
        for h in range(ahead):
            moved = held * (1 - hazard)
            held = np.concatenate([[stay], moved[:-2], [moved[-2] + moved[-1]]])
            told[t, h] = held.sum()
    return told


def _scale(stock: Numbers) -> Numbers:
    return np.asarray(np.sqrt(np.maximum(stock, 0.0) + _BASE))


class Forecaster:
    """Looks ahead from any step of a past; what it says at step t rests on steps up to t alone."""

    def __init__(self, past: History, ahead: int) -> None:
        self.past, self.ahead = past, ahead
        self.opinions = experts(past, ahead)
        self.names = tuple(self.opinions)
        self._said = np.stack(list(self.opinions.values()))
        self._weights = [np.stack([self._weigh(t, h) for t in range(past.steps)]) for h in range(1, ahead + 1)]
        self._centre = np.stack(
            [(self._said[:, :, h] * self._weights[h].T).sum(axis=0) for h in range(ahead)], axis=1
        )

    def _weigh(self, t: int, h: int) -> Numbers:
        """Weights of the experts at step t for h steps ahead: least variance on the errors known by then."""
        number = len(self._said)
        made = np.arange(max(WARM_UP, t - h - 5 * YEAR), t - h + 1)
        if len(made) < 2 * number:
            return np.full(number, 1.0 / number)
        late = 0.5 ** ((t - h - made) / MEMORY)
        wrong = self._said[:, made, h - 1] - self.past.stock[made + h]
        spread = (wrong * late) @ wrong.T / late.sum()
        spread += np.eye(number) * np.trace(spread) / number * 0.3
        weights = np.maximum(np.linalg.solve(spread, np.ones(number)), 0.0)
        return np.asarray(weights / weights.sum())

    def errors(self, t: int, h: int) -> tuple[Numbers, Numbers]:
        """(errors in units of the root of the stock, how much each counts) of what was said h steps ahead before t."""
        made = np.arange(WARM_UP, t - h + 1)
        if not len(made):
            return np.zeros(0), np.zeros(0)
        centre = self._centre[made, h - 1]
        return (self.past.stock[made + h] - centre) / _scale(centre), 0.5 ** ((t - h - made) / MEMORY)

    def at(self, t: int, levels: Sequence[float]) -> Outlook:
        """The outlook at the end of step t."""
        rows, counts = [], []
        for h in range(1, self.ahead + 1):
            units, late, own = self._record(t, h)
            centre = self._centre[t, h - 1]
            bounds = centre + _weighted_quantiles(units, late, levels) * _scale(centre)
            rows.append(np.maximum(bounds, 0.0))
            counts.append(own)
        weights = dict(zip(self.names, self._weights[-1][t].tolist(), strict=True))
        return Outlook(tuple(levels), np.stack(rows), weights, tuple(counts))

    def _record(self, t: int, h: int) -> tuple[Numbers, Numbers, int]:
        """The errors h ahead; where there are few, also those of fewer steps ahead, widened as a random walk does."""
        units, late = self.errors(t, h)
        own, fewer = len(units), h - 1
        while len(units) < 30 and fewer >= 1:
            more, counts = self.errors(t, fewer)
            units = np.concatenate([units, more * np.sqrt(h / fewer)])
            late = np.concatenate([late, counts * 0.5])
            fewer -= 1
        return units, late, own


def _weighted_quantiles(values: Numbers, counts: Numbers, levels: Sequence[float]) -> Numbers:
    """With the allowance of split conformal prediction for a small record: outer levels move out by 1/(n + 1)."""
    if not len(values):
        return np.zeros(len(levels))
    order = np.argsort(values)
    share = (np.cumsum(counts[order]) - counts[order] / 2) / counts.sum()
    number = counts.sum() ** 2 / (counts**2).sum()
    asked = np.array([0.5 + (level - 0.5) * (1 + 1 / (number + 1)) for level in levels])
    return np.asarray(np.interp(asked, share, values[order]))
