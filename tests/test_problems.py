"""Everybody can read what went wrong: each error's code has one plain sentence, in Dutch and English."""

from __future__ import annotations

import ast
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from keersluis.chain import load_chain
from keersluis.cli.main import run
from keersluis.exchange.wire import Wire
from keersluis.service import make_home, open_node
from keersluis.times import SystemClock
from keersluis.web.app import node_app

SRC = Path(__file__).resolve().parent.parent / "src" / "keersluis"
FAMILIES = {"Incorrect", "Forbidden", "Conflict", "Unavailable", "Untrusted", "Fault"}
SENTENCES = tomllib.loads((SRC / "locale" / "problems.toml").read_text(encoding="utf-8"))


def literals(raised_only: bool) -> set[str]:
    """The texts that errors are made with in the code, or all texts there are."""
    found: set[str] = set()
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and not raised_only:
                found.add(node.value)
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name in FAMILIES or (name == "stop" and "." in str(node.args[0].value)):
                    found.add(str(node.args[0].value))
    return found


def test_every_error_that_is_raised_has_its_sentence() -> None:
    unsaid = sorted(literals(raised_only=True) - SENTENCES.keys())
    assert not unsaid, "add a line for each, in order, to src/keersluis/locale/problems.toml"


def test_no_sentence_is_left_of_an_error_that_is_gone() -> None:
    assert not sorted(SENTENCES.keys() - literals(raised_only=False))


def test_each_is_a_sentence_in_both_languages() -> None:
    assert list(SENTENCES) == sorted(SENTENCES)
    for code, words in SENTENCES.items():
        assert set(words) == {"nl", "en"}, code
        for sentence in words.values():
            assert sentence[0].isupper() or sentence[0] == "`", code
            assert sentence.endswith("."), code


def test_the_api_says_it_in_the_language_that_is_asked_for(tmp_path: Path) -> None:
    chain = load_chain("nl-justice")
    make_home(chain, tmp_path)
    node = open_node(chain, "om", tmp_path, SystemClock(), Wire({}))
    titles = {}
    with TestClient(node_app(node)) as client:
        for language in ("nl", "en"):
            answer: Any = client.get("/v0/besluiten/none", headers={"Accept-Language": language})
            titles[language] = answer.json()["title"]
            assert answer.json()["code"] in SENTENCES
    assert titles["nl"] != titles["en"]
    node.store.close()


def test_a_command_says_it_in_the_readers_language(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "nl_NL.UTF-8")
    assert run(["demo", "no-such-scenario", "--headless", "--json"]) == 2
    said = capsys.readouterr()
    assert "keersluis: Dit scenario is er niet." in said.err
    assert json.loads(said.out)["title"] == "Dit scenario is er niet."
