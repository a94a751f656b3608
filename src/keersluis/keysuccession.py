"""The key of an organisation while it runs: the next one takes over at its moment, by itself and without a gap."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from keersluis.identity import KeyRing, finish_rotation, load_key, load_key_file, next_key_path
from keersluis.signing import Signer
from keersluis.times import MINUTE, Instant

_FINISH_AFTER = 10 * MINUTE
"""The old key is kept for so long after the new one took over: a clock may be set back."""


class Succession(Signer):
    """The organisation's signer while it runs: after a rotation the next key signs from its moment on, by itself.

    `now` tells the time. Each signature is by the key that `ring` has for its moment; none is made by both or neither.
    """

    __slots__ = ("_folder", "_held", "_now", "_ring", "_seen")

    def __init__(self, folder: Path, oin: str, ring: KeyRing, now: Callable[[], Instant]) -> None:
        self._folder, self._ring, self._now = folder, ring, now
        self._seen = ring.version()
        self._held = _load_both(folder, oin, ring, now())
        super().__init__(oin, self._held.current._private)

    def at(self, at: Instant | None = None) -> Signer:
        at = self._now() if at is None else at
        version = self._ring.version()
        if version != self._seen:
            self._held = _load_both(self._folder, self.name, self._ring, at)
            self._seen = version
        held = self._held
        return held.following if held.following is not None and held.start <= at else held.current

    def sign(self, message: bytes) -> bytes:
        return self.at()._private.sign(message)


class _Held(NamedTuple):
    current: Signer
    following: Signer | None
    start: Instant


def _load_both(folder: Path, oin: str, ring: KeyRing, now: Instant) -> _Held:
    """The key in force and the one that follows; a rotation whose moment is well past is finished."""
    if not next_key_path(folder, oin).exists():
        return _Held(load_key(folder, oin), None, 0)
    following = load_key_file(next_key_path(folder, oin), oin)
    entry = next((key for key in ring.entries() if key.public == following.public), None)
    if entry is None:
        return _Held(load_key(folder, oin), None, 0)  # made, but not yet said to anybody
    if entry.start + _FINISH_AFTER <= now:
        return _Held(finish_rotation(folder, oin), None, 0)
    return _Held(load_key(folder, oin), following, entry.start)
