"""A rate that wanders, learned from counts, with the doubt that is left: each path draws one of its own. Pure.

The local level model (J. Durbin, S. J. Koopman, *Time Series Analysis by State Space Methods*, 2nd ed. 2012, ch. 2):
what is seen is a level plus noise of variance r, and the level moves a step with variance q r. Neither is taken as
known: q lies on a grid with the weight that the record gives it, r is drawn from its scaled inverse chi-squared
posterior, the level of now from what the Kalman filter leaves open (A. Gelman et al., *Bayesian Data Analysis*, 3rd
ed. 2013, ch. 3). Leaving that out makes intervals too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from keersluis.recovery.history import Numbers

MOVES = np.array([0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0])
"""Variance of a step of the level, as a share of that of the noise."""

LONGEST = 104
"""Steps of the record that count: what is older tells of another time."""

LEAST = 4
"""Steps below which nothing is learned."""

_PRIOR = 1.0
"""Observations that the noise of counts weighs as much as, in what is believed of the noise."""


@dataclass(frozen=True)
class Learned:
    """What the record leaves: for each of `MOVES` its `weight`, the `level` of now with its `doubt` (variance, as a
    share of that of the noise) and the `squares` of the noise over `degrees` of freedom."""

    weight: Numbers
    level: Numbers
    doubt: Numbers
    squares: Numbers
    degrees: float

    @property
    def mean(self) -> float:
        return float((self.weight * self.level).sum())

    @property
    def noise(self) -> float:
        """The variance of one step around its level."""
        return float((self.weight * self.squares).sum() / self.degrees)

    def draw(self, rng: np.random.Generator, paths: int, steps: int) -> tuple[Numbers, Numbers]:
        """([step, path] levels to come, never negative; [path] variance of the noise around them)."""
        which = np.searchsorted(np.cumsum(self.weight)[:-1], rng.random(paths), side="right")
        noise = self.squares[which] / rng.chisquare(self.degrees, paths)
        now = self.level[which] + np.sqrt(self.doubt[which] * noise) * rng.standard_normal(paths)
        moved = rng.standard_normal((steps, paths))
        moved *= np.sqrt(MOVES[which] * noise)
        return np.maximum(now + np.cumsum(moved, axis=0), 0.0), noise


@dataclass(frozen=True)
class Given:
    """A rate that somebody states: `mean`, with `doubt` about it (a standard deviation, as a share of it) and `noise`
    (the variance of one step around it, as a share of the mean: 1 is that of independent counts, 0 none)."""

    mean: float
    doubt: float = 0.0
    noise: float = 1.0

    def draw(self, rng: np.random.Generator, paths: int, steps: int) -> tuple[Numbers, Numbers]:
        spread = np.sqrt(np.log1p(self.doubt**2))
        levels = self.mean * np.exp(spread * rng.standard_normal(paths) - spread**2 / 2)
        return np.broadcast_to(levels, (steps, paths)), levels * self.noise


Level: TypeAlias = Learned | Given


def learn(seen: Numbers) -> Learned:
    """From what was seen, a number a step, oldest first; at least `LEAST` of them."""
    values = seen[-LONGEST:]
    level, doubt = np.full(len(MOVES), float(values[0])), np.ones(len(MOVES))
    squares, spread = np.zeros(len(MOVES)), np.zeros(len(MOVES))
    for value in values[1:]:
        doubt = doubt + MOVES
        around, wrong = doubt + 1, value - level
        level, doubt = level + doubt / around * wrong, doubt / around
        squares, spread = squares + wrong**2 / around, spread + np.log(around)
    degrees = len(values) - 1 + _PRIOR
    squares = squares + _PRIOR * max(float(values.mean()), 1e-9) * min(1.0, float(values.mean()))
    likely = -spread / 2 - degrees / 2 * np.log(squares)
    weight = np.exp(likely - likely.max())
    return Learned(weight / weight.sum(), level, doubt, squares, degrees)
