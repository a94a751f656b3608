"""Files that are there whole or not at all, also after a power cut."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keersluis.errors import Conflict, Unavailable


def write(path: Path, data: bytes) -> None:
    """Returns when the file with these bytes is durable; until then what stood there stands there."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def move(path: Path, target: Path) -> None:
    """Within one file system; returns when it is durable."""
    path.replace(target)
    sync_folder(target.parent)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def usable(folder: Path) -> Iterator[None]:
    """A disk that is full or may not be written is Unavailable `adaptor.folder`: what waits there waits on."""
    try:
        yield
    except OSError as error:
        raise Unavailable(
            "adaptor.folder",
            expected="a folder that can be read and written",
            got=error.strerror or type(error).__name__,
            mend="make room or see to its rights; nothing is lost, what was not finished is done again",
            where=str(error.filename or folder),
        ) from None


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """One adaptor at a time holds this file. Raises Conflict `adaptor.runs-already`."""
    with usable(lock.parent):
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("ab")
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            expected, mend = "no other adaptor at work here", "stop that one first"
            raise Conflict("adaptor.runs-already", expected=expected, got="one", mend=mend, where=str(lock)) from None
        yield
    finally:
        file.close()
