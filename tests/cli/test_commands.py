"""Commands on a chain folder whose nodes do not run: what they do, and how they say what is wrong."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import msgspec
import pytest

from keersluis.chain import copy_template, load_chain
from keersluis.cli.main import run
from keersluis.service import make_home

KIND = "prosecution-decision.serious"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = copy_template("nl-justice", tmp_path / "chain")
    make_home(load_chain(made), made / "run")
    (made / "run" / "addresses.json").write_text(
        json.dumps({"om": "http://127.0.0.1:9", "justid": "http://127.0.0.1:9"})
    )
    return made


def line(folder: Path, number: int, **changes: object) -> bytes:
    chain = load_chain(folder)
    event = {
        "specversion": "1.0",
        "id": f"e-{number}",
        "source": f"urn:nld:oin:{chain.organisations['om'].oin}:systeem:test",
        "type": chain.ce_type(chain.kinds[KIND]),
        "occurred": "2025-07-01T10:00:00+02:00",
        "data": {"subject": "skn:T0000001", "content": {"offence": "generated"}},
    }
    return msgspec.json.encode(event | changes)


def test_publish_is_durable_and_counts_what_was_there_before(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join([line(folder, 1), b"", line(folder, 2)]))
    command = ["publish", str(file), "-o", "om", "-d", str(folder), "--json"]
    assert run(command) == 0
    assert json.loads(capsys.readouterr().out) == {"read": 2, "accepted": 2, "before": 0, "durable": True}
    assert run(command) == 0
    assert json.loads(capsys.readouterr().out)["before"] == 2


def test_publish_names_every_faulty_line_and_publishes_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "events.jsonl"
    rows = [line(folder, 1), b"{", line(folder, 3, specversion="0.3"), line(folder, 4, occurred="yesterday")]
    file.write_bytes(b"\n".join(rows))
    assert run(["publish", str(file), "-o", "om", "-d", str(folder)]) == 2
    said = capsys.readouterr().err
    assert [f"line {number}:" in said for number in (1, 2, 3, 4)] == [False, True, True, True]
    assert run(["status", str(folder), "-o", "om", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert all(stream["size"] == 0 for stream in told["streams"])


def test_publish_check_publishes_nothing(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(line(folder, 1))
    assert run(["publish", str(file), "-o", "om", "-d", str(folder), "--check"]) == 0
    assert "nothing was published" in capsys.readouterr().out


def test_P4_a_gate_is_closed_on_the_store_when_the_node_does_not_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["-d", str(folder), "-o", "om"]
    assert run(["gate", "close", *at, "--who", "crisis team", "--why", "a drill"]) == 0
    capsys.readouterr()
    assert run(["gate", "show", *at, "--json"]) == 0
    orders = json.loads(capsys.readouterr().out)
    assert {(each["direction"], each["state"], each["peer"], each["kind"]) for each in orders} == {
        ("in", "closed", "*", "*"),
        ("out", "closed", "*", "*"),
    }


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["gate", "meter", "--who", "x", "--why", "y", "--rate", "0"], "rate"),
        (["gate", "close", "--who", " ", "--why", "y"], "who"),
        (["gate", "close", "--who", "x", "--why", "y", "--kind", "no-such-kind"], "kind"),
        (["gate", "close", "--who", "x", "--why", "y", "--peer", "nobody"], "peer"),
    ],
)
def test_a_wrong_order_is_refused_with_its_fault(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    assert run([*words, "-d", str(folder), "-o", "om"]) == 2
    assert f"{expected}:" in capsys.readouterr().err
    assert run(["gate", "show", "-d", str(folder), "-o", "om", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["status", "no-such-folder"], 2, "no-such-folder"),
        (["demo", "no-such-scenario", "--headless"], 2, "om-2025"),
        (["demo", "--headless", "--persons", "3"], 2, "100"),
        (["demo", "--headless", "--persons", "many"], 2, "persons"),
        (["replay", "no.xes", "--map", "road-fines", "--cut", "2004-01-01..2004-02-01"], 2, "no.xes"),
        (["replay", "no.xes", "--map", "no-map", "--cut", "2004-01-01..2004-02-01"], 2, "road-fines"),
        (["decide", "-o", "justis", "-d", "FOLDER", "no-file.jsonl"], 2, "no-file.jsonl"),
        (["revisit", "list", "-o", "nobody", "-d", "FOLDER"], 2, "justis"),
        (["revisit", "list", "-o", "justid", "-d", "FOLDER"], 1, "justid"),
        (["simulate", "--seeds", "0"], 2, "seeds"),
    ],
)
def test_one_sentence_and_the_right_exit_code(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, expected: str
) -> None:
    assert run([str(folder) if word == "FOLDER" else word for word in words]) == code
    said = capsys.readouterr().err
    assert expected in said
    assert "Traceback" not in said


def test_up_tells_all_faults_of_a_broken_folder_and_starts_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = folder / "kinds.toml"
    kinds.write_text(
        kinds.read_text().replace('lag = "12h"', 'lag = "soon"').replace('source = "politie"', 'source = "x"')
    )
    assert run(["up", str(folder)]) == 2
    said = capsys.readouterr().err
    assert said.count("kinds.toml") >= 2


def test_up_tells_faults_of_policies_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = folder / "policies" / "vog-standard.toml"
    policy.write_text(policy.read_text().replace("needs = [", 'needs = ["no-such-kind", '))
    assert run(["up", str(folder)]) == 2
    assert "no-such-kind" in capsys.readouterr().err


def test_P4_close_all_closes_every_node_of_the_folder_whether_it_runs_or_not(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["gate", "close", "--all", "-d", str(folder), "--who", "crisis team", "--why", "a drill", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {each["organisation"] for each in told} == {each.key for each in load_chain(folder).nodes}
    assert all(len(each["moved"]) == 2 for each in told)
    for each in told:
        assert run(["gate", "show", "-d", str(folder), "-o", each["organisation"], "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert {(row["direction"], row["state"], row["kind"], row["link"]) for row in shown} == {
            ("in", "closed", "*", "*"),
            ("out", "closed", "*", "*"),
        }


def test_P4_a_node_that_takes_the_order_and_says_nothing_finds_it_in_its_store(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = (folder / "run" / "addresses.json").read_text()
    with socket.socket() as hangs:
        hangs.bind(("127.0.0.1", 0))
        hangs.listen()
        address = f"http://127.0.0.1:{hangs.getsockname()[1]}"
        (folder / "run" / "addresses.json").write_text(json.dumps({"om": address, "justid": address}))
        at = ["-d", str(folder), "-o", "om"]
        assert run(["gate", "close", *at, "--who", "crisis team", "--why", "a drill", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["moved"]) == 2
    (folder / "run" / "addresses.json").write_text(dead)
    assert run(["gate", "show", *at, "--json"]) == 0
    assert {each["state"] for each in json.loads(capsys.readouterr().out)} == {"closed"}


def test_a_gate_moves_beforehand_back_and_never_twice(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["-d", str(folder), "-o", "om", "--who", "crisis team", "--why", "a drill", "--json"]

    def told(*words: str) -> dict[str, list[dict[str, object]]]:
        assert run(["gate", *words, *at]) == 0
        answer: dict[str, list[dict[str, object]]] = json.loads(capsys.readouterr().out)
        return answer

    assert len(told("meter", "--rate", "5", "--byte-rate", "100000", "--window", "22:00-06:00")["moved"]) == 2
    assert told("close", "--link", "wire")["unchanged"] == 0
    again = told("close", "--link", "wire")
    assert (again["moved"], again["unchanged"]) == ([], 2)
    back = told("undo", "--link", "wire")["moved"]
    assert {(each["state"], each["link"], each["undoes"]) for each in back} == {
        ("metered", "wire", 3),
        ("metered", "wire", 4),
    }
    planned = told("close", "--from", "2125-01-01T00:00:00Z", "--direction", "in")["moved"]
    number = str(planned[0]["number"])
    assert run(["gate", "plan", "-d", str(folder), "-o", "om"]) == 0
    assert "2125-01-01T00:00:00Z" in capsys.readouterr().out
    told("call-off", number)
    assert run(["gate", "show", "--history", "-d", str(folder), "-o", "om", "--json"]) == 0
    became = [row["became"] for row in json.loads(capsys.readouterr().out)]
    assert became[-1] == "called-off"
    assert run(["gate", "call-off", number, *at]) == 2
