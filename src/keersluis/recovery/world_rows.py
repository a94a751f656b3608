"""The rows of a plan for a forecast: shifts, gates, passages and variants, and the numbers in them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import TypeVar

from keersluis.recovery.accounts import LARGEST
from keersluis.recovery.arrivals import Gate
from keersluis.recovery.calendar import WEEKDAYS
from keersluis.recovery.capacity import WORKING, Boost, Newcomers, Overtime, Shift
from keersluis.recovery.levels import Given
from keersluis.recovery.paths import Passage
from keersluis.recovery.worlds import (
    Change,
    ClassPlan,
    Earlier,
    Home,
    OrganisationPlan,
    Variant,
    What,
    Workplaces,
)
from keersluis.sections import Section, nearest

_MOST = float(LARGEST)

T = TypeVar("T")


# -- numbers and days


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(section: Section, key: str, default: float | None, least: float, most: float) -> float:
    """From `least` to `most`; without a default it must be there."""
    if default is not None and not section.has(key):
        return default
    return section.number(key, f"a number from {least:g} to {most:,g}", lambda value: least <= value <= most) or least


def whole(section: Section, key: str, default: int, least: int, most: int) -> int:
    found = section.whole(key, default, least=least)
    if found > most:
        section.fault(key, f"a whole number of at most {most:,}", str(found))
    return min(found, most)


def day(section: Section, key: str) -> date:
    """A date, with or without quotes."""
    value = section.values.get(key, "nothing") if section.has(key) else "nothing"
    if isinstance(value, date) and not isinstance(value, datetime) and 1970 <= value.year <= 2200:
        return value
    try:
        found = date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or not 1970 <= found.year <= 2200:
        section.fault(key, "a date as 2025-10-16, from 1970 through 2200", repr(value) if value != "nothing" else value)
        return date(2000, 1, 1)
    return found


def _maybe(section: Section, key: str) -> date | None:
    return day(section, key) if section.has(key) else None


# -- capacity


def shift(row: Section, *, own: bool = True) -> Shift:
    names = row.choices("days", WEEKDAYS, WEEKDAYS[:5])
    found = Shift(
        number(row, "staff", None, 0, 1e6),
        frozenset(WEEKDAYS.index(each) for each in names) or WORKING,
        _maybe(row, "from"),
        _maybe(row, "until"),
        row.text("name", ""),
    )
    return _end(row, found, own)


def newcomers(row: Section, *, own: bool = True) -> Newcomers:
    found = Newcomers(
        number(row, "staff", None, 0, 1e6),
        day(row, "from"),
        number(row, "weeks", 8.0, 0, 520),
        row.share("start", 0.3),
    )
    return _end(row, found, own)


def overtime(row: Section, *, own: bool = True) -> Overtime:
    most = number(row, "most_person_days", 0.0, 0, _MOST) if row.has("most_person_days") else None
    found = Overtime(number(row, "share", None, 0, 1), day(row, "until"), _maybe(row, "from"), most)
    return _end(row, found, own)


def boost(row: Section, *, own: bool = True) -> Boost:
    found = Boost(
        number(row, "factor", None, 0.05, 100),
        day(row, "from"),
        row.share("share", 1.0),
        row.text("class", ""),
        row.text("name", ""),
    )
    return _end(row, found, own)


def _workplaces(row: Section, *, own: bool = False) -> Workplaces:
    return _end(row, Workplaces(number(row, "number", None, 0, 1e6)), own)


def _home(row: Section, *, own: bool = False) -> Home:
    return _end(row, Home(day(row, "from"), row.share("share") if row.has("share") else None), own)


def _earlier(row: Section, *, own: bool = False) -> Earlier:
    days = int(row.number("days_earlier", "a whole number of days, as 7", lambda value: abs(value) <= 3650))
    return _end(row, Earlier(row.text("name"), days), own)


def _end(row: Section, found: T, own: bool) -> T:
    if own:
        row.done()
    return found


# -- what comes, and goes on


def gate(row: Section, classes: Sequence[ClassPlan]) -> Gate:
    of = row.text("class", "")
    _known(row, "class", of, [each.key for each in classes])
    amount = Given(number(row, "items", None, 0, _MOST), number(row, "doubt", 0.0, 0, 2), 0.0)
    found = Gate(
        row.text("name"),
        amount,
        day(row, "opens"),
        _maybe(row, "latest"),
        number(row, "grows_per_day", 0.0, 0, 1e6),
        number(row, "per_day", 0.0, 0.01, 1e6) if row.has("per_day") else None,
        of,
    )
    if found.latest is not None and found.latest < found.opens:
        row.fault("latest", f"{found.opens} or later", str(found.latest))
    row.done()
    return found


def _known(row: Section, key: str, value: str, known: Sequence[str]) -> None:
    if value and value not in known:
        row.fault(key, "one of " + (", ".join(known) or "none"), repr(value) + nearest(value, known))


def passage(row: Section, organisations: Mapping[str, OrganisationPlan]) -> Passage:
    source, target, into = row.text("from"), row.text("to"), row.text("class", "")
    for key, name in (("from", source), ("to", target)):
        if name not in organisations:
            row.fault(key, "one of " + ", ".join(organisations), repr(name) + nearest(name, organisations))
    found = Passage(
        source,
        target,
        row.share("share", 1.0),
        whole(row, "delay_days", 1, 0, 3650),
        into,
        number(row, "doubt", 0.0, 0, 2),
    )
    if source in organisations and target in organisations:
        _classes_fit(row, organisations[source], organisations[target], into)
    row.done()
    return found


def _classes_fit(row: Section, source: OrganisationPlan, target: OrganisationPlan, into: str) -> None:
    """Each class of the one is a class of the other, or one is named in which all arrive."""
    known = [each.key for each in target.classes]
    _known(row, "class", into, known)
    lost = [each.key for each in source.classes if each.key not in known]
    if known and not into and (lost or not source.classes):
        row.fault("class", "the class at the target, one of " + ", ".join(known), "nothing")


_CHANGES: dict[str, Callable[..., What]] = {
    "shift": shift,
    "newcomers": newcomers,
    "overtime": overtime,
    "boost": boost,
    "workplaces": _workplaces,
    "home": _home,
    "stage": _earlier,
}


def variant(row: Section, organisations: Mapping[str, OrganisationPlan]) -> Variant:
    key = row.text("key")
    title = row.words("title", {"nl": key or "?", "en": key or "?"})
    changes = [_change(each, kind, organisations) for kind in _CHANGES for each in row.rows(kind)]
    if not changes:
        row.fault("", "at least one change: " + ", ".join(_CHANGES), "nothing")
    row.done()
    return Variant(key, title, tuple(changes))


def _named(at: OrganisationPlan) -> list[str]:
    """What can begin earlier."""
    capacity = at.capacity.capacity
    names = [each.name for each in at.gates] + [each.name for each in capacity.boosts]
    names += [each.name for each in capacity.shifts if each.first is not None]
    return [name for name in dict.fromkeys(names) if name]


def _change(row: Section, kind: str, organisations: Mapping[str, OrganisationPlan]) -> Change:
    only = next(iter(organisations), "") if len(organisations) == 1 else None
    key = row.text("organisation", only)
    what = _CHANGES[kind](row, own=False)
    at = organisations.get(key)
    if at is None:
        row.fault("organisation", "one of " + ", ".join(organisations), repr(key) + nearest(key, organisations))
    elif isinstance(what, Earlier):
        _known(row, "name", what.name or "nothing", _named(at))
    elif isinstance(what, Boost):
        _known(row, "class", what.of, [each.key for each in at.classes])
    row.done()
    return Change(key, what)
