"""A source that comes back from an old backup: what its partners hold tells it, and how it goes on. Pure.

Numbers must never be given twice. A partner's copy counts only as far as it bears our own signature: a checkpoint
that we signed and it co-signed. By that, events are taken back (`merge`), or a new epoch continues (`Declaration`).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from keersluis.errors import Incorrect, Untrusted
from keersluis.exchange.envelope import Submitted
from keersluis.signing import Keys, verify_note
from keersluis.times import Instant, format_instant, parse_instant
from keersluis.watermarks import Checkpoint, parse_origin

STANDS = "/v0/uitwisseling/standen"
GIVE_BACK = "/v0/uitwisseling/teruggave"

FRESH = 10 * 60 * 1_000_000
"""How old a request for stands or events may be, in microseconds: what was overheard is of no use later."""


class Asked(msgspec.Struct, frozen=True):
    """What do you hold of my streams? `sizes`: origin -> sizes of which the root is asked, where more is held.

    `to` is the OIN of whom is asked; `nonce` makes the answer one to this very request.
    """

    to: str
    at: str
    nonce: str
    sizes: dict[str, list[int]]


class Stand(msgspec.Struct, frozen=True):
    """The newest checkpoint of a stream that was applied here, co-signed. `roots`: base64 by the size asked for."""

    origin: str
    size: int
    checkpoint: str
    roots: dict[str, str] = {}


class Stands(msgspec.Struct, frozen=True):
    """The answer to `Asked`, whose SHA-256 (hex) is `about`. Nothing is said of kinds in `closed`: their gate is.

    `timelines` are the newest heads seen of the asker's own log; `letters` the furthest checkpoints of the asker's that
    came on paper, with an event, of streams that have not come so far here.
    """

    about: str
    stands: list[Stand]
    closed: list[str]
    timelines: list[str] = []
    letters: list[str] = []


class Wanted(msgspec.Struct, frozen=True):
    """Give me my own events after `after`, at most `most`."""

    to: str
    at: str
    nonce: str
    origin: str
    after: int
    most: int


class Returned(msgspec.Struct, frozen=True):
    """The answer to `Wanted`: events exactly as they were accepted, from number `first` on."""

    about: str
    origin: str
    first: int
    events: list[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Agrees:
    """What the partner holds is the beginning of what we have."""


@dataclass(frozen=True, slots=True)
class Behind:
    """The partner holds what we do not: `ahead` more events, `forked` others under our numbers, or a `later-epoch`.

    `common`: so many first events are surely the same on both sides.
    """

    code: str
    checkpoint: Checkpoint
    common: int


Judgement: TypeAlias = Agrees | Behind


def signed_stand(stand: Stand, me: str, peer: str, keys: Keys) -> Checkpoint:
    """The checkpoint of a partner's stand. `me` and `peer` are OINs.

    Raises Untrusted `restore.not-ours` unless we signed it ourselves and the partner co-signed it: nobody can make us
    doubt our own numbers with what we never said.
    """
    note = verify_note(stand.checkpoint, keys)
    checkpoint = Checkpoint.parse(note.text)
    if me not in note.signers or peer not in note.signers or parse_origin(checkpoint.origin).oin != me:
        raise Untrusted(
            "restore.not-ours",
            expected=f"a checkpoint of ours, signed by {me} and {peer}",
            got=f"one of {checkpoint.origin} signed by {', '.join(note.signers)}",
        )
    if (checkpoint.origin, checkpoint.size) != (stand.origin, stand.size):
        raise Untrusted("restore.other-stand", expected=f"{stand.origin} at {stand.size}", got=checkpoint.origin)
    return checkpoint


def signed_letter(note: str, me: str, keys: Keys) -> Checkpoint:
    """The checkpoint of a letter that a partner keeps. Raises Untrusted `restore.not-ours` unless we signed it."""
    checked = verify_note(note, keys)
    checkpoint = Checkpoint.parse(checked.text)
    if me not in checked.signers or parse_origin(checkpoint.origin).oin != me:
        expected = f"a checkpoint of ours, signed by {me}"
        raise Untrusted("restore.not-ours", expected=expected, got=f"one of {checkpoint.origin}")
    return checkpoint


def judge(
    theirs: Checkpoint,
    origin: str,
    size: int,
    root_at: Callable[[int], bytes],
    roots: Mapping[str, str],
    receipted: int,
) -> Judgement:
    """How a partner's checkpoint stands to our stream `origin` of `size` events.

    `roots`: what the partner says of the sizes that we named; it speaks of its own copy only, and by a lie would harm
    only what it gets. `receipted`: how far it had confirmed our events before, which is common for certain.
    """
    if parse_origin(theirs.origin).epoch > parse_origin(origin).epoch:
        return Behind("later-epoch", theirs, receipted)
    if theirs.size <= size and root_at(theirs.size) == theirs.root:
        return Agrees()
    agreed = [n for n in map(_number, roots) if receipted < n <= size and roots[str(n)] == _b64(root_at(n))]
    return Behind("ahead" if theirs.size > size else "forked", theirs, max(agreed, default=receipted))


def _number(text: str) -> int:
    return int(text) if text.isdigit() and len(text) < 19 and str(int(text)) == text else 0


def _b64(root: bytes) -> str:
    return b64encode(root).decode()


@dataclass(frozen=True, slots=True)
class Merged:
    """What becomes of the events that were accepted after the restore, and never left: those to number again, behind
    what came back; those that came back already; those whose key had been used for something else."""

    again: tuple[Submitted, ...]
    duplicates: tuple[Submitted, ...]
    conflicts: tuple[Submitted, ...]


def merge(known: Mapping[bytes, bytes], tail: Sequence[Submitted]) -> Merged:
    """`known`: idempotency key -> digest of what came back. Each key ends in the stream exactly once (P1)."""
    again: list[Submitted] = []
    duplicates: list[Submitted] = []
    conflicts: list[Submitted] = []
    for event in tail:
        if event.key not in known:
            again.append(event)
        elif known[event.key] == event.digest:
            duplicates.append(event)
        else:
            conflicts.append(event)
    return Merged(tuple(again), tuple(duplicates), tuple(conflicts))


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A partner is known to hold `size` events of `origin`, which the source cannot have back."""

    origin: str
    size: int
    root: bytes
    holder: str


@dataclass(frozen=True, slots=True)
class Declaration:
    """The source's signed statement that epoch `origin` continues `continues` after its first `size` events, of which
    the root is `root`; what lies `elsewhere` beyond that is not the source's any more."""

    origin: str
    continues: str
    size: int
    root: bytes
    elsewhere: tuple[Elsewhere, ...]
    at: Instant
    who: str
    why: str

    def text(self) -> str:
        """The exact text that is signed."""
        held = "".join(f"elsewhere {e.origin} {e.size} {_b64(e.root)} {e.holder}\n" for e in self.elsewhere)
        return (
            f"{self.origin}/epoch\ncontinues {self.continues}\nsize {self.size}\nroot {_b64(self.root)}\n{held}"
            f"from {format_instant(self.at)}\nwho {_line(self.who)}\nwhy {_line(self.why)}\n"
        )

    @staticmethod
    def parse(text: str) -> Declaration:
        """Raises Untrusted `epoch.unreadable`."""
        try:
            said = _read(text)
            if said.text() == text:
                return said
        except (ValueError, Base64Error, Incorrect):
            pass
        raise Untrusted("epoch.unreadable", expected="a declaration of an epoch", got=repr(text[:120]))


def _read(text: str) -> Declaration:
    origin, continues, size, root, *held, at, who, why, _end = text.split("\n")
    rows = [row.removeprefix("elsewhere ").split(" ") for row in held]
    elsewhere = tuple(Elsewhere(of, int(n), b64decode(r, validate=True), by) for of, n, r, by in rows)
    return Declaration(
        origin.removesuffix("/epoch"),
        continues.removeprefix("continues "),
        int(size.removeprefix("size ")),
        b64decode(root.removeprefix("root "), validate=True),
        elsewhere,
        parse_instant(at.removeprefix("from ")),
        who.removeprefix("who "),
        why.removeprefix("why "),
    )


def _line(text: str) -> str:
    """A person's words in one line: a declaration has a line for each thing it says."""
    return " ".join(text.split())


def check_declaration(said: Declaration, origin: str) -> None:
    """Raises Untrusted `epoch.other-stream` unless it is about this epoch, and continues an earlier one of it."""
    new, old = parse_origin(origin), parse_origin(said.continues)
    if said.origin != origin or (new.oin, new.kind) != (old.oin, old.kind) or not 1 <= old.epoch < new.epoch:
        raise Untrusted(
            "epoch.other-stream",
            expected=f"a declaration that {origin} continues an earlier epoch",
            got=f"{said.origin} continues {said.continues}",
        )
