"""Merkle trees with the hashing of RFC 6962: roots, inclusion proofs, consistency proofs.

Everything here works on leaf hashes (32 bytes, from `leaf_hash`), never on the entries themselves, so that
an entry may be erased by law while every proof over it stays. `Frontier` is what a writer keeps: the hashes
of the complete subtrees, enough to append and to tell the root. The `verify_*` functions return nothing and
raise, so that no caller can forget to look at the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from keersluis.errors import Incorrect, Untrusted

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()
_SIZE_BYTES = 8


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry's exact bytes as a leaf (RFC 6962, 2.1): 32 bytes."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node over its two children (RFC 6962, 2.1): 32 bytes."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The compact form of a tree of `size` leaves: one hash per complete subtree, greatest subtree first.

    As many hashes as `size` has one-bits. Immutable: a transaction that is rolled back leaves no trace.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def extend(self, leaf_hashes: Iterable[bytes]) -> Frontier:
        """The tree with these leaf hashes (32 bytes each) appended. About one hash per leaf, level by level.

        Raises Incorrect `merkle.bad-hash`.
        """
        row = list(leaf_hashes)
        _require_hashes(row)
        size, before = self.size + len(row), list(self.hashes)
        after: list[bytes] = []
        level = 0
        while row:
            if self.size >> level & 1:
                row.insert(0, before.pop())
            if len(row) & 1:
                after.append(row.pop())
            pairs = iter(row)
            # Written out, not node_hash(): a call per node would cost as much as the hash itself.
            row = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
            level += 1
        return Frontier(size, (*before, *reversed(after)))

    def root(self) -> bytes:
        """The root (32 bytes) of the tree; of the empty tree it is SHA-256 of nothing."""
        if not self.hashes:
            return EMPTY_ROOT
        result = self.hashes[-1]
        for subtree in reversed(self.hashes[:-1]):
            result = node_hash(subtree, result)
        return result

    def to_bytes(self) -> bytes:
        """The size in 8 bytes, big-endian, then the hashes."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self.hashes)

    @staticmethod
    def from_bytes(stored: bytes) -> Frontier:
        """Inverse of `to_bytes`. Raises Untrusted `merkle.bad-frontier`."""
        size = int.from_bytes(stored[:_SIZE_BYTES], "big")
        wanted = _SIZE_BYTES + HASH_SIZE * size.bit_count()
        if len(stored) != wanted:
            got = f"{len(stored)} bytes"
            raise Untrusted("merkle.bad-frontier", expected=f"{wanted} bytes for size {size}", got=got)
        hashes = (stored[at : at + HASH_SIZE] for at in range(_SIZE_BYTES, wanted, HASH_SIZE))
        return Frontier(size, tuple(hashes))


def root(leaves: Iterable[bytes]) -> bytes:
    """The root (32 bytes) of the tree over these leaf hashes."""
    return Frontier().extend(leaves).root()


def inclusion_proof(leaves: Sequence[bytes], index: int, size: int) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962, 2.1.1: leaf `index` (from 0) is one of the first `size` leaves.

    `leaves` are leaf hashes, at least `size` of them. Raises Incorrect `merkle.out-of-range`.
    """
    if not 0 <= index < size <= len(leaves):
        raise _out_of_range(f"0 <= index < size <= {len(leaves)}", f"index {index}, size {size}")
    proof: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(root(leaves[middle:high]))
            high = middle
        else:
            proof.append(root(leaves[low:middle]))
            low = middle
    return proof[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf hash `leaf` stands at `index` in the tree of `size` leaves with this root.

    The algorithm is RFC 9162, 2.1.3.2. Raises Untrusted `merkle.not-included`.
    """
    if not 0 <= index < size or not _are_hashes([leaf, root, *proof]):
        raise _not_included(index, size)
    at, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise _not_included(index, size)
        if at & 1 or at == last:
            result = node_hash(sibling, result)
            at, last = _skip_lonely(at, last)
        else:
            result = node_hash(result, sibling)
        at, last = at >> 1, last >> 1
    if last != 0 or result != root:
        raise _not_included(index, size)


def consistency_proof(leaves: Sequence[bytes], old: int, new: int) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 6962, 2.1.2: the tree of `new` leaves begins with that of `old` leaves.

    Empty when `old` is 0 or equals `new`. `leaves` are leaf hashes. Raises Incorrect `merkle.out-of-range`.
    """
    if not 0 <= old <= new <= len(leaves):
        raise _out_of_range(f"0 <= old <= new <= {len(leaves)}", f"old {old}, new {new}")
    if old == 0:
        return []
    proof: list[bytes] = []
    low, high = 0, new
    while high != old:
        middle = low + _split(high - low)
        if old <= middle:
            proof.append(root(leaves[middle:high]))
            high = middle
        else:
            proof.append(root(leaves[low:middle]))
            low = middle
    if low:  # a subtree that the verifier does not hold as its old root
        proof.append(root(leaves[low:high]))
    return proof[::-1]


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree (`new`, `new_root`) begins with the leaves of the tree (`old`, `old_root`).

    The algorithm is RFC 9162, 2.1.4.2. Raises Untrusted `merkle.inconsistent`.
    """
    if not 0 <= old <= new or not _are_hashes([old_root, new_root, *proof]):
        raise _inconsistent(old, new)
    if old in (0, new):
        expected = EMPTY_ROOT if old == 0 else new_root
        if proof or old_root != expected or (new == 0 and new_root != EMPTY_ROOT):
            raise _inconsistent(old, new)
        return
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path or _roots_from(path, old - 1, new - 1) != (old_root, new_root):
        raise _inconsistent(old, new)


def _roots_from(path: list[bytes], at: int, last: int) -> tuple[bytes, bytes] | None:
    """The old and the new root that a consistency path leads to; None when its length is wrong."""
    while at & 1:
        at, last = at >> 1, last >> 1
    old_root = new_root = path[0]
    for sibling in path[1:]:
        if last == 0:
            return None
        if at & 1 or at == last:
            old_root, new_root = node_hash(sibling, old_root), node_hash(sibling, new_root)
            at, last = _skip_lonely(at, last)
        else:
            new_root = node_hash(new_root, sibling)
        at, last = at >> 1, last >> 1
    return (old_root, new_root) if last == 0 else None


def _skip_lonely(at: int, last: int) -> tuple[int, int]:
    """Climb past the levels where the last node has no sibling."""
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last


def _split(count: int) -> int:
    """The greatest power of two smaller than `count` (RFC 6962, 2.1: k)."""
    return 1 << (count - 1).bit_length() - 1


def _are_hashes(values: Sequence[bytes]) -> bool:
    return set(map(len, values)) <= {HASH_SIZE}


def _require_hashes(values: Sequence[bytes]) -> None:
    # Hashes of other lengths would let two different trees share a root.
    if not _are_hashes(values):
        raise Incorrect("merkle.bad-hash", expected="leaf hashes of 32 bytes", got="another length")


def _out_of_range(expected: str, got: str) -> Incorrect:
    return Incorrect("merkle.out-of-range", expected=expected, got=got)


def _not_included(index: int, size: int) -> Untrusted:
    return Untrusted(
        "merkle.not-included",
        expected=f"a proof that the entry stands at index {index} of {size}",
        got="hashes that do not lead to the root",
    )


def _inconsistent(old: int, new: int) -> Untrusted:
    return Untrusted(
        "merkle.inconsistent",
        expected=f"a proof that the tree of {new} begins with the tree of {old}",
        got="hashes that do not lead to both roots",
    )
