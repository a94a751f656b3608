"""Disks of a size of their own, that can become full, read-only and roomy again. Needs the right to mount."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Disk:
    """A file system in memory, mounted on a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def room(self, mebibytes: int) -> None:
        """Leave so much room beside what is in use."""
        stands = os.statvfs(self.folder)
        used = (stands.f_blocks - stands.f_bfree) * stands.f_frsize
        self._remount(f"size={used + mebibytes * 2**20}")

    def read_only(self) -> None:
        """Take no more writes. Nobody may have a file open for writing."""
        self._remount("ro")

    def writable(self) -> None:
        """Take writes again."""
        self._remount("rw")

    def _remount(self, option: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{option}", str(self.folder)], check=True, capture_output=True)


@contextmanager
def disk(folder: Path, mebibytes: int) -> Iterator[Disk]:
    """Mounts a disk on `folder`; skips, saying why, where this may not be."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "keersluis-test", str(folder)]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"no disk of its own for this test: {error}")
    if told.returncode:
        pytest.skip(f"no disk of its own for this test: {told.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
