"""What simulated paths say, as one value for programs and pages, and as a statement that can be kept. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import numpy as np

from keersluis.recovery.accounts import ZONE
from keersluis.recovery.assumed_paths import entitled
from keersluis.recovery.assumptions import left_out, of_account, worded
from keersluis.recovery.building import Built
from keersluis.recovery.dates import FARTHEST, LEVELS, Gone, in_steps, lasting
from keersluis.recovery.ends import Needed, Spread, needed, rates, sizes, spread
from keersluis.recovery.forecasts import STATED, Assumption, Forecast, inputs
from keersluis.recovery.paths import WEEK, Simulated
from keersluis.recovery.whatif import ALL, Change, Outcome, ends
from keersluis.times import DAY, Instant
from keersluis.words import Translator

FAN = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
"""Quantiles of the sizes that are told by week."""

WITHIN = 364
"""Days within which a backlog that would never be gone is asked to be."""


def answer(built: Built, found: Simulated, by: date | None, _: Translator, threads: int = 2) -> dict[str, Any]:
    """Everything about each backlog. `by`: a day for which the capacity is asked."""
    world = built.world
    organisations = [_of(built, found, each.key, by, threads, _) for each in world.organisations]
    result: dict[str, Any] = {
        "title": _.pick(built.plan.title),
        "method": "paths",
        "as_of": world.days.at(-1).isoformat(),
        "until": world.days.at(world.days.number - 1).isoformat(),
        "paths": world.paths,
        "seed": world.seed,
        "organisations": organisations,
    }
    if len(organisations) > 1:
        result["all"] = dated(built, spread(ends(found, ALL), found.never))
    return result | grounds(built, _)


def grounds(built: Built, _: Translator) -> dict[str, Any]:
    """What was taken for granted and what was left out, as sentences."""
    told = [*built.assumptions, *(each for account in built.accounts.values() for each in of_account(account))]
    return {
        "assumptions": list(dict.fromkeys(worded(entitled(told, built.plan, _), _))),
        "left_out": [
            fault.told() | {"organisation": key, "sentence": sentence}
            for key, faults in built.left_out.items()
            for fault, sentence in zip(faults, left_out(faults, _), strict=True)
        ],
    }


def day(built: Built, days: int | None) -> str | None:
    """The date so many days after the last known one."""
    return None if days is None else built.world.days.at(days - 1).isoformat()


def dated(built: Built, of: Spread) -> dict[str, Any]:
    """A date and its intervals."""
    return {
        "date": day(built, of.middle),
        "intervals": [
            {"level": level, "from": day(built, first), "to": day(built, last)} for level, first, last in of.intervals
        ],
    }


def _of(built: Built, found: Simulated, key: str, by: date | None, threads: int, _: Translator) -> dict[str, Any]:
    at, track, rate = built.world.organisation(key), found.tracks[key], rates(found, key)
    gone = spread(track.gone, found.never)
    told: dict[str, Any] = {
        "key": key,
        "title": _.pick(built.plan.organisation(key).title),
        "stock": at.stock,
        "normal": at.normal,
        "sizes": _sizes(built, found, key),
        "gone": {
            "normal": at.normal,
            "never_at_this_rate": gone.middle is None,
            **dated(built, gone),
            "back": round(float(track.back.mean()), 3),
            "growth_per_week": round(rate.growth, 1),
            "arrivals_per_week": round(rate.arrivals, 1),
            "capacity_per_week": round(rate.capacity, 1),
        },
        "done": dated(built, spread(track.done, found.never)),
        "older": [{"days": days, "weeks": each.round(1).tolist()} for days, each in track.older.items()],
    }
    if track.late is not None:
        told["late"] = track.late.round(1).tolist()
    if by is not None or gone.middle is None:
        within = min(WITHIN, built.world.days.number) if by is None else built.world.days.index(by) + 1
        told["capacity"] = _capacity(built, needed(built.world, key, within, threads), rate.arrivals)
    return told


def _sizes(built: Built, found: Simulated, key: str) -> list[dict[str, Any]]:
    rows = sizes(found, key, WEEK, FAN).round(1).tolist()
    names = [f"q{level:g}" for level in FAN]
    return [{"date": day(built, WEEK * week), **dict(zip(names, row, strict=True))} for week, row in enumerate(rows, 1)]


def _capacity(built: Built, need: Needed, arrivals: float) -> dict[str, Any]:
    def rounded(number: float | None) -> float | None:
        return None if number is None else round(number, 2)

    return {
        "by": day(built, need.by),
        "present_per_week": round(need.present, 1),
        "to_stand_still_per_week": round(arrivals, 1),
        "needed": [
            {"certainty": level, "per_week": rounded(need.per_week(level)), "times_present": rounded(need.times(level))}
            for level in LEVELS
        ],
    }


# -- what-if


def compared(built: Built, outcomes: Sequence[Outcome], _: Translator) -> dict[str, Any]:
    """Variants side by side: for each organisation (and all) the date, and how it differs from the plan as it is."""
    keys = [each.key for each in built.world.organisations]
    keys += [ALL] if len(keys) > 1 else []
    return {
        "title": _.pick(built.plan.title),
        "as_of": built.world.days.at(-1).isoformat(),
        "until": built.world.days.at(built.world.days.number - 1).isoformat(),
        "paths": built.world.paths,
        "seed": built.world.seed,
        "organisations": [
            {"key": key, "title": _.pick(built.plan.organisation(key).title) if key else _("all together")}
            for key in keys
        ],
        "variants": [_variant(built, each, keys, _) for each in outcomes],
    } | grounds(built, _)


def _variant(built: Built, outcome: Outcome, keys: Sequence[str], _: Translator) -> dict[str, Any]:
    variant = outcome.variant
    return {
        "key": "" if variant is None else variant.key,
        "title": _("as planned") if variant is None else _.pick(variant.title),
        "organisations": [
            {"key": key, "gone": dated(built, outcome.gone[key])}
            | ({} if variant is None else {"change": _change(outcome.change[key])})
            | ({} if key == ALL else {"middle": _middle(outcome.found, key)})
            for key in keys
        ],
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "days": change.middle,
        "intervals": [{"level": level, "from": first, "to": last} for level, first, last in change.intervals],
        "sooner": round(change.sooner, 3),
        "later": round(change.later, 3),
        "beyond": round(change.beyond, 3),
    }


def _middle(found: Simulated, key: str) -> list[float]:
    """The middle size at the end of each week."""
    return [float(row[0]) for row in sizes(found, key, WEEK, (0.5,)).round(1).tolist()]


# -- to be kept


def statement(built: Built, found: Simulated, key: str, backlog: str, made: Instant) -> Forecast:
    """What is said of one backlog, as a value that can be kept and scored; steps as those of its account, or a week."""
    account = built.accounts.get(key)
    step = WEEK * DAY if account is None else max(DAY, account.step // DAY * DAY)
    days = step // DAY
    at, gone = built.world.organisation(key), _end(found, key, days)
    as_of = account.end if account is not None else _midnight(built.world.days.first)
    growth = rates(found, key).growth * days / WEEK
    rows = np.maximum(sizes(found, key, days, STATED)[:FARTHEST], 0.0).round(1).tolist()
    of_key = [each for each in built.assumptions if each.values.get("of", key) == key]
    told: list[Assumption] = [*of_key, *([] if account is None else of_account(account))]
    return Forecast(
        backlog,
        made,
        as_of,
        step,
        at.stock,
        at.normal,
        "paths",
        STATED,
        tuple(tuple(row) for row in rows),
        Gone(
            at.normal,
            gone.middle,
            gone.intervals,
            round(growth, 6),
        ),
        tuple(told),
        tuple((each.code, each.number) for each in (account.left_out if account is not None else ())),
        inputs(account) if account is not None else hashlib.sha256(repr(built.plan).encode()).hexdigest(),
        built.world.seed,
    )


def _end(found: Simulated, key: str, days: int) -> Spread:
    """Steps of so many days until it is gone, by its sizes at their ends alone: as it is scored."""
    at, ahead = found.world.organisation(key), found.world.days.number // days
    stock = found.tracks[key].stock[days - 1 :: days]
    below = np.concatenate([np.full((1, stock.shape[1]), at.stock <= at.normal), stock <= at.normal])
    return spread(lasting(below, *in_steps(days), ahead)[0], ahead + 1)


def _midnight(first: date) -> Instant:
    return round(datetime(first.year, first.month, first.day, tzinfo=ZONE).timestamp()) * 1_000_000
