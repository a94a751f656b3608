"""The source's own database as a ledger: a query of the organisation's own, on a system of record of whatever make.
Other rooms never import this module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from keersluis.errors import Incorrect
from keersluis.exchange.reconciliation import Entry, Tally
from keersluis.times import Instant, format_instant, local, parse_when

PARAMETERS = ("kind", "since", "until", "since_day", "until_day")


class Queried:
    """A `reconciliation.Ledger` that asks a database by `query`: a SELECT of columns `id`, `occurred` (as it was
    published) and, where it has it, `event` (the CloudEvent as it was or would be published).

    The query may use `:kind`, `:since`, `:until` (RFC 3339 in UTC), `:since_day` and `:until_day` (local dates, both
    in the period). It may give more than the period: what lies outside is left out here.
    """

    def __init__(self, url: str, query: str, zone: ZoneInfo) -> None:
        self._zone, self._query = zone, sa.text(query)
        self._wanted = set(self._query.compile().params)
        if unknown := self._wanted - set(PARAMETERS):
            expected = "parameters " + ", ".join(f":{name}" for name in PARAMETERS)
            raise Incorrect("ledger.query", expected=expected, got=", ".join(sorted(unknown)))
        try:
            self._engine = sa.create_engine(url)
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
            raise Incorrect("ledger.url", expected="an SQLAlchemy database URL", got=str(error)) from None

    def entries(self, kind: str, since: Instant, until: Instant) -> Sequence[Entry]:
        values = {
            "kind": kind,
            "since": format_instant(since),
            "until": format_instant(until),
            "since_day": local(since, self._zone).date().isoformat(),
            "until_day": local(until, self._zone).date().isoformat(),
        }
        try:
            with self._engine.connect() as tx:
                rows = tx.execute(self._query, {name: values[name] for name in self._wanted}).mappings().all()
        except sa.exc.SQLAlchemyError as error:
            expected = "a query that the database can answer"
            raise Incorrect("ledger.query", expected=expected, got=str(error).splitlines()[0]) from None
        found = [self._entry(row) for row in rows]
        return [each for each in found if since <= each.occurred < until]

    def count_digest(self, kind: str, since: Instant, until: Instant) -> Tally:
        return Tally.of(self.entries(kind, since, until))

    def _entry(self, row: Mapping[str, Any] | Any) -> Entry:
        try:
            event = row.get("event")
            raw = event if event is None or isinstance(event, bytes) else str(event).encode()
            return Entry(str(row["id"]), parse_when(_text(row["occurred"]), self._zone).start, raw)
        except KeyError as error:
            expected = "columns id and occurred, and event where the event can be had"
            raise Incorrect("ledger.query", expected=expected, got=f"no {error.args[0]}") from None

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def _text(value: Any) -> str:
    """A text as it is; a date or a time of the database as RFC 3339."""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
