"""Simple opinions on how large a backlog will be, each from its past alone. Pure."""

from __future__ import annotations

import numpy as np

from keersluis.recovery.history import OLDEST, History, Numbers

QUICK, SLOW = 8.0, 26.0
"""Half-lives in steps of what the experts remember."""


def experts(past: History, ahead: int, season: int) -> dict[str, Numbers]:
    """Expert -> what it says at the end of each step t of the stock h steps on: an array [t, h - 1]."""
    stock = past.stock.astype(float)
    steps, h = past.steps, np.arange(1, ahead + 1)
    then = np.arange(steps)[:, None] + h[None, :] - season
    before = np.arange(steps)[:, None] - season
    mean = _mean(stock, season)[:, None].repeat(ahead, axis=1)
    last = stock[:, None].repeat(ahead, axis=1)
    net = (past.arrivals - past.departures).astype(float)
    known = stock[np.clip(then, 0, steps - 1)]
    return {
        "quick": _survivors(past, ahead, QUICK),
        "slow": _survivors(past, ahead, SLOW),
        "last": last,
        "flow": np.maximum(last + _lately(net, SLOW)[:, None] * h[None, :], 0.0),
        "pace": np.maximum(last + _lately(net, QUICK)[:, None] * h[None, :], 0.0),
        "mean": mean,
        "season": np.where(then >= 0, known, mean),
        "turn": np.where(before >= 0, np.maximum(last + known - stock[np.clip(before, 0, None)], 0.0), last),
    }


def _mean(values: Numbers, window: int) -> Numbers:
    """The mean of the last `window` values, of as many as there are."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts))


def _lately(values: Numbers, half: float) -> Numbers:
    """The mean at each step, older values counting less."""
    keep = 0.5 ** (1 / half)
    total = weight = 0.0
    means = np.zeros(len(values))
    for t, value in enumerate(values):
        total, weight = keep * total + value, keep * weight + 1
        means[t] = total / weight
    return means


def _survivors(past: History, ahead: int, half: float) -> Numbers:
    """Each item leaves with the hazard that its age had lately, and as many come as lately."""
    keep = 0.5 ** (1 / half)
    at_risk, gone = np.zeros(OLDEST + 1), np.zeros(OLDEST + 1)
    came = out = 0.0
    level = _lately(past.arrivals.astype(float), SLOW)
    told = np.zeros((past.steps, ahead))
    for t in range(past.steps):
        if t:
            at_risk = keep * at_risk + past.held[t - 1]
            gone = keep * gone
            gone[:-1] += past.left[t, 1:]
            gone[-1] += past.left[t, -1] - min(past.left[t, -1], past.held[t - 1, -2])
        came, out = keep * came + past.arrivals[t], keep * out + past.left[t, 0]
        usual = gone.sum() / max(at_risk.sum(), 1.0)
        hazard = np.clip((gone + 2 * usual) / (at_risk + 2), 0.0, 1.0)
        told[t] = _carried(past.held[t].astype(float), hazard, level[t] * (1 - out / max(came, 1.0)), ahead)
    return told


def _carried(held: Numbers, hazard: Numbers, stay: float, ahead: int) -> Numbers:
    """The stock in each coming step, when `stay` of each step's arrivals are there at its end."""
    told = np.zeros(ahead)
    for h in range(ahead):
        moved = held * (1 - hazard)
        held = np.concatenate([[stay], moved[:-2], [moved[-2] + moved[-1]]])
        told[h] = held.sum()
    return told
