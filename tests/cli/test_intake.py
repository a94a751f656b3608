"""`keersluis intake` on a node that does not run: registered, listed, entered, withdrawn; and how faults are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from keersluis.chain import copy_template, load_chain
from keersluis.cli.main import run
from keersluis.service import make_home

KIND = "prosecution-decision.serious"


@pytest.fixture
def at(tmp_path: Path) -> list[str]:
    folder = copy_template("nl-justice", tmp_path / "chain")
    make_home(load_chain(folder), folder / "run")
    (folder / "run" / "addresses.json").write_text(json.dumps({"om": "http://127.0.0.1:9"}))
    return ["-d", str(folder), "-o", "om"]


def listed(at: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["intake", "list", *at, "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_what_waits_is_registered_from_csv_and_json_lines_and_ends_when_it_is_entered(
    at: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, lines = tmp_path / "pile.csv", tmp_path / "pile.jsonl"
    table.write_text(f"kind;id;occurred;channel\n{KIND};e-1;2025-07-03T10:00:00+02:00;mailbox\n")
    lines.write_text(json.dumps({"kind": KIND, "id": "e-2", "occurred": "2025-07-02T10:00:00+02:00"}) + "\n")
    assert run(["intake", "register", str(table), *at]) == 0
    assert run(["intake", "register", str(lines), *at]) == 0
    bag = ["--kind", KIND, "--id", "bag-1", "--occurred", "2025-08-03", "--count", "40", "--channel", "mailbox"]
    assert run(["intake", "register", *at, *bag]) == 0
    told = listed(at, capsys)
    assert [(each["channel"], each["count"]) for each in told["groups"]] == [("mailbox", 1), ("paper", 1)]
    assert [each["id"] for each in told["items"]] == ["e-2", "e-1"], "oldest first"
    assert [(each["id"], each["count"]) for each in told["mailbags"]] == [("bag-1", 40)]
    data = json.dumps({"subject": "skn:T0000001", "content": {"offence": "generated"}})
    one = ["--kind", KIND, "--id", "e-1", "--occurred", "2025-07-03T10:00:00+02:00", "--data", data]
    assert run(["intake", "enter", *at, *one]) == 0
    assert run(["intake", "withdraw", *at, "--kind", KIND, "--id", "e-2", "--who", "clerk", "--why", "twice"]) == 0
    assert run(["intake", "opened", *at, "--kind", KIND, "--id", "bag-1", "--count", "40"]) == 0
    assert listed(at, capsys)["mailbags"][0]["count"] == 0
    assert run(["intake", "close", *at, "--kind", KIND, "--id", "bag-1", "--who", "clerk", "--why", "empty"]) == 0
    assert listed(at, capsys) == {"groups": [], "items": [], "mailbags": []}


def test_every_faulty_line_is_named_and_nothing_is_registered(
    at: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pile.jsonl"
    good = {"kind": KIND, "id": "e-1", "occurred": "2025-07-02"}
    file.write_text("\n".join([json.dumps(good), "{", "3", json.dumps(good | {"id": 4})]))
    assert run(["intake", "register", str(file), *at]) == 2
    said = capsys.readouterr().err
    assert [f"line {n}:" in said for n in (1, 2, 3, 4)] == [False, True, True, True]
    assert listed(at, capsys)["items"] == []


@pytest.mark.parametrize(
    "words",
    [
        ["register"],
        ["register", "--kind", KIND, "--id", "e-1"],
        ["register", "--kind", "no", "--id", "e-1", "--occurred", "2025-07-01"],
        ["register", "--kind", KIND, "--id", "e-1", "--occurred", "2025-07-01", "--channel", "pigeon"],
        ["withdraw", "--kind", KIND, "--id", "e-1", "--who", "clerk", "--why", "it is not there"],
        ["opened", "--kind", KIND, "--id", "bag-1", "--count", "1"],
        ["enter", "--kind", KIND, "--id", "e-1", "--occurred", "2025-07-01T10:00:00Z", "--data", "{"],
    ],
)
def test_wrong_input_ends_in_2_and_changes_nothing(
    at: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["intake", words[0], *at, *words[1:]]) == 2
    assert "expected" in capsys.readouterr().err
    assert listed(at, capsys)["items"] == []
