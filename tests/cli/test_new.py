"""`keersluis new`: a chain folder that loads, or nothing at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keersluis.chain import load_chain, shipped_chains
from keersluis.cli.main import run


@pytest.mark.parametrize("chain", shipped_chains())
def test_what_new_makes_is_a_chain_that_loads(chain: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["new", str(tmp_path / "mine"), "--chain", chain, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["folder"] == str(tmp_path / "mine")
    assert told["kinds"] == len(load_chain(tmp_path / "mine").kinds)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "precious").write_text("mine")
    assert run(["new", str(tmp_path)]) == 2
    assert "expected a new or empty directory" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_an_unknown_chain_is_refused_and_nothing_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["new", str(tmp_path / "mine"), "--chain", "nl-justise"]) == 2
    assert "nl-justice" in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()
