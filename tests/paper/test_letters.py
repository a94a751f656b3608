"""The format of a letter: any one code may be lost, nothing may be altered (docs/formats.md, "Letter")."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keersluis.errors import Incorrect, KeersluisError
from keersluis.exchange.letters import (
    CHUNK,
    FIRST_PAGE,
    HEADER,
    MOST_CODES,
    MOST_PACKED,
    Code,
    Letter,
    join,
    letter_id,
    pack,
    parse_code,
    split,
    unpack,
)
from paper.scans import posted

LETTERS = st.builds(
    Letter,
    st.text(max_size=300),
    st.integers(1, 1 << 62),
    st.lists(st.binary(min_size=32, max_size=32), max_size=30).map(tuple),
    st.binary(min_size=1, max_size=3000),
    st.text(max_size=100),
)


@settings(max_examples=25, deadline=None)
@given(LETTERS, st.data())
def test_a_letter_comes_back_from_its_codes_in_any_order_without_any_one(letter: Letter, data: st.DataObject) -> None:
    codes = [parse_code(each) for each in split(pack(letter))]
    lost = data.draw(st.integers(0, len(codes)))
    left = data.draw(st.permutations([code for n, code in enumerate(codes) if n != lost]))
    assert unpack(join(left)) == letter


@settings(max_examples=15, deadline=None)
@given(LETTERS, st.data())
def test_two_codes_lost_is_said_with_numbers(letter: Letter, data: st.DataObject) -> None:
    codes = [parse_code(each) for each in split(pack(letter))]
    lost = data.draw(st.sets(st.integers(0, len(codes) - 1), min_size=2, max_size=len(codes) - 1))
    with pytest.raises(Incorrect) as caught:
        join(code for n, code in enumerate(codes) if n not in lost)
    assert caught.value.code == "letter.incomplete"
    assert caught.value.got == str(len(codes) - len(lost))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5), st.integers(0, 200), st.integers(1, 255))
def test_P5_a_flipped_byte_in_a_code_is_found_out(index: int, at: int, flip: int) -> None:
    codes = [parse_code(each) for each in split(posted()[0].packed)]
    chunk = bytearray(codes[index].chunk)
    chunk[at % len(chunk)] ^= flip
    codes[index] = replace(codes[index], chunk=bytes(chunk))
    if index == 0:
        del codes[-1]  # whole without it: the parity is not looked at
    try:
        found = join(codes)
    except KeersluisError as error:
        found = error.code.encode()
    # what does not matter is in the parity, or in the padding
    assert found in (b"letter.altered", posted()[0].packed)
    assert found != posted()[0].packed or index >= 4


@given(st.binary(max_size=80))
def test_nonsense_in_a_code_is_refused_with_a_sentence(content: bytes) -> None:
    for each in (content, b"KSL" + content, b"KSL\x01" + content):
        with suppress(Incorrect):
            assert isinstance(parse_code(each), Code)


@given(st.binary(max_size=300))
def test_nonsense_in_a_letter_is_refused_with_a_sentence(packed: bytes) -> None:
    with pytest.raises(Incorrect, match="letter"):
        unpack(packed)


def test_a_letter_that_unpacks_without_end_fills_no_memory() -> None:
    import zlib

    with pytest.raises(Incorrect, match="size"):
        unpack(zlib.compress(bytes(50_000_000)))


def test_a_newer_version_says_so() -> None:
    content = bytearray(split(posted()[0].packed)[0])
    content[3] = 9
    with pytest.raises(Incorrect) as caught:
        parse_code(bytes(content))
    assert caught.value.code == "letter.newer-version"


def test_an_event_of_a_kibibyte_fits_on_one_page_far_into_a_stream() -> None:
    event = posted(700)[0].letter.event
    assert 1000 < len(event) < 1300
    letter = replace(posted(700)[0].letter, proof=tuple(bytes([n]) * 32 for n in range(20)), event=event)
    assert len(split(pack(letter))) == FIRST_PAGE


def test_too_large_is_refused_with_numbers_and_advice() -> None:
    with pytest.raises(Incorrect) as caught:
        split(bytes(MOST_PACKED + 1))
    assert caught.value.code == "letter.too-large"
    assert f"{MOST_PACKED:,}" in caught.value.expected
    assert "bundle" in (caught.value.mend or "")
    codes = split(bytes(MOST_PACKED))
    assert len(codes) == MOST_CODES
    assert max(map(len, codes)) == CHUNK + HEADER
    assert letter_id(bytes(MOST_PACKED)) == parse_code(codes[0]).letter
