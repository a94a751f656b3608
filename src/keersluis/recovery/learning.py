"""What a simulation takes from a backlog's account: arrivals by season and weekday, what one does in a day, and the
ages of what is there. Pure.

Everything is learned over blocks of about a week, so that weekdays do not pass for chance. Refuses where too little is
left to say anything.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from keersluis.errors import Incorrect
from keersluis.recovery.accounts import ZONE, Account
from keersluis.recovery.arrivals import OFFICE, Arrivals, waves
from keersluis.recovery.calendar import Days
from keersluis.recovery.capacity import Capacity
from keersluis.recovery.history import Counts, Numbers
from keersluis.recovery.levels import LEAST, Learned, learn
from keersluis.times import DAY, last_day, local

YEAR = 365.25

_WEEKDAYS_OVER = 364
"""Days over which weekdays are told apart."""

_AS_ALL = 0.25
"""Days that each weekday is taken to have been as all, lest a few tell too much."""

_SPARE = 0.5
"""A block in which the stock fell below this part of what left in it says little of what could have been done."""


def first_day(account: Account) -> date:
    """The first day of the account."""
    return local(account.start, ZONE).date()


def next_day(account: Account) -> date:
    """The first day after it."""
    return last_day(account.end, ZONE) + timedelta(days=1)


def block(account: Account) -> tuple[int, int]:
    """(steps, days) of a block: about a week."""
    steps = max(1, round(7 * DAY / account.step))
    return steps, max(1, round(steps * account.step / DAY))


def sums(account: Account, counts: Counts) -> Numbers:
    """By block, oldest first; the last one ends with the account."""
    steps, _days = block(account)
    number = len(counts) // steps
    return np.asarray(counts[len(counts) - number * steps :].reshape(number, steps).sum(axis=1, dtype=float))


def arrivals_of(account: Account) -> Arrivals:
    """What comes. Raises Incorrect `forecast.too-little`."""
    seen, days = sums(account, account.past.arrivals), block(account)[1]
    _enough(len(seen), "what comes")
    year = _year(account, len(seen), days)
    season = _season(seen, year, days)
    factor = np.exp(waves(year, len(season) // 2) @ np.array(season)) if season else np.ones(len(seen))
    return Arrivals(learn(np.asarray(seen / factor)), days, weekdays(account, account.past.arrivals), season)


def output_of(account: Account, capacity: Capacity, holidays: frozenset[date]) -> tuple[Learned, int, bool]:
    """(items that one does a day, days of a step of its level, whether the backlog was ever so small that more could
    have been done than was). Raises Incorrect `forecast.too-little`."""
    seen, days = sums(account, account.past.departures), block(account)[1]
    number = len(seen)
    first = next_day(account) - timedelta(days=number * days)
    people = capacity.people(Days(first, number * days, holidays)).reshape(number, days).sum(axis=1)
    busy = _least_stock(account, number) >= _SPARE * seen
    known = people > 0
    spare = int((known & busy).sum()) < LEAST
    chosen = known if spare else known & busy
    _enough(int(chosen.sum()), "what is done")
    return learn(np.asarray(seen[chosen] / people[chosen])), days, spare


def weekdays(account: Account, counts: Counts) -> tuple[float, ...]:
    """Factors with mean 1 of what came or went on each weekday; where steps are no days: working days alone."""
    if abs(account.step - DAY) > DAY // 24:
        return OFFICE
    recent = counts[-_WEEKDAYS_OVER:].astype(float)
    days = Days(next_day(account) - timedelta(days=len(recent)), len(recent)).weekday
    mean = max(float(recent.mean()), 1e-9)
    total = np.bincount(days, recent, 7) + _AS_ALL * mean
    factors = total / (np.bincount(days, minlength=7) + _AS_ALL) / mean
    return tuple((factors / factors.mean()).tolist())


def working_days(account: Account) -> frozenset[int]:
    """The weekdays on which a usual share leaves; Monday to Friday where steps are no days."""
    factors = weekdays(account, account.past.departures)
    return frozenset(n for n, factor in enumerate(factors) if factor > 0.2) or frozenset(range(5))


def ages_of(account: Account) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(days, how many wait for so long) of what is there at the end."""
    held = account.past.held[-1]
    there = np.flatnonzero(held)
    return tuple(round(age * account.step / DAY) for age in there), tuple(int(held[age]) for age in there)


def _enough(number: int, of: str) -> None:
    if number < LEAST:
        raise Incorrect(
            "forecast.too-little",
            expected=f"at least {LEAST} weeks to learn from {of}",
            got=f"{number}",
            mend="give a longer account, or state the rate in the plan",
        )


def _least_stock(account: Account, number: int) -> Numbers:
    """By block, the smallest stock at the end of a step, and at its start."""
    steps, _days = block(account)
    stock = account.past.stock[len(account.past.stock) - number * steps :].reshape(number, steps)
    return np.asarray(stock.min(axis=1).astype(float))


def _year(account: Account, number: int, days: int) -> Numbers:
    """The part of the year at the middle of each block."""
    first = next_day(account) - timedelta(days=number * days)
    return np.asarray((first.timetuple().tm_yday - 1 + days * (np.arange(number) + 0.5)) / YEAR)


def _season(seen: Numbers, year: Numbers, days: int) -> tuple[float, ...]:
    """Weights of the year and its half, where two years show them: by least squares on the logarithm beside a trend of
    broken lines; as many as the Bayesian information criterion bears, doubled as errors hang together."""
    per_year = YEAR / days
    if len(seen) < 2 * per_year or seen.sum() == 0:
        return ()
    there = np.log(seen + 0.5)
    knots = np.arange(1, int(len(seen) / per_year) + 1) * per_year
    trend = [np.ones(len(seen)), np.arange(len(seen)) / per_year]
    trend += [np.maximum(np.arange(len(seen)) - knot, 0) / per_year for knot in knots]
    best: tuple[float, tuple[float, ...]] = (np.inf, ())
    for number in (0, 1, 2):
        columns = np.column_stack([*trend, waves(year, number)])
        weights, *_ = np.linalg.lstsq(columns, there, rcond=None)
        wrong = float(np.square(there - columns @ weights).mean())
        score = len(seen) * np.log(max(wrong, 1e-9)) + 2 * columns.shape[1] * np.log(len(seen))
        best = min(best, (float(score), tuple(weights[len(trend) :].tolist())))
    return best[1]
