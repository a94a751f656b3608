"""Files that are whole or not there, and durable: written beside, then moved into place."""

from __future__ import annotations

import os
import secrets
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
