"""What will come: by season and weekday, more scattered than independent counts, and what gates hold. Pure.

A day's arrivals are Poisson counts around a mean that a gamma variable moves: negative binomial, over-dispersed by as
much as the record was (A. C. Cameron, P. K. Trivedi, *Regression Analysis of Count Data*, 2nd ed. 2013, ch. 3). The
gamma variable is the day's, shared by its classes. Each path has a level of its own (`levels`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from keersluis.recovery.calendar import Days
from keersluis.recovery.history import Counts, Numbers
from keersluis.recovery.levels import Given, Level

OFFICE = (1.4, 1.4, 1.4, 1.4, 1.4, 0.0, 0.0)
"""All that comes, comes on working days."""

_LEAST_SCATTER = 1e-3


@dataclass(frozen=True)
class Arrivals:
    """`level`: items a step of `step` days, without season; `weekday`: factors with mean 1; `season`: weights of
    cos, sin of the year and of its half, of the logarithm of the rate; () is none."""

    level: Level
    step: int = 7
    weekday: tuple[float, ...] = OFFICE
    season: tuple[float, ...] = ()

    @property
    def exact(self) -> bool:
        """Nothing varies: for what is scheduled, and for tests."""
        return isinstance(self.level, Given) and not self.level.noise

    def per_day(self, days: Days) -> Numbers:
        """[day]: the mean, with no doubt."""
        return np.asarray(self.level.mean / self.step * self._shape(days))

    def _shape(self, days: Days) -> Numbers:
        return np.array(self.weekday)[days.weekday] * seasonal(self.season, days.season)

    def draw(self, rng: np.random.Generator, days: Days, paths: int, shares: tuple[float, ...]) -> list[Counts]:
        """[day, path] for each class, that has its of `shares`."""
        steps = -(-days.number // self.step)
        levels, noise = self.level.draw(rng, paths, steps)
        means = np.repeat(levels / self.step, self.step, axis=0)[: days.number] * self._shape(days)[:, None]
        if self.exact:
            whole = [np.floor(np.cumsum(means * share, axis=0) + 1e-6) for share in shares]
            return [np.diff(each, axis=0, prepend=0).astype(np.int64) for each in whole]
        scatter = noise / np.maximum(levels[0], 1e-9) - 1
        shape = levels[0] / self.step / np.maximum(scatter, _LEAST_SCATTER)
        shape = np.clip(shape, 1e-3, 1e5)
        means = means * (rng.standard_gamma(shape, means.shape) / shape)
        return [rng.poisson(means if share == 1 else means * share) for share in shares]


def seasonal(weights: tuple[float, ...], year: Numbers) -> Numbers:
    """The factor at each part of the year."""
    return np.asarray(np.exp(waves(year, len(weights) // 2) @ np.array(weights)) if weights else np.ones(len(year)))


def waves(year: Numbers, number: int) -> Numbers:
    """[moment, 2 * number]: cos and sin of the year, and of its parts."""
    turns = 2 * np.pi * year[:, None] * np.arange(1, number + 1)
    return np.concatenate([np.cos(turns), np.sin(turns)], axis=1)


@dataclass(frozen=True)
class Gate:
    """What waits behind a gate, and comes when it opens: `amount`, growing by `grows` a day until then; on `opens`,
    or on a day through `latest` of which none is more likely; at once, or `per_day` at most (every day). `of`: the
    class that it is of, "" the first."""

    name: str
    amount: Given
    opens: date
    latest: date | None = None
    grows: float = 0.0
    per_day: float | None = None
    of: str = ""

    def draw(self, rng: np.random.Generator, days: Days, paths: int) -> Counts:
        """[day, path]: how many come through it."""
        held = self.amount.draw(rng, paths, 1)[0][0]
        late = 0 if self.latest is None else max((self.latest - self.opens).days, 0)
        opens = days.index(self.opens) + np.floor(rng.random(paths) * (late + 1))
        held = np.floor(held + self.grows * np.maximum(opens, 0.0) + 0.5)
        since = np.arange(-1, days.number)[:, None] - opens + 1  # the day before the first: what came by then is there
        through = np.where(since > 0, held, 0.0)
        if self.per_day is not None:
            through = np.minimum(through, np.floor(np.maximum(since, 0.0) * self.per_day))
        return np.diff(through, axis=0).astype(np.int64)
