"""Instants, days and clocks. All instants are microseconds since 1970-01-01T00:00:00Z.

Four clocks are never mixed (DESIGN.md): event time, source time, system time, valid time. They share this
representation, not their meaning; names say which is which.
"""

from __future__ import annotations

import mmap
import re
import time
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias
from zoneinfo import ZoneInfo

from keersluis.errors import Incorrect

Instant: TypeAlias = int

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_DURATION = re.compile(r"(\d+)([smhdw])")


class When(NamedTuple):
    """When an act happened: an instant (start == end), or a day from its first to its last microsecond."""

    start: Instant
    end: Instant


class Clock(Protocol):
    """Tells the time; the only place where the core meets a clock."""

    def now(self) -> Instant: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> Instant:
        return time.time_ns() // 1000


class ManualClock:
    """A clock that stands still until it is set: for demo, replay and simulator. It never runs backwards."""

    def __init__(self, at: Instant) -> None:
        self._at = at

    def now(self) -> Instant:
        return self._at

    def set(self, at: Instant) -> None:
        self._at = max(self._at, at)


class FileClock:
    """A clock that many processes share: eight bytes in a file, set by whoever leads a demo or a replay."""

    def __init__(self, path: Path, start: Instant | None = None) -> None:
        if start is not None:
            path.write_bytes(start.to_bytes(8, "little"))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 8)

    def now(self) -> Instant:
        return int.from_bytes(self._memory[:8], "little")

    def set(self, at: Instant) -> None:
        self._memory[:8] = max(self.now(), at).to_bytes(8, "little")


@lru_cache(maxsize=65536)
def parse_instant(text: str) -> Instant:
    """RFC 3339 text with an offset -> instant. Raises Incorrect `times.not-an-instant`."""
    try:
        moment = datetime.fromisoformat(text)
        at = (moment - _EPOCH) // _MICROSECOND  # TypeError: it has no offset
    except (ValueError, TypeError):
        at = _FIRST - 1
    if not _FIRST <= at <= _LAST:
        raise Incorrect(
            "times.not-an-instant",
            expected="RFC 3339 with an offset, as 2025-07-17T06:00:00+02:00",
            got=repr(text),
        )
    return at


@lru_cache(maxsize=65536)
def format_instant(instant: Instant) -> str:
    """Instant -> RFC 3339 in UTC; the fraction only where it is not zero."""
    return (_EPOCH + timedelta(microseconds=instant)).isoformat().replace("+00:00", "Z")


@lru_cache(maxsize=65536)
def _day(day: date, tz: ZoneInfo) -> When:
    start = datetime(day.year, day.month, day.day, tzinfo=tz)
    first = max(_FIRST, (start - _EPOCH) // _MICROSECOND)
    if day == date.max:  # 9999-12-31, by which registrations say that something has no end
        return When(first, _LAST)
    following = day + timedelta(days=1)
    end = datetime(following.year, following.month, following.day, tzinfo=tz)
    return When(first, (end - _EPOCH) // _MICROSECOND - 1)


def last_day(end: Instant, tz: ZoneInfo) -> date:
    """The last day of what ends then. Equal steps that begin at midnight in winter end at one o'clock in summer: an
    hour is no day."""
    return local(end - HOUR - 1, tz).date()


def local(instant: Instant, tz: ZoneInfo) -> datetime:
    """The instant as people in `tz` read it."""
    moment = _EPOCH + timedelta(microseconds=instant)
    try:
        return moment.astimezone(tz)
    except OverflowError:  # within a day of the first or the last moment that there is
        return moment.replace(tzinfo=tz)


def day_of(instant: Instant, tz: ZoneInfo) -> When:
    """The local day in which the instant falls."""
    return _day(local(instant, tz).date(), tz)


def parse_when(text: str, tz: ZoneInfo) -> When:
    """`2025-07-21` is that whole day in `tz`; RFC 3339 is an instant. Raises Incorrect `times.not-a-time`."""
    if len(text) == 10:
        try:
            return _day(date.fromisoformat(text), tz)
        except ValueError:
            raise Incorrect(
                "times.not-a-time", expected="a date as 2025-07-21 or an RFC 3339 time", got=repr(text)
            ) from None
    instant = parse_instant(text)
    return When(instant, instant)


def format_when(when: When, tz: ZoneInfo) -> str:
    """The inverse of `parse_when`."""
    return format_instant(when.start) if when.start == when.end else local(when.start, tz).date().isoformat()


def parse_duration(text: str) -> int:
    """`6h`, `14d`, `1d12h` -> microseconds. Raises Incorrect `times.not-a-duration`."""
    if not re.fullmatch(r"(\d+[smhdw])+", text):
        raise Incorrect("times.not-a-duration", expected="a duration as 30s, 6h or 14d", got=repr(text))
    return sum(int(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))
