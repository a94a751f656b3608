"""The account of a backlog over equal steps, from an event log or from a table of periodic counts.

What cannot be right is told with numbers and places (lines of the file, never cases: these may be people), and what had
to be left out is told too. Where too little is left to say anything, reading ends with Incorrect `backlog.too-little`.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from keersluis.errors import Incorrect
from keersluis.eventlogs import SHOWN, BadRows, Columns, Row, read_log
from keersluis.recovery.history import Counts, History, history
from keersluis.times import DAY, Instant, day_of

LEAST = 10
"""Steps of an account below which nothing is said."""

ZONE = ZoneInfo("Europe/Amsterdam")
"""In which periods begin, and times without an offset are."""

CASE = ("case:concept:name", "case", "case_id", "case id", "caseid", "zaak", "zaaknummer")
ACTIVITY = ("concept:name", "activity", "activiteit", "event", "task")
TIME = ("time:timestamp", "timestamp", "complete timestamp", "time", "tijd", "datum", "date")

LARGEST = 10_000_000
"""No count of one period is taken to be more."""


@dataclass(frozen=True)
class Wanted:
    """How to read: columns ("" is to be found), which activities arrive and complete (none: first and last event)."""

    step: Instant = 7 * DAY
    case: str = ""
    activity: str = ""
    time: str = ""
    arrival: tuple[str, ...] = ()
    completion: tuple[str, ...] = ()
    zone: ZoneInfo = ZONE


@dataclass(frozen=True)
class Fault:
    """One sort of wrong input: `code`, how many, and the first few places."""

    code: str
    number: int
    places: tuple[str, ...]

    def told(self) -> dict[str, object]:
        return {"code": self.code, "number": self.number, "places": list(self.places)}


@dataclass(frozen=True)
class Account:
    """`past` over steps of `step` from `start`. `left_out` is what was wrong; `first_last`: arrivals are first events
    and completions last ones; `by_ages`: how long items waited is known, not assumed."""

    start: Instant
    step: Instant
    past: History
    left_out: tuple[Fault, ...]
    first_last: bool
    by_ages: bool

    @property
    def end(self) -> Instant:
        return self.start + self.past.steps * self.step


class Faults:
    """Collects what is wrong, by sort."""

    def __init__(self, noun: str = "line") -> None:
        self.noun = noun
        self._found: dict[str, list[str]] = {}
        self._number: dict[str, int] = {}

    def add(self, code: str, place: object, number: int = 1) -> None:
        self._number[code] = self._number.get(code, 0) + number
        places = self._found.setdefault(code, [])
        if len(places) < SHOWN:
            places.append(f"{self.noun} {place}" if isinstance(place, int) else str(place))

    def told(self) -> tuple[Fault, ...]:
        return tuple(Fault(code, self._number[code], tuple(places)) for code, places in self._found.items())


def read_account(path: Path, wanted: Wanted) -> Account:
    """The account in a log (XES, CSV, Parquet) or in a CSV with date, arrivals, completions and perhaps stock.

    Raises Incorrect: those of `eventlogs.read_log`, `backlog.columns`, `backlog.activity`, `backlog.too-little`.
    """
    if is_periodic(path):
        return enough(_periodic(path, wanted), str(path))
    return enough(_from_events(path, wanted), str(path))


def is_periodic(path: Path) -> bool:
    """Whether it is a table of periodic counts, by its columns."""
    return {"date", "arrivals", "completions"} <= {name.lower() for name in _header(path)}


def enough(account: Account, where: str) -> Account:
    """The account, where it holds enough to say anything. Raises Incorrect `backlog.too-little`."""
    if account.past.steps >= LEAST and account.past.arrivals.any():
        return account
    faults = [f"{each.code}: {each.number} ({', '.join(each.places)})" for each in account.left_out]
    got = f"{account.past.steps} steps" + ("; left out: " + "; ".join(faults) if faults else "")
    raise Incorrect(
        "backlog.too-little",
        expected=f"at least {LEAST} whole steps without a gap in which something arrives",
        got=got,
        mend="take shorter steps with --step, or mend the input",
        where=where,
        left_out=[each.told() for each in account.left_out],
    )


def _header(path: Path) -> list[str]:
    """The columns of a CSV; nothing for other formats, which are read by their usual names."""
    name = path.name.lower()
    if not name.removesuffix(".gz").endswith(".csv") or not path.is_file():
        return []
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig")
            if name.endswith(".gz")
            else path.open(encoding="utf-8-sig") as stream
        ):
            line = stream.readline(1 << 20).rstrip("\r\n")
    except (OSError, EOFError, UnicodeDecodeError):
        return []  # the reader of the format tells what is wrong with the file
    delimiter = max(",;\t", key=line.count)
    return [each.strip() for each in next(csv.reader([line], delimiter=delimiter), [])]


# -- events


def _columns(wanted: Wanted, header: list[str], path: Path) -> Columns:
    """Those asked for, or the first usual name that is there."""
    lower = {name.lower(): name for name in reversed(header)}

    def find(asked: str, usual: tuple[str, ...], option: str) -> str:
        if asked or not header:
            return asked or usual[0]
        found = next((lower[name] for name in usual if name in lower), None)
        if found is None:
            expected = f"a column as {', '.join(usual[:3])}, or its name with --{option}"
            raise Incorrect("backlog.columns", expected=expected, got=", ".join(header[:20]), where=str(path))
        return found

    case = find(wanted.case, CASE, "case")
    return Columns(case, find(wanted.activity, ACTIVITY, "activity"), find(wanted.time, TIME, "time"))


class _Cases:
    """First arrival and completion of each case, and what is wrong."""

    def __init__(self, wanted: Wanted, faults: Faults) -> None:
        self.wanted, self.faults = wanted, faults
        self.came: dict[str, Instant] = {}
        self.went: dict[str, tuple[Instant, int]] = {}
        self.activities: set[str] = set()
        self.latest: Instant = 0
        self._seen: set[int] = set()

    def take(self, row: Row) -> None:
        mark = hash((row.case, row.activity, row.at))
        if mark in self._seen:
            self.faults.add("duplicate", row.line)
            return
        self._seen.add(mark)
        self.activities.add(row.activity)
        self.latest = max(self.latest, row.at)
        if not self.wanted.arrival or row.activity in self.wanted.arrival:
            self.came[row.case] = min(row.at, self.came.get(row.case, row.at))
        if self.wanted.completion:
            if row.activity in self.wanted.completion:
                self.went[row.case] = min((row.at, row.line), self.went.get(row.case, (row.at, row.line)))
        else:
            self.went[row.case] = max((row.at, row.line), self.went.get(row.case, (row.at, row.line)))

    def pairs(self) -> tuple[list[Instant], list[Instant | None]]:
        """(arrived, left or None) of the cases that can be right."""
        for case, (at, line) in self.went.items():
            if case not in self.came:
                self.faults.add("completion-without-arrival", line)
            elif at < self.came[case]:
                self.faults.add("completion-before-arrival", line)
        kept = [
            (came, self.went[case][0] if case in self.went else None)
            for case, came in self.came.items()
            if case not in self.went or self.went[case][0] >= came
        ]
        return [came for came, _ in kept], [went for _, went in kept]


@dataclass(frozen=True)
class Pairs:
    """When each case of a log came and left (None: it is still there), without its number; `latest` event of all."""

    came: list[Instant]
    went: list[Instant | None]
    latest: Instant
    left_out: tuple[Fault, ...]


def read_pairs(path: Path, wanted: Wanted) -> Pairs:
    """The cases of an event log. Raises Incorrect: those of `eventlogs.read_log`, `backlog.columns`,
    `backlog.activity`."""
    bad, faults = BadRows(), Faults()
    cases = _Cases(wanted, faults)
    for row in read_log(path, _columns(wanted, _header(path), path), wanted.zone, bad):
        cases.take(row)
    faults.noun = bad.noun
    if bad.number:
        faults.add("unreadable", "; ".join(bad.first), bad.number)
    unknown = [name for name in (*wanted.arrival, *wanted.completion) if name not in cases.activities]
    if unknown and cases.activities:
        got = ", ".join(repr(name) for name in unknown)
        expected = "activities of the log: " + ", ".join(sorted(cases.activities)[:20])
        raise Incorrect("backlog.activity", expected=expected, got=got, where=str(path))
    return Pairs(*cases.pairs(), cases.latest, faults.told())


def _from_events(path: Path, wanted: Wanted) -> Account:
    pairs = read_pairs(path, wanted)
    came, went = pairs.came, pairs.went
    start = day_of(min(came), wanted.zone).start if came else 0
    steps = max(0, int((pairs.latest + 1 - start) // wanted.step)) if came else 0
    past = history(_steps(came, start, wanted.step), _steps(went, start, wanted.step), steps)
    return Account(start, wanted.step, past, pairs.left_out, not wanted.completion, True)


def _steps(moments: list[Instant] | list[Instant | None], start: Instant, step: Instant) -> Counts:
    return np.array([-1 if at is None else (at - start) // step for at in moments], np.int64)


# -- periodic counts


class Period(NamedTuple):
    """`arrivals` and `completions` of one period, the `stock` at its end where that is stated, and the line."""

    arrivals: int
    completions: int
    stock: int | None
    line: int


def _periodic(path: Path, wanted: Wanted) -> Account:
    faults = Faults()
    return _account_of(read_periods(path, wanted, faults), wanted, faults)


def read_periods(path: Path, wanted: Wanted, faults: Faults) -> dict[Instant, Period]:
    """The counts of a table by the beginning of their period; what cannot be right goes to `faults`.

    Raises Incorrect: those of `eventlogs.read_log`.
    """
    bad = BadRows()
    names = {name.lower(): name for name in _header(path)}
    rows: dict[Instant, Period] = {}
    columns = Columns(names["arrivals"], names["completions"], names["date"])
    for row in read_log(path, columns, wanted.zone, bad):
        if row.at in rows:
            faults.add("duplicate", row.line)
        elif (counts := counts_of(row, names.get("stock", ""), faults)) is not None:
            rows[row.at] = counts
    if bad.number:
        faults.add("unreadable", "; ".join(bad.first), bad.number)
    return rows


def counts_of(row: Row, stock: str, faults: Faults) -> Period | None:
    """The counts in a row, its arrivals in place of a case and its completions in place of an activity; `stock`: the
    column of the stated stock. None where they cannot be right, which goes to `faults`."""
    try:
        arrivals, completions = int(row.case), int(row.activity)
        stated = int(row.fields[stock]) if stock in row.fields else None
    except ValueError:
        faults.add("unreadable", row.line)
        return None
    if min(arrivals, completions, stated or 0) < 0:
        faults.add("negative-count", row.line)
        return None
    if max(arrivals, completions, stated or 0) > LARGEST:
        faults.add("count-too-large", row.line)
        return None
    return Period(arrivals, completions, stated, row.line)


def _account_of(rows: dict[Instant, Period], wanted: Wanted, faults: Faults) -> Account:
    """From the latest rows that have no gap."""
    moments = sorted(rows)
    if len(moments) < 2:
        empty = np.zeros(0, np.int64)
        return Account(0, wanted.step, history(empty, empty, 0), faults.told(), False, False)
    apart = np.diff(moments)
    step = round(float(np.median(apart)) / DAY) * DAY or int(np.median(apart))
    first = 0
    for index, distance in enumerate(apart, 1):
        missing = round(float(distance) / step) - 1
        if missing > 0:
            faults.add("gap", f"{missing} before line {rows[moments[index]][3]}", missing)
            first = index
    if first:
        faults.add("before-gap", f"{first} periods before line {rows[moments[first]][3]}", first)
    kept = [rows[moment] for moment in moments[first:]]
    start = moments[-1] + step - len(kept) * step
    return Account(start, step, _oldest_first(kept, faults), faults.told(), False, False)


def _oldest_first(rows: list[Period], faults: Faults) -> History:
    """What was there longest leaves first. What was there at the start follows from the last stated stock, or is the
    least that could have been."""
    came, went = (np.array([row[n] for row in rows], np.int64) for n in (0, 1))
    net = np.cumsum(came - went)
    stated = [(t, row[2]) for t, row in enumerate(rows) if row[2] is not None]
    before = max(int(-net.min()), 0, stated[-1][1] - int(net[stated[-1][0]]) if stated else 0)
    for t, stock in stated:
        if stock != before + net[t]:
            faults.add("stock-differs", f"line {rows[t][3]}: {stock} stated, {before + net[t]} by in and out")
    came, went = np.concatenate([[before], came]), np.concatenate([[0], went])
    each = np.repeat(np.arange(len(came)), came)
    left = np.full(len(each), -1)
    gone = np.repeat(np.arange(len(went)), went)
    left[: len(gone)] = gone
    past = history(each, left, len(came))
    return History(past.arrivals[1:], past.departures[1:], past.stock[1:], past.held[1:], past.left[1:])
