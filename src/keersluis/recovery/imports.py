"""Counts of a backlog that come by file: what a file says, and whether it goes with what is known. Pure.

Two forms. *Counts*: what came and went in each period, perhaps with the stock at its end; a later file may hold new
periods only. *Stays*: when each case of an event log came and left, by the hour and without its number; a later file
holds the whole log again. What is said again must be the same; what is new extends it.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from keersluis.errors import Incorrect
from keersluis.eventlogs import Row
from keersluis.fields import parse_time
from keersluis.recovery.accounts import (
    Fault,
    Faults,
    Period,
    Wanted,
    counts_of,
    is_periodic,
    read_pairs,
    read_periods,
)
from keersluis.recovery.stock import Backlog, edges
from keersluis.stays import Stay
from keersluis.times import DAY, HOUR, Instant, format_instant

MOST = 20_000_000
"""More items than this no backlog has."""


@dataclass(frozen=True)
class Said:
    """What one file says. `step` of its periods (0: it tells of stays); `until`: what it is complete through; `places`:
    where in the file each period stands; `faults`: what cannot be right."""

    step: Instant
    periods: Mapping[Instant, Period]
    stays: tuple[Stay, ...]
    until: Instant
    faults: tuple[Fault, ...]

    @property
    def form(self) -> str:
        return "counts" if self.step else "stays"


def read(path: Path, backlog: Backlog, zone: ZoneInfo, columns: Wanted) -> Said:
    """What a file says of a backlog; its faults are told, not raised.

    Raises Incorrect: those of `eventlogs.read_log`, `backlog.columns`, `backlog.activity`, and `backlog.activities`
    where an event log comes without the activities with which a case arrives and is completed.
    """
    if is_periodic(path):
        faults = Faults()
        rows = read_periods(path, columns, faults)
        return counted(rows, faults)
    if not (columns.arrival and columns.completion):
        raise Incorrect(
            "backlog.activities",
            expected="the activities with which a case arrives and is completed",
            got="an event log without",
            mend=f"name them with --arrival and --completion, or in backlogs.toml under [{backlog.key}]",
            where=str(path),
        )
    pairs = read_pairs(path, columns)
    numbers = Counter(zip(map(_hour, pairs.came), map(_hour_or_none, pairs.went), strict=True))
    stays = tuple(Stay(n, since, since, ended) for (since, ended), n in numbers.items())
    return Said(0, {}, stays, pairs.latest, pairs.left_out)


def of_table(content: bytes, zone: ZoneInfo) -> Said:
    """As `read`, of a table of counts that came over the web. Raises Incorrect `backlog.columns`, `log.not-csv`."""
    faults, rows = Faults(), dict[Instant, Period]()
    try:
        lines = csv.reader(content.decode("utf-8-sig").splitlines(), delimiter=_delimiter(content))
        header = [name.strip().lower() for name in next(lines, [])]
        for number, cells in enumerate(filter(None, lines), 2):
            _table_row(number, dict(zip(header, cells, strict=False)), zone, rows, faults)
    except (UnicodeDecodeError, csv.Error) as error:
        raise Incorrect("log.not-csv", expected="CSV in UTF-8", got=str(error)[:200]) from None
    if missing := {"date", "arrivals", "completions"} - set(header):
        got = ", ".join(header[:20]) or "none"
        raise Incorrect("backlog.columns", expected="the columns " + ", ".join(sorted(missing)), got=got)
    return counted(rows, faults)


def _delimiter(content: bytes) -> str:
    first = content[:4096].split(b"\n")[0]
    return max(",;\t", key=lambda each: first.count(each.encode()))


def _table_row(
    number: int, cells: Mapping[str, str], zone: ZoneInfo, rows: dict[Instant, Period], faults: Faults
) -> None:
    try:
        at = parse_time(cells.get("date", "").replace("/", "-"), zone)
    except ValueError:
        faults.add("unreadable", number)
        return
    row = Row(
        number, cells.get("arrivals", ""), cells.get("completions", ""), at, {k: v for k, v in cells.items() if v}
    )
    if at in rows:
        faults.add("duplicate", number)
    elif (counts := counts_of(row, "stock", faults)) is not None:
        rows[at] = counts


def _hour(at: Instant) -> Instant:
    return at - at % HOUR


def _hour_or_none(at: Instant | None) -> Instant | None:
    return None if at is None else _hour(at)


def counted(rows: Mapping[Instant, Period], faults: Faults) -> Said:
    """Periods of one length without gaps, and stocks that go with what came and went."""
    moments = sorted(rows)
    if len(moments) < 2:
        return Said(DAY, dict(rows), (), moments[-1] + DAY if moments else 0, faults.told())
    step = max(DAY, round(float(np.median(np.diff(moments))) / DAY) * DAY)
    for before, after in pairwise(moments):
        apart = (after - before) / step
        if round(apart) > 1:
            faults.add("gap", f"{round(apart) - 1} before line {rows[after].line}", round(apart) - 1)
        elif abs(apart - 1) * step > 2 * HOUR:  # an hour of summer time
            faults.add("uneven-period", rows[after].line)
    _stocks([rows[moment] for moment in moments], faults)
    return Said(step, dict(rows), (), moments[-1] + step, faults.told())


def _stocks(rows: Sequence[Period], faults: Faults) -> None:
    """In - out = stock, from one stated stock to the next."""
    stock: int | None = None
    for row in rows:
        expected = None if stock is None else stock + row.arrivals - row.completions
        if row.stock is not None and expected is not None and row.stock != expected:
            faults.add("stock-differs", f"line {row.line}: {row.stock} stated, {expected} by in and out")
        stock = row.stock if row.stock is not None else expected
        if stock is not None and stock < 0:
            faults.add("negative-stock", row.line)
            stock = None


# -- against what is known -------------------------------------------------------------------------------------------


def contradictions(known: Said | None, new: Said, zone: ZoneInfo) -> tuple[Fault, ...]:
    """Where a file says other than what is known, or does not go on from it."""
    faults = Faults("period")
    if known is None:
        return ()
    if (known.step, known.form) != (new.step, new.form):
        faults.add("other-form", f"{_form(known)} before, {_form(new)} now")
    elif new.form == "counts":
        _against_counts(known, new, faults)
    else:
        _against_stays(known, new, zone, faults)
    return faults.told()


def _form(said: Said) -> str:
    return f"counts per {said.step // DAY} days" if said.step else "an event log"


def _against_counts(known: Said, new: Said, faults: Faults) -> None:
    for start, row in sorted(new.periods.items()):
        before = known.periods.get(start)
        if before is not None and before[:3] != row[:3]:
            got, had = (f"{each.arrivals} in, {each.completions} out" + _stated(each) for each in (row, before))
            faults.add("contradicts", f"line {row.line} ({format_instant(start)[:10]}): {got}; before {had}")
    first = min(new.periods, default=known.until)
    if (missing := round((first - known.until) / known.step)) > 0:
        faults.add("gap", f"{missing} before line {new.periods[first].line}", missing)
    if new.periods and min(known.periods) > max(new.periods) + known.step:
        faults.add("gap", "after the last line, before what is known")
    if not faults.told():
        both = {**known.periods, **new.periods}
        _stocks([both[start] for start in sorted(both)], faults)


def _stated(row: Period) -> str:
    return "" if row.stock is None else f", {row.stock} there"


def _against_stays(known: Said, new: Said, zone: ZoneInfo, faults: Faults) -> None:
    """Day by day, as far as what is known is complete."""
    if new.until < known.until:
        faults.add("shorter", f"until {format_instant(new.until)}, before until {format_instant(known.until)}")
        return
    days = edges(known.until, DAY, zone)
    had, got = (_daily(said.stays, days) for said in (known, new))
    for n in np.flatnonzero((had != got).any(axis=0)):
        place = f"{format_instant(days[n] + 12 * HOUR)[:10]}: {got[0, n]} in, {got[1, n]} out; before "
        faults.add("contradicts", place + f"{had[0, n]} in, {had[1, n]} out")


def _daily(stays: Iterable[Stay], days: Sequence[Instant]) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """[came or went, day] -> how many, over the whole days between `days`."""
    found = np.zeros((2, len(days) - 1), np.int64)
    for stay in stays:
        for row, at in enumerate((stay.since, stay.ended)):
            n = -1 if at is None else int(np.searchsorted(days, at, "right")) - 1
            if 0 <= n < len(days) - 1:
                found[row, n] += stay.n
    return found


# -- what is known, as stays -----------------------------------------------------------------------------------------


def stays_of(said: Said) -> list[Stay]:
    """The stays that counts come down to: what was there longest leaves first."""
    if not said.step:
        return list(said.stays)
    starts = sorted(said.periods)
    here = [(starts[0] - 1, _before(said, starts))]
    found: list[Stay] = []
    at = 0
    for start in starts:
        row = said.periods[start]
        here.append((start, row.arrivals))
        left = row.completions
        while left and at < len(here):
            since, number = here[at]
            taken = min(left, number)
            found += [Stay(taken, since, since, start)] if taken else []
            left -= taken
            here[at] = (since, number - taken)
            at += number == taken
    return found + [Stay(number, since, since, None) for since, number in here[at:] if number]


def _before(said: Said, starts: Sequence[Instant]) -> int:
    """What was there before the first period: by a stated stock, or the least that can have been."""
    net = least = 0
    for start in starts:
        row = said.periods[start]
        net += row.arrivals - row.completions
        least = min(least, net)
        if row.stock is not None:
            return row.stock - net
    return -least


def told(said: Said) -> dict[str, int]:
    """How many came and went in all, for the timeline."""
    if said.step:
        rows = said.periods.values()
        return {"came": sum(row.arrivals for row in rows), "left": sum(row.completions for row in rows)}
    return {
        "came": sum(stay.n for stay in said.stays),
        "left": sum(stay.n for stay in said.stays if stay.ended is not None),
    }


def packed(said: Said) -> dict[str, object]:
    """What a file says, as the body of a request: no case has a number in it."""
    return {
        "stap": said.step // DAY,
        "tot": format_instant(said.until),
        "perioden": [
            [format_instant(at), row.arrivals, row.completions, row.stock, row.line]
            for at, row in sorted(said.periods.items())
        ],
        "verblijven": [
            [s.n, format_instant(s.since), None if s.ended is None else format_instant(s.ended)] for s in said.stays
        ],
        "weggelaten": [each.told() for each in said.faults],
    }
