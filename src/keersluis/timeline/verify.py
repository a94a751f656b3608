"""Verify logs offline with public keys alone: one, or those of a whole chain against each other (P5).

A single log cannot tell of itself that its tail was cut, nor that the holder of its key wrote it anew. The others can:
each keeps the heads that it saw. Those are gathered first from every log, then each log is read against them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

from keersluis.errors import Incorrect, KeersluisError
from keersluis.identity import KEYRING_FILE, KeyRing
from keersluis.timeline.audit import Auditor, Testimonies, Testimony
from keersluis.timeline.findings import Findings
from keersluis.timeline.heads import check_head, contradict
from keersluis.timeline.lines import EntryRow, HeadRow, Row, WitnessedRow
from keersluis.timeline.model import (
    CONTRADICTED,
    RESTORED,
    WITNESSED,
    Finding,
    LogReport,
    Report,
    decode_entry,
    owner,
)
from keersluis.timeline.sources import open_source
from keersluis.watermarks import Checkpoint

NODE_FILE = "node.db"

Where: TypeAlias = str | Path


def verify_path(path: Where) -> Report:
    """Verify what lies at `path`: a node's database, an exported log, or a working directory of a node or a chain.

    A directory holds `keys.json` and `<organisation>/node.db` files (or is one organisation's own); for a file,
    `keys.json` is beside it or one directory up. Raises Incorrect `timeline.nothing-to-verify`, and as `verify_chain`.
    """
    place = Path(path)
    if not place.exists():
        raise Incorrect("timeline.nothing-to-verify", expected="a file or directory", got="none", where=str(path))
    logs = [place] if place.is_file() else sorted({*place.glob(NODE_FILE), *place.glob(f"*/{NODE_FILE}")})
    if not logs:
        expected = f"{NODE_FILE}, or directories with one"
        raise Incorrect("timeline.nothing-to-verify", expected=expected, got="none", where=str(path))
    return verify_chain([("", log) for log in logs], KeyRing.load(_keys_beside(place)))


def verify_chain(logs: Iterable[tuple[str, Where]], keyring: KeyRing) -> Report:
    """Verify logs, each (OIN, database path or URL or exported file), and each against the heads that the others kept.

    An empty OIN is read from the log's own heads. Reads only; the nodes may be at work meanwhile.
    Raises Incorrect `timeline.not-a-log`, `timeline.unreadable-source`.
    """
    gathered = _Gathered(keyring)
    named = [(gathered.listen(oin, where), where) for oin, where in logs]
    reports = [_verify(oin, where, keyring, gathered) for oin, where in named]
    unseen = tuple(oin for oin in gathered.oins() if oin not in {oin for oin, _where in named})
    reports = [_emptied(report, unseen) for report in reports]
    return Report((*reports, *(report for oin in unseen for report in gathered.compare(oin))), unseen)


def verify_log(where: Where, keyring: KeyRing, oin: str = "") -> LogReport:
    """Verify one log by itself. Raises as `verify_chain`."""
    return verify_chain([(oin, where)], keyring).logs[0]


def _verify(oin: str, where: Where, keyring: KeyRing, gathered: _Gathered) -> LogReport:
    with open_source(where) as source:
        about, lost = gathered.about(oin), gathered.declared(oin)
        auditor = Auditor(str(where), oin, keyring, about, lost, exported=source.exported)
        for row in source.rows():
            auditor.take(row)
        if source.exported and auditor.empty:
            raise Incorrect(
                "timeline.not-a-log", expected="a database or an exported log", got="another file", where=str(where)
            )
        return auditor.finish()


def _emptied(report: LogReport, unseen: Sequence[str]) -> LogReport:
    """A log without entries cannot even tell whose it is; suspect when heads were kept of a log that is missing."""
    if report.log or report.entries or not unseen:
        return report
    finding = Finding("timeline.log-emptied", report.source, facts={"of": ", ".join(unseen)})
    return replace(report, findings=(*report.findings, finding))


class _Gathered:
    """What the logs say of each other: heads by the log that they are of."""

    def __init__(self, keyring: KeyRing) -> None:
        self._keyring = keyring
        self._by_owner: dict[str, dict[int, list[Testimony]]] = {}
        self._lost: dict[str, list[Checkpoint]] = {}

    def listen(self, oin: str, where: Where) -> str:
        """Gather what this log says of others; returns whose it is ("" when it has no sound head to tell)."""
        notes: list[str] = []
        lost: list[str] = []
        with open_source(where) as source:
            for row in source.speaking():
                if isinstance(row, HeadRow):
                    oin = oin or self._owner(row.note)
                else:
                    notes += _notes(row)
                    lost += _lost(row)
        self._lost.setdefault(oin, []).extend(filter(None, map(self._sound, lost)))
        for note in dict.fromkeys(notes):
            self._keep(note, oin or str(where))
        return oin

    def about(self, oin: str) -> Testimonies:
        return self._by_owner.get(oin, {})

    def declared(self, oin: str) -> Sequence[Checkpoint]:
        """The heads of its own that this log says it lost, when it came back from an old backup."""
        return [head for head in self._lost.get(oin, ()) if owner(head.origin) == oin]

    def oins(self) -> Sequence[str]:
        """Whose heads were kept by anybody."""
        return sorted(self._by_owner)

    def compare(self, oin: str) -> list[LogReport]:
        """Of a log that is not here: whether the heads that others kept can be of one log."""
        findings = Findings(oin)
        kept = [each for _size, row in sorted(self._by_owner[oin].items()) for each in row]
        for one, other in pairwise(sorted(kept, key=lambda each: each.checkpoint.origin)):
            if one.checkpoint.origin == other.checkpoint.origin and contradict(one.checkpoint, other.checkpoint):
                by = ", ".join(dict.fromkeys((one.by, other.by)))
                findings.add("timeline.two-heads", "head", other.checkpoint.size, by=by)
        found, more = findings.result()
        return [LogReport(oin, "", 0, len(kept), 0, found, more)] if found else []

    def _keep(self, note: str, by: str) -> None:
        checkpoint = self._sound(note)
        if checkpoint is not None:
            of = self._by_owner.setdefault(owner(checkpoint.origin), {})
            of.setdefault(checkpoint.size, []).append(Testimony(checkpoint, by))

    def _owner(self, note: str) -> str:
        checkpoint = self._sound(note)
        return "" if checkpoint is None else owner(checkpoint.origin)

    def _sound(self, note: str) -> Checkpoint | None:
        try:
            return check_head(note, self._keyring)
        except KeersluisError:
            return None  # the audit of the log that holds it names the place


def _notes(row: Row) -> list[str]:
    """The signed heads of others that a row holds."""
    if isinstance(row, WitnessedRow):
        return [row.note]
    if not isinstance(row, EntryRow):
        return []
    try:
        entry = decode_entry(row.data)
    except KeersluisError:
        return []
    fields = {WITNESSED: ("note",), CONTRADICTED: ("earlier", "later")}.get(entry.kind, ())
    return [str(entry.body.get(field)) for field in fields]


def _lost(row: Row) -> list[str]:
    """The notes of the heads that a log says were lost."""
    try:
        entry = decode_entry(row.data) if isinstance(row, EntryRow) else None
    except KeersluisError:
        return []
    heads = entry.body.get("heads") if entry is not None and entry.kind == RESTORED else None
    return [str(each.get("note")) for each in heads if isinstance(each, dict)] if isinstance(heads, list) else []


def _keys_beside(place: Path) -> Path:
    folders = [place, place.parent] if place.is_dir() else [place.parent, place.parent.parent]
    found = [folder / KEYRING_FILE for folder in folders if (folder / KEYRING_FILE).is_file()]
    if not found:
        expected = f"{KEYRING_FILE} with the public keys, in {folders[0]} or one directory up"
        raise Incorrect("timeline.no-keys", expected=expected, got="none", where=str(place))
    return found[0]
