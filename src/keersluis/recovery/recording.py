"""The record of forecasts: each kept as it was said, scored when what it spoke of is known, in the timeline both times.

What is read is compared with the timeline, and refused when anybody changed it. The same said again of the same account
is one statement.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from keersluis.errors import Untrusted
from keersluis.recovery import _store_forecasts as store
from keersluis.recovery._store_forecasts import MIGRATIONS as MIGRATIONS
from keersluis.recovery._store_forecasts import latest as latest
from keersluis.recovery.calibration import calibrated, stretches
from keersluis.recovery.forecasts import Forecast, decode
from keersluis.recovery.verification import Kept, Stocks, came, held
from keersluis.timeline import log
from keersluis.times import Instant, format_instant

MADE, SCORED, CORRECTED = "forecast.made", "forecast.scored", "forecast.corrected"

MOST = 200
"""So many actuals stand in one timeline entry; more are more entries."""

_Row = tuple[int, int, int]
"""(number of the forecast, steps ahead, what came)."""


def keep(tx: Connection, said: Forecast, known: Stocks, now: Instant) -> Kept:
    """Score what `known` tells of earlier forecasts of this backlog; then keep this one, stretched by their record.

    Of a forecast that was kept before, nothing is written, and the kept one returned.
    """
    score(tx, said.backlog, known, now)
    claim = _claim(said)
    n = store.claimed(tx, said.backlog, claim)
    whole = record(tx, said.backlog)
    if n is not None:
        return next(each for each in whole if each.n == n)
    same = [each for each in whole if each.forecast.method == said.method]
    said = calibrated(replace(said, made=now), stretches(same, said.ahead))
    n = store.number(tx)[1] + 1
    statement = said.encode()
    digest = hashlib.sha256(statement).hexdigest()
    entry = log.append(tx, at=now, room="recovery", kind=MADE, body=_made(n, said, digest))
    row = {"n": n, "backlog": said.backlog, "method": said.method, "as_of": said.as_of, "claim": claim}
    store.put(tx, row | {"digest": digest, "statement": statement, "entry": entry})
    return Kept(n, said)


def _claim(said: Forecast) -> str:
    """The digest of what is said before it is stretched, whenever it is said."""
    return replace(said, made=0).digest


def _made(n: int, said: Forecast, digest: str) -> dict[str, Any]:
    def day(steps: int | None) -> str | None:
        return None if steps is None else format_instant(said.at(steps))

    first, last = next(((first, last) for level, first, last in said.gone.intervals if level == 0.8), (None, None))
    return {
        "forecast": n,
        "backlog": said.backlog,
        "method": said.method,
        "as_of": format_instant(said.as_of),
        "stock": said.stock,
        "normal": said.normal,
        "gone": day(said.gone.middle),
        "gone_from": day(first),
        "gone_until": day(last),
        "inputs": said.inputs,
        "digest": digest,
    }


def score(tx: Connection, backlog: str, known: Stocks, now: Instant) -> int:
    """Note what came of all forecasts of a backlog, as far as `known` tells and nobody noted before. Returns how many.

    Where it tells of something noted before something else, that is noted as a correction, and what was known first
    goes on counting.
    """
    rows: list[_Row] = []
    changed: list[tuple[int, int, int, int]] = []
    lived = record(tx, backlog)
    for each in lived:
        found = came(each.forecast, known)
        rows += [(each.n, h, size) for h, size in found.items() if h not in each.actual]
        changed += [
            (each.n, h, each.actual[h], size)
            for h, size in found.items()
            if h in each.actual and h > 0 and size != each.corrected.get(h, each.actual[h])
        ]
    by_number = {each.n: each for each in lived}
    for first in range(0, len(rows), MOST):
        _note(tx, backlog, rows[first : first + MOST], by_number, now)
    for first in range(0, len(changed), MOST):
        part = changed[first : first + MOST]
        body = {"backlog": backlog, "count": len(part), "corrections": [list(each) for each in part]}
        log.append(tx, at=now, room="recovery", kind=CORRECTED, body=body)
        for n, h, _was, size in part:
            store.correct(tx, n, h, size)
    return len(rows)


def _note(tx: Connection, backlog: str, rows: Sequence[_Row], kept: Mapping[int, Kept], now: Instant) -> None:
    sizes = [replace(kept[n], actual={h: size}) for n, h, size in rows if h > 0]
    body = {
        "backlog": backlog,
        "count": len(sizes),
        "held": sum(held(each, h, 0.8) for each in sizes for h in each.actual),
        "ends": len(rows) - len(sizes),
        "actuals": [list(row) for row in rows],
    }
    entry = log.append(tx, at=now, room="recovery", kind=SCORED, body=body)
    store.add_actuals(tx, [{"n": n, "h": h, "actual": size, "entry": entry} for n, h, size in rows])


def record(tx: Connection, backlog: str | None = None) -> list[Kept]:
    """All kept forecasts of a backlog (None: of all), in the order in which they were made, with what came.

    Raises Untrusted `forecast.altered` where a statement or an actual is not what the timeline says.
    """
    _whole(tx)
    noted: dict[int, set[_Row]] = {}
    actual: dict[int, dict[int, int]] = defaultdict(dict)
    corrected: dict[int, dict[int, int]] = defaultdict(dict)
    for row in store.actuals_of(tx, backlog):
        noted.setdefault(row.entry, set()).add((row.n, row.h, row.actual))
        actual[row.n][row.h] = row.actual
        if row.corrected is not None:
            corrected[row.n][row.h] = row.corrected
    for entry, rows in noted.items():
        if rows != {(n, h, size) for n, h, size in _body(tx, entry, SCORED).get("actuals", ())}:
            raise _altered(min(rows)[0], f"other actuals than entry {entry} noted")
    return [Kept(row.n, _read(tx, row), actual[row.n], corrected[row.n]) for row in store.kept(tx, backlog)]


def _whole(tx: Connection) -> None:
    """None of the forecasts that the timeline tells of is gone."""
    newest = log.newest(tx, 1, {MADE})
    told = newest[0].body["forecast"] if newest else 0
    number, last = store.number(tx)
    if (number, last) != (told, told):
        raise _altered(told, f"{number} forecasts, of which the last is {last}")


def _read(tx: Connection, row: Any) -> Forecast:
    statement = bytes(row.statement)
    digest = hashlib.sha256(statement).hexdigest()
    body = _body(tx, row.entry, MADE)
    if (body.get("forecast"), body.get("backlog"), body.get("digest")) != (row.n, row.backlog, digest):
        raise _altered(row.n, f"a statement with digest {digest}")
    return decode(statement)


def _body(tx: Connection, entry: int, kind: str) -> Mapping[str, Any]:
    found = log.entries(tx, entry - 1, 1)
    return found[0].body if found and found[0].n == entry and found[0].kind == kind else {}


def _altered(n: int, got: str) -> Untrusted:
    return Untrusted(
        "forecast.altered",
        expected="a record of forecasts as the timeline has it",
        got=got,
        where=f"forecast {n}",
        mend="put the table back from a copy; nothing is calibrated on a record that was changed",
    )
