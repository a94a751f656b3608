"""Measures the entry lag of our own streams, and says when it is longer than declared."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection

from keersluis.chain import Kind
from keersluis.exchange import _store_lags
from keersluis.exchange._store_lags import MIGRATIONS as MIGRATIONS
from keersluis.exchange.envelope import Submitted
from keersluis.exchange.lags import REFRESH, Measured, counted, measured, week_of
from keersluis.timeline import log
from keersluis.times import SECOND, Instant
from keersluis.watermarks import NOTHING_PROMISED


def note(
    tx: Connection,
    kind: Kind,
    events: Sequence[Submitted],
    source_time: Instant,
    *,
    waited: Collection[str],
    promised: Instant,
) -> None:
    """Count the delays of events that are accepted now, in their transaction.

    From the first moment of the event time, as the declared lag is counted. What was registered as waiting had held
    the promise back by itself, and what was loaded before anything was promised is history: neither counts. The
    node's own events (ends of answers) are entered by nobody.
    """
    if kind.action != "answer" and promised != NOTHING_PROMISED:
        delays = (source_time - event.when.start for event in events if event.id not in waited)
        _store_lags.add(tx, kind.path, week_of(source_time), counted(delays))


def binding(tx: Connection, kinds: Sequence[Kind], now: Instant) -> dict[str, int]:
    """Kind path -> the lag in microseconds that its promise must keep to now: the greater of declared and measured.

    A change goes in the timeline. No promise moves back by it: `watermarks.promise` keeps what was heard.
    """
    known = _store_lags.latest(tx)
    stale = {k.path: k for k in kinds if known.get(k.path, _store_lags.NEVER)[2] + REFRESH <= now}
    found = _store_lags.bins_of(tx, list(stale), week_of(now)) if stale else {}
    lags = {kind.path: max(kind.lag, known.get(kind.path, _store_lags.NEVER)[1]) for kind in kinds}
    for path, bins in found.items():
        result = measured(bins)
        lags[path] = _took(tx, stale[path], result, known.get(path, _store_lags.NEVER)[1], now)
    return lags


def _took(tx: Connection, kind: Kind, found: Measured, before: int, now: Instant) -> int:
    binds = found.binding(kind.lag)
    _store_lags.put(tx, kind.path, found, binds, now)
    if binds != max(before, kind.lag):
        body = {
            "kind": kind.path,
            "declared_seconds": kind.lag // SECOND,
            "measured_seconds": found.lag // SECOND,
            "samples": found.samples,
        }
        log.append(tx, at=now, room="exchange", kind="lag.exceeded" if binds > kind.lag else "lag.kept", body=body)
    return binds


def shown(tx: Connection) -> dict[str, Measured]:
    """Kind path -> the last measurement, where one was taken."""
    return {path: found for path, (found, _binds, _at) in _store_lags.latest(tx).items() if found.samples}
