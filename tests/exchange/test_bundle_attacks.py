"""Bundles against whoever carries them, and against a maker who lies: every attack is refused with its place named,
and nothing of the bundle is applied."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bundle_harness import (
    accept_thick,
    applied,
    kinds_of_entries,
    made,
    opened,
    parted,
    parts_of,
    refused,
    remade,
    signed,
    taken_in,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from links import Ends, ends, fetched, import_into

from keersluis import carrying
from keersluis.errors import Forbidden, Unavailable, Untrusted
from keersluis.exchange import bundles
from keersluis.exchange.batches import Batch
from keersluis.exchange.bundles import Manifest, Part, Range, Run
from keersluis.identity import rotate
from keersluis.signing import Signer, sign_note, unverified_text
from keersluis.times import SECOND
from keersluis.watermarks import Checkpoint


@pytest.fixture
def between(tmp_path: Path) -> Iterator[Ends]:
    with ends(tmp_path / "home") as both:
        yield both


# -- attacks by whoever carries it -----------------------------------------------------------------------------------


@given(place=st.integers(0, 10**6), flip=st.integers(1, 255), plain=st.booleans())
@settings(max_examples=60, deadline=None)
def test_flip_of_any_byte_is_refused(
    carried: tuple[Ends, dict[bool, bytes]], place: int, flip: int, plain: bool
) -> None:
    between, data = carried
    spoilt = bytearray(data[plain])
    spoilt[place % len(spoilt)] ^= flip
    error = refused(between, bytes(spoilt))
    assert isinstance(error, Untrusted | Forbidden), error
    assert error.where or error.code == "bundle.not-a-bundle", error


@given(length=st.integers(0, 10**6), plain=st.booleans())
@settings(max_examples=30, deadline=None)
def test_truncation_at_any_place_is_refused(carried: tuple[Ends, dict[bool, bytes]], length: int, plain: bool) -> None:
    between, data = carried
    assert isinstance(refused(between, data[plain][: length % len(data[plain])]), Untrusted)


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ends, dict[bool, bytes]]]:
    with ends(tmp_path_factory.mktemp("ends") / "home") as between:
        between.accept(1, 5)
        yield between, {plain: made(between, plain=plain) for plain in (True, False)}


def test_omission_of_a_part_names_the_part(between: Ends) -> None:
    media = parted(1200)
    error = refused(between, b"".join(media[:1] + media[2:]))
    assert isinstance(error, Unavailable)
    assert "part 2" in str(error)


def test_truncation_names_the_part(between: Ends) -> None:
    media = parted(1200)
    error = refused(between, b"".join(media)[:-7])
    assert (error.code, error.where) == ("bundle.truncated", f"part {len(media)} of {len(media)}")


def test_parts_under_each_others_headers_are_refused(between: Ends) -> None:
    one, two, *_ = [parts_of(medium)[0] for medium in parted(1200)]
    error = refused(between, Part(one.header, one.note, two.body[: one.header.length]).to_bytes())
    assert (error.code, error.where) == ("bundle.altered", one.header.place)


def test_parts_of_two_packings_do_not_mix(between: Ends) -> None:
    accept_thick(between, 1200)
    sealed = [made(between, plain=False, part_size=bundles.SMALLEST_PART) for _ in range(2)]
    first, second = ([part.to_bytes() for part in parts_of(data)] for data in sealed)
    error = refused(between, first[0] + b"".join(second[1:]))
    assert error.code == "bundle.incomplete"


def test_an_added_tail_is_refused(between: Ends) -> None:
    between.accept(1, 3)
    error = refused(between, made(between) + b"and more")
    assert error.code == "bundle.not-a-bundle"
    assert "after part 1 of 1" in error.where


@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04" + b"\0" * 100, b"keersluis-bundle", b"\xff" * 4096])
def test_not_a_bundle_says_so(between: Ends, content: bytes) -> None:
    assert refused(between, content).code in ("bundle.not-a-bundle", "bundle.truncated")


def test_a_newer_version_says_so(between: Ends) -> None:
    between.accept(1, 3)
    error = refused(between, made(between).replace(b"keersluis-bundle 1", b"keersluis-bundle 2", 1))
    assert error.code == "bundle.newer-version"
    assert "version 2" in str(error)


def test_a_bundle_for_somebody_else_is_refused(between: Ends) -> None:
    between.accept(1, 3)
    part = parts_of(made(between, plain=False))[0]
    other = between.chain.organisations["ind"]
    text = part.header.text().replace(between.register.me.oin, other.oin)
    forged = Part(bundles.Header.parse(text), sign_note(text, between.source.ctx.signer), part.body)
    error = refused(between, forged.to_bytes())
    assert (error.code, error.where) == ("bundle.not-for-us", "part 1 of 1")


def test_replay_of_an_old_bundle_after_a_newer_moves_nothing(between: Ends) -> None:
    between.accept(1, 6)
    old = made(between)
    between.accept(7, 9)
    applied(between, made(between))
    stored, watermark = between.stored(), between.watermark()
    taken = applied(between, old)
    assert (taken.events, taken.passed) == (0, 6)
    assert "nothing new" in carrying.summary(taken)
    assert (between.stored(), between.watermark()) == (stored, watermark)


def test_an_old_key_is_refused(between: Ends) -> None:
    """The key was changed while the bundle was on its way: whoever found the old one could have made it."""
    between.accept(1, 3)
    data = made(between)
    new = Signer.from_seed(between.source.me.oin, b"n" * 32)
    at = between.clock.now() + SECOND
    between.register.ctx.keyring.apply_rotation(rotate(between.source.ctx.signer, new.public, at))
    between.clock.set(at + SECOND)
    error = refused(between, data)
    assert (error.code, error.where) == ("note.bad-signature", "part 1 of 1")


def test_a_stranger_makes_no_bundle(between: Ends) -> None:
    between.accept(1, 3)
    part = parts_of(made(between))[0]
    note = sign_note(part.header.text(), Signer.from_seed("00000099000000999999", b"x" * 32))
    error = refused(between, Part(part.header, note, part.body).to_bytes())
    assert error.code == "note.no-known-signer"


# -- attacks by a maker who has the key ------------------------------------------------------------------------------


def with_events(change: Callable[[list[msgspec.Raw]], list[msgspec.Raw]]) -> Any:
    def changed(batches: list[Batch], manifest: Manifest) -> tuple[list[Batch], Manifest]:
        first = msgspec.structs.replace(batches[0], events=change(list(batches[0].events)))
        return [first, *batches[1:]], manifest

    return changed


def _flip(events: list[msgspec.Raw]) -> list[msgspec.Raw]:
    return [*events[:4], msgspec.Raw(bytes(events[4]).replace(b"generated", b"something")), *events[5:]]


def _swap(events: list[msgspec.Raw]) -> list[msgspec.Raw]:
    return [*events[:2], events[3], events[2], *events[4:]]


ORIGIN = "/prosecution-decision.serious/1"


@pytest.mark.parametrize(
    ("change", "code", "place"),
    [
        (lambda events: events[:4] + events[5:], "exchange.numbering", "event 5"),
        (_flip, "exchange.root-differs", "events 1-9"),
        (_swap, "exchange.numbering", "event 3"),
        (lambda events: events[:-1], "exchange.size-differs", ""),
        (lambda events: [*events, events[-1]], "bundle.omission", "event 1"),
        (lambda events: [*events[:3], msgspec.Raw(b"[]"), *events[4:]], "event.unreadable", "event 4"),
        (lambda _events: [], "bundle.omission", "event 1"),
    ],
    ids=["omission", "flip", "reordering", "omission-at-the-end", "addition", "no-event", "nothing"],
)
def test_content_that_the_checkpoint_does_not_cover_is_refused(
    between: Ends, change: Any, code: str, place: str
) -> None:
    between.accept(1, 9)
    error = refused(between, remade(between, made(between), with_events(change)))
    assert error.code == code
    assert ORIGIN in error.where
    assert error.where.endswith(place)
    assert error.where.startswith("part 1 of 1, ")
    assert "bundle.refused" in kinds_of_entries(between.register)
    (told,) = carrying.listing(between.register)["in"]
    assert (told["state"], told["refusal"]["code"]) == ("refused", code)


def test_replay_with_altered_content_is_refused(between: Ends) -> None:
    between.accept(1, 9)
    data = made(between)
    applied(between, data)
    error = refused(between, remade(between, data, with_events(_flip)))
    assert error.code == "exchange.root-differs"


def test_a_batch_left_out_is_refused(between: Ends) -> None:
    media = parted(1200)
    error = refused(between, remade(between, b"".join(media), lambda batches, manifest: (batches[1:], manifest)))
    assert error.code == "bundle.omission"
    assert error.where.endswith("event 1")


def test_batches_in_another_order_are_refused(between: Ends) -> None:
    media = parted(1200)
    error = refused(between, remade(between, b"".join(media), lambda batches, manifest: (batches[::-1], manifest)))
    assert error.code == "bundle.omission"


def test_a_further_batch_is_refused(between: Ends) -> None:
    between.accept(1, 3)
    changed = remade(between, made(between), lambda batches, manifest: ([*batches, batches[0]], manifest))
    assert refused(between, changed).code == "bundle.extra"


def _foreign(between: Ends, origin: str) -> Any:
    def changed(batches: list[Batch], manifest: Manifest) -> tuple[list[Batch], Manifest]:
        said = Checkpoint.parse(unverified_text(batches[0].checkpoint))
        said = Checkpoint(origin, said.size, said.root, said.entered_through, said.complete_through)
        note = sign_note(said.text(), between.source.ctx.signer)
        batch = msgspec.structs.replace(batches[0], checkpoint=note)
        part = Range(origin, 1, said.size, [], note)
        return [batch], msgspec.structs.replace(manifest, streams=[part])

    return changed


@pytest.mark.parametrize("whose", ["politie", "om", "nobody"])
def test_a_foreign_stream_is_refused(between: Ends, whose: str) -> None:
    """Of another source, of a kind that is not for us, of no kind at all: whoever signs it."""
    between.accept(1, 3)
    kind = next((k for k in between.chain.kinds.values() if k.source == whose), None)
    oin = between.chain.organisations["politie" if whose == "politie" else "om"].oin
    origin = f"{oin}/{kind.path if kind and whose == 'politie' else 'no-such-kind'}/1"
    error = refused(between, remade(between, made(between), _foreign(between, origin)))
    assert error.code in ("exchange.not-signed-by-source", "exchange.not-for-us", "note.no-known-signer")
    assert origin in error.where


@pytest.mark.parametrize(
    "tree", [[], ["AAAA"], ["not base64!"], ["A" * 44] * 3], ids=["none", "short", "no-base64", "many"]
)
def test_a_false_tree_before_the_range_is_refused(between: Ends, tree: list[str]) -> None:
    between.accept(1, 9)
    applied(between, made(between, 1, 4))

    def changed(batches: list[Batch], manifest: Manifest) -> tuple[list[Batch], Manifest]:
        part = msgspec.structs.replace(manifest.streams[0], tree=tree)
        return batches, msgspec.structs.replace(manifest, streams=[part])

    assert refused(between, remade(between, made(between, 5), changed)).code == "bundle.bad-manifest"


def test_a_receipt_that_is_not_the_receivers_is_refused(between: Ends) -> None:
    between.accept(1, 5)
    applied(between, made(between))
    packed = carrying.confirm(between.register, "om", plain=True)
    data = fetched(between.register, packed)
    kept = parts_of(data)[0]
    record = next(bundles.records(Run(1, lambda _number: kept.body)))
    manifest = msgspec.json.decode(msgspec.json.decode(record, type=dict[str, msgspec.Raw])["payload"], type=Manifest)
    cut = [msgspec.structs.replace(r, checkpoint=_without_last(r.checkpoint)) for r in manifest.receipts]
    forged = msgspec.structs.replace(manifest, receipts=cut)
    with pytest.raises(Untrusted, match="no-known-signer"):
        taken_in(between.source, signed(forged, [], between.register.ctx.signer))
    assert between.receipted() == 0
    assert import_into(between.source, data) == []
    assert between.receipted() == 5


def _without_last(note: str) -> str:
    return "".join(note.splitlines(keepends=True)[:-1])


OTHER = "prosecution-decision.sexual"


def two_streams(between: Ends, first: int = 1) -> bytes:
    """A bundle with all that KIND has from number `first` on, after everything of another kind."""
    other, more = opened(made(between, kind=OTHER))
    manifest, batches = opened(made(between, first))
    both = msgspec.structs.replace(manifest, streams=[*other.streams, *manifest.streams])
    return signed(both, [*more, *batches], between.source.ctx.signer)


def test_a_gap_in_one_stream_keeps_out_the_others_too(between: Ends) -> None:
    between.accept(1, 9)
    between.accept(51, 54, kind=OTHER)
    error = refused(between, two_streams(between, 5))
    assert (error.code, error.facts["next"]) == ("bundle.gap", 1)
    assert ORIGIN in error.where


def test_P5_another_story_in_one_stream_keeps_out_the_others_too(between: Ends, tmp_path: Path) -> None:
    between.accept(1, 6)
    applied(between, made(between))
    told, between.nodes["om"] = between.source, between.twin(tmp_path / "twin")
    between.accept(101, 108)
    between.accept(51, 54, kind=OTHER)
    error = refused(between, two_streams(between))
    told.close()
    assert error.code == "exchange.forked"
    assert ORIGIN in error.where


def test_a_batch_of_another_stream_of_the_same_source_is_refused(between: Ends) -> None:
    between.accept(1, 4)
    between.accept(51, 54, kind=OTHER)
    _, others = opened(made(between, kind=OTHER))
    error = refused(between, remade(between, made(between), lambda _batches, manifest: (others, manifest)))
    assert error.code == "bundle.foreign-stream"
    assert ORIGIN in error.where


def test_two_honest_streams_are_taken_in(between: Ends) -> None:
    between.accept(1, 9)
    between.accept(51, 54, kind=OTHER)
    assert applied(between, two_streams(between)).events == 13
