"""Who an organisation is: its Ed25519 key pair, everybody's public keys, and the change of a key.

A private key lies in `<folder>/<OIN>.key` (PEM, PKCS #8, mode 600) and leaves it only as a `Signer`. Public
keys lie in `keys.json`, each with the period in which its signatures count. A key is replaced by a statement
that the old key signs, so that whoever trusts the old one needs nobody else to trust the new one.
"""

from __future__ import annotations

import fcntl
import logging
import os
import stat
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from keersluis.errors import Conflict, Forbidden, Incorrect
from keersluis.files import stamp, sync_folder, write_beside, write_whole
from keersluis.keystatements import PublicKey as PublicKey
from keersluis.keystatements import (
    check_key,
    checked_oin,
    read_revocation,
    read_rotation,
    refused,
    said_of,
)
from keersluis.keystatements import revocation as revocation
from keersluis.keystatements import rotate as rotate
from keersluis.signing import Signer, verify_note
from keersluis.times import Instant, format_instant, parse_instant

KEYRING_FILE = "keys.json"
_PRIVATE_MODE = 0o600
_log = logging.getLogger(__name__)
T = TypeVar("T")


# --- Private keys in files ------------------------------------------------------------------------


def key_path(folder: Path, oin: str) -> Path:
    """Where the organisation's private key lies. Raises Incorrect `identity.bad-oin`."""
    return folder / f"{checked_oin(oin)}.key"


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
    return load_key_file(key_path(folder, oin), oin)


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
    path = next_key_path(folder, oin)
    new = load_key_file(path, oin) if path.exists() else _generate(path, oin)
    return Rotation(rotate(old, new.public, at), new)


def finish_rotation(folder: Path, oin: str) -> Signer:
    """Put the next key in the place of the old one, which is then gone.

    Raises Incorrect `identity.key-missing` when no rotation was prepared.
    """
    signer = load_key_file(next_key_path(folder, oin), oin)
    os.replace(next_key_path(folder, oin), key_path(folder, oin))
    sync_folder(folder)
    return signer


# --- Public keys ----------------------------------------------------------------------------------


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
        self.path: Path | None = None
        self._stamp: tuple[int, ...] = ()
        self._reading = threading.Lock()
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

    @staticmethod
    def follow(path: Path) -> KeyRing:
        """Read a `keys.json`, and read it again whenever it was replaced: what it says counts without a restart.

        Raises as `load`. A file that is broken later changes nothing, and is logged.
        """
        seen = stamp(path)  # before reading: what is replaced meanwhile is read again
        ring = KeyRing.load(path)
        ring.path, ring._stamp = path, seen
        return ring

    def version(self) -> tuple[int, ...]:
        """Another value after each change of the file that is followed."""
        if self.path is not None and (seen := stamp(self.path)) != self._stamp:
            with self._reading:
                try:
                    self._keys = KeyRing.load(self.path)._keys
                except Incorrect as error:
                    _log.warning("the keys known before go on to count: %s", error)
                self._stamp = seen
        return self._stamp

    def change(self, act: Callable[[KeyRing], T]) -> T:
        """Change this ring by `act` and, durably, the file that it follows; one process at a time."""
        if self.path is None:
            return act(self)
        with (self.path.parent / ".keys.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            ring = KeyRing.load(self.path)
            before = ring.entries()
            result = act(ring)
            if ring.entries() != before:
                ring.save(self.path)
        self.version()
        return result

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
        self.version()
        return tuple(key.public for key in self._keys.get(oin, ()) if at is None or key.valid_at(at))

    def at(self, at: Instant) -> KeysAt:
        """This keyring for what is signed at `at`: with the clock's time, for all that comes in new."""
        return KeysAt(self, at)

    def entries(self) -> tuple[PublicKey, ...]:
        """All keys, by OIN, then oldest first."""
        self.version()
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
        said = read_rotation(statement)
        old, new = self._find(said.oin, said.old), PublicKey(said.oin, said.new, said.at)
        if old is None:
            raise refused(f"a known key of {said.oin}", "another")
        verify_note(statement, {said.oin: [said.old]})
        if old.until == said.at and self._find(said.oin, said.new) == new:
            return new
        self._check_succession(old, new)
        self._put(replace(old, until=said.at))
        return self._put(new)

    def apply_revocation(self, statement: str, now: Instant) -> PublicKey:
        """End a key as its organisation says in the statement; applied twice it changes nothing.

        Signed by a key of the organisation that is in force `now`, which may be the one that ends: who holds it may
        give it up. A key that has ended has no say over others. Raises as `apply_rotation`.
        """
        said = read_revocation(statement)
        key = self._find(said.oin, said.key)
        if key is None:
            raise refused(f"a known key of {said.oin}", "another")
        if key.until is not None and key.until <= said.at:
            verify_note(statement, {said.oin: self.keys(said.oin)})
            return key
        verify_note(statement, {said.oin: self.keys(said.oin, now)})
        return self.revoke(said.oin, said.key, said.at)

    def apply(self, statement: str, now: Instant) -> PublicKey:
        """A rotation or a revocation, whichever the statement is: the key that came, or that ended."""
        if said_of(statement).rotates:
            return self.apply_rotation(statement)
        return self.apply_revocation(statement, now)

    def _check_succession(self, old: PublicKey, new: PublicKey) -> None:
        if old.until is not None:
            raise refused("a key in force", f"one that ends at {format_instant(old.until)}")
        if self._find(new.oin, new.public) is not None:
            raise refused("a new key", "one that is known")
        if new.start <= old.start:
            raise refused(f"a moment after {format_instant(old.start)}", format_instant(new.start))

    def _add(self, key: PublicKey) -> PublicKey:
        check_key(key)
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


# --- Reading and writing --------------------------------------------------------------------------


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
    check_key(key)
    return key


def _broken(path: Path, faults: list[str]) -> Incorrect:
    got = "; ".join(faults[:3]) + (f"; and {len(faults) - 3} more" if len(faults) > 3 else "")
    expected = "a list of public keys"
    return Incorrect("identity.keys-broken", expected=expected, got=got, where=str(path), faults=faults)


def _unopened(code: str, expected: str, path: Path, error: OSError) -> Incorrect:
    return Incorrect(code, expected=expected, got=error.strerror or "no file", where=str(path))


def next_key_path(folder: Path, oin: str) -> Path:
    """Where a key lies that was made to take over."""
    return folder / f"{checked_oin(oin)}.next.key"


def _generate(path: Path, oin: str) -> Signer:
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = write_beside(path, pem, _PRIVATE_MODE)
    try:
        os.link(temporary, path)  # unlike a rename, this never replaces a file
    except FileExistsError:
        got, mend = "a key file", "use that key, or rotate it"
        raise Conflict("identity.key-exists", expected="none", got=got, mend=mend, where=str(path)) from None
    finally:
        temporary.unlink()
    sync_folder(path.parent)
    return Signer(oin, private)


def load_key_file(path: Path, oin: str) -> Signer:
    """The signer of one key file; raises as `load_key`."""
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
