"""A working directory that grows with its chain folder, and survives a crash while it is made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from keersluis.chain import load_chain
from keersluis.errors import Conflict, Incorrect
from keersluis.exchange.wire import read_addresses
from keersluis.identity import KeyRing
from keersluis.node import _alone
from keersluis.service import make_home

CHAIN = load_chain("nl-justice")


def test_an_organisation_that_is_new_gets_a_key_and_nobody_loses_one(tmp_path: Path) -> None:
    fewer = replace(CHAIN, organisations={k: v for k, v in CHAIN.organisations.items() if k != "ind"})
    make_home(fewer, tmp_path)
    before = KeyRing.load(tmp_path / "keys.json").entries()
    make_home(CHAIN, tmp_path)
    after = KeyRing.load(tmp_path / "keys.json").entries()
    assert len(after) == len(before) + 1
    assert set(before) < set(after)
    assert len((tmp_path / "ind" / "secret").read_bytes()) == 32


def test_a_crash_while_keys_are_made_is_gone_on_from(tmp_path: Path) -> None:
    make_home(CHAIN, tmp_path)
    (tmp_path / "keys.json").unlink()
    (tmp_path / "om" / "secret").unlink()
    kept = (tmp_path / "justid" / "secret").read_bytes()
    make_home(CHAIN, tmp_path)
    assert len(KeyRing.load(tmp_path / "keys.json").entries()) == len(CHAIN.nodes)
    assert len((tmp_path / "om" / "secret").read_bytes()) == 32
    assert (tmp_path / "justid" / "secret").read_bytes() == kept


def test_two_processes_for_one_organisation_are_one_too_many(tmp_path: Path) -> None:
    first = _alone(tmp_path / "lock")
    with pytest.raises(Conflict, match="runs-already"):
        _alone(tmp_path / "lock")
    first.close()
    _alone(tmp_path / "lock").close()


@pytest.mark.parametrize("content", ["{", "[]", '{"om": 1}', "\xff"])
def test_a_broken_file_of_addresses_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "addresses.json"
    path.write_text(content, "latin-1")
    with pytest.raises(Incorrect, match="base URL") as refused:
        read_addresses(path)
    assert refused.value.where == str(path)
