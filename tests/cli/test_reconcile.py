"""`keersluis reconcile` beside a node that does not run: a lossy adaptor is found, declared and mended."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from keersluis.chain import copy_template, load_chain
from keersluis.cli.main import run
from keersluis.exchange.reconciliation import Entry, Tally
from keersluis.service import make_home
from keersluis.times import parse_instant

KIND = "prosecution-decision.serious"


def occurred(number: int) -> str:
    return f"2025-07-{1 + number // 24:02d}T{number % 24:02d}:30:00Z"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = copy_template("nl-justice", tmp_path / "chain")
    make_home(load_chain(made), made / "run")
    (made / "run" / "addresses.json").write_text(json.dumps({"om": "http://127.0.0.1:9"}))
    return made


def lines(folder: Path) -> list[str]:
    """What the system of record holds: forty acts, an hour apart."""
    chain = load_chain(folder)
    head = {
        "specversion": "1.0",
        "source": f"urn:nld:oin:{chain.organisations['om'].oin}:systeem:test",
        "type": chain.ce_type(chain.kinds[KIND]),
        "data": {"subject": "skn:T0000001", "content": {"offence": "generated"}},
    }
    return [json.dumps(head | {"id": f"e-{n}", "occurred": occurred(n)}) for n in range(40)]


def publish(folder: Path, tmp_path: Path, events: list[str]) -> None:
    """Through an adaptor."""
    file = tmp_path / "adaptor.jsonl"
    file.write_text("\n".join(events))
    assert run(["publish", str(file), "-o", "om", "-d", str(folder)]) == 0


def reconciled(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run(["reconcile", "run", *words, "--kind", KIND, "-o", "om", "--json"])
    (told,) = json.loads(capsys.readouterr().out)
    return code, told


def test_a_silent_loss_is_named_declared_and_mended(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, at = tmp_path / "record.jsonl", ["-d", str(folder)]
    everything = lines(folder)
    record.write_text("\n".join(everything))
    publish(folder, tmp_path, [line for n, line in enumerate(everything) if n not in (7, 31)])
    code, told = reconciled([str(record), *at, "--only-declare"], capsys)
    assert code == 1
    assert (told["missing"], told["published"], told["filled"]) == (["e-7", "e-31"], 0, [])
    assert told["first"]["since"] == "2025-07-01T07:00:00Z"
    assert (told["first"]["stated"]["count"], told["first"]["held"]["count"]) == (1, 0)
    assert told["declared"] == {"since": "2025-07-01T07:00:00Z", "until": "2025-07-02T08:00:00Z"}
    assert run(["intake", "list", *at, "-o", "om", "--json"]) == 0
    assert {each["channel"] for each in json.loads(capsys.readouterr().out)["items"]} == {"system-down"}
    code, told = reconciled([str(record), *at], capsys)
    assert code == 0
    assert (told["published"], told["filled"], told["agrees"]) == (2, [told["declared"]], True)
    assert run(["intake", "list", *at, "-o", "om", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["items"] == []
    code, told = reconciled([str(record), *at], capsys)
    assert (code, told["agreed_before"], told["questions"]) == (0, True, 1)


def test_the_sources_own_database_is_asked_by_a_query_of_its_own(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    everything = lines(folder)
    with sqlite3.connect(tmp_path / "record.db") as database:
        database.execute("CREATE TABLE cases (name TEXT, moment TEXT, event TEXT)")
        rows = [(f"e-{n}", occurred(n), line) for n, line in enumerate(everything)]
        database.executemany("INSERT INTO cases VALUES (?, ?, ?)", rows)
    database.close()
    query = tmp_path / "cases.sql"
    query.write_text(
        "SELECT name AS id, moment AS occurred, event FROM cases WHERE moment >= :since AND moment < :until"
    )
    publish(folder, tmp_path, everything[:12] + everything[13:])
    words = ["--url", f"sqlite:///{tmp_path / 'record.db'}", "--query", str(query), "-d", str(folder)]
    code, told = reconciled(words, capsys)
    assert (code, told["missing"], told["published"], told["agrees"]) == (0, ["e-12"], 1, True)
    query.write_text("SELECT name AS id FROM cases")
    assert run(["reconcile", "run", *words, "--kind", KIND, "-o", "om"]) == 2
    assert "occurred" in capsys.readouterr().err


def test_what_the_record_does_not_hold_is_told_and_stays(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One act dropped and another sent twice under another id: the numbers are equal."""
    record, everything = tmp_path / "record.jsonl", lines(folder)
    record.write_text("\n".join(everything))
    twice = everything[20].replace('"e-20"', '"e-20-again"')
    publish(folder, tmp_path, [*everything[:5], *everything[6:], twice])
    code, told = reconciled([str(record), "-d", str(folder)], capsys)
    assert code == 1
    assert (told["missing"], told["extra"], told["published"]) == (["e-5"], ["e-20-again"], 1)
    assert told["filled"] == [told["declared"]], "the gap is filled; what is too much is another matter"


def test_stated_counts_are_compared_and_the_future_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    everything = lines(folder)
    publish(folder, tmp_path, everything[:30])

    def row(first: int, last: int) -> str:
        tally = Tally.of(Entry(f"e-{n}", parse_instant(occurred(n))) for n in range(first, last))
        since, until = occurred(first).replace(":30:", ":00:"), occurred(last).replace(":30:", ":00:")
        return f"{KIND},{since},{until},{tally.count},{tally.hex}"

    file, command = tmp_path / "counts.csv", ["-o", "om", "-d", str(folder)]
    file.write_text("\n".join(["kind,since,until,count,digest", row(0, 20), row(20, 39)]))
    capsys.readouterr()
    assert run(["reconcile", "state", str(file), *command, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["stated"], told["differ"]) == (2, 1)
    assert [each["agrees"] for each in told["periods"]] == [True, False]
    assert run(["reconcile", "show", *command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["statements"] == told["periods"]
    later = row(0, 20).replace(occurred(20).replace(":30:", ":00:"), "2125-01-01T00:00:00Z")
    file.write_text("\n".join(["kind,since,until,count,digest", row(0, 20), later, f"{KIND},x,,1,2"]))
    assert run(["reconcile", "state", str(file), *command]) == 2
    assert "line 4" in capsys.readouterr().err
    file.write_text("\n".join(["kind,since,until,count,digest", later]))
    assert run(["reconcile", "state", str(file), *command]) == 2
    assert "ended" in capsys.readouterr().err


def test_every_faulty_line_of_a_record_is_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "record.jsonl"
    wrong = json.dumps({"kind": "no", "id": "x", "occurred": "2025-07-01"})
    record.write_text("\n".join([lines(folder)[0], "{", wrong, json.dumps({"kind": KIND, "id": "x"})]))
    assert run(["reconcile", "run", str(record), "-o", "om", "-d", str(folder)]) == 2
    said = capsys.readouterr().err
    assert [f"line {n}:" in said for n in (1, 2, 3, 4)] == [False, True, True, True]
