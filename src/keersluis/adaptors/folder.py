"""A watched folder: each file is delivered, and goes to `done/` with a receipt only when all of it is durable.

The order of a file, which makes it exactly once after a crash at any point: read and sealed, its rows delivered (the
node swallows those that it has), refused rows written, receipt written, marker removed, file moved. A receipt without
its file says that only the end was left to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from keersluis.adaptors import files
from keersluis.adaptors.config import Adaptor, FolderSource
from keersluis.adaptors.delivery import Checker, Delivered, Delivery, Ready, Refused, deliver, reason
from keersluis.adaptors.mapping import Row
from keersluis.adaptors.rows import Seal, check_encoding, header_of, read_rows, seal
from keersluis.errors import Conflict, Incorrect
from keersluis.times import Clock, format_instant

DONE, REFUSED = "done", "refused"
RECEIPT, REASONS, MARKER = ".receipt.json", ".reasons.json", ".done"
UNFINISHED = (".part", ".tmp", ".partial", MARKER)

MOST_WHOLE = 48 * 1024 * 1024
"""Bytes of events that can be accepted as one, where a file is taken whole or not at all."""

Told = Callable[[Delivered], None]
Stop = Callable[[], bool]


class Folder:
    """One adaptor's folder."""

    def __init__(self, adaptor: Adaptor, source: FolderSource, delivery: Delivery, clock: Clock) -> None:
        self.adaptor, self.source, self._delivery, self._clock = adaptor, source, delivery, clock
        self._checker = Checker(adaptor.chain, adaptor.me, adaptor.mapping, clock)
        self._clean = False
        self._columns = adaptor.mapping.columns() if adaptor.mapping else ()

    def once(
        self, told: Told = lambda _delivered: None, stop: Callable[[], bool] = lambda: False
    ) -> list[dict[str, Any]]:
        """Deliver every file that is complete now; returns a receipt each. `told` hears how far the file is.

        Raises Unavailable when node or disk cannot go on: what was not finished is done again the next time.
        """
        with files.usable(self.source.path):
            for folder in (DONE, REFUSED):
                (self.source.path / folder).mkdir(parents=True, exist_ok=True)
            self._finish()
            receipts = []
            for path in waiting(self.source):
                if stop():
                    break
                receipts.append(self._file(path, told, stop))
            return [each for each in receipts if each]

    def _file(self, path: Path, told: Told, stop: Stop) -> dict[str, Any] | None:
        before, sealed, delivered = path.stat(), seal(path, self.source.encoding), Delivered()
        try:
            check_encoding(sealed, path, self.source.encoding)
            if not self._deliver(path, delivered, told, stop):
                return None
        except Incorrect as error:
            return self._refuse(path, sealed, [{"row": 0, "reasons": error.faults or [str(error)]}])
        except _WholeRefused as refused:
            return self._refuse(path, sealed, _rows(refused.rows))
        after = path.stat()
        if (after.st_mtime_ns, after.st_size) != (before.st_mtime_ns, before.st_size):
            return None  # its writer does not keep to the agreement: it is read again
        done = self.source.path / DONE
        name = _free(done, path.name, RECEIPT)
        self._hand_back(path, sealed, delivered.refused)
        receipt = self._receipt(path.name, sealed, delivered)
        files.write(done / (name + RECEIPT), msgspec.json.encode(receipt))
        self._leave(path, done / name)
        return receipt

    def _finish(self) -> None:
        """What a crash left between receipt (or reasons) and the move."""
        if self._clean:
            return
        for folder, ending in ((DONE, RECEIPT), (REFUSED, REASONS)):
            for record in (self.source.path / folder).glob(f"*{ending}"):
                target = record.with_name(record.name.removesuffix(ending))
                if not target.exists():
                    told = msgspec.json.decode(record.read_bytes())
                    path = self.source.path / told["file"]
                    if path.is_file() and seal(path, self.source.encoding).sha256 == told["sha256"]:
                        self._leave(path, target)
        self._clean = True

    def _deliver(self, path: Path, into: Delivered, told: Told, stop: Stop) -> bool:
        """False: told to stop before the end. What was delivered is delivered."""
        rows = read_rows(path, self.source, self._columns)
        if self.source.whole:
            ready, refused = self._sorted_out(list(rows), path.name)
            self._as_one(ready, refused, into)
            return True
        while batch := list(islice(rows, self.adaptor.batch)):
            if stop():
                return False
            ready, refused = self._sorted_out(batch, path.name)
            into.refused += refused
            deliver(self._delivery, ready, into)
            told(into)
        return True

    def _sorted_out(self, rows: Sequence[Row | Refused], name: str) -> tuple[list[Ready], list[Refused]]:
        ready, refused = self._checker.sorted_out((row for row in rows if isinstance(row, Row)), name)
        return ready, [row for row in rows if isinstance(row, Refused)] + refused

    def _as_one(self, ready: Sequence[Ready], refused: Sequence[Refused], into: Delivered) -> None:
        if not refused and sum(len(each.event) for each in ready) > MOST_WHOLE:
            refused = [Refused(Row(0, "", {}), (f"expected at most {MOST_WHOLE} bytes to take as one, got more",))]
        if not refused and ready:
            try:
                into.take(self._delivery.accept([each.event for each in ready]))
            except (Incorrect, Conflict) as error:
                refused = [Refused(Row(0, "", {}), (reason(error),))]
        if refused:
            raise _WholeRefused(refused)

    def _hand_back(self, path: Path, sealed: Seal, refused: Sequence[Refused]) -> None:
        """Refused rows as a file that can be mended and delivered again, and why each was refused."""
        if not refused:
            return
        head = header_of(path, self.source)
        ordered = sorted(refused, key=lambda each: int(each.row.number))
        lines = ([head] if head else []) + [each.row.text for each in ordered if each.row.text]
        folder = self.source.path / REFUSED
        name = _same_or_free(folder, path.name, sealed)
        files.write(folder / name, ("\n".join(lines) + "\n").encode(self.source.encoding))
        files.write(folder / (name + REASONS), _reasons(path.name, sealed, _rows(ordered)))

    def _receipt(self, name: str, sealed: Seal, delivered: Delivered) -> dict[str, Any]:
        return {
            "file": name,
            "sha256": sealed.sha256,
            "bytes": sealed.bytes,
            "organisation": self.adaptor.me.key,
            "system": self.adaptor.name,
            "at": format_instant(self._clock.now()),
            "accepted": delivered.accepted,
            "before": delivered.before,
            "refused": len(delivered.refused),
            "numbers": {
                kind: dict(zip(("first", "last", "count"), found, strict=True))
                for kind, found in sorted(delivered.numbers.items())
            },
        }

    def _refuse(self, path: Path, sealed: Seal, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """The whole file: reasons first, so that no file stands in `refused/` without them."""
        folder = self.source.path / REFUSED
        name = _free(folder, path.name, REASONS)
        files.write(folder / (name + REASONS), _reasons(path.name, sealed, rows))
        self._leave(path, folder / name)
        return {"file": path.name, "sha256": sealed.sha256, "accepted": 0, "before": 0, "refused": len(rows)}

    def _leave(self, path: Path, target: Path) -> None:
        """The marker goes first: one that stayed behind would make the next file of that name complete too soon."""
        self._clean = False
        path.with_name(path.name + MARKER).unlink(missing_ok=True)
        files.move(path, target)
        self._clean = True


class _WholeRefused(Exception):
    def __init__(self, rows: Sequence[Refused]) -> None:
        super().__init__(len(rows))
        self.rows = rows


def _rows(refused: Sequence[Refused]) -> list[dict[str, Any]]:
    return [{"row": each.row.number, "reasons": list(each.reasons)} for each in refused]


def _reasons(file: str, sealed: Seal, rows: list[dict[str, Any]]) -> bytes:
    return msgspec.json.encode({"file": file, "sha256": sealed.sha256, "rows": rows})


def _free(folder: Path, name: str, ending: str) -> str:
    """A name that was used goes on as `name~2`, `name~3`."""
    return next(
        each for each in _names(name) if not (folder / each).exists() and not (folder / (each + ending)).exists()
    )


def _same_or_free(folder: Path, name: str, sealed: Seal) -> str:
    """Where a crash came before the receipt, the rows of the same file are written over."""
    for each in _names(name):
        reasons = folder / (each + REASONS)
        if reasons.exists() and msgspec.json.decode(reasons.read_bytes())["sha256"] == sealed.sha256:
            return each
        if not reasons.exists():
            return each
    raise AssertionError("names do not end")


def _names(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}~{number}"
        number += 1


def waiting(source: FolderSource) -> list[Path]:
    """The files that are complete, by name."""
    if not source.path.is_dir():
        return []
    found = sorted(path for path in source.path.glob(source.pattern) if path.is_file() and _is_delivery(path))
    if source.complete == "marker":
        return [path for path in found if path.with_name(path.name + MARKER).exists()]
    return found


def _is_delivery(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix not in UNFINISHED
