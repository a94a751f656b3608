"""Public keys with the period in which their signatures count, and what an organisation says of its own: that another
takes over, or that one has ended. Pure."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import NamedTuple

from keersluis.errors import Incorrect, Untrusted
from keersluis.signing import PUBLIC_KEY_SIZE, Signer, sign_note, unverified_text
from keersluis.times import Instant, format_instant, parse_instant

ROTATION_CONTEXT, REVOCATION_CONTEXT = "key-rotation", "key-revocation"
_FILE_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One organisation's public key (32 bytes); its signatures count from `start` until before `until`."""

    oin: str
    public: bytes
    start: Instant = 0
    until: Instant | None = None

    def valid_at(self, at: Instant) -> bool:
        return self.start <= at and (self.until is None or at < self.until)


def checked_oin(oin: str) -> str:
    # It becomes part of a file's name.
    if not _FILE_NAME.fullmatch(oin):
        raise Incorrect("identity.bad-oin", expected="an OIN: letters, digits and hyphens", got=repr(oin))
    return oin


def check_key(key: PublicKey) -> None:
    checked_oin(key.oin)
    if len(key.public) != PUBLIC_KEY_SIZE:
        expected = f"a public key of {PUBLIC_KEY_SIZE} bytes for {key.oin}"
        raise Incorrect("identity.bad-public-key", expected=expected, got=f"{len(key.public)} bytes")
    if key.until is not None and key.until < key.start:
        expected = f"the end of a key of {key.oin} after its start"
        raise Incorrect("identity.bad-period", expected=expected, got="an earlier one")


def rotate(old: Signer, new_public: bytes, at: Instant) -> str:
    """The statement, signed by the old key, that `new_public` (32 bytes) takes its place from `at` on.

    Its text: `<OIN>/key-rotation`, `old <base64>`, `new <base64>`, `from <RFC 3339>`, a line each.
    """
    check_key(PublicKey(old.name, new_public))
    if new_public == old.public:
        raise Incorrect("identity.same-key", expected="a new key", got="the old one")
    return sign_note(_rotation_text(_Said(old.name, old.public, new_public, at)), old)


class _Said(NamedTuple):
    oin: str
    old: bytes
    new: bytes
    at: Instant


def _rotation_text(said: _Said) -> str:
    old, new = b64encode(said.old).decode(), b64encode(said.new).decode()
    return f"{said.oin}/{ROTATION_CONTEXT}\nold {old}\nnew {new}\nfrom {format_instant(said.at)}\n"


def read_rotation(statement: str) -> _Said:
    """What a statement says, not yet who says it; only the exact form that `rotate` writes is read."""
    text = unverified_text(statement)
    try:
        origin, old, new, start, _ = text.split("\n")
        said = _Said(origin.split("/")[0], b64decode(old[4:]), b64decode(new[4:]), parse_instant(start[5:]))
        check_key(PublicKey(said.oin, said.new))
        if _rotation_text(said) != text or said.old == said.new:
            raise ValueError(text)
    except (ValueError, Incorrect):
        raise refused("a key rotation statement", repr(text[:80])) from None
    return said


class _Ended(NamedTuple):
    oin: str
    key: bytes
    at: Instant


def revocation(signer: Signer, public: bytes, at: Instant) -> str:
    """The statement that the key `public` of the signer's organisation ended at `at`; signatures since do not count.

    Its text: `<OIN>/key-revocation`, `key <base64>`, `from <RFC 3339>`, a line each.
    """
    return sign_note(_revocation_text(_Ended(signer.name, public, at)), signer)


def _revocation_text(said: _Ended) -> str:
    return f"{said.oin}/{REVOCATION_CONTEXT}\nkey {b64encode(said.key).decode()}\nfrom {format_instant(said.at)}\n"


def read_revocation(statement: str) -> _Ended:
    text = unverified_text(statement)
    try:
        origin, key, start, _ = text.split("\n")
        said = _Ended(origin.split("/")[0], b64decode(key[4:]), parse_instant(start[5:]))
        check_key(PublicKey(said.oin, said.key))
        if _revocation_text(said) != text:
            raise ValueError(text)
    except (ValueError, Incorrect):
        raise refused("a key revocation statement", repr(text[:80])) from None
    return said


def refused(expected: str, got: str) -> Untrusted:
    return Untrusted("identity.rotation-refused", expected=expected, got=got)


class Saying(NamedTuple):
    """What a statement says, whoever made it: a key that takes over (`rotates`) or that ended, from `at` on."""

    oin: str
    key: bytes
    at: Instant
    rotates: bool


def said_of(statement: str) -> Saying:
    """Reads a rotation or a revocation; verifies nothing. Raises Untrusted `identity.rotation-refused`."""
    if unverified_text(statement).partition("\n")[0].endswith(f"/{REVOCATION_CONTEXT}"):
        ended = read_revocation(statement)
        return Saying(ended.oin, ended.key, ended.at, False)
    said = read_rotation(statement)
    return Saying(said.oin, said.new, said.at, True)
