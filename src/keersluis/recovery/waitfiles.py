"""Reads a desk (`keersluis backlog wait`) from TOML, and tells all its faults at once."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from keersluis.recovery.waits import Desk, Joining, Line
from keersluis.sections import Faults, Section, read_section

LATEST = date(2200, 1, 1)


def load_desk(path: Path) -> Desk:
    """Raises Incorrect `wait.broken` whose `.faults` names every fault."""
    faults = Faults()
    desk = _desk(read_section(faults, path, path.name))
    faults.stop("wait.broken", expected="a desk without faults", where=str(path))
    return desk


def _desk(it: Section) -> Desk:
    first = _day(it, "from") or LATEST
    desk = Desk(
        first,
        it.whole("people", least=1),
        it.number("hours", "hours of work a day, above 0 and at most 24", lambda hours: 0 < hours <= 24),
        it.whole("weeks", 52, least=1),
        tuple(_line(each) for each in it.rows("class")),
        tuple(_joining(each) for each in it.rows("joining")),
        _holidays(it),
    )
    if not 1 <= len(desk.lines) <= 100:
        it.fault("class", "1 to 100 tables", str(len(desk.lines)))
    keys = [each.key for each in desk.lines]
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        it.fault("class", "a key of its own for each class", repr(key))
    if desk.people + sum(each.people for each in desk.joining) > 1000 or desk.weeks > 520:
        it.fault("", "at most 1,000 people and 520 weeks", f"{desk.people} people, {desk.weeks} weeks")
    it.done()
    return desk


def _line(it: Section) -> Line:
    key = it.text("key")
    line = Line(
        key,
        it.words("title", {"nl": key or "?", "en": key or "?"}),
        it.whole("stock", 0),
        it.number("per-week", "a number of 0 or more", lambda n: 0 <= n < 1e9) if it.has("per-week") else 0.0,
        it.number("minutes", "minutes of work, above 0", lambda n: 0 < n < 1e6),
        it.number("deviation", "minutes, above 0", lambda n: 0 < n < 1e6) if it.has("deviation") else None,
        _day(it, "opens") if it.has("opens") else None,
    )
    it.done()
    return line


def _joining(it: Section) -> Joining:
    found = Joining(_day(it, "from") or LATEST, it.whole("people", least=1))
    it.done()
    return found


def _holidays(it: Section) -> tuple[date, ...]:
    days = it.values.get("holidays", []) if it.has("holidays") else []
    found = tuple(day for each in days if (day := _as_day(each))) if isinstance(days, list) else ()
    if not isinstance(days, list) or len(found) < len(days):
        it.fault("holidays", "a list of dates as 2025-12-25", repr(days))
    return found


def _day(it: Section, key: str) -> date | None:
    value = it.values.get(key, "nothing") if it.has(key) else "nothing"
    day = _as_day(value)
    if day is None:
        it.fault(key, "a date as 2025-08-18", str(value) if value == "nothing" else repr(value))
    return day


def _as_day(value: object) -> date | None:
    """A TOML date, or one between quotes; not a time."""
    if type(value) is date:
        return value if date(1970, 1, 1) <= value < LATEST else None
    try:
        return _as_day(date.fromisoformat(value)) if isinstance(value, str) else None
    except ValueError:
        return None
