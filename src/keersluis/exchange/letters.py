"""A letter: one event, the proof that it is in its stream, and the signed checkpoint, on paper in printed codes. Pure.

Format: docs/formats.md, "Letter". What is printed is split over `k` codes, and one more holds their parity, so that any
one of them may be lost. The codes know nothing of pages: those of one letter find each other by its id.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from keersluis.errors import Incorrect, Untrusted
from keersluis.exchange.envelope import MAX_EVENT
from keersluis.merkle import HASH_SIZE, leaf_hash, verify_inclusion
from keersluis.watermarks import Checkpoint

MAGIC = b"KSL"
VERSION = 1
ID_BYTES = 8
HEADER = len(MAGIC) + 1 + ID_BYTES + 1 + 1 + 2
"""Bytes before the chunk: magic, version, id, number of data codes, index, length of the whole."""

CHUNK = 640
"""The most bytes of a letter in one code: with the header within QR version 20 at level M."""

FIRST_PAGE, SECOND_PAGE = 6, 12
"""Codes on a page."""

MOST_CODES = FIRST_PAGE + SECOND_PAGE
MOST_PACKED = CHUNK * (MOST_CODES - 1)
MOST_UNPACKED = MAX_EVENT + 16 * 1024
"""A letter that unpacks to more was not made by us: nobody fills a memory with a small code."""


@dataclass(frozen=True, slots=True)
class Letter:
    """Event number `position` of a stream, its exact bytes, its inclusion proof (hashes of 32 bytes, from the leaf up)
    in the tree of the checkpoint (a signed note). `counts`: the source's own count, a signed note, where it has one."""

    checkpoint: str
    position: int
    proof: tuple[bytes, ...]
    event: bytes
    counts: str = ""

    def verify(self, checkpoint: Checkpoint) -> None:
        """That the event stands at its place in the tree that was signed. Raises Untrusted `merkle.not-included`."""
        verify_inclusion(leaf_hash(self.event), self.position - 1, checkpoint.size, self.proof, checkpoint.root)


@dataclass(frozen=True, slots=True)
class Code:
    """What one printed code holds: chunk `index` of `data` chunks (`index` = `data`: their parity)."""

    letter: bytes
    data: int
    index: int
    length: int
    chunk: bytes

    @property
    def whole(self) -> tuple[bytes, int, int]:
        """What all codes of one letter have in common."""
        return (self.letter, self.data, self.length)


def pack(letter: Letter) -> bytes:
    """The letter's bytes, compressed."""
    parts = [_with_length(letter.checkpoint), _with_length(letter.counts), letter.position.to_bytes(8, "big")]
    parts += [len(letter.proof).to_bytes(1, "big"), *letter.proof, letter.event]
    return zlib.compress(b"".join(parts), 9)


def unpack(packed: bytes) -> Letter:
    """Inverse of `pack`. Raises Incorrect `letter.unreadable`."""
    try:
        stream = zlib.decompressobj()
        raw = stream.decompress(packed, MOST_UNPACKED)
        if not stream.eof or stream.unused_data:
            raise ValueError("not one compressed whole of a letter's size")
        note, rest = _text(raw)
        counts, rest = _text(rest)
        position, hashes, rest = int.from_bytes(rest[:8], "big"), rest[8], rest[9:]
        proof = tuple(rest[at : at + HASH_SIZE] for at in range(0, hashes * HASH_SIZE, HASH_SIZE))
        event = rest[hashes * HASH_SIZE :]
        if not event or not 0 < position < 1 << 63:
            raise ValueError("no event, or no number")
    except (ValueError, IndexError, zlib.error) as error:
        raise Incorrect("letter.unreadable", expected="a letter (docs/formats.md)", got=str(error)) from None
    return Letter(note, position, proof, event, counts)


def _with_length(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(2, "big") + raw


def _text(raw: bytes) -> tuple[str, bytes]:
    end = 2 + int.from_bytes(raw[:2], "big")
    return raw[2:end].decode(), raw[end:]


def letter_id(packed: bytes) -> bytes:
    """What names a letter on all its codes: 8 bytes of the hash of the whole."""
    return sha256(packed).digest()[:ID_BYTES]


def split(packed: bytes) -> list[bytes]:
    """The contents of the codes: as many data codes as the first page holds, more where needed, and the parity.

    Raises Incorrect `letter.too-large`.
    """
    if len(packed) > MOST_PACKED:
        raise Incorrect(
            "letter.too-large",
            expected=f"at most {MOST_PACKED:,} bytes packed, which is two pages",
            got=f"{len(packed):,} bytes",
            mend="send this event in a bundle",
        )
    count = max(FIRST_PAGE - 1, -(-len(packed) // CHUNK))
    each = -(-len(packed) // count)
    chunks = [packed[at * each : (at + 1) * each].ljust(each, b"\0") for at in range(count)]
    head = MAGIC + bytes([VERSION]) + letter_id(packed) + bytes([count])
    length = len(packed).to_bytes(2, "big")
    return [head + bytes([index]) + length + chunk for index, chunk in enumerate([*chunks, _xor(chunks)])]


def parse_code(content: bytes) -> Code:
    """What one code holds. Raises Incorrect `letter.other-code`, `letter.newer-version`, `letter.unreadable`."""
    if content[: len(MAGIC)] != MAGIC or len(content) <= len(MAGIC):
        raise Incorrect("letter.other-code", expected="a code of a letter", got="a code of something else")
    if content[len(MAGIC)] != VERSION:
        raise Incorrect(
            "letter.newer-version",
            expected=f"a letter of format {VERSION}",
            got=f"format {content[len(MAGIC)]}",
            mend="read it with a newer version of Keersluis",
        )
    at = len(MAGIC) + 1 + ID_BYTES
    data, index = content[at : at + 2].ljust(2, b"\0")
    length = int.from_bytes(content[at + 2 : HEADER], "big")
    code = Code(content[len(MAGIC) + 1 : at], data, index, length, content[HEADER:])
    sound = 0 < code.data < MOST_CODES and code.index <= code.data and code.length <= MOST_PACKED
    if not sound or len(code.chunk) != -(-code.length // code.data) or not code.chunk:
        raise Incorrect("letter.unreadable", expected="a code of a letter (docs/formats.md)", got="another form")
    return code


def join(codes: Iterable[Code]) -> bytes:
    """The packed letter from its codes, of which one may be missing.

    Raises Incorrect `letter.incomplete` (`have` and `total` codes), Untrusted `letter.altered`.
    """
    found = {code.index: code for code in codes}
    first = next(iter(found.values()))
    missing = [index for index in range(first.data) if index not in found]
    if len(found) < first.data:
        raise Incorrect(
            "letter.incomplete",
            expected=f"at least {first.data} of {first.data + 1} codes",
            got=f"{len(found)}",
            mend="scan the letter again, all its pages, flat and sharp; or ask for a new print",
        )
    chunks = {index: code.chunk for index, code in found.items()}
    if missing:
        chunks[missing[0]] = _xor(list(chunks.values()))
    packed = b"".join(chunks[index] for index in range(first.data))[: first.length]
    if letter_id(packed) != first.letter:
        raise Untrusted("letter.altered", expected="codes that together give the letter of their id", got="others")
    return packed


def _xor(chunks: Sequence[bytes]) -> bytes:
    total = 0
    for chunk in chunks:
        total ^= int.from_bytes(chunk, "big")
    return total.to_bytes(len(chunks[0]), "big")
