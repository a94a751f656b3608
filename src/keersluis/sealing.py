"""Sealing what travels on a carried medium, so that only its receiver can read it: the age format, with X25519.

An organisation's secret lies in `<folder>/<OIN>.age` (one line, mode 600) beside its signing key. What others seal to
stands in `recipients.json` beside `keys.json`, and is trusted as that file is: whoever can change the one can change
the other. Sealing hides; it proves nothing. Who made something is told by signatures alone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pyrage
from pyrage import x25519

from keersluis.errors import Forbidden, Incorrect, Untrusted

RECIPIENTS_FILE = "recipients.json"
_PRIVATE_MODE = 0o600


class Seals:
    """The organisation's own secret, where it has one, and everybody's public recipients (OIN -> `age1…`)."""

    def __init__(self, identity: x25519.Identity | None, recipients: Mapping[str, str]) -> None:
        self._identity, self.recipients = identity, dict(recipients)

    @staticmethod
    def load(home: Path, folder: Path, oin: str) -> Seals:
        """What lies in the working directory; nothing where it was made by an older version.

        Raises Incorrect `sealing.*-broken`, Forbidden `sealing.key-file-open`.
        """
        path = identity_path(folder, oin)
        return Seals(_load_identity(path) if path.exists() else None, read_recipients(home / RECIPIENTS_FILE))

    def seal(self, data: bytes, oin: str) -> bytes:
        """`data` for the eyes of `oin` alone; never the same bytes twice. Raises Incorrect `sealing.no-recipient`."""
        known = self.recipients.get(oin)
        if known is None:
            mend = f"add its recipient to {RECIPIENTS_FILE}, or export in plain with --plain"
            raise Incorrect("sealing.no-recipient", expected=f"a recipient of {oin}", got="none", mend=mend)
        return bytes(pyrage.encrypt(data, [_recipient(known)]))

    def unseal(self, data: bytes, where: str = "") -> bytes:
        """What was sealed for us. Raises Untrusted `sealing.unreadable`."""
        if self._identity is None:
            raise Untrusted("sealing.unreadable", expected="a secret of our own", got="none here", where=where)
        try:
            return bytes(pyrage.decrypt(data, [self._identity]))
        except pyrage.DecryptError as error:
            expected = "what was sealed for us and is whole"
            raise Untrusted("sealing.unreadable", expected=expected, got=str(error), where=where) from None


NO_SEALS = Seals(None, {})
"""Of a node that was opened without a working directory."""


def identity_path(folder: Path, oin: str) -> Path:
    """Where the organisation's secret lies."""
    return folder / f"{oin}.age"


def make_identity(folder: Path, oin: str) -> str:
    """The recipient of the organisation's secret, made in a file of mode 600 where there is none."""
    path = identity_path(folder, oin)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.unlink(missing_ok=True)
        part.touch(mode=_PRIVATE_MODE)
        _write(part, f"{x25519.Identity.generate()}\n".encode())
        part.replace(path)
    return str(_load_identity(path).to_public())


def read_recipients(path: Path) -> dict[str, str]:
    """OIN -> recipient; none where there is no such file. Raises Incorrect `sealing.recipients-broken`."""
    if not path.exists():
        return {}
    try:
        told = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
        for recipient in told.values():
            _recipient(recipient)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, Incorrect) as error:
        expected = "a JSON object with an age recipient for each OIN"
        raise Incorrect("sealing.recipients-broken", expected=expected, got=str(error), where=str(path)) from None
    return told


def write_recipients(path: Path, recipients: Mapping[str, str]) -> None:
    """Whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    _write(part, msgspec.json.format(msgspec.json.encode(dict(sorted(recipients.items())))) + b"\n")
    part.replace(path)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _recipient(text: str) -> x25519.Recipient:
    try:
        return x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise Incorrect("sealing.bad-recipient", expected="an age recipient (age1…)", got=repr(text[:80])) from None


def _load_identity(path: Path) -> x25519.Identity:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & ~_PRIVATE_MODE:
        mend = f"chmod 600 {path}"
        raise Forbidden("sealing.key-file-open", expected="mode 600", got=f"mode {mode:o}", mend=mend, where=str(path))
    try:
        return x25519.Identity.from_str(path.read_text("ascii").strip())
    except (pyrage.IdentityError, UnicodeDecodeError):  # what the library says of it may hold a part of the secret
        raise Incorrect(
            "sealing.key-broken", expected="an age identity", got="something else", where=str(path)
        ) from None
