"""Many proofs about one stream at once: that its tree only grew, and that an event stands in it. Pure.

The same proofs as `merkle.consistency_proof` and `merkle.inclusion_proof` (RFC 6962, 2.1), with each whole subtree
hashed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from keersluis.errors import Untrusted
from keersluis.merkle import EMPTY_ROOT, Frontier, node_hash, verify_consistency

EMPTY = Frontier()


class Tree:
    """The tree over `base` and the leaf hashes that follow it; it keeps the hash of every whole subtree of those.

    It knows roots and proofs from the size of `base` on, and costs as much as what follows it (P6).
    """

    def __init__(self, leaves: Iterable[bytes], base: Frontier = EMPTY) -> None:
        level = list(leaves)
        self.size = base.size + len(level)
        self._whole = dict(zip(_subtrees(base.size), base.hashes, strict=True))
        self._levels: list[tuple[int, list[bytes]]] = []  # with the number of the first node of each
        start, before = base.size, list(base.hashes)
        while level:
            if start & 1:
                level.insert(0, before.pop())
                start -= 1
            self._levels.append((start, level))
            level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
            start //= 2

    def root(self, size: int) -> bytes:
        """The root over the first `size` leaves."""
        return self._over(0, size) if size else EMPTY_ROOT

    def proof(self, old: int, new: int) -> list[bytes]:
        """The tree of `new` leaves begins with that of `old`; empty where that says itself, or cannot be."""
        if not 0 < old < new <= self.size:
            return []
        proof: list[bytes] = []
        low, high = 0, new
        while high != old:
            middle = low + _split(high - low)
            if old <= middle:
                proof.append(self._over(middle, high))
                high = middle
            else:
                proof.append(self._over(low, middle))
                low = middle
        if low:
            proof.append(self._over(low, high))
        return proof[::-1]

    def inclusion(self, index: int) -> tuple[bytes, ...]:
        """The inclusion proof of leaf `index`, from 0 and not before `base`, in the whole tree."""
        path: list[bytes] = []
        low, high = 0, self.size
        while high - low > 1:
            middle = low + _split(high - low)
            if index < middle:
                path.append(self._over(middle, high))
                high = middle
            else:
                path.append(self._over(low, middle))
                low = middle
        return tuple(path[::-1])

    def _over(self, low: int, high: int) -> bytes:
        if (low, high) in self._whole:
            return self._whole[low, high]
        count = high - low
        if count & (count - 1) == 0 and low % count == 0:
            start, level = self._levels[count.bit_length() - 1]
            return level[low // count - start]
        middle = low + _split(count)
        return node_hash(self._over(low, middle), self._over(middle, high))


def _subtrees(size: int) -> Iterator[tuple[int, int]]:
    """From where to where the whole subtrees of a tree go, the greatest first."""
    low = 0
    while low < size:
        high = low + (1 << (size - low).bit_length() - 1)
        yield low, high
        low = high


def _split(count: int) -> int:
    """The greatest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def first_break(states: Sequence[tuple[int, bytes]], proofs: Sequence[Sequence[bytes]]) -> int | None:
    """Which of the `proofs` does not show that state i+1 (size, root) begins with state i; None: all do."""
    if len(proofs) != len(states) - 1:
        return min(len(proofs), max(0, len(states) - 2))
    for number, (old, new, proof) in enumerate(zip(states, states[1:], proofs, strict=False)):
        try:
            verify_consistency(old[0], new[0], old[1], new[1], proof)
        except Untrusted:
            return number
    return None
