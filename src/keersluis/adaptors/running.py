"""An adaptor at work: it looks, delivers, rests, and goes on until it is told to stop.

What cannot be done now is tried again, with a longer rest each time up to a ceiling, for ever (P1).
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from keersluis.adaptors import files
from keersluis.adaptors.config import Adaptor, FolderSource
from keersluis.adaptors.delivery import Checker, Delivered, Delivery, Refused
from keersluis.adaptors.folder import DONE, REASONS, RECEIPT, REFUSED, Folder, waiting
from keersluis.adaptors.mapping import Row, RowFaults
from keersluis.adaptors.outbox import Outbox, open_table, state_of
from keersluis.adaptors.rows import read_rows
from keersluis.errors import KeersluisError, Unavailable
from keersluis.times import SECOND, Clock

CEILING = 30.0
"""The longest rest, in seconds, after what could not be done."""


@dataclass
class Progress:
    """What one run came to so far. `trouble` is why it cannot go on just now."""

    files: int = 0
    accepted: int = 0
    before: int = 0
    refused: int = 0
    trouble: str = ""
    receipts: list[dict[str, Any]] = field(default_factory=list)

    def add(self, told: dict[str, Any]) -> None:
        """Count a receipt."""
        self.accepted += int(told["accepted"])
        self.before += int(told["before"])
        self.refused += int(told["refused"])


Report = Callable[[Progress, Delivered | None], None]


def run(
    adaptor: Adaptor, delivery: Delivery, clock: Clock, stop: threading.Event, report: Report, *, once: bool
) -> Progress:
    """Deliver until `stop` is set, or with `once` until nothing waits. `report` hears of progress, with what has been
    delivered of a file that is under way.

    Raises Conflict `adaptor.runs-already`, Incorrect `adaptor.outbox`; with `once` also Unavailable.
    """
    progress = Progress()
    with files.alone(_lock(adaptor)), _source(adaptor, delivery, clock) as source:
        failures = 0
        while not stop.is_set():
            try:
                busy = _round(source, progress, stop, report)
                failures, progress.trouble = 0, ""
            except KeersluisError as error:
                if once or not _passes(error):
                    raise
                busy, failures, progress.trouble = False, failures + 1, str(error)
            report(progress, None)
            if once and not busy and not _held_up(source):
                break
            if not busy:
                stop.wait(_rest(adaptor, failures))
    return progress


def _rest(adaptor: Adaptor, failures: int) -> float:
    rest = adaptor.every / SECOND
    return rest if not failures else min(CEILING, rest * 2 ** min(failures, 10)) * random.uniform(0.5, 1.0)


def _passes(error: KeersluisError) -> bool:
    """What may be over the next time: not now, or a fault of the node's. A wrong setting is not."""
    return isinstance(error, Unavailable) or error.status >= 500


def _lock(adaptor: Adaptor) -> Path:
    source = adaptor.source
    return source.path / ".adaptor.lock" if isinstance(source, FolderSource) else source.state.with_suffix(".lock")


@contextmanager
def _source(adaptor: Adaptor, delivery: Delivery, clock: Clock) -> Iterator[Folder | Outbox]:
    if isinstance(adaptor.source, FolderSource):
        yield Folder(adaptor, adaptor.source, delivery, clock)
        return
    outbox = Outbox(adaptor, adaptor.source, delivery, clock)
    try:
        outbox.table.check()
        yield outbox
    finally:
        outbox.close()


def _round(source: Folder | Outbox, progress: Progress, stop: threading.Event, report: Report) -> bool:
    """True: there may be more at once."""
    if isinstance(source, Folder):
        receipts = source.once(lambda delivered: report(progress, delivered), stop.is_set)
        for receipt in receipts:
            progress.add(receipt)
        progress.files += len(receipts)
        progress.receipts += receipts
        return bool(receipts)
    delivered = source.once()
    counts = {"accepted": delivered.accepted, "before": delivered.before, "refused": len(delivered.refused)}
    progress.add(counts)
    return any(counts.values())


def _held_up(source: Folder | Outbox) -> bool:
    """Rows are there that wait for transactions to end."""
    return isinstance(source, Outbox) and source.held_up()


class Shown(NamedTuple):
    """A row as it would be delivered: its event, or why there is none."""

    place: str
    event: Any
    reasons: tuple[str, ...]


def preview(adaptor: Adaptor, clock: Clock, most: int, sample: Path | None = None) -> list[Shown]:
    """The first rows as events; nothing is delivered, moved or marked. `sample` is shown instead of what waits.

    Raises Incorrect where file or table are not as the adaptor's file says.
    """
    checker = Checker(adaptor.chain, adaptor.me, adaptor.mapping, clock)
    return [_shown(checker, file, row) for file, row in islice(_rows(adaptor, sample, most), most)]


def _rows(adaptor: Adaptor, sample: Path | None, most: int) -> Iterator[tuple[str, Row | Refused]]:
    source = adaptor.source
    if isinstance(source, FolderSource):
        columns = adaptor.mapping.columns() if adaptor.mapping else ()
        for path in [sample] if sample else waiting(source):
            yield from ((path.name, row) for row in read_rows(path, source, columns))
        return
    table = open_table(adaptor, source)
    try:
        table.check()
        yield from ((source.table, row) for row in table.peek(most))
    finally:
        table.close()


def _shown(checker: Checker, file: str, row: Row | Refused) -> Shown:
    if isinstance(row, Refused):
        return Shown(f"{file} row {row.row.number}", None, row.reasons)
    try:
        return Shown(f"{file} row {row.number}", msgspec.json.decode(checker.event(row, file)), ())
    except RowFaults as faults:
        return Shown(f"{file} row {row.number}", None, tuple(faults.faults))


def status(adaptor: Adaptor) -> dict[str, Any]:
    """How far an adaptor is: what waits, what was done, what was refused."""
    source = adaptor.source
    told: dict[str, Any] = {"adaptor": adaptor.name, "organisation": adaptor.me.key}
    if isinstance(source, FolderSource):
        receipts = sorted((source.path / DONE).glob(f"*{RECEIPT}"), key=lambda path: path.stat().st_mtime_ns)
        last = msgspec.json.decode(receipts[-1].read_bytes()) if receipts else None
        refused = len(list((source.path / REFUSED).glob(f"*{REASONS}")))
        numbers = {"waiting": len(waiting(source)), "done": len(receipts), "with_refused_rows": refused}
        return told | {"folder": str(source.path)} | numbers | {"last": last}
    table = open_table(adaptor, source)
    try:
        return told | {"table": source.table, "mode": source.mode} | state_of(source, table)
    finally:
        table.close()
