"""Whether a source's own system of record and what was published of it are the same: counts, digests, bisection. Pure.

A digest is the sum, modulo 2^256, of SHA-256 over the hour and the id of each event. It does not depend on order, grows
with each event, and that of a period is the sum of those of its parts; so any system of record can keep it or work it
out. A source that wants to deceive can choose ids whose sum it likes; but then it deceives about its own
administration, and needs no collision for that. Against loss by accident two errors do not cancel: each event adds a
number of its own.

Periods are in event time, from an hour up to an hour (the end is not in it): the one moment of an act that its source
and each receiver know alike. An act known by day stands at the first moment of its day.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from keersluis.errors import Incorrect, Untrusted
from keersluis.times import HOUR, Instant, format_instant, parse_instant

STEP = HOUR
"""The shortest period; below it, ids are compared one by one."""

FIRST: Instant = parse_instant("1900-01-01T00:00:00Z")
"""Where a comparison begins by itself: no act of anybody alive is older."""

MODULUS = 1 << 256


@dataclass(frozen=True, slots=True)
class Tally:
    """How many events, and the digest over their ids (0 <= digest < 2^256)."""

    count: int
    digest: int

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.count + other.count, (self.digest + other.digest) % MODULUS)

    def __sub__(self, other: Tally) -> Tally:
        return Tally(self.count - other.count, (self.digest - other.digest) % MODULUS)

    @property
    def hex(self) -> str:
        """The digest as it is written: 64 hex digits."""
        return f"{self.digest:064x}"

    @staticmethod
    def of(entries: Iterable[Entry]) -> Tally:
        """The tally of these events."""
        count = total = 0
        for each in entries:
            count += 1
            total += event_digest(each.id, each.occurred)
        return Tally(count, total % MODULUS)

    @staticmethod
    def read(count: int, digest: str) -> Tally:
        """Raises Incorrect `tally.unreadable`."""
        if count < 0 or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            expected = "a count of 0 or more and a digest of 64 small hex digits"
            raise Incorrect("tally.unreadable", expected=expected, got=f"{count}, {digest[:80]!r}")
        return Tally(count, int(digest, 16))


NOTHING = Tally(0, 0)


def event_digest(event_id: str, occurred: Instant) -> int:
    """What one event adds to a digest: SHA-256 over `<hour> <id>`, the hour of its event time in hours since 1970."""
    return int.from_bytes(hashlib.sha256(f"{occurred // STEP} {event_id}".encode()).digest(), "big")


@dataclass(frozen=True, slots=True)
class Entry:
    """One event in a ledger: its id, the first moment of its event time, and the event itself where it can be had."""

    id: str
    occurred: Instant
    event: bytes | None = None


class Tallies(Protocol):
    """Counts the events of a kind. Periods are `since` <= t < `until`."""

    def count_digest(self, kind: str, since: Instant, until: Instant) -> Tally: ...


class Ledger(Tallies, Protocol):
    """What holds the events of a kind: a system of record, an outbox, an inbox."""

    def entries(self, kind: str, since: Instant, until: Instant) -> Sequence[Entry]: ...


class Listed:
    """A ledger of one kind in memory. A question costs two look-ups in a sorted list."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = sorted(entries, key=lambda each: (each.occurred, each.id))
        self._times = [each.occurred for each in self._entries]
        self._sums = [0]
        for each in self._entries:
            self._sums.append((self._sums[-1] + event_digest(each.id, each.occurred)) % MODULUS)

    def _places(self, since: Instant, until: Instant) -> tuple[int, int]:
        return bisect_left(self._times, since), bisect_left(self._times, until)

    def count_digest(self, _kind: str, since: Instant, until: Instant) -> Tally:
        first, last = self._places(since, until)
        return Tally(last - first, (self._sums[last] - self._sums[first]) % MODULUS)

    def entries(self, _kind: str, since: Instant, until: Instant) -> Sequence[Entry]:
        first, last = self._places(since, until)
        return self._entries[first:last]


class Asked:
    """Counts the questions that somebody is asked, each of which costs its owner something."""

    def __init__(self, tallies: Tallies) -> None:
        self._tallies, self.questions = tallies, 0

    def count_digest(self, kind: str, since: Instant, until: Instant) -> Tally:
        self.questions += 1
        return self._tallies.count_digest(kind, since, until)


@dataclass(frozen=True, slots=True)
class Difference:
    """A period of one hour in which the two do not hold the same."""

    since: Instant
    until: Instant
    stated: Tally
    held: Tally


def differences(record: Tallies, held: Tallies, kind: str, since: Instant, until: Instant) -> Iterator[Difference]:
    """Each hour in which `record` and `held` differ, in order of time, found by halving.

    The first costs one question about the whole and one for each halving: 21 for 125 years of hours.
    """

    def within(since: Instant, until: Instant, stated: Tally, there: Tally) -> Iterator[Difference]:
        if stated == there:
            return
        if until - since <= STEP:
            yield Difference(since, until, stated, there)
            return
        middle = since + (until - since) // STEP // 2 * STEP
        left, ours = record.count_digest(kind, since, middle), held.count_digest(kind, since, middle)
        yield from within(since, middle, left, ours)
        yield from within(middle, until, stated - left, there - ours)

    check_period(since, until)
    yield from within(since, until, record.count_digest(kind, since, until), held.count_digest(kind, since, until))


def check_period(since: Instant, until: Instant) -> None:
    """Raises Incorrect `period.wrong` unless it is some whole hours."""
    if since >= until or since % STEP or until % STEP:
        got = f"{format_instant(since)} to {format_instant(until)}"
        raise Incorrect("period.wrong", expected="whole hours of UTC, the end after the beginning", got=got)


def whole_hour(at: Instant) -> Instant:
    """The beginning of the hour of `at`."""
    return at // STEP * STEP


@dataclass(frozen=True, slots=True)
class Found:
    """What a comparison came to. `missing` is in the record and not held, `extra` is held and not in the record,
    `moved` is in both under another event time. `first` is the first period that differs."""

    kind: str
    since: Instant
    until: Instant
    periods: tuple[Difference, ...]
    missing: tuple[Entry, ...]
    extra: tuple[Entry, ...]
    moved: tuple[str, ...]
    questions: int

    @property
    def agrees(self) -> bool:
        return not self.periods

    @property
    def first(self) -> Difference | None:
        return self.periods[0] if self.periods else None


def compare(record: Ledger, held: Ledger, kind: str, since: Instant, until: Instant) -> Found:
    """Find every hour that differs, and there the events that one has and the other has not."""
    asked = Asked(record)
    periods = tuple(differences(asked, held, kind, since, until))
    lacking: dict[str, Entry] = {}
    over: dict[str, Entry] = {}
    for each in periods:
        stated = {entry.id: entry for entry in record.entries(kind, each.since, each.until)}
        there = {entry.id: entry for entry in held.entries(kind, each.since, each.until)}
        lacking |= {name: entry for name, entry in stated.items() if name not in there}
        over |= {name: entry for name, entry in there.items() if name not in stated}
    moved = lacking.keys() & over.keys()
    return Found(
        kind,
        since,
        until,
        periods,
        tuple(entry for name, entry in lacking.items() if name not in moved),
        tuple(entry for name, entry in over.items() if name not in moved),
        tuple(sorted(moved)),
        asked.questions + len(periods),
    )


@dataclass(frozen=True, slots=True)
class Statement:
    """The source's own system of record, looked at in source time `stated`, held this of a kind in a period."""

    kind: str
    since: Instant
    until: Instant
    tally: Tally
    stated: Instant


def check_statement(it: Statement, skew: int) -> None:
    """Raises Incorrect `statement.in-the-future`, `period.wrong`: nobody has counted what is still to happen."""
    check_period(it.since, it.until)
    if it.until > it.stated + skew:
        expected = f"a period that has ended (now is {format_instant(it.stated)})"
        raise Incorrect("statement.in-the-future", expected=expected, got=f"one that ends {format_instant(it.until)}")


@dataclass(frozen=True, slots=True)
class Gaps:
    """A source's word, as of source time `stated` and the first `size` events of a stream: acts of these periods
    (since, until: the end is not in it) are missing from it. All that are open; none is: nothing is missing."""

    origin: str
    stated: Instant
    size: int
    open: tuple[tuple[Instant, Instant], ...]

    def text(self) -> str:
        """The exact text that is signed."""
        head = f"{self.origin}/gaps\nstated {format_instant(self.stated)}\nsize {self.size}\n"
        return head + "".join(f"gap {format_instant(a)} {format_instant(b)}\n" for a, b in self.open)

    @staticmethod
    @lru_cache(maxsize=256)
    def parse(text: str) -> Gaps:
        """Raises Untrusted `gaps.unreadable`."""
        try:
            origin, stated, size, *rest, end = text.split("\n")
            words = [line.split(" ") for line in rest]
            if not (origin.endswith("/gaps") and stated.startswith("stated ") and size.startswith("size ")) or end:
                raise ValueError(text)
            if any(len(each) != 3 or each[0] != "gap" for each in words):
                raise ValueError(text)
            periods = tuple((parse_instant(a), parse_instant(b)) for _gap, a, b in words)
            return Gaps(origin.removesuffix("/gaps"), parse_instant(stated[7:]), int(size[5:]), periods)
        except (ValueError, Incorrect):
            expected = "origin/gaps, stated, size and a line for each gap"
            raise Untrusted("gaps.unreadable", expected=expected, got=repr(text[:120])) from None
