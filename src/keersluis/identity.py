"""Who an organisation is: its Ed25519 key pair, everybody's public keys, and the change of a key.

A private key lies in `<folder>/<OIN>.key` (PEM, PKCS #8, mode 600) and leaves it only as a `Signer`. Public
keys lie in `keys.json`, each with the period in which its signatures count. A key is replaced by a statement
that the old key signs, so that whoever trusts the old one needs nobody else to trust the new one.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from keersluis.errors import Conflict, Forbidden, Incorrect, Untrusted
from keersluis.signing import PUBLIC_KEY_SIZE, Signer, sign_note, unverified_text, verify_note
from keersluis.times import Instant, format_instant, parse_instant

KEYRING_FILE = "keys.json"
ROTATION_CONTEXT = "key-rotation"
_PRIVATE_MODE, _PUBLIC_MODE = 0o600, 0o644
_FILE_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")


# --- Private keys in files ------------------------------------------------------------------------


def key_path(folder: Path, oin: str) -> Path:
    """Where the organisation's private key lies. Raises Incorrect `identity.bad-oin`."""
    return folder / f"{_checked_oin(oin)}.key"


def generate_key(folder: Path, oin: str) -> Signer:
    """Make a key pair and keep it, durably, in a new file of mode 600.

    Raises Conflict `identity.key-exists`: a key is never overwritten.
    """
    return _generate(key_path(folder, oin), oin)


def load_key(folder: Path, oin: str) -> Signer:
    """The signer of the organisation whose key file lies in `folder`.

    Raises Incorrect `identity.key-missing` or `identity.key-unreadable`; Forbidden `identity.key-file-open`
    when the file's mode allows more than reading and writing by its owner.
    """
    return _load(key_path(folder, oin), oin)


class Rotation(NamedTuple):
    """A prepared change of key: the statement for everybody's keyring, and the signer that takes over."""

    statement: str
    signer: Signer


def prepare_rotation(folder: Path, oin: str, at: Instant) -> Rotation:
    """Make the next key, in `<OIN>.next.key`, and the statement by which it takes over at `at`.

    Called again after a crash it goes on with the next key that it finds. Keep the statement durably before
    `finish_rotation`: the old key, which alone can make it, is gone afterwards.
    """
    old = load_key(folder, oin)
    path = _next_path(folder, oin)
    new = _load(path, oin) if path.exists() else _generate(path, oin)
    return Rotation(rotate(old, new.public, at), new)


def finish_rotation(folder: Path, oin: str) -> Signer:
    """Put the next key in the place of the old one, which is then gone.

    Raises Incorrect `identity.key-missing` when no rotation was prepared.
    """
    signer = _load(_next_path(folder, oin), oin)
    os.replace(_next_path(folder, oin), key_path(folder, oin))
    _sync_folder(folder)
    return signer


# --- Public keys ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One organisation's public key (32 bytes); its signatures count from `start` until before `until`."""

    oin: str
    public: bytes
    start: Instant = 0
    until: Instant | None = None

    def valid_at(self, at: Instant) -> bool:
        return self.start <= at and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class KeysAt:
    """A keyring as it was at one moment, for `verify_note`: ended keys sign nothing new."""

    ring: KeyRing
    at: Instant

    def keys(self, name: str, /) -> tuple[bytes, ...]:
        return self.ring.keys(name, self.at)


class KeyRing:
    """The public keys of organisations. Safe to read while another thread changes it."""

    def __init__(self, keys: Iterable[PublicKey] = ()) -> None:
        self._keys: dict[str, tuple[PublicKey, ...]] = {}
        for key in keys:
            self._add(key)

    @staticmethod
    def load(path: Path) -> KeyRing:
        """Read a `keys.json`.

        Raises Incorrect `identity.keys-missing`, or `identity.keys-broken` with all its `faults`.
        """
        try:
            entries = msgspec.json.decode(path.read_bytes())
        except OSError as error:
            raise _unopened("identity.keys-missing", "a file of public keys", path, error) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _broken(path, [f"not JSON: {error}"]) from None
        return KeyRing(_read_entries(path, entries))

    def save(self, path: Path) -> None:
        """Write a `keys.json`: durably, and whole or not at all."""
        entries = [
            {
                "oin": key.oin,
                "public": b64encode(key.public).decode(),
                "from": format_instant(key.start),
                "until": None if key.until is None else format_instant(key.until),
            }
            for key in self.entries()
        ]
        write_whole(path, msgspec.json.format(msgspec.json.encode(entries), indent=2) + b"\n")

    def add(self, oin: str, public: bytes, start: Instant = 0, until: Instant | None = None) -> PublicKey:
        """Trust a key. Twice is as once; with another period: Conflict `identity.key-known`."""
        return self._add(PublicKey(oin, public, start, until))

    def keys(self, oin: str, /, at: Instant | None = None) -> tuple[bytes, ...]:
        """The organisation's public keys (32 bytes each), oldest first, none if it is not known.

        With `at`, those whose signatures count at that moment; without, all it ever had: for what is old.
        """
        return tuple(key.public for key in self._keys.get(oin, ()) if at is None or key.valid_at(at))

    def at(self, at: Instant) -> KeysAt:
        """This keyring for what is signed at `at`: with the clock's time, for all that comes in new."""
        return KeysAt(self, at)

    def entries(self) -> tuple[PublicKey, ...]:
        """All keys, by OIN, then oldest first."""
        return tuple(key for oin in sorted(self._keys) for key in self._keys[oin])

    def revoke(self, oin: str, public: bytes, at: Instant) -> PublicKey:
        """End a key at `at`, or when it had ended before; nobody can rotate it any more.

        Raises Incorrect `identity.key-unknown`.
        """
        key = self._find(oin, public)
        if key is None:
            got = b64encode(public).decode()
            raise Incorrect("identity.key-unknown", expected=f"a known key of {oin}", got=got)
        return self._put(replace(key, until=at if key.until is None else min(at, key.until)))

    def apply_rotation(self, statement: str) -> PublicKey:
        """End the old key and trust the new one, as the statement says; applied twice it changes nothing.

        The statement must be signed by the very key that it replaces. That key must have no end yet, whatever
        moment the statement names: who stole a revoked key would name an early one.
        Raises Untrusted `identity.rotation-refused`, and what `verify_note` raises.
        """
        said = _read_rotation(statement)
        old, new = self._find(said.oin, said.old), PublicKey(said.oin, said.new, said.at)
        if old is None:
            raise _refused(f"a known key of {said.oin}", "another")
        verify_note(statement, {said.oin: [said.old]})
        if old.until == said.at and self._find(said.oin, said.new) == new:
            return new
        self._check_succession(old, new)
        self._put(replace(old, until=said.at))
        return self._put(new)

    def _check_succession(self, old: PublicKey, new: PublicKey) -> None:
        if old.until is not None:
            raise _refused("a key in force", f"one that ends at {format_instant(old.until)}")
        if self._find(new.oin, new.public) is not None:
            raise _refused("a new key", "one that is known")
        if new.start <= old.start:
            raise _refused(f"a moment after {format_instant(old.start)}", format_instant(new.start))

    def _add(self, key: PublicKey) -> PublicKey:
        _check_key(key)
        known = self._find(key.oin, key.public)
        if known is not None and known != key:
            got = f"the same key of {key.oin} with another period"
            raise Conflict("identity.key-known", expected="a new key", got=got)
        return self._put(key)

    def _find(self, oin: str, public: bytes) -> PublicKey | None:
        return next((key for key in self._keys.get(oin, ()) if key.public == public), None)

    def _put(self, key: PublicKey) -> PublicKey:
        others = (other for other in self._keys.get(key.oin, ()) if other.public != key.public)
        self._keys[key.oin] = tuple(sorted((*others, key), key=lambda one: (one.start, one.public)))
        return key


# --- Rotation statements --------------------------------------------------------------------------


def rotate(old: Signer, new_public: bytes, at: Instant) -> str:
    """The statement, signed by the old key, that `new_public` (32 bytes) takes its place from `at` on.

    Its text: `<OIN>/key-rotation`, `old <base64>`, `new <base64>`, `from <RFC 3339>`, a line each.
    """
    _check_key(PublicKey(old.name, new_public))
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


def _read_rotation(statement: str) -> _Said:
    """What a statement says, not yet who says it; only the exact form that `rotate` writes is read."""
    text = unverified_text(statement)
    try:
        origin, old, new, start, _ = text.split("\n")
        said = _Said(origin.split("/")[0], b64decode(old[4:]), b64decode(new[4:]), parse_instant(start[5:]))
        _check_key(PublicKey(said.oin, said.new))
        if _rotation_text(said) != text or said.old == said.new:
            raise ValueError(text)
    except (ValueError, Incorrect):
        raise _refused("a key rotation statement", repr(text[:80])) from None
    return said


def _refused(expected: str, got: str) -> Untrusted:
    return Untrusted("identity.rotation-refused", expected=expected, got=got)


# --- Reading and writing --------------------------------------------------------------------------


def _checked_oin(oin: str) -> str:
    # It becomes part of a file's name.
    if not _FILE_NAME.fullmatch(oin):
        raise Incorrect("identity.bad-oin", expected="an OIN: letters, digits and hyphens", got=repr(oin))
    return oin


def _check_key(key: PublicKey) -> None:
    _checked_oin(key.oin)
    if len(key.public) != PUBLIC_KEY_SIZE:
        expected = f"a public key of {PUBLIC_KEY_SIZE} bytes for {key.oin}"
        raise Incorrect("identity.bad-public-key", expected=expected, got=f"{len(key.public)} bytes")
    if key.until is not None and key.until < key.start:
        expected = f"the end of a key of {key.oin} after its start"
        raise Incorrect("identity.bad-period", expected=expected, got="an earlier one")


def _read_entries(path: Path, entries: Any) -> list[PublicKey]:
    if not isinstance(entries, list):
        raise _broken(path, ["expected a list of keys"])
    keys: list[PublicKey] = []
    faults: list[str] = []
    for number, entry in enumerate(entries, start=1):
        try:
            keys.append(_read_entry(entry))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            faults.append(f"key {number}: expected oin, public (base64), from and until, got {error!r}")
        except Incorrect as error:
            faults.append(f"key {number}: {error}")
    if faults:
        raise _broken(path, faults)
    return keys


def _read_entry(entry: Any) -> PublicKey:
    until = entry.get("until")
    key = PublicKey(
        oin=entry["oin"],
        public=b64decode(entry["public"], validate=True),
        start=parse_instant(entry["from"]),
        until=None if until is None else parse_instant(until),
    )
    _check_key(key)
    return key


def _broken(path: Path, faults: list[str]) -> Incorrect:
    got = "; ".join(faults[:3]) + (f"; and {len(faults) - 3} more" if len(faults) > 3 else "")
    expected = "a list of public keys"
    return Incorrect("identity.keys-broken", expected=expected, got=got, where=str(path), faults=faults)


def _unopened(code: str, expected: str, path: Path, error: OSError) -> Incorrect:
    return Incorrect(code, expected=expected, got=error.strerror or "no file", where=str(path))


def _next_path(folder: Path, oin: str) -> Path:
    return folder / f"{_checked_oin(oin)}.next.key"


def _generate(path: Path, oin: str) -> Signer:
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _write_beside(path, pem, _PRIVATE_MODE)
    try:
        os.link(temporary, path)  # unlike a rename, this never replaces a file
    except FileExistsError:
        got, mend = "a key file", "use that key, or rotate it"
        raise Conflict("identity.key-exists", expected="none", got=got, mend=mend, where=str(path)) from None
    finally:
        temporary.unlink()
    _sync_folder(path.parent)
    return Signer(oin, private)


def _load(path: Path, oin: str) -> Signer:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            pem = file.read()
    except OSError as error:
        raise _unopened("identity.key-missing", f"the private key of {oin}", path, error) from None
    if mode & ~_PRIVATE_MODE:
        got, mend = f"mode {mode:o}", f"chmod 600 {path}"
        raise Forbidden("identity.key-file-open", expected="mode 600", got=got, mend=mend, where=str(path))
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        private = None  # what the library says of it may hold a part of the key
    if not isinstance(private, Ed25519PrivateKey):
        expected = "an Ed25519 private key in PEM"
        raise Incorrect("identity.key-unreadable", expected=expected, got="something else", where=str(path))
    return Signer(oin, private)


def _write_beside(path: Path, data: bytes, mode: int) -> Path:
    """A new file beside `path` with this mode from its first moment, its content on disk."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def write_whole(path: Path, data: bytes, mode: int = _PUBLIC_MODE) -> None:
    """Put `data` in the file `path`, durably: whole or not at all, and with this mode from the first moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _write_beside(path, data, mode)
    try:
        os.replace(temporary, path)
    except OSError:
        temporary.unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
