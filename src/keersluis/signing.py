"""Signatures in the C2SP signed-note form, with Ed25519.

A note is a text that ends in a newline, a blank line, and one line per signature::

    — <name> <base64(4 bytes key hash || 64 bytes signature)>

A name is an organisation's OIN. The text is signed as its exact UTF-8 bytes, so nothing has a canonical form.
`sign_bytes` signs anything else (answers, questions): a note over its SHA-256, detached from it.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple, Protocol, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from keersluis.errors import Incorrect, Untrusted

PUBLIC_KEY_SIZE = 32
MOST_SIGNATURES = 100
_ED25519 = b"\x01"
_DASH = "\u2014 "
_HASH_BYTES, _SIGNATURE_BYTES = 4, 64
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class KeySource(Protocol):
    """Who knows the public keys (32 bytes each) of a name; none for a name it does not know."""

    def keys(self, name: str, /) -> Sequence[bytes]: ...


Keys: TypeAlias = Mapping[str, Sequence[bytes]] | KeySource


@dataclass(frozen=True, slots=True)
class Note:
    """A verified note: its exact text, and the known organisations that signed it (each once)."""

    text: str
    signers: tuple[str, ...]


class Signer:
    """One organisation's private key under its name. Shows, compares and stores nothing of the key."""

    __slots__ = ("_private", "key_hash", "name", "public")

    def __init__(self, name: str, private_key: Ed25519PrivateKey) -> None:
        self.name = _checked_name(name)
        self._private = private_key
        self.public: bytes = private_key.public_key().public_bytes_raw()
        self.key_hash: bytes = key_hash(name, self.public)

    @staticmethod
    def from_seed(name: str, seed: bytes) -> Signer:
        """The signer of a 32-byte secret seed: for simulated and test organisations."""
        return Signer(name, Ed25519PrivateKey.from_private_bytes(seed))

    def at(self, _at: int | None = None) -> Signer:
        """Who signs what is signed at this instant (default now): itself, unless it knows of a successor."""
        return self

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature (64 bytes) over the exact bytes."""
        return self._private.sign(message)

    def __repr__(self) -> str:
        return f"Signer({self.name!r}, key {self.key_hash.hex()})"


class _Line(NamedTuple):
    name: str
    key_hash: bytes
    signature: bytes


@lru_cache(maxsize=4096)
def key_hash(name: str, public: bytes) -> bytes:
    """The 4 bytes by which a signature line names its key (C2SP signed-note, signature type Ed25519)."""
    return sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:_HASH_BYTES]


def verify_signature(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` (64 bytes) over the exact bytes is by the key `public` (32 bytes)."""
    try:
        _public_key(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def sign_note(text: str, signer: Signer) -> str:
    """The text with the signer's signature under it. Raises Incorrect `note.bad-text`."""
    if not _is_text(text):
        expected = "UTF-8 text that ends in a newline and has no other control characters"
        raise Incorrect("note.bad-text", expected=expected, got=repr(text[:80]))
    return f"{text}\n{_signature_line(text, signer)}"


def add_signature(note: str, signer: Signer) -> str:
    """The note co-signed; signing twice with one key changes nothing.

    Verifies nothing: call `verify_note` before. Raises Untrusted `note.malformed`.
    """
    text, lines = _split(note)
    line = _signature_line(text, signer)
    return note if line.rstrip("\n") in lines else note + line


def verify_note(note: str, keys: Keys) -> Note:
    """The note's text and its known signers.

    At least one signature must be by a known key. A signature under a known name that is not by one of that
    name's keys spoils the whole note; unknown names are passed over, as C2SP prescribes.
    Raises Untrusted `note.malformed`, `note.bad-signature`, `note.no-known-signer`.
    """
    text, lines = _split(note)
    message = text.encode()
    signers: dict[str, None] = {}
    for line in map(_parse_line, lines):
        known = _keys_of(keys, line.name)
        if known and not _is_signed(line, known, message):
            expected = f"a signature on this text by a key of {line.name}"
            raise Untrusted("note.bad-signature", expected=expected, got="one that does not verify")
        if known:
            signers[line.name] = None
    if not signers:
        expected = "a signature by an organisation whose key is known"
        raise Untrusted("note.no-known-signer", expected=expected, got="none")
    return Note(text, tuple(signers))


def unverified_text(note: str) -> str:
    """The text that the note's signatures are about, whoever made them. Raises Untrusted `note.malformed`."""
    return _split(note)[0]


def sign_bytes(payload: bytes, context: str, signer: Signer) -> str:
    """A note over the payload's SHA-256, to be sent beside it.

    `context` says what the payload is (such as ``answer``): a signature on a question is none on an answer.
    """
    return sign_note(_statement(payload, signer.name, context), signer)


def verify_bytes(payload: bytes, note: str, context: str, keys: Keys) -> str:
    """The name of the organisation that signed these exact bytes as `context`.

    Raises Untrusted `signed.altered` when the note is about another payload, context or signer, and what
    `verify_note` raises.
    """
    verified = verify_note(note, keys)
    for name in verified.signers:
        if verified.text == _statement(payload, name, context):
            return name
    raise Untrusted(
        "signed.altered",
        expected=f"a signed statement on this {context}",
        got=f"one on {verified.text.splitlines()[0]!r} with other content",
    )


def _statement(payload: bytes, name: str, context: str) -> str:
    return f"{name}/{context}\n{b64encode(sha256(payload).digest()).decode()}\n"


def _checked_name(name: str) -> str:
    if not _is_name(name):
        raise Incorrect("note.bad-name", expected="a name without spaces and plus signs", got=repr(name))
    return name


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and name.isprintable() and not any(map(str.isspace, name))


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return text.endswith("\n") and not _CONTROL.search(text)


def _signature_line(text: str, signer: Signer) -> str:
    signer = signer.at()  # once: its key and its signature belong together
    signature = signer.key_hash + signer.sign(text.encode())
    return f"{_DASH}{signer.name} {b64encode(signature).decode()}\n"


def _split(note: str) -> tuple[str, list[str]]:
    """The text and its signature lines; the last blank line divides, for a text may have some of its own."""
    text, blank, signatures = note.rpartition("\n\n")
    text += "\n"
    lines = signatures.split("\n")
    if not blank or lines.pop() or not 0 < len(lines) <= MOST_SIGNATURES or not _is_text(text):
        raise _malformed("a text, a blank line and signature lines", note)
    return text, lines


def _parse_line(line: str) -> _Line:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        blob = b64decode(encoded, validate=True)
    except ValueError:
        blob = b""
    # One spelling only: base64 with stray bits would let a note be altered and still verify (P5).
    sound = line.startswith(_DASH) and space and _is_name(name) and b64encode(blob).decode() == encoded
    if not sound or len(blob) != _HASH_BYTES + _SIGNATURE_BYTES:
        raise _malformed("a signature line: dash, name, base64 of 68 bytes", line)
    return _Line(name, blob[:_HASH_BYTES], blob[_HASH_BYTES:])


def _malformed(expected: str, got: str) -> Untrusted:
    return Untrusted("note.malformed", expected=expected, got=repr(got[:120]))


def _keys_of(keys: Keys, name: str) -> Sequence[bytes]:
    return keys.get(name, ()) if isinstance(keys, Mapping) else keys.keys(name)


def _is_signed(line: _Line, known: Sequence[bytes], message: bytes) -> bool:
    return any(
        key_hash(line.name, public) == line.key_hash and verify_signature(public, line.signature, message)
        for public in known
    )


@lru_cache(maxsize=4096)
def _public_key(public: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(public)
