"""How long one item waits: a desk with priority classes, as an exact queue, and what that says in dates. Pure.

Time is counted in hours of work: the queue knows no nights, weekends and holidays, as nothing is begun in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from keersluis.errors import Incorrect
from keersluis.recovery.draws import Exponential, Lognormal, Times
from keersluis.recovery.history import Numbers
from keersluis.recovery.queues import Asked, ItemClass, Queue, simulate
from keersluis.sections import Words

WORKWEEK = 5
MOST = 400_000_000
"""Items times paths: about a quarter of a minute."""
ENOUGH = 0.999
"""Load above which a class is not kept up with."""


@dataclass(frozen=True)
class Line:
    """A priority class. `stock` at the beginning, `per_week` new ones, `minutes` of work each (`deviation`: standard
    deviation of it; None: times as random as they can be). None is begun before the gate `opens`."""

    key: str
    title: Words
    stock: int
    per_week: float
    minutes: float
    deviation: float | None = None
    opens: date | None = None


@dataclass(frozen=True)
class Joining:
    """`people` more, from the day `first` on."""

    first: date
    people: int


@dataclass(frozen=True)
class Desk:
    """`people` work `hours` on each working day (Monday to Friday, but for `holidays`) from `first` on, each on one
    item at a time; `lines`, the first served first. New items come for so many `weeks`."""

    first: date
    people: int
    hours: float
    weeks: int
    lines: tuple[Line, ...]
    joining: tuple[Joining, ...] = ()
    holidays: tuple[date, ...] = ()

    def hours_until(self, day: date) -> float:
        """Hours of work from the beginning until that day begins; 0 for days before."""
        return max(0, int(np.busday_count(self.first, day, holidays=list(self.holidays)))) * self.hours

    def day_at(self, hour: float) -> date:
        """The day on which the hour of work so many after the beginning falls."""
        days = int(hour / self.hours + 1e-9)  # n days of 7.6 hours are n days, whatever binary fractions make of it
        begin = np.busday_offset(self.first, days, roll="forward", holidays=list(self.holidays))
        found: date = begin.astype(object)
        return found

    @property
    def end(self) -> float:
        """Hours of work in the weeks in which new items come."""
        return self.hours_until(self.first + timedelta(weeks=self.weeks))


@dataclass(frozen=True)
class Wait:
    """Of one class: when an item that comes in at the beginning, behind the stock, is begun. `middle`, `first`, `last`:
    days, of which None lies beyond the weeks told; `within`: the probability that it is begun in them. `later`: hours
    of work that those which come later wait on average; None where none come, or a gate holds them. `load`: the work of
    this and of higher classes that comes in, as a share of what all people can do."""

    line: Line
    middle: date | None
    first: date | None
    last: date | None
    within: float
    later: float | None
    load: float

    @property
    def kept_up(self) -> bool:
        return self.load <= ENOUGH


def queue_of(desk: Desk) -> Queue:
    """The desk as a queue in hours of work, with one more item in each class: the one that is asked about."""
    end = desk.end
    more = [desk.hours_until(each.first) for each in desk.joining for _ in range(each.people)]
    classes = tuple(
        ItemClass(
            _work(each),
            Exponential(WORKWEEK * desk.hours / each.per_week) if each.per_week else None,
            each.stock + 1,
            desk.hours_until(each.opens) if each.opens else 0.0,
        )
        for each in desk.lines
    )
    return Queue(classes, (*[0.0] * desk.people, *more), end)


def _work(line: Line) -> Times:
    hours = line.minutes / 60
    return Exponential(hours) if line.deviation is None else Lognormal(hours, line.deviation / 60)


def waits(desk: Desk, level: float, paths: int, seed: int, over: Callable[..., Iterable[Any]] = map) -> list[Wait]:
    """For each class. `level`: the probability of `first` to `last`. Raises Incorrect `wait.too-large`."""
    number = round(sum(each.stock + 1 + each.per_week * desk.weeks for each in desk.lines) * paths)
    if number > MOST:
        expected = f"at most {MOST:,} items times paths"
        raise Incorrect("wait.too-large", expected=expected, got=f"{number:,}", mend="fewer weeks, or fewer paths")
    asked = Asked(since=1e-9, watched=tuple((k, each.stock) for k, each in enumerate(desk.lines)))
    told = simulate(queue_of(desk), paths, seed, asked, over)
    later = [None if each.opens or not told.items[k].sum() else told.mean_wait(k) for k, each in enumerate(desk.lines)]
    return [_wait(desk, k, told.watched[k], level, each) for k, each in enumerate(later)]


def _wait(desk: Desk, k: int, begun: Numbers, level: float, later: float | None) -> Wait:
    tail = (1 - level) / 2
    ends = np.quantile(begun, [0.5, tail, 1 - tail], method="inverted_cdf")
    middle, first, last = (desk.day_at(hour) if hour < desk.end else None for hour in ends.tolist())
    return Wait(desk.lines[k], middle, first, last, float((begun < desk.end).mean()), later, load(desk, k))


def load(desk: Desk, k: int) -> float:
    """What comes in of the first k + 1 classes, as a share of what all people, with those who join, can do."""
    work = sum(each.per_week * each.minutes / 60 for each in desk.lines[: k + 1])
    return work / (WORKWEEK * desk.hours * (desk.people + sum(each.people for each in desk.joining)))


def told(desk: Desk, found: Sequence[Wait]) -> list[dict[str, Any]]:
    """As JSON: days as dates, waits in working days."""
    return [
        {
            "class": each.line.key,
            "title": each.line.title,
            "stock": each.line.stock,
            "begun": {
                "middle": each.middle and each.middle.isoformat(),
                "from": each.first and each.first.isoformat(),
                "to": each.last and each.last.isoformat(),
                "within_the_weeks": round(each.within, 4),
            },
            "later_working_days": None if each.later is None else round(each.later / desk.hours, 2),
            "load": round(each.load, 4),
            "kept_up": each.kept_up,
        }
        for each in found
    ]
