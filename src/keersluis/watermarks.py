"""The one idea: a source's signed promise of completeness, and what a receiver may conclude from it.

A checkpoint is the source's statement about the first `size` events of one stream. Its text is C2SP
tlog-checkpoint: origin, size, base64 root, then two extension lines of ours.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo

from keersluis.errors import Incorrect, Untrusted
from keersluis.times import Instant, day_of, format_instant, parse_instant

NOTHING_PROMISED: Instant = 0
"""The watermark of a stream before its first promise."""


class StreamName(NamedTuple):
    """One source organisation, one leaf kind, one epoch."""

    oin: str
    kind: str
    epoch: int


def stream_origin(oin: str, kind: str, epoch: int = 1) -> str:
    """The origin line of a stream's checkpoints."""
    return f"{oin}/{kind}/{epoch}"


def parse_origin(origin: str) -> StreamName:
    """Inverse of `stream_origin`. Raises Incorrect `checkpoint.bad-origin`."""
    parts = origin.split("/")
    if len(parts) != 3 or not (parts[2].isdecimal() and len(parts[2]) < 10):
        raise Incorrect("checkpoint.bad-origin", expected="<OIN>/<kind>/<epoch>", got=repr(origin))
    return StreamName(parts[0], parts[1], int(parts[2]))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The first `size` events have Merkle root `root` (32 bytes); all that was entered up to source time
    `entered_through` is among them; all that happened up to event time `complete_through` has been entered."""

    origin: str
    size: int
    root: bytes
    entered_through: Instant
    complete_through: Instant

    def text(self) -> str:
        """The exact text that is signed, ending in a newline."""
        return (
            f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"
            f"entered-through {format_instant(self.entered_through)}\n"
            f"complete-through {format_instant(self.complete_through)}\n"
        )

    @staticmethod
    def parse(text: str) -> Checkpoint:
        """Raises Untrusted `checkpoint.unreadable`. Further extension lines are allowed and kept in the signed text."""
        try:
            origin, size, root, entered, complete, *_ = text.split("\n")
            if not (entered.startswith("entered-through ") and complete.startswith("complete-through ")):
                raise ValueError(text)
            digest = b64decode(root, validate=True)
            if len(digest) != 32 or str(int(size)) != size or int(size) < 0:
                raise ValueError(size)
            return Checkpoint(origin, int(size), digest, parse_instant(entered[16:]), parse_instant(complete[17:]))
        except (ValueError, Base64Error, Incorrect):
            raise Untrusted(
                "checkpoint.unreadable",
                expected="origin, size, base64 root, entered-through and complete-through, a line each",
                got=repr(text[:120]),
            ) from None


def promise(now: Instant, lag: int, oldest_waiting: Instant | None, previous: Instant) -> Instant:
    """`complete_through` that a source may state now about everything it has entered.

    Normally the present less the kind's usual entry lag; held back to before the oldest act that is known to wait
    for entry (paper). A promise once made is never withdrawn here: it never moves back.
    """
    bound = now - lag - 1
    if oldest_waiting is not None:
        bound = min(bound, oldest_waiting - 1)
    return max(previous, bound)


def partial_promise(full: Instant, oldest_unsent: Instant, told: Instant) -> Instant:
    """`complete_through` of a checkpoint over a part of what was entered: held back to before the oldest act that is
    left out. `told` is what this receiver was promised before."""
    return max(told, min(full, oldest_unsent - 1))


def settles_up_to(watermark: Instant, skew: int, resolution: str, tz: ZoneInfo) -> Instant:
    """The greatest decision moment that `watermark` settles.

    `skew` is the chain's bound on clock differences. Acts known by day count for the whole day, so for resolution
    ``day`` a moment is settled only when the end of its day is covered.
    """
    covered = watermark - skew
    if resolution != "day":
        return covered
    day = day_of(covered, tz)
    return covered if covered == day.end else day.start - 1
