"""How long decisions lay on the desk to be revisited, or waited to be settled, as stays: for the backlogs.

A decision comes to a desk with the change to that state, and leaves it with the next change to another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection

from keersluis.decisions import _store, _store_stays
from keersluis.decisions._store_stays import MIGRATIONS as MIGRATIONS
from keersluis.errors import Fault
from keersluis.stays import Stay
from keersluis.times import HOUR, Instant

DESKS = {"revisit": ("revisit",), "provisional": ("provisional", "held")}
"""What waits, and the states in which a decision does."""

_Key = tuple[str, str]
_Open = dict[_Key, tuple[str, Instant, Instant]]
_Closed = Counter[tuple[str, str, int, int, int]]


def advance(tx: Connection) -> None:
    """Count what has changed since the last time, in a writing transaction. Never to do so does no harm."""
    rows = _store_stays.changed(tx, _store_stays.mark(tx))
    if not rows:
        return
    before = _store_stays.open_of(tx, sorted({row.decision for row in rows}))
    after, closed = _moved(dict(before), rows)
    _store_stays.drop_open(tx, before.keys() - after.keys())
    _store_stays.put_open(tx, {key: value for key, value in after.items() if before.get(key) != value})
    _store_stays.add_closed(tx, closed)
    _store_stays.put_mark(tx, rows[-1].n)


def behind(tx: Connection) -> int:
    """How many changes are still to be counted."""
    return _store_stays.last(tx) - _store_stays.mark(tx)


def stays(tx: Connection, desk: str, policies: Collection[str] = ()) -> list[Stay]:
    """What waits and waited at a desk of DESKS, by these policies (none: all). `born` is the moment for which was
    decided. Raises Fault `backlog.unbalanced` where that is not what the decisions say of themselves."""
    waiting, closed = _store_stays.open_on(tx, desk), Counter[tuple[str, str, int, int, int]]()
    for row in _store_stays.closed_on(tx, desk):
        closed[desk, row.policy, row.born, row.since, row.ended] += int(row.n)
    waiting, more = _moved(waiting, _store_stays.changed(tx, _store_stays.mark(tx)))
    closed += more
    own = [each for (at, _decision), each in waiting.items() if at == desk]
    _check(tx, desk, len(own))
    found = [Stay(1, born, since, None) for policy, born, since in own if not policies or policy in policies]
    found += [
        Stay(n, born * HOUR, since * HOUR, ended * HOUR)
        for (at, policy, born, since, ended), n in closed.items()
        if at == desk and (not policies or policy in policies)
    ]
    return found


def _moved(waiting: _Open, rows: Iterable[Any]) -> tuple[_Open, _Closed]:
    """What waits after these changes, and what left by them."""
    closed: _Closed = Counter()
    for row in rows:
        for desk, states in DESKS.items():
            key = (desk, row.decision)
            if row.state in states:
                waiting.setdefault(key, (row.policy, row.moment, row.at))
            elif key in waiting:
                policy, born, since = waiting.pop(key)
                closed[desk, policy, born // HOUR, since // HOUR, row.at // HOUR] += 1
    return waiting, closed


def _check(tx: Connection, desk: str, number: int) -> None:
    """In - out = stock, counted apart."""
    counts = _store.counts(tx)
    stock = sum(counts.get(state, 0) for state in DESKS[desk])
    if stock != number:
        raise Fault("backlog.unbalanced", expected=f"{stock} decisions that wait ({desk})", got=str(number))
