"""Forecasts that were kept, and what came: which of them held. Pure.

A statement is scored only by what nobody could know when it was made, and by what was known first; what is corrected
later is told beside it. Statements that overlap in time are no independent trials, and are said not to be.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from keersluis.recovery.dates import in_steps, lasting
from keersluis.recovery.forecasts import Forecast
from keersluis.recovery.scores import interval_scores
from keersluis.times import DAY, Instant

if TYPE_CHECKING:
    from keersluis.recovery.accounts import Account

LEVELS = (0.5, 0.8, 0.95)
"""Probabilities of the intervals that are scored."""

HORIZONS = (1, 4, 8, 13, 26)
"""Steps ahead that are shown; all are scored."""

LAST = 50
"""Statements of which the sentence beside a new forecast tells, at most."""

ENDING = 0
"""Stands for the date of the end where a number of steps ahead is asked."""

NOT_YET = -1
"""The end did not come before all bounds that had been given for it had passed."""


@dataclass(frozen=True)
class Kept:
    """A forecast, number `n` of its node, and what came: size by steps ahead, under `ENDING` the steps until it was
    gone (or `NOT_YET`). `corrected`: what is said of it now, where that is something else."""

    n: int
    forecast: Forecast
    actual: Mapping[int, int] = field(default_factory=dict)
    corrected: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Stocks:
    """How large a backlog was at the end of each step since `start`."""

    start: Instant
    step: Instant
    sizes: tuple[int, ...]

    @property
    def end(self) -> Instant:
        return self.start + self.step * len(self.sizes)

    def at(self, moment: Instant) -> int | None:
        """None where that is not the end of one of these steps."""
        steps, rest = divmod(moment - self.start, self.step)
        return self.sizes[steps - 1] if not rest and 0 < steps <= len(self.sizes) else None


def stocks(account: Account) -> Stocks:
    """What an account says of the size."""
    return Stocks(account.start, account.step, tuple(account.past.stock.tolist()))


def came(forecast: Forecast, stocks: Stocks) -> dict[int, int]:
    """What is known of all that the forecast spoke of and could not know when it was made."""
    sizes = {h: stocks.at(forecast.at(h)) for h in range(1, forecast.ahead + 1) if forecast.at(h) > forecast.made}
    found = {h: size for h, size in sizes.items() if size is not None}
    end = _ended(forecast, stocks)
    return found if end is None else found | {ENDING: end}


def _ended(forecast: Forecast, stocks: Stocks) -> int | None:
    """Steps until it was gone, by the rule that the forecast states its end by, `NOT_YET`, or None while nobody can
    say."""
    if forecast.stock <= forecast.normal:
        return None  # it was gone when the forecast was made: nothing was foretold
    number = (stocks.end - forecast.as_of) // forecast.step
    run, stays = in_steps(max(1, forecast.step // DAY)) if forecast.method == "paths" else (1, 0)
    sizes = [stocks.at(forecast.at(h)) for h in range(1, number + 1)]
    ahead = len(sizes) - stays
    if ahead < 1 or None in sizes:
        return None
    below = np.array([False, *(size is not None and size <= forecast.normal for size in sizes)])
    first = int(lasting(below[:, None], run, stays, ahead)[0][0])
    if first <= ahead:
        return first if forecast.at(first) > forecast.made else None
    bounds = [last for _level, _first, last in forecast.gone.intervals]
    known = [last for last in bounds if last is not None]
    return NOT_YET if len(known) == len(bounds) and ahead >= max(known) else None


def held(kept: Kept, h: int, level: float) -> bool:
    """Whether what came lay within the interval of that level. Its bounds are in it."""
    truth = kept.actual[h]
    if h != ENDING:
        low, high = kept.forecast.interval(h, level)
        return low <= truth <= high
    found = [(first, last) for each, first, last in kept.forecast.gone.intervals if each == level]
    first, last = found[0] if found else (None, None)
    return truth != NOT_YET and first is not None and first <= truth and (last is None or truth <= last)


@dataclass(frozen=True)
class Tally:
    """Of statements for `horizon` steps ahead (`ENDING`: of the end) at `level`: how many were scored, how many held,
    how many of them do not overlap, and the mean interval score (None for the end)."""

    horizon: int
    level: float
    number: int
    held: int
    apart: int
    score: float | None

    @property
    def coverage(self) -> float:
        return self.held / self.number


def tallies(record: Sequence[Kept], horizons: Iterable[int] = (*HORIZONS, ENDING)) -> list[Tally]:
    """By horizon and level, of what has been scored."""
    told = []
    for h in horizons:
        scored = [each for each in record if h in each.actual]
        told += [_tally(scored, h, level) for level in LEVELS if scored]
    return told


def _tally(scored: Sequence[Kept], h: int, level: float) -> Tally:
    number, score = sum(held(each, h, level) for each in scored), None
    if h != ENDING:
        bounds = np.array([each.forecast.interval(h, level) for each in scored])
        truth = np.array([float(each.actual[h]) for each in scored])
        score = float(interval_scores(bounds[:, 0], bounds[:, 1], truth, level).mean())
    return Tally(h, level, len(scored), number, apart(spans(scored, h)), score)


def spans(scored: Iterable[Kept], h: int) -> list[tuple[Instant, Instant]]:
    """From when until when each statement looked."""
    told = []
    for each in scored:
        steps = each.actual[ENDING] if h == ENDING else h
        if steps == NOT_YET:
            steps = 1 + max((last for _level, _first, last in each.forecast.gone.intervals if last), default=0)
        told.append((each.forecast.as_of, each.forecast.at(steps)))
    return told


def apart(windows: Iterable[tuple[Instant, Instant]]) -> int:
    """The greatest number of windows of which no two overlap: what statements are worth as independent trials."""
    number, free = 0, None
    for start, end in sorted(windows, key=lambda each: each[1]):
        if free is None or start >= free:
            number, free = number + 1, end
    return number


@dataclass(frozen=True)
class Headline:
    """Of the last `number` statements at `level`, `held` came true; `apart` of them do not overlap."""

    level: float
    number: int
    held: int
    apart: int


def headline(record: Sequence[Kept], level: float, horizons: Collection[int], last: int = LAST) -> Headline:
    """Of the newest statements of sizes that could be scored, at these horizons."""
    scored = [(each.forecast.at(h), each, h) for each in record for h in each.actual if h in horizons and h != ENDING]
    newest = sorted(scored, key=lambda each: (each[0], each[1].n, each[2]))[-last:]
    windows = [(each.forecast.as_of, end) for end, each, _h in newest]
    return Headline(level, len(newest), sum(held(each, h, level) for _end, each, h in newest), apart(windows))


def reliability(record: Sequence[Kept], horizons: Collection[int]) -> list[tuple[float, float, int]]:
    """(probability, share, number) for each probability that was stated: the share of sizes at or below that
    quantile."""
    scored = [(each.forecast, each.actual[h], h) for each in record for h in each.actual if h in horizons and h > 0]
    if not scored:
        return []
    bounds = {round(0.5 + side * level / 2, 4) for level in LEVELS for side in (-1, 1)}
    return [
        (level, sum(truth <= said.quantile(h, level) for said, truth, h in scored) / len(scored), len(scored))
        for level in sorted({0.5, *bounds})
    ]
