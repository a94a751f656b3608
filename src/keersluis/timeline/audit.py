"""Decide whether what was found of a log is what its owner signed, and if not, where.

Pure: rows and keys in, findings out.

A head carries, unsigned, the right edge of its tree (the frontier). An edge that bears the signed root is as good as
signed, so that the stretch of entries between two heads can be judged by itself, and narrowed to a subtree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from keersluis.errors import KeersluisError, Untrusted
from keersluis.identity import KeyRing
from keersluis.merkle import HASH_SIZE, Frontier, leaf_hash
from keersluis.timeline.findings import Findings
from keersluis.timeline.heads import check_head
from keersluis.timeline.lines import EntryRow, HeadRow, Opening, Row, Unreadable, WitnessedRow
from keersluis.timeline.model import (
    RESTORED,
    WITNESSED,
    Entry,
    LogReport,
    decode_entry,
    owner,
    timeline_epoch,
    timeline_origin,
)
from keersluis.times import Instant
from keersluis.watermarks import Checkpoint


class Testimony(NamedTuple):
    """A head of a log, as the log of organisation `by` kept it."""

    checkpoint: Checkpoint
    by: str


Testimonies: TypeAlias = Mapping[int, Sequence[Testimony]]


class _Seen(NamedTuple):
    """An entry of the stretch at hand: its number by its bytes where these are sound, the number beside it, the leaf
    hash of its bytes, the one beside it. `entry` is None where the bytes cannot be relied on."""

    n: int
    place: int
    leaf: bytes
    stored: bytes
    entry: Entry | None


class Auditor:
    """Takes the rows of one log in the order found, and reports. Keeps one stretch between heads in memory.

    `oin` is the owner; `testimonies` are heads of this log that others kept, by size; `lost` those of which the log
    says that they were lost with a backup. An `exported` log has an opening line with its counts.
    """

    def __init__(
        self,
        source: str,
        oin: str,
        keyring: KeyRing,
        testimonies: Testimonies | None = None,
        lost: Sequence[Checkpoint] = (),
        *,
        exported: bool = False,
    ) -> None:
        self.findings = Findings(oin or source)
        self._source, self._oin, self._keyring, self._exported = source, oin, keyring, exported
        self._restored = Findings(oin or source)
        self._lost, self._epoch, self._excused = lost, 1, 0
        self._promised = dict(sorted((testimonies or {}).items()))
        self._opening: Opening | None = None
        self._counted = {EntryRow: 0, HeadRow: 0, WitnessedRow: 0}
        self._stretch: list[_Seen] = []
        self._unreadable = False
        self._low = 0  # the stretch begins after this entry: the size of the head before
        self._edge: Frontier | None = Frontier()  # the tree at that head; None when nothing vouches for one
        self._unusable: set[int] = set()
        self._times: tuple[Instant, Instant] = (0, 0)  # of the last entry, of the last head
        self._heads = self._agreed = 0
        self._witnessed_last = ""
        self._kept: dict[str, Checkpoint] = {}  # origin -> the newest witnessed head among the entries

    def take(self, row: Row) -> None:
        """The next row of the log."""
        if isinstance(row, EntryRow | HeadRow) and self._counted[WitnessedRow]:
            self.findings.add("timeline.witnessed-moved", "witnessed", self._counted[WitnessedRow])
        if isinstance(row, EntryRow):
            self._counted[EntryRow] += 1
            self._entry(row)
        elif isinstance(row, HeadRow):
            self._counted[HeadRow] += 1
            self._head(row)
        elif isinstance(row, WitnessedRow):
            self._counted[WitnessedRow] += 1
            self._witnessed(row)
        elif isinstance(row, Unreadable):
            self._unreadable = True
            self.findings.add("timeline.unreadable", row.what, row.number)
        elif not self.empty:
            self.findings.add("timeline.opening-elsewhere")
        else:
            self._opening = row

    @property
    def empty(self) -> bool:
        """Nothing was taken that belongs to a log."""
        return self._opening is None and not any(self._counted.values())

    def finish(self) -> LogReport:
        """The report, after the last row."""
        self._tail()
        for origin in self._kept:
            self.findings.add("timeline.witnessed-removed", of=owner(origin))
        if self._opening is not None:
            self._count(self._opening)
        elif self._exported:
            self.findings.add("timeline.opening-missing")
        if self._excused >= self._epoch:  # what it says it lost is of an epoch that it never ended
            self.findings.add("timeline.restore-unsigned")
        found, more = self.findings.result()
        restored, _more = self._restored.result()
        entries = self._counted[EntryRow]
        return LogReport(self._oin, self._source, entries, self._heads, self._agreed, found, more, restored)

    # --- rows -------------------------------------------------------------------------------------

    def _entry(self, row: EntryRow) -> None:
        leaf, entry = leaf_hash(row.data), None
        try:
            entry = decode_entry(row.data)
        except Untrusted:
            if leaf == row.leaf:
                self.findings.add("timeline.entry-altered", "entry", row.n)
        if leaf != row.leaf or entry is None:
            self._stretch.append(_Seen(row.n, row.n, leaf, row.leaf, None))
            return
        self._stretch.append(_Seen(entry.n, row.n, leaf, row.leaf, entry))
        if row.columns is not None and row.columns != (entry.at, entry.room, entry.kind):
            self.findings.add("timeline.columns-altered", "entry", row.n)
        if entry.kind == WITNESSED:
            self._testimony(entry)

    def _testimony(self, entry: Entry) -> None:
        try:
            kept = check_head(str(entry.body.get("note")), self._keyring)
        except KeersluisError:
            self.findings.add("timeline.witnessed-forged", "entry", entry.n, of=owner(str(entry.body.get("of"))))
            return
        before = self._kept.get(kept.origin)
        if before is None or before.size < kept.size:
            self._kept[kept.origin] = kept

    def _witnessed(self, row: WitnessedRow) -> None:
        number = self._counted[WitnessedRow]
        try:
            seen = check_head(row.note, self._keyring)
        except KeersluisError as error:
            of = owner(row.origin or "")
            self.findings.add("timeline.witnessed-forged", "witnessed", number, of=of, why=error.code)
            return
        if seen.origin <= self._witnessed_last:
            self.findings.add("timeline.witnessed-moved", "witnessed", number)
        self._witnessed_last = seen.origin
        kept = self._kept.pop(seen.origin, None)
        if row.origin not in (None, seen.origin) or (kept is not None and kept.size > seen.size):
            self.findings.add("timeline.witnessed-replaced", "witnessed", number, of=owner(seen.origin))

    def _head(self, row: HeadRow) -> None:
        try:
            checkpoint = check_head(row.note, self._keyring)
        except KeersluisError as error:
            self._unusable.add(row.n)
            self.findings.add("timeline.head-forged", "head", row.n, why=error.code)
            return
        if self._begins_epoch(checkpoint):
            self._epoch += 1
        if checkpoint.origin != timeline_origin(self._oin, self._epoch):
            self._unusable.add(row.n)
            self.findings.add("timeline.head-foreign", "head", row.n, of=owner(checkpoint.origin))
        elif checkpoint.size != row.n or checkpoint.size <= self._low:
            self._unusable |= {row.n, checkpoint.size}
            self.findings.add("timeline.head-moved", "head", checkpoint.size)
        else:
            self._heads += 1
            self._close(checkpoint, row.frontier)

    def _begins_epoch(self, head: Checkpoint) -> bool:
        """The entry that it covers last declares that the log came back from an old backup."""
        last = self._stretch[-1].entry if self._stretch else None
        declared = last is not None and last.kind == RESTORED and last.n == head.size
        return declared and head.origin == timeline_origin(self._oin, self._epoch + 1)

    # --- a stretch between two heads --------------------------------------------------------------

    def _close(self, head: Checkpoint, stored_edge: bytes) -> None:
        high = head.size
        stretch = self._in_order(high)
        edge = _edge(stored_edge, head)
        proven: Frontier | None = None
        if len(stretch) == high - self._low:
            proven = self._prove(stretch, head, edge)
        else:
            self._unproven(stretch)
        if edge is None:
            self.findings.add("timeline.edge-altered", "head", high)
        self._check_heads_named(stretch, high)
        self._check_clock(stretch, head)
        self._check_testimonies(stretch if proven else [], head)
        self._edge, self._low = proven or edge, high
        self._stretch.clear()
        self._unreadable = False

    def _in_order(self, high: int) -> list[_Seen]:
        """The entries that belong to the stretch, each once, by number; findings for those that do not, are not
        there, or stand elsewhere."""
        once: dict[int, _Seen] = {}
        for seen in self._stretch:
            if not self._low < seen.n <= high:
                self.findings.add("timeline.entry-moved", "entry", seen.n)
            elif seen.n in once:
                self.findings.add("timeline.entry-inserted", "entry", seen.n)
            else:
                once[seen.n] = seen
        ordered = [once[n] for n in sorted(once)]
        for seen, other in zip(once.values(), ordered, strict=True):
            if seen.n != other.n or seen.n != seen.place:
                self.findings.add("timeline.entry-moved", "entry", seen.n)
        for first, last in _holes(self._low, high, list(once)):
            code = "timeline.entry-unreadable" if self._unreadable else "timeline.entry-removed"
            self.findings.add(code, "entry", first, last)
        return ordered

    def _prove(self, stretch: Sequence[_Seen], head: Checkpoint, edge: Frontier | None) -> Frontier | None:
        """The tree at `head`, if these entries lead to its root; else findings that name the entries that do not."""
        if self._edge is None:
            self._unproven(stretch)
            return None
        suspects = [seen for seen in stretch if seen.leaf != seen.stored]
        tree = self._edge.extend(seen.leaf for seen in stretch)
        if tree.root() == head.root:
            for seen in suspects:
                self.findings.add("timeline.leaf-altered", "entry", seen.n)
            return tree
        for seen in suspects:
            self.findings.add("timeline.entry-altered", "entry", seen.n)
        leaves = [_likely(seen) for seen in stretch]
        tree = self._edge.extend(leaves)
        if tree.root() == head.root:
            return tree
        self._narrow(leaves, head.size, edge)
        return None

    def _unproven(self, stretch: Sequence[_Seen]) -> None:
        """No root can be computed here: say what the leaf hashes alone show, and what nothing vouches for."""
        for seen in stretch:
            if seen.leaf != seen.stored:
                self.findings.add("timeline.entry-altered", "entry", seen.n)
        if self._edge is None and stretch:
            self.findings.add("timeline.entries-unproven", "entry", stretch[0].n, stretch[-1].n)

    def _narrow(self, leaves: Sequence[bytes], high: int, edge: Frontier | None) -> None:
        """Name the smallest stretches of which the edge says that they held other entries."""
        low, before = self._low, self._edge or Frontier()
        suspects = list(_differing(before, leaves, edge)) if edge is not None else [(low, high)]
        if not suspects:  # every part of the stretch is right: then it is the entries before that were signed anew
            self.findings.add("timeline.heads-diverge", "head", high)
        for first, last in suspects:
            self.findings.add("timeline.entries-replaced", "entry", first + 1, last)

    def _check_heads_named(self, stretch: Sequence[_Seen], high: int) -> None:
        """Every entry names the head that it was written after: so a head cannot be taken away unseen."""
        for named in {seen.entry.head for seen in stretch if seen.entry is not None} - {self._low}:
            if self._low < named < high and named not in self._unusable:
                self.findings.add("timeline.head-removed", "head", named)
            elif named < self._low:
                self.findings.add("timeline.head-inserted", "head", self._low)

    def _check_clock(self, stretch: Sequence[_Seen], head: Checkpoint | None) -> None:
        entry_time, head_time = self._times
        for seen in stretch:
            if seen.entry is not None:
                if seen.entry.at < entry_time:
                    self.findings.add("timeline.clock-backwards", "entry", seen.n)
                entry_time = seen.entry.at
                if head is not None and seen.n == head.size and seen.entry.at != head.complete_through:
                    self.findings.add("timeline.head-misdated", "head", head.size)
        if head is not None:
            if head.entered_through < head_time:
                self.findings.add("timeline.clock-backwards", "head", head.size)
            head_time = head.entered_through
        self._times = (entry_time, head_time)

    # --- what others saw --------------------------------------------------------------------------

    def _check_testimonies(self, stretch: Sequence[_Seen], head: Checkpoint) -> None:
        while (size := next(iter(self._promised), head.size + 1)) <= head.size:
            kept = self._promised.pop(size)
            here = head.root if size == head.size else self._root_at(stretch, size)
            kept = self._not_lost(size, here, kept)
            self._compare(size, here, kept)
            if kept and self._low < size < head.size and size not in self._unusable:
                self._removed_head(size)

    def _not_lost(self, size: int, here: bytes | None, kept: Sequence[Testimony]) -> Sequence[Testimony]:
        """Leaves out the heads that are not of this log any more, as it says itself: those are told apart."""
        excused = [each for each in kept if each.checkpoint.root != here and self._is_lost(each.checkpoint)]
        for by in dict.fromkeys(each.by for each in excused):
            self._restored.add("timeline.restored", "head", size, by=by, since=str(self._agreed))
        self._excused = max((self._excused, *(timeline_epoch(each.checkpoint.origin) for each in excused)))
        return [each for each in kept if each not in excused]

    def _is_lost(self, head: Checkpoint) -> bool:
        return any(each.origin == head.origin and head.size <= each.size for each in self._lost)

    def _removed_head(self, size: int) -> None:
        if not self.findings.covers("timeline.head-removed", size):
            self.findings.add("timeline.head-removed", "head", size)

    def _root_at(self, stretch: Sequence[_Seen], size: int) -> bytes | None:
        """The root of the first `size` entries as they are here; None where that cannot be told."""
        count = size - self._low
        if self._edge is None or not 0 < count <= len(stretch) or stretch[count - 1].n != size:
            return None
        return self._edge.extend(_likely(seen) for seen in stretch[:count]).root()

    def _compare(self, size: int, here: bytes | None, kept: Sequence[Testimony]) -> None:
        others = [testimony for testimony in kept if testimony.checkpoint.root != here]
        if here is None:
            return
        if not others:
            self._agreed = max(self._agreed, size)
        for by in dict.fromkeys(testimony.by for testimony in others):
            since = str(self._agreed)
            self.findings.add("timeline.fork", "head", size, by=by, since=since)

    # --- the end ----------------------------------------------------------------------------------

    def _tail(self) -> None:
        high = max((seen.n for seen in self._stretch), default=self._low)
        stretch = self._in_order(max(high, self._low))
        self._unproven(stretch)
        self._check_clock(stretch, None)
        if stretch:
            self.findings.add("timeline.entries-unsigned", "entry", stretch[0].n, stretch[-1].n)
            self._check_heads_named(stretch, high + 1)
        for size, all_kept in self._promised.items():
            here = self._root_at(stretch, size)
            kept = self._not_lost(size, here, all_kept)
            self._compare(size, here, kept)
            if kept and size > high:
                by = ", ".join(dict.fromkeys(testimony.by for testimony in kept))
                self.findings.add("timeline.tail-cut", "entry", high + 1, size, by=by)

    def _count(self, said: Opening) -> None:
        there = Opening(*self._counted.values())
        for what, wanted, got in zip(("entries", "heads", "witnessed"), said, there, strict=True):
            if wanted != got:
                self.findings.add(f"timeline.{what}-miscounted", said=str(wanted), there=str(got))


def _likely(seen: _Seen) -> bytes:
    """The leaf hash that the tree most likely holds: the one beside the entry, where that can be one at all."""
    return seen.stored if len(seen.stored) == HASH_SIZE else seen.leaf


def _edge(stored: bytes, head: Checkpoint) -> Frontier | None:
    """The edge beside a head, if it bears the signed root."""
    try:
        edge = Frontier.from_bytes(stored)
    except Untrusted:
        return None
    return edge if (edge.size, edge.root()) == (head.size, head.root) else None


def _holes(low: int, high: int, numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The stretches of low+1..high that are not among `numbers`."""
    before = low
    for n in [*sorted(numbers), high + 1]:
        if n > before + 1:
            yield before + 1, n - 1
        before = n


def _differing(before: Frontier, leaves: Sequence[bytes], edge: Frontier) -> Iterator[tuple[int, int]]:
    """Stretches (first, last] after `before` whose subtree in `edge` is not that of `leaves`."""
    low = before.size
    for start, end, subtree in _subtrees(edge):
        if end <= low:
            continue
        since = max(start, low)
        inside = tuple(each for at, _end, each in _subtrees(before) if at >= start)
        if Frontier(since - start, inside).extend(leaves[since - low : end - low]).root() != subtree:
            yield since, end


def _subtrees(tree: Frontier) -> Iterator[tuple[int, int, bytes]]:
    """(start, end, hash) of each complete subtree, greatest first: it covers entries start+1..end."""
    start = 0
    bits = [bit for bit in range(tree.size.bit_length(), -1, -1) if tree.size >> bit & 1]
    for bit, subtree in zip(bits, tree.hashes, strict=True):
        yield start, start + (1 << bit), subtree
        start += 1 << bit
