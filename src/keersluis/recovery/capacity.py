"""How much can be done on each day: people by shifts, workplaces, home working, overtime, learning. Pure.

A day's capacity is the people at work (full-speed equivalents) times what one does in a day. Each shift has its own
people; of those only as many work as find a workplace, unless they can work from home. New people sit on a workplace
from their first day and reach full speed over weeks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from keersluis.recovery.calendar import Days
from keersluis.recovery.history import Numbers

WORKING = frozenset(range(5))


@dataclass(frozen=True)
class Shift:
    """`staff` people on `days` (0 is Monday), from `first` through `last`."""

    staff: float
    days: frozenset[int] = WORKING
    first: date | None = None
    last: date | None = None
    name: str = ""


@dataclass(frozen=True)
class Newcomers:
    """`staff` who begin on `first` at `start` of full speed and reach it `weeks` later; in the first shift of a day."""

    staff: float
    first: date
    weeks: float
    start: float = 0.3


@dataclass(frozen=True)
class Overtime:
    """`share` of the usual hours on top, from `first` through `last`, together at most `most` person-days."""

    share: float
    last: date
    first: date | None = None
    most: float | None = None


@dataclass(frozen=True)
class Boost:
    """From `first` on, `share` of the work goes `factor` times as fast (`of`: of that class alone)."""

    factor: float
    first: date
    share: float = 1.0
    of: str = ""
    name: str = ""


@dataclass(frozen=True)
class Capacity:
    """`workplaces` None: enough for all. From `home_from` on, `home_share` of a shift needs none. `presence`: the share
    of the people that is there on a usual day (leave, illness, meetings)."""

    shifts: tuple[Shift, ...]
    workplaces: float | None = None
    home_from: date | None = None
    home_share: float = 0.0
    presence: float = 1.0
    newcomers: tuple[Newcomers, ...] = ()
    overtime: tuple[Overtime, ...] = ()
    boosts: tuple[Boost, ...] = ()

    def people(self, days: Days) -> Numbers:
        """[day]: people at work, at full speed; boosts of all the work included."""
        weekday, closed = days.weekday, days.closed
        home = days.between(self.home_from, None).astype(float) if self.home_from else np.zeros(days.number)
        total, speed = self._learning(days)
        present, joined = np.zeros(days.number), np.zeros(days.number, bool)
        for shift in self.shifts:
            on = days.between(shift.first, shift.last) & np.isin(weekday, list(shift.days)) & ~closed
            new = np.where(on & ~joined, total, 0.0)
            full = shift.staff + np.where(on & ~joined, speed, 0.0)
            joined |= on
            seats = self._seats(home, shift.staff + new)
            fits = np.minimum(1.0, seats / np.maximum(shift.staff + new, 1e-12))
            present += np.where(on, full * fits, 0.0)
        return self._boosted(days, self._overtime(days, present * self.presence))

    def work(self, days: Days, of: str) -> Numbers:
        """[day]: how much of the usual work an item of class `of` takes."""
        factor = np.ones(days.number)
        for boost in self.boosts:
            if boost.of and boost.of == of:
                factor = factor * np.where(days.between(boost.first, None), _less(boost), 1.0)
        return np.asarray(factor)

    def _seats(self, home: Numbers, staff: Numbers) -> Numbers | float:
        return np.inf if self.workplaces is None else self.workplaces + home * self.home_share * staff

    def _learning(self, days: Days) -> tuple[Numbers, Numbers]:
        """([day] new people, [day] what they do, in people at full speed)."""
        number, speed = np.zeros(days.number), np.zeros(days.number)
        at = np.arange(days.number)
        for new in self.newcomers:
            since = at - days.index(new.first)
            ramp = np.clip(new.start + (1 - new.start) * since / max(7 * new.weeks, 1e-9), new.start, 1.0)
            number += np.where(since >= 0, new.staff, 0.0)
            speed += np.where(since >= 0, new.staff * ramp, 0.0)
        return number, speed

    def _overtime(self, days: Days, usual: Numbers) -> Numbers:
        total = usual
        for over in self.overtime:
            extra = np.where(days.between(over.first, over.last), usual * over.share, 0.0)
            if over.most is not None:
                extra = np.diff(np.minimum(np.cumsum(extra), over.most), prepend=0.0)
            total = total + extra
        return total

    def _boosted(self, days: Days, people: Numbers) -> Numbers:
        for boost in self.boosts:
            if not boost.of:
                people = people / np.where(days.between(boost.first, None), _less(boost), 1.0)
        return people


def _less(boost: Boost) -> float:
    """The share of the work that is left."""
    return 1 - boost.share + boost.share / boost.factor


def with_shift(capacity: Capacity, shift: Shift) -> Capacity:
    return replace(capacity, shifts=(*capacity.shifts, shift))
