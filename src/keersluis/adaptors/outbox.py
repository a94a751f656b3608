"""A database outbox: rows are taken in order, and acknowledged only when they are durable at the node.

A crash between the node's word and the acknowledgement makes the rows come again; the idempotency key swallows them.
With a cursor the danger is the reverse: a row that is committed late, with a smaller key than one that was read. Rows
behind a gap in the keys are therefore read only when every transaction that could still fill the gap has ended.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from keersluis.adaptors import files
from keersluis.adaptors._store_outbox import Table
from keersluis.adaptors.config import Adaptor, OutboxSource
from keersluis.adaptors.delivery import Checker, Delivered, Delivery, Refused, deliver
from keersluis.adaptors.mapping import Row
from keersluis.errors import Incorrect
from keersluis.times import Clock


class Cursor(msgspec.Struct):
    """Every row up to `after` is durable at the node, or in `refused`. `through` and `under_way` are a look that was
    taken: when the transactions that were under way then have ended, no key up to `through` can still appear."""

    table: str
    after: int = 0
    through: int = 0
    under_way: list[str] = []
    refused: dict[str, list[str]] = {}


class Outbox:
    """One adaptor's outbox table. Close it."""

    def __init__(self, adaptor: Adaptor, source: OutboxSource, delivery: Delivery, clock: Clock) -> None:
        self.adaptor, self.source, self._delivery = adaptor, source, delivery
        self._checker = Checker(adaptor.chain, adaptor.me, adaptor.mapping, clock)
        self.table = open_table(adaptor, source)

    def close(self) -> None:
        """Close the connections."""
        self.table.close()

    def once(self) -> Delivered:
        """Deliver up to one batch. Raises Unavailable when node, database or disk cannot go on: what was not
        acknowledged comes again."""
        return self._mark() if self.source.mode == "mark" else self._follow()

    def held_up(self) -> bool:
        """Rows are there that wait for transactions of the source system to end."""
        return self.source.mode == "cursor" and bool(read_cursor(self.source).under_way)

    def _send(self, rows: Sequence[Row]) -> Delivered:
        delivered = Delivered()
        ready, refused = self._checker.sorted_out(rows, self.source.table)
        delivered.refused += refused
        deliver(self._delivery, ready, delivered)
        return delivered

    def _mark(self) -> Delivered:
        with self.table.taking(self.adaptor.batch) as (rows, tx):
            delivered = self._send(rows)
            refused = _keys(delivered.refused)
            if refused:
                _write_cursor(self.source.state, _told(read_cursor(self.source), delivered.refused))
            self.table.mark(tx, [int(row.number) for row in rows if row.number not in set(refused)], self.source.taken)
            self.table.mark(tx, refused, self.source.refused)
        return delivered

    def _follow(self) -> Delivered:
        cursor = read_cursor(self.source)
        rows = self._settled(cursor)
        delivered = self._send(rows)
        if rows:
            cursor.after = int(rows[-1].number)
        _write_cursor(self.source.state, _told(cursor, delivered.refused))
        return delivered

    def _settled(self, cursor: Cursor) -> list[Row]:
        """The rows after the cursor of which none can still be missing in between."""
        if cursor.under_way:
            alive = set(self.table.under_way())  # before the rows are read: what ended since is among them
            ended = not alive & set(cursor.under_way) and not any(each.startswith("prepared ") for each in alive)
            cursor.under_way = [] if ended else cursor.under_way
        if not cursor.under_way and cursor.through > cursor.after:
            return self._up_to_look(cursor)
        rows = self.table.after(cursor.after, self.adaptor.batch)
        whole = _without_gap(rows, cursor.after)
        if not whole and rows and not cursor.under_way:
            cursor.through = self.table.newest()
            cursor.under_way = self.table.under_way()  # after the look: whoever holds a smaller key is among them
            if not cursor.under_way:
                return self._up_to_look(cursor)
        return whole

    def _up_to_look(self, cursor: Cursor) -> list[Row]:
        rows = self.table.after(cursor.after, self.adaptor.batch, cursor.through)
        if not rows:
            cursor.after = cursor.through  # what stood there has been cleared away, and nothing else can come
        return rows


def _without_gap(rows: Sequence[Row], after: int) -> list[Row]:
    """Keys that follow one another leave no room for one that comes late."""
    return [row for number, row in enumerate(rows, 1) if row.number == after + number]


def _told(cursor: Cursor, refused: Sequence[Refused]) -> Cursor:
    """Why rows were refused is kept on our side, by key."""
    cursor.refused |= {str(each.row.number): list(each.reasons) for each in refused}
    return cursor


def _keys(refused: Sequence[Refused]) -> list[int]:
    return [int(each.row.number) for each in refused]


def open_table(adaptor: Adaptor, source: OutboxSource) -> Table:
    """The table with the columns that the mapping asks for. Raises Incorrect `adaptor.outbox`."""
    mapping = adaptor.mapping
    columns: list[str] = []
    if mapping:
        more = (mapping.refers_to, mapping.valid_from, mapping.valid_to)
        columns = [*mapping.columns(), *(each for each in more if each), *(each.source for each in mapping.content)]
    url = source.url or os.environ.get(source.url_env, "")
    if not url:
        expected = f"the address of the database in the variable {source.url_env}"
        raise Incorrect("adaptor.outbox", expected=expected, got="nothing", where="outbox.url_env")
    if url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
        url = f"sqlite:///{adaptor.path.parent / url.removeprefix('sqlite:///')}"
    return Table(source, url, columns)


def read_cursor(source: OutboxSource) -> Cursor:
    """From the beginning where there is none: what was accepted before is swallowed. Raises Incorrect
    `adaptor.cursor` when it is that of another table, or no cursor."""
    try:
        found = msgspec.json.decode(source.state.read_bytes(), type=Cursor)
    except FileNotFoundError:
        return Cursor(source.table)
    except msgspec.MsgspecError as error:
        raise Incorrect("adaptor.cursor", expected="a cursor", got=str(error), where=str(source.state)) from None
    if found.table != source.table:
        expected = f"the cursor of {source.table}"
        raise Incorrect("adaptor.cursor", expected=expected, got=f"that of {found.table}", where=str(source.state))
    return found


def _write_cursor(path: Path, cursor: Cursor) -> None:
    with files.usable(path.parent):
        data = msgspec.json.encode(cursor)
        if not path.exists() or path.read_bytes() != data:
            files.write(path, data)


def state_of(source: OutboxSource, table: Table) -> dict[str, Any]:
    """How far it is."""
    cursor = read_cursor(source)
    if source.mode == "mark":
        return {"waiting": table.count(), "refused": len(cursor.refused)}
    told = {"after": cursor.after, "waiting": table.count(cursor.after), "refused": len(cursor.refused)}
    return told | {"waits_for_transactions": len(cursor.under_way)}
