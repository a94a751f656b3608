"""Kept forecasts and their record as JSON for the API, the commands and the pages. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from keersluis.recovery.calibration import stretches
from keersluis.recovery.forecasts import Forecast
from keersluis.recovery.verification import (
    ENDING,
    HORIZONS,
    NOT_YET,
    Kept,
    Tally,
    apart,
    headline,
    held,
    reliability,
    spans,
    tallies,
)
from keersluis.times import DAY, format_instant, last_day
from keersluis.words import Translator

LEVEL = 0.8
"""The interval that is shown."""

SPOKEN = (4, 13)
"""Steps ahead that the sentence beside a new forecast counts."""


def told(kept: Kept, zone: ZoneInfo, horizons: Iterable[int] = HORIZONS) -> dict[str, Any]:
    """One forecast: what it said at each of `horizons`, and what came where that is known."""
    said = kept.forecast
    return {
        "n": kept.n,
        "backlog": said.backlog,
        "method": said.method,
        "made": format_instant(said.made),
        "as_of": day(said, 0, zone),
        "stock": said.stock,
        "normal": said.normal,
        "level": LEVEL,
        "digest": said.digest,
        "stretch": list(said.stretch),
        "sizes": [_size(kept, h, zone) for h in horizons if h <= said.ahead],
        "gone": _gone(kept, zone),
    }


def day(said: Forecast, steps: int | None, zone: ZoneInfo) -> str | None:
    """The last day of the step so many on."""
    return None if steps is None else last_day(said.at(steps), zone).isoformat()


def _size(kept: Kept, h: int, zone: ZoneInfo) -> dict[str, Any]:
    said, known = kept.forecast, h in kept.actual
    low, high = said.interval(h, LEVEL)
    return {
        "horizon": h,
        "date": day(said, h, zone),
        "low": round(low, 1),
        "middle": round(said.quantile(h, 0.5), 1),
        "high": round(high, 1),
        "actual": kept.actual.get(h),
        "corrected": kept.corrected.get(h),
        "held": held(kept, h, LEVEL) if known else None,
    }


def _gone(kept: Kept, zone: ZoneInfo) -> dict[str, Any]:
    said, end = kept.forecast, kept.actual.get(ENDING)
    return {
        "normal": said.normal,
        "date": day(said, said.gone.middle, zone),
        "growth_per_week": round(said.gone.growth * 7 * DAY / said.step, 1),
        "never_at_this_rate": said.gone.never,
        "intervals": [
            {"level": level, "from": day(said, first, zone), "to": day(said, last, zone)}
            for level, first, last in said.gone.intervals
        ],
        "came": None if end in (None, NOT_YET) else day(said, end, zone),
        "held": None if end is None else held(kept, ENDING, LEVEL),
    }


def records(whole: Sequence[Kept]) -> list[dict[str, Any]]:
    """The record of each backlog and method."""

    def key(kept: Kept) -> tuple[str, str]:
        return kept.forecast.backlog, kept.forecast.method

    return [_record(*of, list(each)) for of, each in groupby(sorted(whole, key=key), key)]


def _record(backlog: str, method: str, record: Sequence[Kept]) -> dict[str, Any]:
    return {
        "backlog": backlog,
        "method": method,
        "forecasts": len(record),
        "headline": sentence_of(record),
        "tallies": [_tally(each) for each in tallies(record)],
        "reliability": [list(each) for each in reliability(record, SPOKEN)],
        "reliability_apart": max(apart(spans([each for each in record if h in each.actual], h)) for h in SPOKEN),
        "stretch": {str(h): factor for h, factor in enumerate(stretches(record, max(SPOKEN)), 1) if h in SPOKEN},
    }


def sentence_of(record: Sequence[Kept]) -> dict[str, Any]:
    """Of the last statements of 80 %, how many came true."""
    of = headline(record, LEVEL, SPOKEN)
    return {"level": of.level, "horizons": list(SPOKEN), "number": of.number, "held": of.held, "apart": of.apart}


def _tally(of: Tally) -> dict[str, Any]:
    return {
        "horizon": None if of.horizon == ENDING else of.horizon,
        "level": of.level,
        "number": of.number,
        "held": of.held,
        "apart": of.apart,
        "coverage": round(of.coverage, 4),
        "interval_score": None if of.score is None else round(of.score, 2),
    }


def came_true(of: Mapping[str, Any], _: Translator) -> str:
    """Of its last statements, how many came true: the sentence for `sentence_of`."""
    if not of["number"]:
        return _("Of none of its statements is it known yet whether it came true.")
    return _.plural(
        "Of its last {count} statement of {level} %, {held} came true.",
        "Of its last {count} statements of {level} %, {held} came true; those that do not overlap are {apart}.",
        of["number"],
        level=round(100 * of["level"]),
        held=of["held"],
        apart=of["apart"],
    )
