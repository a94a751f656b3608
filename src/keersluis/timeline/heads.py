"""Signed heads of logs: what makes one good, and when two cannot both be of one log. Pure."""

from __future__ import annotations

from keersluis.errors import Untrusted
from keersluis.identity import KeyRing
from keersluis.signing import unverified_text, verify_note
from keersluis.timeline.model import owner, timeline_epoch, timeline_origin
from keersluis.times import Instant
from keersluis.watermarks import Checkpoint


def read_head(note: str) -> Checkpoint:
    """What a head says, not yet who says it. Raises Untrusted `note.malformed` or `checkpoint.unreadable`."""
    return Checkpoint.parse(unverified_text(note))


def check_head(note: str, keyring: KeyRing, at: Instant | None = None) -> Checkpoint:
    """The checkpoint of a log's head, signed by its owner and by nobody else.

    The key must be one that counted when the head was signed, or at `at`: give the clock's time for a head that comes
    in new, since a stolen old key can write any date. Raises Untrusted: as `verify_note` and `Checkpoint.parse`;
    `timeline.not-a-head` for another signed note.
    """
    said = read_head(note)
    verified = verify_note(note, keyring.at(said.entered_through if at is None else at))
    oin = owner(said.origin)
    # One line, so that nothing can hang on a head that its signature does not vouch for.
    alone = verified.signers == (oin,) and note.count("\n", len(verified.text) + 1) == 1
    epoch = timeline_epoch(said.origin)
    if epoch < 1 or said.origin != timeline_origin(oin, epoch) or not alone:
        expected = "a head of a log, signed by its owner alone"
        raise Untrusted("timeline.not-a-head", expected=expected, got=repr(note[:120]))
    return said


def contradict(one: Checkpoint, other: Checkpoint) -> str:
    """Why two heads cannot both be of one append-only log; empty when they can.

    ``other-root``: as many entries, with another content. ``went-back``: fewer entries at a later time, as after
    putting back an old copy of the log and going on from there.
    """
    if one.size == other.size:
        return "" if one.root == other.root else "other-root"
    small, large = sorted((one, other), key=lambda head: head.size)
    return "went-back" if small.complete_through > large.complete_through else ""
