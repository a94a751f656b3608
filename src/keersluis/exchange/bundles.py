"""A bundle: ranges of streams, or receipts, in a file that is carried. Pure; the format is in docs/formats.md.

A file is one part or several, one after the other. A part is a line that names format and version, a signed header and
a body; the bodies of all parts, in order, are one compressed run of records: the signed manifest, then the batches.
Each part proves itself, so that a medium that comes first is kept and a damaged one is named.
"""

from __future__ import annotations

import hashlib
import struct
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, TypeAlias

import msgspec
import zstandard

from keersluis.errors import Incorrect, Untrusted
from keersluis.exchange.batches import Receipt
from keersluis.merkle import Frontier
from keersluis.signing import Keys, Signer, sign_bytes, sign_note, unverified_text, verify_bytes, verify_note
from keersluis.times import Instant, format_instant, parse_instant

VERSION = 1
SMALLEST_PART, USUAL_PART, LARGEST_PART = 64 * 1024, 8 * 1024 * 1024, 32 * 1024 * 1024
"""Bytes of a part as it lies in a file, its header included."""

EVENTS_A_BATCH, BYTES_A_BATCH = 1000, 8 * 1024 * 1024
"""Where a range is cut into batches: fixed with the version, so that the same range gives the same bytes."""

MOST_PARTS = 100_000
MOST_HEADER = 4096
MOST_RECORD = 4 * BYTES_A_BATCH
"""Bytes of one record: the receiver holds one at a time, whatever a peer packs."""

LEVEL = 3
_MAGIC = b"keersluis-bundle "
_OPENING = len(_MAGIC) + len("1 0512\n")
_SAID = "bundle"
_LENGTH = struct.Struct(">I")

Holds: TypeAlias = Literal["events", "receipts"]


class Range(msgspec.Struct, frozen=True, omit_defaults=True):
    """Events `first` … `size` of one stream (none where `first` is `size` + 1) and the checkpoint over them.

    `tree`: the frontier over the events before `first`, base64, greatest subtree first. `more`: a part of what the
    source had entered, of which the rest is not in this bundle. `epoch`: the declaration of a further epoch.
    `gaps`: the source's word about acts that are missing.
    """

    origin: str
    first: int
    size: int
    tree: list[str]
    checkpoint: str
    counts: str | None = None
    more: bool = False
    epoch: str | None = None
    gaps: str | None = None


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a bundle holds, by whom, for whom. `source` and `receiver` are OINs; `timeline` is the maker's log head."""

    version: int
    source: str
    receiver: str
    made: str
    holds: Holds
    streams: list[Range] = []
    receipts: list[Receipt] = []
    timeline: str | None = None

    @property
    def events(self) -> int:
        return sum(each.size - each.first + 1 for each in self.streams)


class _Signed(msgspec.Struct, frozen=True):
    signature: str
    payload: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Header:
    """What is signed over one part. `bundle`: SHA-256 of the manifest record; `content`: SHA-256 of the digests of all
    parts' bodies, in order, so that parts of two packings never mix."""

    source: str
    receiver: str
    made: str
    bundle: str
    content: str
    holds: str
    sealed: bool
    part: int
    parts: int
    length: int
    digest: bytes

    def text(self) -> str:
        """The exact text that is signed."""
        return (
            f"{self.source}/bundle/{VERSION}\nto {self.receiver}\nmade {self.made}\nbundle {self.bundle}\n"
            f"content {self.content}\nholds {self.holds}\npacking zstd{' age' if self.sealed else ''}\n"
            f"part {self.part} of {self.parts}\nlength {self.length}\nsha-256 {b64encode(self.digest).decode()}\n"
        )

    @staticmethod
    def parse(text: str) -> Header:
        """Raises Untrusted `bundle.bad-header`; only the one spelling of `text` is read."""
        try:
            name, *rest = text.removesuffix("\n").split("\n")
            to, made, bundle, content, holds, packing, part, length, digest = (line.split(" ", 1)[1] for line in rest)
            number, parts = (int(each) for each in part.split(" of "))
            sealed = packing.endswith(" age")
            source = name.split("/")[0]
            known = b64decode(digest, validate=True)
            header = Header(source, to, made, bundle, content, holds, sealed, number, parts, int(length), known)
            parse_instant(made)
        except (ValueError, IndexError, Incorrect):
            header = None
        if header is None or header.text() != text or not header.sound():
            raise Untrusted("bundle.bad-header", expected="the header of a part", got=repr(text[:120])) from None
        return header

    def sound(self) -> bool:
        """Whether the numbers can be true."""
        counted = 1 <= self.part <= self.parts <= MOST_PARTS and 0 < self.length <= LARGEST_PART
        named = len(self.bundle) == len(self.content) == 64 and self.holds in ("events", "receipts")
        return counted and named and len(self.digest) == 32

    @property
    def place(self) -> str:
        return f"part {self.part} of {self.parts}"


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its header as signed, and its body. `where`: the place of a fault, for people."""

    header: Header
    note: str
    body: bytes

    def to_bytes(self) -> bytes:
        """As it lies in a file."""
        note = self.note.encode()
        return b"%s%d %04d\n%s%s" % (_MAGIC, VERSION, len(note), note, self.body)


def read_parts(file: BinaryIO, name: str = "") -> Iterator[Part]:
    """The parts of one file, each whole and as its header says, whoever signed it.

    Raises Untrusted `bundle.not-a-bundle`, `bundle.newer-version`, `bundle.truncated`, `bundle.bad-header`,
    `bundle.altered`, naming the place.
    """
    at, place = 0, "the beginning"
    while opening := file.read(_OPENING):
        where = f"{name} {place}".strip()
        note = _read_note(file, opening, where)
        try:
            header = Header.parse(unverified_text(note))
        except Untrusted as error:
            raise Untrusted("bundle.bad-header", expected=error.expected, got=error.got, where=where) from None
        where = f"{name} {header.place}".strip()
        body = file.read(header.length)
        if len(body) < header.length:
            got = f"{len(body)} bytes"
            raise Untrusted("bundle.truncated", expected=f"{header.length} bytes", got=got, where=where)
        if hashlib.sha256(body).digest() != header.digest:
            expected = f"the {header.length} bytes that were packed"
            raise Untrusted("bundle.altered", expected=expected, got="others", where=where, part=header.part)
        at += 1
        place = f"after {header.place}"
        yield Part(header, note, body)
    if not at:
        raise Untrusted("bundle.not-a-bundle", expected="a bundle", got="an empty file", where=name)


def _read_note(file: BinaryIO, opening: bytes, where: str) -> str:
    """The signed header that the opening line announces."""
    if not opening.startswith(_MAGIC[: len(opening)]):
        raise Untrusted("bundle.not-a-bundle", expected="a bundle", got=repr(opening[:20]), where=where)
    version, _, length = opening[len(_MAGIC) :].partition(b" ")
    if version != b"%d" % VERSION and len(opening) == _OPENING:
        mend = "install a version of Keersluis that reads it, or ask for a bundle of version 1"
        expected, got = f"a bundle of version {VERSION}", f"version {version[:8].decode(errors='replace')}"
        raise Untrusted("bundle.newer-version", expected=expected, got=got, mend=mend, where=where)
    if len(opening) < _OPENING:
        raise Untrusted("bundle.truncated", expected="the opening of a part", got=f"{len(opening)} bytes", where=where)
    if not length[:4].isdigit() or length[4:] != b"\n" or int(length[:4]) > MOST_HEADER:
        raise Untrusted("bundle.bad-header", expected="the length of a header", got=repr(length), where=where)
    raw = file.read(int(length[:4]))
    if len(raw) < int(length[:4]):
        raise Untrusted("bundle.truncated", expected="a whole header", got=f"{len(raw)} bytes", where=where)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Untrusted("bundle.bad-header", expected="a text", got="other bytes", where=where) from None


def check_signed(part: Part, keys: Keys) -> None:
    """The maker that a part names has signed it, with a key that counts now. Raises Untrusted `note.*`."""
    try:
        signers = verify_note(part.note, keys).signers
    except Untrusted as error:
        where = part.header.place
        raise Untrusted(error.code, expected=error.expected, got=error.got, where=where) from None
    if part.header.source not in signers:
        expected, got = f"a signature of {part.header.source}", ", ".join(signers)
        raise Untrusted("bundle.not-signed-by-maker", expected=expected, got=got, where=part.header.place)


# --- Packing --------------------------------------------------------------------------------------


def manifest_record(manifest: Manifest, signer: Signer) -> bytes:
    """The signed manifest; the same manifest gives the same bytes (Ed25519 has no chance in it)."""
    payload = msgspec.json.encode(manifest)
    return msgspec.json.encode(_Signed(sign_bytes(payload, _SAID, signer), msgspec.Raw(payload)))


def body_room(part_size: int) -> int:
    """How many bytes of the compressed run fit in a part of a file of so many bytes, sealed or not.

    Raises Incorrect `bundle.part-size`.
    """
    if not SMALLEST_PART <= part_size <= LARGEST_PART:
        expected = f"{SMALLEST_PART:,} to {LARGEST_PART:,} bytes a part"
        raise Incorrect("bundle.part-size", expected=expected, got=f"{part_size:,}")
    return part_size - 2048 - part_size // 65536 * 16  # a header, and what age adds to each 64 KiB


def pack(records: Iterable[bytes], room: int, seal: Callable[[bytes], bytes] | None) -> Iterator[bytes]:
    """The bodies of the parts: the records compressed, cut at `room` bytes and, with `seal`, each sealed.

    Before sealing, and with one version of zstd, the same records give the same bytes.
    """
    compressor = zstandard.ZstdCompressor(level=LEVEL).compressobj()
    held = bytearray()
    for record in records:
        held += compressor.compress(_LENGTH.pack(len(record)))
        held += compressor.compress(record)
        while len(held) > room:
            yield _sealed(bytes(held[:room]), seal)
            del held[:room]
    held += compressor.flush()
    for first in range(0, len(held), room):
        yield _sealed(bytes(held[first : first + room]), seal)


def _sealed(body: bytes, seal: Callable[[bytes], bytes] | None) -> bytes:
    return seal(body) if seal else body


def content_name(digests: Iterable[bytes]) -> str:
    """The name of one packing: SHA-256 over the digests of its parts' bodies, in order; hexadecimal."""
    return hashlib.sha256(b"".join(digests)).hexdigest()


def headers(
    manifest: Manifest, bundle: str, bodies: Sequence[tuple[int, bytes]], signer: Signer, *, sealed: bool
) -> Iterator[tuple[Header, str]]:
    """The header of each part and its signed note; `bodies`: length and SHA-256 of each."""
    content = content_name(digest for _, digest in bodies)
    same = (manifest.source, manifest.receiver, manifest.made, bundle, content, manifest.holds, sealed)
    for number, (length, digest) in enumerate(bodies, 1):
        header = Header(*same, number, len(bodies), length, digest)
        yield header, sign_note(header.text(), signer)


# --- Unpacking ------------------------------------------------------------------------------------


class Run:
    """The compressed run of a bundle as a file: the bodies of its parts, fetched one at a time."""

    def __init__(self, parts: int, body: Callable[[int], bytes]) -> None:
        self.part, self._parts, self._body = 0, parts, body
        self._held, self._at = b"", 0

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes of what follows; none at the end."""
        while self._at >= len(self._held) and self.part < self._parts:
            self.part += 1
            self._held, self._at = self._body(self.part), 0
        first, self._at = self._at, len(self._held) if size < 0 else min(self._at + size, len(self._held))
        return self._held[first : self._at]

    @property
    def place(self) -> str:
        return f"part {self.part} of {self._parts}"


def records(run: Run) -> Iterator[bytes]:
    """The records of a bundle, in order. Raises Untrusted `bundle.unreadable`, naming the part."""
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(run)  # type: ignore[arg-type]
    try:
        while length := _exactly(reader, _LENGTH.size):
            (size,) = _LENGTH.unpack(length)
            if size > MOST_RECORD or len(record := _exactly(reader, size)) < size:
                raise ValueError(f"a record of {size} bytes")
            yield record
        if run.read(1):
            raise ValueError("bytes after the end")
    except (zstandard.ZstdError, struct.error, ValueError) as error:
        raise Untrusted("bundle.unreadable", expected="whole records", got=str(error), where=run.place) from None


def _exactly(reader: Any, size: int) -> bytes:
    """`size` bytes, or fewer where the run ends."""
    got: bytes = reader.read(size)
    while len(got) < size and (more := reader.read(size - len(got))):
        got += more
    return got


def open_manifest(record: bytes, header: Header, keys: Keys) -> Manifest:
    """The manifest of a bundle, by the maker that the parts name. Raises Untrusted `bundle.bad-manifest`, `note.*`."""
    where = f"manifest of {header.bundle[:16]}"
    try:
        signed = msgspec.json.decode(record, type=_Signed)
        manifest = msgspec.json.decode(signed.payload, type=Manifest)
    except msgspec.MsgspecError as error:
        raise Untrusted("bundle.bad-manifest", expected="a signed manifest", got=str(error), where=where) from None
    maker = verify_bytes(bytes(signed.payload), signed.signature, _SAID, keys)
    told = (maker, manifest.source, manifest.receiver, manifest.made, manifest.holds, digest_of(record))
    said = (header.source, header.source, header.receiver, header.made, header.holds, header.bundle)
    if told != said or manifest.version != VERSION:
        raise Untrusted("bundle.bad-manifest", expected="what the parts say", got="something else", where=where)
    return manifest


def digest_of(record: bytes) -> str:
    """The name of a bundle: SHA-256 of its manifest record; hexadecimal."""
    return hashlib.sha256(record).hexdigest()


def tree_before(part: Range) -> Frontier:
    """The tree over the events before a range. Raises Untrusted `bundle.bad-manifest`."""
    try:
        hashes = tuple(b64decode(each, validate=True) for each in part.tree)
    except ValueError:
        hashes = ()
    if part.first < 1 or len(hashes) != (part.first - 1).bit_count() or any(len(each) != 32 for each in hashes):
        expected = f"the tree over {part.first - 1} events"
        raise Untrusted("bundle.bad-manifest", expected=expected, got="another", where=part.origin)
    return Frontier(part.first - 1, hashes)


def moment(made: Instant) -> str:
    """When a bundle was made, as its manifest says it."""
    return format_instant(made)
