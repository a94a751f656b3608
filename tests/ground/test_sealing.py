"""What is sealed is read by its receiver alone, and a secret lies in a file that nobody else may open."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keersluis.chain import load_chain
from keersluis.errors import Forbidden, Incorrect, Untrusted
from keersluis.sealing import RECIPIENTS_FILE, Seals, identity_path, make_identity, read_recipients
from keersluis.service import make_home

HERE, OTHER = "00000099000000001000", "00000099000000002000"


def seals(home: Path, oin: str) -> Seals:
    recipients = {each: make_identity(home / each, each) for each in (HERE, OTHER)}
    return Seals(Seals.load(home, home / oin, oin)._identity, recipients)


def test_only_the_receiver_reads_what_was_sealed(tmp_path: Path) -> None:
    ours, theirs = seals(tmp_path, HERE), seals(tmp_path, OTHER)
    sealed = ours.seal(b"who did what", OTHER)
    assert b"who did what" not in sealed
    assert theirs.unseal(sealed) == b"who did what"
    with pytest.raises(Untrusted, match="unreadable"):
        ours.unseal(sealed)


@given(place=st.integers(0, 10_000), flip=st.integers(1, 255))
@settings(max_examples=60)
def test_any_byte_flipped_makes_it_unreadable(tmp_path_factory: pytest.TempPathFactory, place: int, flip: int) -> None:
    home = tmp_path_factory.getbasetemp() / "sealing"
    sealed = bytearray(seals(home, HERE).seal(b"who did what" * 20, OTHER))
    sealed[place % len(sealed)] ^= flip
    with pytest.raises(Untrusted, match="unreadable"):
        seals(home, OTHER).unseal(bytes(sealed))


def test_a_secret_is_made_once_in_a_file_of_its_owner_alone(tmp_path: Path) -> None:
    first = make_identity(tmp_path, HERE)
    path = identity_path(tmp_path, HERE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert make_identity(tmp_path, HERE) == first
    path.chmod(0o644)
    with pytest.raises(Forbidden, match="mode 600"):
        make_identity(tmp_path, HERE)


def test_a_working_directory_of_an_older_version_gets_recipients(tmp_path: Path) -> None:
    chain = load_chain("nl-justice")
    make_home(chain, tmp_path)
    told = read_recipients(tmp_path / RECIPIENTS_FILE)
    assert set(told) == {me.oin for me in chain.nodes}
    (tmp_path / RECIPIENTS_FILE).unlink()
    make_home(chain, tmp_path)
    assert read_recipients(tmp_path / RECIPIENTS_FILE) == told


def test_nobody_seals_to_an_organisation_without_a_recipient(tmp_path: Path) -> None:
    with pytest.raises(Incorrect, match="no-recipient"):
        seals(tmp_path, HERE).seal(b"", "00000099000000003000")


@pytest.mark.parametrize("content", ["{", "[]", '{"1": "age1nonsense"}'])
def test_a_broken_file_of_recipients_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / RECIPIENTS_FILE).write_text(content)
    with pytest.raises(Incorrect) as refused:
        read_recipients(tmp_path / RECIPIENTS_FILE)
    assert refused.value.where == str(tmp_path / RECIPIENTS_FILE)
