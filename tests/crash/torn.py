"""What a power cut in the middle of a commit leaves of SQLite's write-ahead log: part of it, or nonsense.

Only the frames of the last commit are touched. A process that died before it told anybody of that commit cannot have
been promised them; everything before was synced. The format: https://www.sqlite.org/walformat.html.
"""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random

HEADER, FRAME = 32, 24
BACKFILLED = 96
"""Where the shared-memory file says how many frames are in the database already."""


def commits(wal: bytes) -> list[int]:
    """The offset at which each commit in the log ends, oldest first."""
    if len(wal) < HEADER:
        return []
    page, salt = struct.unpack(">I", wal[8:12])[0], wal[16:24]
    ends, at = [], HEADER
    while at + FRAME + page <= len(wal) and wal[at + 8 : at + 16] == salt:
        truncated_to = struct.unpack(">I", wal[at + 4 : at + 8])[0]
        at += FRAME + page
        if truncated_to:
            ends.append(at)
    return ends


def tear(path: Path, random: Random) -> bool:
    """Spoil the last commit in the log at `path`; False where that commit is in the database already."""
    wal = path.read_bytes()
    ends = [HEADER, *commits(wal)]
    if len(ends) < 2:
        return False
    first, last = ends[-2:]
    page = struct.unpack(">I", wal[8:12])[0]
    shared = path.with_name(path.name.replace("-wal", "-shm")).read_bytes()
    if struct.unpack("=I", shared[BACKFILLED : BACKFILLED + 4])[0] * (FRAME + page) + HEADER > first:
        return False
    at = random.randrange(first, last)
    if random.random() < 0.5:
        path.write_bytes(wal[:at])
    else:
        sector = at - at % 512 if at - at % 512 >= first else at
        path.write_bytes(wal[:sector] + random.randbytes(last - sector) + wal[last:])
    return True
