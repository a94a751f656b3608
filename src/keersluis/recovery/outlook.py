"""How large a backlog will be, as quantiles for each coming step, from its past alone. Pure, and without chance.

Several simple experts look ahead. What each got wrong before (errors known by then) gives its weight: least variance,
shrunk to the diagonal (Bates & Granger 1969). What these weights would have got wrong gives the interval: conformal
prediction on the forecast's own record (Vovk et al. 2005), older errors counting less, errors of fewer steps ahead
standing in while there are few, and a count's own noise before there are any. Errors count by their size, whichever
their sign: a few that overlap say nothing of the side. The width then follows its own misses: adaptive conformal
inference (Gibbs & Candes 2021). Errors are in units of the root of the stock, as counts vary; no bound is below zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keersluis.recovery.experts import experts
from keersluis.recovery.history import Counts, History, Numbers

MEMORY = 78.0
"""Half-life in steps of the errors on which weights and intervals rest."""

OLDEST_ERROR = 390
"""Errors of longer ago (five half-lives) weigh nothing."""

WARM_UP = 4
"""Steps of history without which nobody says anything."""

NOMINAL = 0.8
"""The interval whose misses steer the width."""

LEARN = 0.2
"""How fast they do: the logarithm of a side's width moves by this, over the steps ahead, at a miss."""

MOST = 1.2
"""The logarithm of a side's width is never steered further than this."""

_BASE = 8.0
"""Added to the stock before its root is taken: a small stock does not vary less than this."""

_PRIOR = 1.0
"""Independent errors that the noise of counts weighs as much as."""

_WIDE = 1.7
"""What is said to hold among n independent errors has to hold for another one, and the weights were fitted to them: the
interval is wider by this over n."""

MOVED = 0.75
"""Of the doubt that an interval leaves, what lies above where its lower bound is zero (elsewhere one half). Not all of
it: errors of times when the stock was larger make that bound zero too readily."""

_STAND_IN = 3.0
"""Independent errors of its own at which those of fewer steps ahead count half."""

_CREDIT = 0.25
"""What these add to the number of independent errors: they are of the same past."""

_OVERLAP = 1.0
"""Errors, for each step ahead, that the overlap alone counts for when it is told how alike two in a row are."""

_SHRINK, _SHRINK_FEW = 0.2, 4.0
"""How far the experts' errors are taken as unrelated: however long the record, and the more for how few there are."""

_NORMAL = np.array([0.126, 0.385, 0.674, 1.036, 1.645])
"""Middles of five equal parts of the normal distribution, whichever the sign."""


@dataclass(frozen=True)
class Outlook:
    """`quantiles[h - 1, q]`: the stock h steps on, for each of `levels`. `weights` by expert for the last step, and on
    how many errors of its own record each step's interval rests."""

    levels: tuple[float, ...]
    quantiles: Numbers
    weights: dict[str, float]
    errors: tuple[int, ...]


def _scale(stock: Numbers) -> Numbers:
    return np.asarray(np.sqrt(np.maximum(stock, 0.0) + _BASE))


class _Record:
    """What the forecast got wrong up to a step, by steps ahead; what is older counts less."""

    def __init__(self, ahead: int, number: int) -> None:
        self.spread = np.zeros((ahead, number, number))
        self.count, self.square = np.zeros(ahead), np.zeros(ahead)
        self.steer = np.zeros((ahead, 2))
        self.every = np.arange(1, ahead + 1)

    @property
    def independent(self) -> Numbers:
        """Errors by steps ahead, those that overlap taken as one."""
        return np.asarray(self.count / self.every)

    def fade(self) -> None:
        keep = 0.5 ** (1 / MEMORY)
        self.spread, self.count, self.square = self.spread * keep, self.count * keep, self.square * keep

    def take(self, at: Counts, wrong: Numbers, unit: Numbers) -> None:
        """Errors of each expert [h, expert] and of the opinion, at indices `at` of the steps ahead."""
        self.spread[at] += wrong[:, :, None] * wrong[:, None, :]
        self.count[at] += 1
        self.square[at] += unit**2

    def miss(self, at: Counts, low: Numbers, high: Numbers, truth: float) -> None:
        """Move the width of each side by whether it held. A bound of zero cannot be missed, and tells nothing."""
        outside = 1 - NOMINAL
        below = np.where(low > 0, (truth < low) - outside / 2, 0.0)
        above: Numbers = (truth > high) - np.where(low > 0, outside / 2, 1 - alone(NOMINAL))
        moved = LEARN / self.every[at][:, None] * np.stack([below, above], axis=1)
        self.steer[at] = np.clip(self.steer[at] + moved, -MOST, MOST)


class Forecaster:
    """Looks ahead from any step of a past; what it says at step t rests on steps up to t alone."""

    def __init__(self, past: History, ahead: int, season: int = 52) -> None:
        self.past, self.ahead = past, ahead
        told = experts(past, ahead, season)
        self.names = tuple(told)
        self._said = np.stack(list(told.values()))
        self._weights = np.zeros((past.steps, ahead, len(told)))
        self._centre = np.zeros((past.steps, ahead))
        self._stretch = np.ones((past.steps, ahead, 2))
        self._growth = np.ones(past.steps)
        self._flow = _recent(past.arrivals + past.departures)
        self._near = _nearness(ahead)
        self._run()

    def _run(self) -> None:
        """Weigh and steer step by step, each on what was known by then."""
        record = _Record(self.ahead, len(self.names))
        bounds = np.zeros((self.past.steps, self.ahead, 2))
        for t in range(self.past.steps):
            record.fade()
            self._learn(record, t, bounds)
            self._weights[t] = _weigh(record, self._near)
            self._centre[t] = np.maximum((self._said[:, t, :].T * self._weights[t]).sum(axis=1), 0.0)
            self._stretch[t], self._growth[t] = np.exp(record.steer), _growth(record)
            bounds[t] = self.interval(t, NOMINAL)

    def _learn(self, record: _Record, t: int, bounds: Numbers) -> None:
        """What was said before of step t meets what it was."""
        hs = record.every[record.every <= t - WARM_UP]
        if not len(hs):
            return
        made, at, truth = t - hs, hs - 1, float(self.past.stock[t])
        centre = self._centre[made, at]
        wrong = (self._said[:, made, at] - truth) / _scale(centre)
        record.take(at, wrong.T, (truth - centre) / _scale(centre))
        record.miss(at, bounds[made, at, 0], bounds[made, at, 1], truth)

    def at(self, t: int, levels: Sequence[float]) -> Outlook:
        """The outlook at the end of step t."""
        own = tuple(max(0, t - h - WARM_UP + 1) for h in range(1, self.ahead + 1))
        weights = dict(zip(self.names, self._weights[t, -1].tolist(), strict=True))
        return Outlook(tuple(levels), np.maximum(self._quantiles(t, levels), 0.0), weights, own)

    def interval(self, t: int, level: float) -> Numbers:
        """[h - 1, (lower, upper)]: bounds that hold with probability `level`, as often too low as too high; where the
        lower would be none at all it cannot be missed, and part of its doubt moves above."""
        low, high, single = self._quantiles(t, (0.5 - level / 2, 0.5 + level / 2, alone(level))).T
        upper = np.where(low > 0, high, single)
        return np.stack([np.maximum(low, 0.0), np.maximum(upper, 0.0)], axis=1)

    def _quantiles(self, t: int, levels: Sequence[float]) -> Numbers:
        rows = np.zeros((self.ahead, len(levels)))
        for h in range(1, self.ahead + 1):
            units = _spread(*self._sample(t, h), np.array(levels))
            low, high = self._stretch[t, h - 1]
            rows[h - 1] = np.where(units < 0, units * low, units * high)
        return np.asarray(self._centre[t][:, None] + rows * _scale(self._centre[t])[:, None])

    def _sample(self, t: int, h: int) -> tuple[Numbers, Numbers, float]:
        """Sizes of errors as they may come h steps on from t, in units, how much each counts, and how many independent
        ones they are worth: errors that overlap are one."""
        noise = _NORMAL * self._noise(t, h)
        values, counts, number = [noise], [np.full(len(_NORMAL), _PRIOR / len(_NORMAL))], _PRIOR
        own = 0.0
        for fewer in sorted({h, -(-3 * h // 4), -(-h // 2), -(-h // 4), 1}, reverse=True):
            made = np.arange(max(WARM_UP, t - fewer - OLDEST_ERROR), t - fewer + 1)
            if not len(made):
                continue
            late = 0.5 ** ((t - fewer - made) / MEMORY)
            share = 1.0 if fewer == h else self._near[h - 1, fewer - 1] / (1 + own / _STAND_IN)
            wrong = self._errors(t, made, fewer)
            each = _apart(wrong, fewer)
            worth = late.sum() * each
            own = worth if fewer == h else own
            values.append(np.abs(wrong) * (h / fewer) ** (self._growth[t] / 2))
            counts.append(late * share * each)
            number += share * worth * (1.0 if fewer == h else _CREDIT)
        return np.concatenate(values), np.concatenate(counts), number

    def _errors(self, t: int, made: Counts, fewer: int) -> Numbers:
        """By how many units the weights of step t would have been wrong, `fewer` steps ahead of each of `made`."""
        centre = np.maximum(self._weights[t, fewer - 1] @ self._said[:, made, fewer - 1], 0.0)
        return np.asarray((self.past.stock[made + fewer] - centre) / _scale(centre))

    def _noise(self, t: int, h: int) -> float:
        """The standard deviation of the change in h steps, in units, if all that comes and goes were independent."""
        stock = float(self._centre[t, h - 1])
        return float(np.sqrt((min(h * self._flow[t], stock) + 0.5) / (stock + _BASE)))


def alone(level: float) -> float:
    """The quantile of an upper bound whose lower one is zero."""
    return 1 - (1 - level) * MOVED


def _recent(values: Counts, window: int = 26) -> Numbers:
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts))


def _nearness(ahead: int) -> Numbers:
    """[h, fewer]: how much errors `fewer` steps ahead tell of those h ahead (0 for h itself, and beyond)."""
    hs = np.arange(1, ahead + 1)
    return np.asarray(np.tril((hs[None, :] / hs[:, None]) ** 2, -1))


def _weigh(record: _Record, near: Numbers) -> Numbers:
    """Weights [h, expert] of least variance, from the errors h ahead and, while these are few, of fewer ahead. The
    fewer errors, the more each expert is weighed by its own alone."""
    own, hs, number = record.independent, record.every, record.spread.shape[1]
    share = near / (1 + own[:, None] / _STAND_IN) + np.eye(len(hs))
    pooled = np.einsum("hg,gij->hij", share * hs[:, None] / hs[None, :], record.spread)
    pooled = pooled + np.eye(number) * (0.05 * hs)[:, None, None]
    shrink = _SHRINK + _SHRINK_FEW / (1 + own)
    alone = np.einsum("hii->hi", pooled)[:, :, None] * np.eye(number)
    solved = np.linalg.solve(pooled + alone * shrink[:, None, None], np.ones((len(hs), number, 1)))[:, :, 0]
    weights = np.maximum(solved, 0.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _growth(record: _Record) -> float:
    """The power of the steps ahead with which squared errors grow: 1 as a random walk does, less where the stock
    returns to a level; by regression, as if a random walk had been seen before."""
    seen = (record.count > 1.5) & (record.square > 0)
    if seen.sum() < 2:
        return 1.0
    worth = record.independent[seen]
    far, large = np.log(record.every[seen]), np.log(record.square[seen] / record.count[seen])
    far, large = far - (far * worth).sum() / worth.sum(), large - (large * worth).sum() / worth.sum()
    slope = ((far * large * worth).sum() + 1.0) / ((far * far * worth).sum() + 1.0)
    return float(np.clip(slope, 0.0, 1.5))


def _apart(wrong: Numbers, ahead: int) -> float:
    """What each of errors in a row, of so many steps ahead, is worth as an independent one: as little as the overlap
    makes it where the stock walks, more where it forgets, as told by how alike two in a row are."""
    walk = 1 - 1 / ahead
    squares = float((wrong**2).mean())
    alike = float((wrong[1:] * wrong[:-1]).sum()) + _OVERLAP * ahead * squares * walk
    alike /= max(float((wrong[1:] ** 2).sum()), 1e-9) + _OVERLAP * ahead * squares
    return float(np.clip((1 - alike) / (1 + alike), 1 / ahead, 1.0))


def _spread(values: Numbers, counts: Numbers, number: float, levels: Numbers) -> Numbers:
    """Weighted quantiles of errors of these sizes, as often below as above, widened for what `number` independent ones
    cannot tell."""
    order = np.argsort(values, kind="stable")
    share = (np.cumsum(counts[order]) - counts[order] / 2) / counts.sum()
    found = np.interp(np.abs(2 * levels - 1), np.concatenate([[0.0], share]), np.concatenate([[0.0], values[order]]))
    return np.asarray(np.sign(levels - 0.5) * found * (1 + _WIDE / number))
