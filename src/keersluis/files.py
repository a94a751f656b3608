"""Files that are whole or not there, and durable: written beside, then moved into place."""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path


def write_beside(path: Path, data: bytes, mode: int) -> Path:
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


def write_whole(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put `data` in the file `path`, durably: whole or not at all, and with this mode from the first moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = write_beside(path, data, mode)
    try:
        os.replace(temporary, path)
    except OSError:
        temporary.unlink()
        raise
    sync_folder(path.parent)


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Put `files` (name -> content) in the folder `path`, durably and as a whole: who looks meanwhile sees the former
    folder or this one, and nothing else of the former is left. A failure leaves the former as it was."""
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    made.mkdir()
    try:
        for name, data in files.items():
            write_whole(made / name, data)
        _put(made, path)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    sync_folder(path.parent)


def _put(made: Path, path: Path) -> None:
    """Put the folder `made` in the place of `path`; what stood there is at `made` afterwards, or gone."""
    if not path.exists():
        os.rename(made, path)
    elif not _exchanged(made, path):
        aside = made.with_name(made.name + ".was")
        os.rename(path, aside)
        try:
            os.rename(made, path)
        except OSError:
            os.rename(aside, path)
            raise
        shutil.rmtree(aside, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two folders at once, where the system can (Linux, renameat2 with RENAME_EXCHANGE)."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    here, exchange = -100, 2
    return bool(call(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0)


def stamp(path: Path) -> tuple[int, ...]:
    """Differs when the file was replaced; () when it is not there."""
    try:
        told = os.stat(path)
    except OSError:
        return ()
    return told.st_mtime_ns, told.st_size, told.st_ino


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
