"""Merkle trees against the recursive definitions of RFC 6962, written out here on their own, and published values.

P5 rests on this: a proof that was tampered with must be refused.
"""

from __future__ import annotations

import random
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keersluis.errors import Incorrect, Untrusted
from keersluis.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

# --- RFC 6962, section 2.1, word for word: entries in, hashes out ---------------------------------


def naive_k(n: int) -> int:
    """The largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def naive_mth(d: list[bytes]) -> bytes:
    if not d:
        return sha256().digest()
    if len(d) == 1:
        return sha256(b"\x00" + d[0]).digest()
    k = naive_k(len(d))
    return sha256(b"\x01" + naive_mth(d[:k]) + naive_mth(d[k:])).digest()


def naive_path(m: int, d: list[bytes]) -> list[bytes]:
    if len(d) == 1:
        return []
    k = naive_k(len(d))
    if m < k:
        return [*naive_path(m, d[:k]), naive_mth(d[k:])]
    return [*naive_path(m - k, d[k:]), naive_mth(d[:k])]


def naive_subproof(m: int, d: list[bytes], b: bool) -> list[bytes]:
    if m == len(d):
        return [] if b else [naive_mth(d)]
    k = naive_k(len(d))
    if m <= k:
        return [*naive_subproof(m, d[:k], b), naive_mth(d[k:])]
    return [*naive_subproof(m - k, d[k:], False), naive_mth(d[:k])]


# --- Strategies -----------------------------------------------------------------------------------

entries_lists = st.lists(st.binary(max_size=8), max_size=70)


def distinct_entries(count: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(count)]


def hashes_of(entries: list[bytes]) -> list[bytes]:
    return [leaf_hash(entry) for entry in entries]


@st.composite
def sizes_and_index(draw: st.DrawFn) -> tuple[int, int]:
    size = draw(st.integers(1, 70))
    return size, draw(st.integers(0, size - 1))


@st.composite
def old_and_new(draw: st.DrawFn) -> tuple[int, int]:
    new = draw(st.integers(1, 70))
    return draw(st.integers(1, new)), new


def flipped(draw: st.DrawFn, value: bytes) -> bytes:
    bit = draw(st.integers(0, len(value) * 8 - 1))
    return (int.from_bytes(value, "big") ^ (1 << bit)).to_bytes(len(value), "big")


@st.composite
def altered_lists(draw: st.DrawFn, proof: list[bytes]) -> list[bytes]:
    """The proof with a bit flipped, a hash dropped, a hash added, a hash cut short, or two hashes exchanged."""
    ways = ["add"] + (["flip", "drop", "cut"] if proof else []) + (["swap"] if len(proof) > 1 else [])
    way = draw(st.sampled_from(ways))
    at = draw(st.integers(0, max(0, len(proof) - 1)))
    result = list(proof)
    if way == "add":
        result.insert(at, draw(st.binary(min_size=32, max_size=32)))
    elif way == "flip":
        result[at] = flipped(draw, result[at])
    elif way == "drop":
        del result[at]
    elif way == "cut":
        result[at] = result[at][:-1]
    else:
        other = (at + 1) % len(result)
        result[at], result[other] = result[other], result[at]
    return result


# --- The tree is RFC 6962's -----------------------------------------------------------------------

# The reference inputs and roots of the Certificate Transparency project's own Merkle tree tests.
PUBLISHED_ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
PUBLISHED_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PUBLISHED_PATH_OF_FIRST_OF_EIGHT = [
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
]


@pytest.mark.parametrize("size", range(9))
def test_published_roots_of_certificate_transparency(size: int) -> None:
    assert root(hashes_of(PUBLISHED_ENTRIES[:size])).hex() == PUBLISHED_ROOTS[size]


def test_published_path_of_certificate_transparency() -> None:
    proof = inclusion_proof(hashes_of(PUBLISHED_ENTRIES), 0, 8)
    assert [one.hex() for one in proof] == PUBLISHED_PATH_OF_FIRST_OF_EIGHT


@given(entries_lists)
def test_root_is_the_recursive_definition(entries: list[bytes]) -> None:
    assert root(hashes_of(entries)) == naive_mth(entries)


@given(sizes_and_index())
def test_inclusion_proof_is_the_recursive_definition_and_verifies(case: tuple[int, int]) -> None:
    size, index = case
    entries = distinct_entries(size + 3)
    leaves = hashes_of(entries)
    proof = inclusion_proof(leaves, index, size)
    assert proof == naive_path(index, entries[:size])
    verify_inclusion(leaves[index], index, size, proof, naive_mth(entries[:size]))


@given(old_and_new())
def test_consistency_proof_is_the_recursive_definition_and_verifies(case: tuple[int, int]) -> None:
    old, new = case
    entries = distinct_entries(new + 3)
    proof = consistency_proof(hashes_of(entries), old, new)
    assert proof == naive_subproof(old, entries[:new], True)
    verify_consistency(old, new, naive_mth(entries[:old]), naive_mth(entries[:new]), proof)


def test_hundred_thousand_leaves_in_seeded_batches() -> None:
    chance = random.Random(20250717)
    entries = [chance.randbytes(16) for _ in range(100_000)]
    leaves = hashes_of(entries)
    frontier, sizes = Frontier(), []
    while frontier.size < len(leaves):
        frontier = frontier.extend(leaves[frontier.size : frontier.size + chance.randint(1, 4000)])
        sizes.append(frontier.size)
    whole = naive_mth(entries)
    assert frontier.root() == whole
    for old in chance.sample(sizes, 3):
        verify_consistency(
            old, len(leaves), naive_mth(entries[:old]), whole, consistency_proof(leaves, old, len(leaves))
        )
    for index in [0, len(leaves) - 1, *chance.sample(range(len(leaves)), 3)]:
        proof = inclusion_proof(leaves, index, len(leaves))
        assert proof == naive_path(index, entries)
        verify_inclusion(leaves[index], index, len(leaves), proof, whole)


# --- The frontier ---------------------------------------------------------------------------------


@given(st.lists(entries_lists, max_size=6))
def test_frontier_does_not_depend_on_the_batches(batches: list[list[bytes]]) -> None:
    frontier = Frontier()
    entries: list[bytes] = []
    for batch in batches:
        frontier = frontier.extend(hashes_of(batch))
        entries += batch
        assert (frontier.size, frontier.root()) == (len(entries), naive_mth(entries))
    assert frontier == Frontier().extend(iter(hashes_of(entries)))
    assert len(frontier.hashes) == len(entries).bit_count()


@given(entries_lists, entries_lists)
def test_frontier_goes_on_after_being_stored(before: list[bytes], after: list[bytes]) -> None:
    kept = Frontier().extend(hashes_of(before))
    read = Frontier.from_bytes(kept.to_bytes())
    assert read == kept
    assert read.extend(hashes_of(after)).root() == naive_mth(before + after)


def test_rolled_back_append_leaves_no_trace() -> None:
    frontier = Frontier().extend(hashes_of(distinct_entries(7)))
    before = frontier.to_bytes()
    frontier.extend(hashes_of(distinct_entries(9)))
    assert frontier.to_bytes() == before


@given(st.integers(0, 200), st.integers(-40, 40).filter(bool))
def test_stored_frontier_of_another_length_is_refused(size: int, more: int) -> None:
    stored = Frontier().extend(hashes_of(distinct_entries(size))).to_bytes()
    broken = stored + bytes(more) if more > 0 else stored[:more]
    with pytest.raises(Untrusted) as caught:
        Frontier.from_bytes(broken)
    assert caught.value.code == "merkle.bad-frontier"


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_leaf_hash_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(Incorrect) as caught:
        Frontier().extend([bytes(32), bytes(length)])
    assert caught.value.code == "merkle.bad-hash"


def test_empty_tree() -> None:
    assert root([]) == EMPTY_ROOT == sha256(b"").digest()
    verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    verify_consistency(0, 3, EMPTY_ROOT, root(hashes_of(distinct_entries(3))), [])


# --- Attacks --------------------------------------------------------------------------------------


@given(sizes_and_index(), st.data())
def test_inclusion_proof_tampered_with_is_refused(case: tuple[int, int], data: st.DataObject) -> None:
    size, index = case
    leaves = hashes_of(distinct_entries(size))
    proof = data.draw(altered_lists(inclusion_proof(leaves, index, size)))
    with pytest.raises(Untrusted):
        verify_inclusion(leaves[index], index, size, proof, root(leaves))


@given(sizes_and_index(), st.data())
def test_entry_altered_or_moved_is_refused(case: tuple[int, int], data: st.DataObject) -> None:
    size, index = case
    leaves = hashes_of(distinct_entries(size))
    proof = inclusion_proof(leaves, index, size)
    altered = data.draw(st.composite(flipped)(leaves[index]))
    elsewhere = data.draw(st.integers(-2, size + 2).filter(lambda other: other != index))
    with pytest.raises(Untrusted):
        verify_inclusion(altered, index, size, proof, root(leaves))
    with pytest.raises(Untrusted):
        verify_inclusion(leaves[index], elsewhere, size, proof, root(leaves))


@given(old_and_new(), st.data())
def test_consistency_proof_tampered_with_is_refused(case: tuple[int, int], data: st.DataObject) -> None:
    old, new = case
    leaves = hashes_of(distinct_entries(new))
    proof = data.draw(altered_lists(consistency_proof(leaves, old, new)))
    with pytest.raises(Untrusted):
        verify_consistency(old, new, root(leaves[:old]), root(leaves), proof)


@given(old_and_new(), st.data())
def test_history_rewritten_is_refused_though_the_proof_is_honest(case: tuple[int, int], data: st.DataObject) -> None:
    """The attack: change, drop or exchange entries that were promised before, and prove the new tree to be itself."""
    old, new = case
    entries = distinct_entries(new)
    leaves = hashes_of(entries)
    at = data.draw(st.integers(0, old - 1))
    forged = hashes_of([*entries[:at], b"forged", *entries[at + 1 :]])
    with pytest.raises(Untrusted) as caught:
        verify_consistency(old, new, root(leaves[:old]), root(forged), consistency_proof(forged, old, new))
    assert caught.value.code == "merkle.inconsistent"


@given(old_and_new(), st.lists(st.binary(min_size=32, max_size=32), max_size=9))
def test_proof_out_of_thin_air_is_refused(case: tuple[int, int], proof: list[bytes]) -> None:
    old, new = case
    leaves = hashes_of(distinct_entries(new))
    with pytest.raises(Untrusted):
        verify_consistency(old, new, root(leaves[:old]), leaf_hash(b"forged"), proof)
    with pytest.raises(Untrusted):
        verify_inclusion(leaf_hash(b"forged"), old - 1, new, proof, root(leaves))


@pytest.mark.parametrize(("old", "new"), [(-1, 2), (3, 2), (0, -1)])
def test_tree_that_shrinks_is_refused(old: int, new: int) -> None:
    with pytest.raises(Untrusted):
        verify_consistency(old, new, EMPTY_ROOT, EMPTY_ROOT, [])


def test_inner_node_passed_off_as_an_entry_is_refused() -> None:
    """The second-preimage attack against which the prefixes of RFC 6962 stand."""
    leaves = hashes_of(distinct_entries(4))
    node = node_hash(leaves[0], leaves[1])
    assert leaf_hash(leaves[0] + leaves[1]) != node
    with pytest.raises(Untrusted):
        verify_inclusion(leaf_hash(leaves[0] + leaves[1]), 0, 2, [node_hash(*leaves[2:])], root(leaves))


def test_inner_node_passed_off_as_a_leaf_by_a_short_proof_is_refused() -> None:
    leaves = hashes_of(distinct_entries(4))
    left, right = node_hash(*leaves[:2]), node_hash(*leaves[2:])
    assert node_hash(left, right) == root(leaves)
    with pytest.raises(Untrusted):
        verify_inclusion(left, 0, 4, [right], root(leaves))


def test_tree_passed_off_as_a_greater_one_is_refused() -> None:
    """The attack: promise eight entries, and show the root and the honest proof of four."""
    leaves = hashes_of(distinct_entries(4))
    proof = consistency_proof(leaves, 2, 4)
    with pytest.raises(Untrusted):
        verify_consistency(2, 8, root(leaves[:2]), root(leaves), proof)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0), (0, 6)])
def test_inclusion_asked_of_what_is_not_there(index: int, size: int) -> None:
    with pytest.raises(Incorrect) as caught:
        inclusion_proof(hashes_of(distinct_entries(5)), index, size)
    assert caught.value.code == "merkle.out-of-range"


@pytest.mark.parametrize(("old", "new"), [(-1, 3), (4, 3), (0, 6)])
def test_consistency_asked_of_what_is_not_there(old: int, new: int) -> None:
    with pytest.raises(Incorrect):
        consistency_proof(hashes_of(distinct_entries(5)), old, new)
