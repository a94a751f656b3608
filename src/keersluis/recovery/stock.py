"""What a backlog holds, how old it is, what it costs, when it is caught up: from stays, given as data. Pure.

Ages count from when the act was done (event time); what came in counts by when it was registered here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from math import exp, log
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np

from keersluis.recovery.accounts import Account, Fault
from keersluis.recovery.history import History, history
from keersluis.sections import Words
from keersluis.stays import Stay
from keersluis.times import DAY, Instant

CHANNELS = ("digital", "paper", "mail", "calls")
PROCESSES = ("investigation", "prosecution", "trial", "execution", "cross-cutting")
SOURCES = ("entry", "delivery", "revisit", "provisional", "quarantine", "import")
"""Where counts come from: acts that wait for entry, events for receipt, decisions on the desk or not settled, batches
set apart, files."""

Order: TypeAlias = Literal["oldest-first", "as-it-comes"]
ORDERS: tuple[Order, ...] = ("oldest-first", "as-it-comes")

MOST_DAYS = 2 * 364
"""How far back an account reaches."""

LATELY = 28 * DAY
"""Over which the present rate is taken."""

BUCKETS = (1, 7, 14, 28, 56, 91)
"""Days that part the age profile."""

CERTAIN = 1.2816
"""Standard deviations on either side within which four fifths of the normal distribution lie."""


@dataclass(frozen=True)
class PriorityClass:
    """Items of a backlog that go before or after others: those of `of` (kinds or policies; none: all that are in no
    class before). `days`: within which they should be done, counted from the act; None: no term. `source` of it."""

    key: str
    title: Words
    of: tuple[str, ...]
    minutes: float
    days: int | None
    source: Words


@dataclass(frozen=True)
class Backlog:
    """One backlog that is counted (backlogs.toml). `of`: kinds or policies; `waits`: channels of entry; `peers`:
    receivers, or sources for what is in quarantine; `arrival` and `completion`: activities of an imported log.
    `public`: whether outsiders may read how much waits, and until when."""

    key: str
    organisation: str
    process: str
    channel: str
    title: Words
    counts: str
    of: tuple[str, ...]
    waits: tuple[str, ...]
    peers: tuple[str, ...]
    normal: int
    step: Instant
    order: Order
    classes: tuple[PriorityClass, ...]
    arrival: tuple[str, ...] = ()
    completion: tuple[str, ...] = ()
    public: bool = False


# -- the account -----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _summer(zone: ZoneInfo, year: int) -> Instant:
    """The greatest offset from UTC in a year."""
    offsets = (datetime(year, month, 1, tzinfo=zone).utcoffset() or timedelta() for month in (1, 7))
    return round(max(offsets).total_seconds()) * 1_000_000


def edges(now: Instant, step: Instant, zone: ZoneInfo) -> list[Instant]:
    """The ends of whole steps up to now, as far back as an account reaches.

    They are midnights by summer time, weeks end on Sundays: every account of a backlog has the same ones, so that
    what was said of a moment is held against that moment.
    """
    year = 1970 + now // (365 * DAY + DAY // 4)
    shift = _summer(zone, year)
    monday = 4 * DAY  # 5 January 1970
    last = now - (now + shift - monday) % step
    return [last - n * step for n in range(MOST_DAYS * DAY // step, -1, -1)]


def account_of(stays: Sequence[Stay], at: Sequence[Instant], left_out: tuple[Fault, ...] = ()) -> Account:
    """The account over the steps between the ends `at`, from the first in which there was anything.

    What was there before it is in its stock from the start, and is no arrival.
    """
    here = [stay for stay in stays if stay.since < at[-1] and (stay.ended is None or stay.ended >= at[0])]
    first = min((stay.since for stay in here), default=at[-1])
    begin = min(max(0, int(np.searchsorted(at, first, "right")) - 1), len(at) - 2)
    at = list(at[begin:])
    number = np.array([stay.n for stay in here], np.int64)
    came = np.searchsorted(at, [stay.since for stay in here], "right").repeat(number)
    gone = np.searchsorted(at, [at[-1] if s.ended is None else s.ended for s in here], "right").repeat(number)
    gone = np.where(gone >= len(at), -1, gone)
    past = history(came.astype(np.int64), gone.astype(np.int64), len(at))
    rest = History(past.arrivals[1:], past.departures[1:], past.stock[1:], past.held[1:], past.left[1:])
    return Account(at[0], at[1] - at[0], rest, left_out, False, True)


# -- how it stands now -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rate:
    """Per day, over the last weeks: what comes, what goes, and how much that varies from step to step."""

    came: float
    gone: float
    spread: float = 0.0
    steps: int = 1
    step: Instant = DAY

    @property
    def growth(self) -> float:
        return self.came - self.gone

    def slow_and_quick(self, items: float) -> tuple[float, float]:
        """What goes a day, at its tenth and nine tenths, on average over as long as `items` take."""
        if self.gone <= 0:
            return 0.0, 0.0
        ahead = max(1.0, items / (self.gone * self.step / DAY))
        doubt = CERTAIN * self.spread * (1 / self.steps + 1 / ahead) ** 0.5
        return max(0.0, self.gone - doubt), self.gone + doubt


def rate(account: Account) -> Rate:
    """Over as many of the last steps as make four weeks."""
    past, days = account.past, account.step / DAY
    steps = min(past.steps, max(4, round(LATELY / account.step)))
    came, gone = past.arrivals[-steps:] / days, past.departures[-steps:] / days
    spread = float(gone.std(ddof=1)) if steps > 1 else 0.0
    return Rate(float(came.mean()), float(gone.mean()), spread, steps, account.step)


def profile(stays: Iterable[Stay], now: Instant) -> list[int]:
    """How many of those that are here are of an age below BUCKETS[0] days, below BUCKETS[1], ..., and older."""
    counts = [0] * (len(BUCKETS) + 1)
    for stay in stays:
        if stay.ended is None:
            days = (now - stay.born) // DAY
            counts[sum(days >= bound for bound in BUCKETS)] += stay.n
    return counts


def days_left(items: float, stock: float, pace: float, came: float, order: Order) -> float | None:
    """Days until the last of `items` that are here now has gone, when `pace` go a day and `came` come. None: never.

    Oldest first, what comes later waits for them. As it comes, each day takes its share of old and new alike: the
    share that is left is what remains of (stock then / stock now) to the power pace / (pace - came).
    """
    if items <= 0:
        return 0.0
    if pace <= 0:
        return None
    if order == "oldest-first":
        return items / pace
    left = log(2 * items)  # until half an item is expected to be there
    net = pace - came
    if abs(net) < 1e-9 * pace:
        return stock / pace * left
    return float(stock * (1 - exp(-left * net / pace)) / net)


@dataclass(frozen=True)
class CatchUp:
    """When the last of what waits now is done: `middle`, and bounds that hold four times in five. None: never."""

    early: Instant | None
    middle: Instant | None
    late: Instant | None


def catch_up(stock: int, pace: Rate, order: Order, now: Instant) -> CatchUp:
    """At the present rate, worked in that order."""
    slow, quick = pace.slow_and_quick(stock)

    def when(gone: float) -> Instant | None:
        days = days_left(stock, stock, gone, pace.came, order)
        return None if days is None or days > 100 * 365 else now + round(days * DAY)

    return CatchUp(when(quick), when(pace.gone), when(slow))


def gone_by(excess: int, pace: Rate, now: Instant) -> CatchUp:
    """When the stock is back to normal at the present rates, if what comes and goes stays as it is. None: never."""
    slow, quick = pace.slow_and_quick(excess)

    def when(gone: float) -> Instant | None:
        if excess <= 0:
            return now
        net = gone - pace.came
        return now + round(excess / net * DAY) if net * 100 * 365 > excess else None

    return CatchUp(when(quick), when(pace.gone), when(slow))


NEEDED_IN = 91 * DAY
"""The capacity that a backlog needs is told for a quarter of a year."""


def needed(excess: int, pace: Rate) -> float:
    """What must go a day to be back to normal in `NEEDED_IN`, if as many come as lately."""
    return pace.came + excess * DAY / NEEDED_IN


@dataclass(frozen=True)
class ClassState:
    """Of one priority class: how many, what they cost, how many are past their term, and how many more will be before
    they are reached."""

    key: str
    stock: int
    minutes: float
    overdue: int | None
    will_be: int | None
    oldest: Instant | None


_Reach: TypeAlias = tuple[Instant, int, float]
"""(born, how many, how many are before the last of them)."""


def class_states(
    backlog: Backlog, stays: Mapping[str, Sequence[Stay]], pace: Rate, now: Instant
) -> tuple[ClassState, ...]:
    """Each class of the backlog, in its order; `stays` by class. Oldest first, an item is reached when those before it
    have gone; as it comes, each has the same chance every day."""
    here = sorted((s.born, s.n, key) for key, own in stays.items() for s in own if s.ended is None)
    total = sum(n for _born, n, _key in here)
    found: dict[str, list[_Reach]] = {}
    before = 0
    for born, n, key in here:
        found.setdefault(key, []).append((born, n, before + n))
        before += n

    def late(place: float, left: float) -> float:
        if pace.gone <= 0:
            return 1.0
        if backlog.order == "oldest-first":
            return float(place / pace.gone > left)
        return exp(-pace.gone / total * left)

    return tuple(_class_state(each, found.get(each.key, []), now, late) for each in backlog.classes)


def _class_state(
    of: PriorityClass, here: Sequence[_Reach], now: Instant, late: Callable[[float, float], float]
) -> ClassState:
    stock = sum(n for _born, n, _place in here)
    oldest = min((born for born, _n, _place in here), default=None)
    if of.days is None:
        return ClassState(of.key, stock, stock * of.minutes, None, None, oldest)
    overdue, will_be = 0, 0.0
    for born, n, place in here:
        left = (born + of.days * DAY - now) / DAY
        if left < 0:
            overdue += n
        else:
            will_be += n * late(place, left)
    return ClassState(of.key, stock, stock * of.minutes, overdue, round(will_be), oldest)


@dataclass(frozen=True)
class Standing:
    """How one backlog stands; `ages` as `profile`, `came` and `left` in all."""

    backlog: Backlog
    now: Instant
    stock: int
    came: int
    left: int
    oldest: Instant | None
    ages: tuple[int, ...]
    pace: Rate
    classes: tuple[ClassState, ...]
    caught_up: CatchUp
    normal_again: CatchUp
    account: Account

    @property
    def minutes(self) -> float:
        """The work in it."""
        return sum(each.minutes for each in self.classes)

    @property
    def overdue(self) -> int:
        return sum(each.overdue or 0 for each in self.classes)

    @property
    def will_be(self) -> int:
        return sum(each.will_be or 0 for each in self.classes)

    @property
    def excess(self) -> int:
        """How many more than is normal."""
        return max(0, self.stock - self.backlog.normal)


def standing(
    backlog: Backlog, stays: Mapping[str, Sequence[Stay]], at: Sequence[Instant], now: Instant,
    left_out: tuple[Fault, ...] = (),
) -> Standing:  # fmt: skip
    """How a backlog stands now; `stays` by class, `at` the ends of steps."""
    every = [stay for own in stays.values() for stay in own]
    here = [stay for stay in every if stay.ended is None]
    account = account_of(every, at, left_out)
    pace = rate(account)
    stock = sum(stay.n for stay in here)
    came = sum(stay.n for stay in every)
    return Standing(
        backlog, now, stock, came, came - stock, min((stay.born for stay in here), default=None),
        tuple(profile(here, now)), pace, class_states(backlog, stays, pace, now),
        catch_up(stock, pace, backlog.order, now), gone_by(max(0, stock - backlog.normal), pace, now), account,
    )  # fmt: skip


def worst_first(standings: Iterable[Standing]) -> list[Standing]:
    """Those that miss terms first, then by how many times what is normal they are."""
    return sorted(
        standings,
        key=lambda s: (-(s.overdue + s.will_be > 0), -(s.stock / max(1, s.backlog.normal)), s.backlog.key),
    )
