"""`keersluis timeline`: an outsider with the public keys alone, on the command line (P5)."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from keersluis.cli.main import run
from keersluis.cli.output import language
from keersluis.identity import KEYRING_FILE
from timeline.logs import SIZE, keyring, write_log


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A node's folder: its database, and the public keys beside it."""
    keyring().save(tmp_path / KEYRING_FILE)
    write_log(tmp_path)
    return tmp_path


def test_verify_says_what_was_checked(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["timeline", "verify", str(node)]) == 0
    assert capsys.readouterr().out.strip() == (
        f"{SIZE} entries and 6 signed heads checked: nothing was altered, left out or put in another order."
    )


def test_verify_names_an_altered_entry_and_exits_1(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(node / "node.db") as tx:
        altered = "CAST(replace(CAST(entry AS TEXT), 'police', 'nobody') AS BLOB)"
        changed = tx.execute(f"UPDATE timeline_entries SET entry = {altered} WHERE n = 7")
    assert changed.rowcount == 1
    assert run(["timeline", "verify", str(node / "node.db"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["good"]
    assert {finding["place"] for finding in told["findings"]} == {"entry 7"}


def test_an_export_verifies_elsewhere_with_the_keys_alone(
    node: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    away = tmp_path_factory.mktemp("away")
    assert run(["timeline", "export", str(node / "node.db"), str(away / "log.jsonl")]) == 0
    assert capsys.readouterr().out.strip() == f"{away / 'log.jsonl'}: {SIZE} entries."
    keyring().save(away / "public.json")
    assert run(["timeline", "verify", str(away / "log.jsonl"), "--keys", str(away / "public.json")]) == 0
    lines = (away / "log.jsonl").read_bytes().splitlines(keepends=True)
    (away / "log.jsonl").write_bytes(b"".join(lines[:4] + lines[5:]))
    assert run(["timeline", "verify", str(away / "log.jsonl"), "--keys", str(away / "public.json")]) == 1


def test_an_export_never_overwrites_and_leaves_no_part(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (node / "log.jsonl").write_text("precious")
    assert run(["timeline", "export", str(node / "node.db"), str(node / "log.jsonl")]) == 2
    assert (node / "log.jsonl").read_text() == "precious"
    assert run(["timeline", "export", str(node / KEYRING_FILE), str(node / "other.jsonl")]) == 2
    assert not list(node.glob("other*"))
    assert "expected a node's database, got another file" in capsys.readouterr().err


def test_show_tells_the_last_entries_in_words(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["timeline", "show", str(node / "node.db"), "--limit", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [entry["n"] for entry in told] == [SIZE - 1, SIZE]
    assert all(entry["text"] and entry["kind"] == "batch.offered" for entry in told)
    assert run(["timeline", "show", str(node / "node.db"), "--since", str(SIZE - 1)]) == 0
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize("command", [["verify"], ["show"]])
def test_no_log_is_one_sentence_and_exit_code_2(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keyring().save(tmp_path / KEYRING_FILE)
    (tmp_path / "letter.txt").write_text("no log\n")
    for path in ("letter.txt", "absent.db"):
        assert run(["timeline", *command, str(tmp_path / path)]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "expected" in said


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "nl_NL.UTF-8"}, "nl"),
        ({"LANG": "nl_NL.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "nl_BE"}, "nl"),
    ],
)
def test_the_language_is_the_environments(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert language() == expected
