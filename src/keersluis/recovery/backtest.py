"""A forecast held against what came: rolling origins on an account, beside plain peers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from keersluis.recovery import scores
from keersluis.recovery.history import History, Numbers
from keersluis.recovery.outlook import Forecaster
from keersluis.recovery.peers import Peer, random_walk_with_drift, seasonal_naive


@dataclass(frozen=True)
class Score:
    """Of one method at one horizon: `coverage` and `interval_score` of its intervals, mean `width`, and how many of its
    bounds were below zero."""

    coverage: float
    interval_score: float
    width: float
    negative_bounds: int

    def told(self) -> dict[str, object]:
        return {
            "coverage": round(self.coverage, 4),
            "interval_score": round(self.interval_score, 2),
            "width": round(self.width, 2),
            "negative_bounds": self.negative_bounds,
        }


def own_peers(season: int) -> dict[str, Peer]:
    """The peers that are always there."""
    return {"seasonal_naive": seasonal_naive(season), "random_walk_drift": random_walk_with_drift}


def origins(steps: int, ahead: int, number: int) -> list[int]:
    """At most `number` steps to forecast from, evenly apart, from a seventh of the record on (at least 10 steps)."""
    first, last = max(9, steps // 7), steps - 1 - ahead
    if last < first:
        return []
    return sorted({int(t) for t in np.linspace(first, last, min(number, last - first + 1)).round()})


def backtest(
    past: History,
    season: int,
    horizons: Sequence[int],
    level: float,
    at: Sequence[int],
    peers: Mapping[str, Peer],
    progress: Callable[[int], None] = lambda done: None,
) -> dict[int, dict[str, Score]]:
    """Horizon -> method ("ours" and each peer) -> its score over the origins `at`."""
    ahead = max(horizons)
    forecaster = Forecaster(past, ahead, season)
    bounds: dict[str, list[Numbers]] = {"ours": [], **{name: [] for name in peers}}
    for done, t in enumerate(at, 1):
        bounds["ours"].append(forecaster.interval(t, level))
        stock = past.stock[: t + 1].astype(float)
        for name, peer in peers.items():
            bounds[name].append(np.stack(peer(stock, ahead, level), axis=1))
        progress(done)
    truth = {h: past.stock[np.array(at) + h].astype(float) for h in horizons}
    return {
        h: {name: _score(np.stack(said)[:, h - 1], truth[h], level) for name, said in bounds.items()} for h in horizons
    }


def _score(said: Numbers, truth: Numbers, level: float) -> Score:
    low, high = said[:, 0], said[:, 1]
    return Score(
        scores.coverage(low, high, truth),
        scores.interval_score(low, high, truth, level),
        float((high - low).mean()),
        int((said < 0).sum()),
    )
