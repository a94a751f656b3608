"""Letters enter at step 10: each event once, whatever its order and whatever else brings it (P1, P2, P3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from exchange.exchange_harness import KIND, START, Pair, event, make_pair
from exchange.mailing import enter, letters, outcome
from keersluis.chain import load_chain
from keersluis.exchange import _store, _store_letters, outbox, overview
from keersluis.exchange.gatekeeper import move
from keersluis.exchange.gates import GateOrder
from keersluis.exchange.growth import Tree
from keersluis.exchange.letterbox import Entered
from keersluis.exchange.letters import Letter
from keersluis.merkle import inclusion_proof, leaf_hash, root
from keersluis.signing import Signer, sign_note
from keersluis.timeline import log
from keersluis.times import DAY, HOUR, SECOND
from keersluis.watermarks import Checkpoint

CHAIN = load_chain("nl-justice")


def a_pair(events: int = 5) -> Pair:
    pair = make_pair()
    for number in range(1, events + 1):
        pair.source.accept([event(number, START - HOUR, chain=CHAIN)])
        pair.go_on(SECOND)
    return pair


def positions(pair: Pair) -> list[int]:
    return [each.position for each in pair.register.applied]


def loose(pair: Pair) -> int:
    with pair.register.store.read() as tx:
        return _store_letters.totals(tx)[2]


def test_P1_a_letter_is_applied_when_it_comes_and_recognised_when_the_wire_brings_it() -> None:
    pair = a_pair()
    letter = letters(pair, 3, 3)[0]
    assert outcome(enter(pair.register, letter)) == "applied"
    assert positions(pair) == [3]
    assert pair.register.watermark() == 0
    assert outcome(enter(pair.register, letter)) == "known"
    pair.pump()
    assert sorted(positions(pair)) == [1, 2, 3, 4, 5]
    assert loose(pair) == 0
    assert outcome(enter(pair.register, letter)) == "known"
    assert pair.register.watermark() == pair.register.watermark() > 0


def test_P2_letters_move_position_and_watermark_when_the_range_is_whole() -> None:
    pair = a_pair()
    posted = letters(pair, 1, 5)
    results = [enter(pair.register, letter) for letter in reversed(posted)]
    assert [outcome(each) for each in results] == ["applied"] * 5
    moved = [each.receipt is not None for each in results if isinstance(each, Entered)]
    assert moved == [False, False, False, False, True]
    assert positions(pair) == [5, 4, 3, 2, 1]
    paper = pair.register.watermark()
    assert paper > 0
    pair.pump()
    assert len(positions(pair)) == 5
    assert pair.register.watermark() >= paper


def test_P2_a_letter_over_a_part_promises_a_part() -> None:
    """What is not among the letters holds their promise back."""
    pair = make_pair()
    pair.source.accept([event(1, START - 10 * DAY, chain=CHAIN)])
    pair.go_on(SECOND)
    pair.source.accept([event(2, START - 5 * DAY, chain=CHAIN)])
    pair.go_on(SECOND)
    enter(pair.register, letters(pair, 1, 1)[0])
    assert 0 < pair.register.watermark() < START - 5 * DAY


def test_P2_letters_that_close_a_gap_after_the_wire_move_on_at_once() -> None:
    pair = a_pair(2)
    late = [event(n, START - HOUR, chain=CHAIN) for n in (3, 4)]
    pair.pump()
    first = pair.register.watermark()
    pair.go_on(HOUR)
    pair.source.accept(late)
    for letter in reversed(letters(pair, 3, 4)):
        enter(pair.register, letter)
    assert pair.register.watermark() > first
    assert loose(pair) == 0


def test_P2_an_act_of_before_the_watermark_is_one_breach_by_letter_and_wire() -> None:
    pair = a_pair(1)
    pair.pump()
    pair.go_on(30 * DAY)
    pair.pump()
    pair.source.accept([event(2, START + DAY, chain=CHAIN), event(3, START + 2 * DAY, chain=CHAIN)])
    assert outcome(enter(pair.register, letters(pair, 3, 3)[0])) == "applied"
    pair.pump()
    pair.pump()
    with pair.register.store.read() as tx:
        assert breaches(tx) == [2, 3]
        told = [entry for entry in log.entries(tx, 0, 100) if entry.kind == "promise.broken"]
    assert [event for entry in told for event in entry.body["events"]] == ["e-3", "e-2"]


def test_P2_the_end_of_an_answer_waits_for_its_turn() -> None:
    """It vouches for what stands before it in its stream; by letter it may overtake that."""
    kind = "answer-end.justis"
    pair = make_pair()
    register, decider = pair.register, make_pair()
    body = {"what": "completeness", "watermarks": [], "settled": []}
    for number in (1, 2):
        raw = outbox.own_event(register.ctx, kind, f"{kind}/{number}", START, body)
        register.accept([raw])
    side = replace(decider.register, ctx=replace(decider.register.ctx, me=CHAIN.organisations["justis"]), applied=[])
    swapped = Pair(register, side, pair.link, pair.sender)
    first, second = letters(swapped, 1, 1, kind=kind, to="justis") + letters(swapped, 2, 2, kind=kind, to="justis")
    assert outcome(enter(side, second)) == "kept"
    assert side.applied == []
    assert outcome(enter(side, first)) == "applied"
    assert [each.position for each in side.applied] == [1, 2]
    assert msgspec.json.decode(bytes(side.applied[0].envelope.data)) == body


def forged(pair: Pair, letter: Letter, signer: Signer | None = None) -> Letter:
    """The letter's event at its place, in a tree of which all the rest is made up, signed by whoever."""
    tree = Tree([b"x" * 32] * (letter.position - 1) + [leaf_hash(letter.event)])
    made = Checkpoint(f"{pair.source.ctx.me.oin}/{KIND}/1", tree.size, tree.root(tree.size), START, START)
    note = sign_note(made.text(), signer or pair.source.ctx.signer)
    return Letter(note, letter.position, tree.inclusion(letter.position - 1), letter.event)


@pytest.mark.parametrize("attack", ["flip", "other-place", "other-signature", "receiver", "chain", "shut"])
def test_P5_a_letter_that_is_not_what_was_signed_changes_nothing(attack: str) -> None:
    pair = a_pair()
    letter = letters(pair, 2, 4)[1].letter
    stranger = Signer.from_seed("00000099000000009999", b"x" * 32)
    expected = "merkle.not-included"
    if attack == "flip":
        letter = replace(letter, event=letter.event.replace(b"generated", b"Generated"))
    elif attack == "other-place":
        letter = replace(letter, position=letter.position + 1)
    elif attack == "other-signature":
        letter = replace(letter, checkpoint=letter.checkpoint.replace("complete-through 2025", "complete-through 2026"))
        expected = "note.bad-signature"
    elif attack == "receiver":
        pair.register.ctx = replace(pair.register.ctx, me=CHAIN.organisations["ind"])
        expected = "exchange.not-for-us"
    elif attack == "chain":
        letter = forged(pair, letter, stranger)
        expected = "note.no-known-signer"
    elif attack == "shut":
        order = GateOrder(START, "*", "in", "*", "closed", "duty officer", "test", link="paper")
        pair.register.store.write(lambda tx: move(tx, pair.register.ctx, order))
        expected = "gate.closed"
    assert outcome(enter(pair.register, letter)) == expected
    assert positions(pair) == []
    assert loose(pair) == 0


def test_P4_whoever_shuts_the_wire_alone_lets_letters_through() -> None:
    pair = a_pair()
    order = GateOrder(START, "*", "in", "*", "closed", "duty officer", "test", link="wire")
    pair.register.store.write(lambda tx: move(tx, pair.register.ctx, order))
    assert outcome(enter(pair.register, letters(pair, 1, 1)[0])) == "applied"
    pair.pump()
    assert positions(pair) == [1]


def test_P4_a_source_whose_gate_for_paper_is_shut_prints_nothing() -> None:
    pair = a_pair()
    order = GateOrder(START, "justid", "out", "*", "closed", "duty officer", "test", link="paper")
    pair.source.store.write(lambda tx: move(tx, pair.source.ctx, order))
    with pytest.raises(Exception, match=r"gate\.closed|closed by"):
        letters(pair, 1, 1)


@pytest.mark.parametrize("wire_first", [True, False])
def test_P5_two_stories_one_by_wire_and_one_by_letter_are_found_out(wire_first: bool) -> None:
    """Both are signed, each is right in itself: only together they show that the source has told two stories."""
    pair = a_pair()
    other = letters(pair, 3, 3)[0].letter
    other = forged(pair, replace(other, event=other.event.replace(b"generated", b"Generated")))
    if wire_first:
        pair.pump()
        assert outcome(enter(pair.register, other)) == "exchange.forked"
    else:
        assert outcome(enter(pair.register, other)) == "applied"
        assert pair.pump().refused[KIND] == "exchange.forked"
    with pair.register.store.read() as tx:
        assert [each["code"] for each in overview.quarantine(tx)] == ["exchange.forked"]


def test_a_letter_by_a_key_that_is_no_longer_valid_is_refused() -> None:
    pair = a_pair()
    letter = letters(pair, 1, 1)[0]
    pair.register.ctx.keyring.revoke(pair.source.ctx.me.oin, pair.source.ctx.signer.public, START)
    assert outcome(enter(pair.register, letter)).startswith("note.")
    assert positions(pair) == []


def test_the_many_proofs_of_a_tree_are_those_of_the_book() -> None:
    for size in range(1, 40):
        leaves = [leaf_hash(bytes([n])) for n in range(size)]
        tree = Tree(leaves)
        assert tree.root(size) == root(leaves)
        assert [list(tree.inclusion(n)) for n in range(size)] == [inclusion_proof(leaves, n, size) for n in range(size)]


def breaches(tx: Connection) -> list[int]:
    return sorted(each.position for each in _store.all_breaches(tx, 1000))


Step = tuple[str, int, int]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("accept"), st.integers(1, 3), st.integers(0, 40)),
        st.tuples(st.just("letters"), st.integers(1, 6), st.integers(0, 4)),
        st.tuples(st.just("deliver"), st.integers(0, 11), st.integers(0, 2)),
        st.tuples(st.just("wire"), st.just(0), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 48), st.just(0)),
    ),
    max_size=14,
)


def play(steps: Sequence[Step], *, paper: bool) -> Pair:
    """The same life of a source; with `paper` its letters are delivered, else only the wire brings anything."""
    pair, post, number = make_pair(), [], 0
    for what, a, b in steps:
        size = number
        if what == "accept":
            for _ in range(a):
                number += 1
                pair.source.accept([event(number, pair.source.clock.now() - b * HOUR, chain=CHAIN)])
        elif what == "letters" and paper and size:
            first = min(a, size)
            post += letters(pair, first, min(size, first + b))
        elif what == "deliver" and paper and post:
            for _ in range(b + 1):
                assert isinstance(enter(pair.register, post[a % len(post)]), Entered)
        elif what == "wire":
            pair.pump()
        elif what == "wait":
            pair.go_on(a * HOUR)
        pair.go_on(SECOND)
    pair.go_on(SECOND)
    pair.pump()
    return pair


@settings(max_examples=12, deadline=None)
@given(STEPS)
def test_P3_any_order_of_letters_and_wire_ends_as_the_wire_alone(steps: Sequence[Step]) -> None:
    with_paper, alone = play(steps, paper=True), play(steps, paper=False)
    assert sorted(positions(with_paper)) == sorted(positions(alone))  # each event once
    assert with_paper.register.watermark() == alone.register.watermark()
    assert loose(with_paper) == 0
    with with_paper.register.store.read() as one, alone.register.store.read() as two:
        assert set(breaches(one)) >= set(breaches(two))  # a letter promises too, and may be the first to do so
        assert overview.quarantine(one) == overview.quarantine(two) == []
