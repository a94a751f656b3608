"""Intervals that follow the record of statements that were made: wider where they were missed too often. Pure.

Conformal prediction (V. Vovk, A. Gammerman, G. Shafer, *Algorithmic Learning in a Random World*, 2005): how far each
actual lay from the middle, in the half-width that had been stated, is its score; the interval of the next statement is
stretched by the quantile of the scores whose rank, among n of which no two overlap, holds for the n + 1st. It serves
both methods, as it reads statements only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

import numpy as np

from keersluis.recovery.dates import Gone
from keersluis.recovery.forecasts import Forecast
from keersluis.recovery.verification import Kept, apart, spans

LEVEL = 0.8
"""The interval that is made to hold."""

ENOUGH = ceil(LEVEL / (1 - LEVEL))
"""Statements that do not overlap without which nothing can be said of the next: rank n + 1 has to be among them."""

FLOOR = 0.5
"""Nothing is narrowed to less than this, and half-way only at `CAREFUL` statements that do not overlap."""

CAREFUL = 20.0

CEILING = 10.0
"""Nothing is widened by more: whoever is so far off has another fault."""

MEMORY = 104
"""So many of the newest statements of a horizon count."""


def score(kept: Kept, h: int) -> float:
    """How far what came lay from the middle, in the half-widths (of 80 %) that would have been stated unstretched."""
    said = kept.forecast
    middle, side = (
        said.quantile(h, 0.5),
        0.5 + LEVEL / 2 if kept.actual[h] >= said.quantile(h, 0.5) else 0.5 - LEVEL / 2,
    )
    width = max(abs(said.quantile(h, side) - middle), 0.5)
    return abs(kept.actual[h] - middle) / width * (said.stretch[h - 1] if said.stretch else 1.0)


def stretches(record: Sequence[Kept], ahead: int) -> tuple[float, ...]:
    """By which factor to stretch each of the next `ahead` steps; 1 where the record is too short. The record is that
    of one backlog and one method. A horizon with too few takes what fewer steps ahead have shown."""
    told, last = [], 1.0
    for h in range(1, ahead + 1):
        scored = sorted((each for each in record if h in each.actual), key=lambda each: each.forecast.as_of)[-MEMORY:]
        number = apart(spans(scored, h))
        if number >= ENOUGH:
            last = _factor([score(each, h) for each in scored], number)
        told.append(last)
    return tuple(round(each, 4) for each in told)


def _factor(scores: Sequence[float], number: int) -> float:
    """The quantile of rank (n + 1) x level among n independent scores; those that overlap share their worth."""
    rank = min(1.0, LEVEL * (number + 1) / number)
    found = float(np.quantile(scores, rank, method="inverted_cdf"))
    return float(np.clip(found, FLOOR ** (number / (number + CAREFUL)), CEILING))


def calibrated(said: Forecast, stretch: Sequence[float]) -> Forecast:
    """The same statement, each step stretched around its middle; the dates of the end around theirs."""
    if not stretch or set(stretch) == {1.0}:
        return said
    rows = np.array(said.quantiles)
    middle = np.array([said.quantile(h, 0.5) for h in range(1, said.ahead + 1)])[:, None]
    sizes = np.maximum(middle + (rows - middle) * np.array(stretch)[:, None], 0.0).round(1)
    return replace(
        said,
        quantiles=tuple(tuple(row) for row in sizes.tolist()),
        gone=_moved(said.gone, stretch),
        stretch=tuple(stretch),
    )


def _moved(gone: Gone, stretch: Sequence[float]) -> Gone:
    """An end that may never come stays so; without a middle there is nothing to stretch around."""
    middle = gone.middle
    if not middle:
        return gone
    factor = stretch[min(middle, len(stretch)) - 1]
    intervals = tuple(
        (
            level,
            None if first is None else max(1, middle - ceil((middle - first) * factor)),
            None if last is None else middle + ceil((last - middle) * factor),
        )
        for level, first, last in gone.intervals
    )
    return replace(gone, intervals=intervals)
