"""What the log is made of, and what a verification tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import msgspec

from keersluis.errors import Incorrect, Untrusted
from keersluis.times import Instant, format_instant, parse_instant
from keersluis.watermarks import Checkpoint

WITNESSED = "head.witnessed"
"""Kind of an entry that keeps another organisation's signed head: this log then vouches for what that log was."""

CONTRADICTED = "head.contradicted"
"""Kind of an entry that keeps two signed heads of one organisation that cannot both be of one log."""


class Entry(NamedTuple):
    """Entry `n` (from 1) of a log. `head` is the size of the newest signed head when it was written."""

    n: int
    at: Instant
    room: str
    kind: str
    head: int
    body: dict[str, Any]


class Head(NamedTuple):
    """A signed head: `checkpoint` is what `note` signs; `frontier` is the tree's right edge, bearing its root."""

    checkpoint: Checkpoint
    note: str
    frontier: bytes


class _Written(msgspec.Struct):
    """The bytes of an entry, in this order of fields. Unknown fields are kept: the bytes are the record."""

    n: int
    at: str
    room: str
    kind: str
    head: int
    body: dict[str, Any]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Written).decode


def encode_entry(entry: Entry) -> bytes:
    """The exact bytes of an entry; a leaf of the tree is the RFC 6962 hash of these. Raises TypeError for no JSON."""
    return _encode(_Written(entry.n, format_instant(entry.at), entry.room, entry.kind, entry.head, entry.body))


def decode_entry(data: bytes) -> Entry:
    """Inverse of `encode_entry`. Raises Untrusted `timeline.no-entry` when these bytes are no entry."""
    try:
        written = _decode(data)
        return Entry(written.n, parse_instant(written.at), written.room, written.kind, written.head, written.body)
    except (msgspec.MsgspecError, ValueError, Incorrect) as error:
        expected = "n, at, room, kind, head and body as JSON"
        raise Untrusted("timeline.no-entry", expected=expected, got=str(error)) from None


RESTORED = "timeline.restored"
"""Kind of the entry with which a log that came back from an old backup says so: it names the heads that were lost, and
begins the next epoch of the log's heads."""


def timeline_origin(oin: str, epoch: int = 1) -> str:
    """The origin line of the heads of an organisation's log."""
    return f"{oin}/timeline/{epoch}"


def timeline_epoch(origin: str) -> int:
    """The epoch in the origin line of a head; 0 when it is none."""
    epoch = origin.rpartition("/timeline/")[2]
    return int(epoch) if epoch.isdigit() and len(epoch) < 10 else 0


def owner(origin: str) -> str:
    """The OIN in an origin line."""
    return origin.split("/", 1)[0]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two validly signed heads of one organisation that no append-only log can both have had: proof of a fork."""

    earlier: str
    later: str
    entry: int


What = Literal["entry", "head", "line", "witnessed", "log"]


_NAMES: Mapping[What, tuple[str, str]] = {
    "entry": ("entry", "entries"),
    "head": ("head", "heads"),
    "line": ("line", "lines"),
    "witnessed": ("witnessed head", "witnessed heads"),
    "log": ("log", "log"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a log. `first`..`last` number entries, heads (by how many entries they cover),
    lines of an exported file, or heads witnessed of others (in the order of the file or table).

    `log` says whose (an OIN, or the file where that is unknown); `facts` fill the sentence that
    `keersluis.timeline.texts.finding_sentence` makes of it.
    """

    code: str
    log: str
    what: What = "log"
    first: int = 0
    last: int = 0
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """`entry 17`, `entries 17-20`, `head 20`, `line 3`, `witnessed head 1` or `log`."""
        one, many = _NAMES[self.what]
        if self.what == "log":
            return one
        return f"{one} {self.first}" if self.first == self.last else f"{many} {self.first}-{self.last}"

    def covers(self, n: int) -> bool:
        """True when the finding names place `n`."""
        return self.first <= n <= self.last


@dataclass(frozen=True, slots=True)
class LogReport:
    """What was checked of one log. `witnessed` is the greatest size that another organisation's copy confirms."""

    log: str
    source: str
    entries: int
    heads: int
    witnessed: int
    findings: tuple[Finding, ...]
    more: int = 0
    restored: tuple[Finding, ...] = ()
    """What others saw of this log and is not in it, as the log itself declares: it came back from an old backup."""

    @property
    def good(self) -> bool:
        return not self.findings


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a verification. `unseen` names organisations whose heads were witnessed, but whose log is not
    here: of them only the heads could be compared."""

    logs: tuple[LogReport, ...]
    unseen: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        return all(log.good for log in self.logs)

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for log in self.logs for finding in log.findings)

    @property
    def restored(self) -> tuple[Finding, ...]:
        return tuple(finding for log in self.logs for finding in log.restored)

    @property
    def entries(self) -> int:
        return sum(log.entries for log in self.logs)

    @property
    def heads(self) -> int:
        return sum(log.heads for log in self.logs)
