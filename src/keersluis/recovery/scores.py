"""How good forecasts were, once what they spoke of is known. Pure.

Coverage and interval score as Gneiting & Raftery (2007), "Strictly proper scoring rules, prediction, and estimation":
the width of the interval, plus 2/alpha times the distance by which the truth fell outside; lower is better.
"""

from __future__ import annotations

import numpy as np

from keersluis.recovery.history import Numbers


def coverage(low: Numbers, high: Numbers, truth: Numbers) -> float:
    """The share of truths within their bounds, 0 to 1; NaN when there are none."""
    return float(((truth >= low) & (truth <= high)).mean()) if len(truth) else float("nan")


def interval_scores(low: Numbers, high: Numbers, truth: Numbers, level: float) -> Numbers:
    """Of each interval that should hold the truth with probability `level` (0 to 1, both excluded)."""
    penalty = 2 / (1 - level)
    return np.asarray(high - low + penalty * (np.maximum(low - truth, 0.0) + np.maximum(truth - high, 0.0)))


def interval_score(low: Numbers, high: Numbers, truth: Numbers, level: float) -> float:
    """Their mean; NaN when there are none."""
    return float(interval_scores(low, high, truth, level).mean()) if len(truth) else float("nan")


def pinball(said: Numbers, truth: Numbers, level: float) -> float:
    """The mean pinball (quantile) loss of what was said to be exceeded with probability 1 - `level`."""
    short = truth - said
    return float(np.maximum(level * short, (level - 1) * short).mean()) if len(truth) else float("nan")
