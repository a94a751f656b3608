"""`keersluis adaptor` as a real process: `kill -9` at any moment, a clean stop, a dry run, and how far it is."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from adaptor_harness import FOLDER, World, row, table

from keersluis.cli.main import run

pytestmark = pytest.mark.xdist_group("processes")

FILES, ROWS = 4, 300


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path, copied=True)
    made.configure(FOLDER.replace("[folder]", "batch = 10\n[folder]"))
    return made


def started(world: World, *more: str) -> subprocess.Popen[str]:
    words = ["adaptor", "run", str(world.file), "-d", str(world.folder), "--on-store", *more]
    command = [sys.executable, "-m", "keersluis.cli.main", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rounds_of_kills(world: World, rounds: int, chance: random.Random) -> int:
    """Kills it `rounds` times at random moments of its work; returns how many files were not done by then."""
    for _ in range(rounds):
        process = started(world)
        deadline = time.monotonic() + 20
        while not (world.incoming / "done").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(chance.uniform(0.3, 0.9))
        process.kill()
        process.communicate()
    return sum(1 for path in world.incoming.glob("*.csv") if path.is_file())


@pytest.mark.parametrize("rounds", [3, pytest.param(40, marks=pytest.mark.long)])
def test_P1_kill_9_at_random_moments_leaves_each_row_once(world: World, rounds: int) -> None:
    for n in range(FILES):
        faulty = [row(10_000 + n, maanden="veel")]
        world.write(f"{n}.csv", table([*(row(n * ROWS + m) for m in range(ROWS)), *faulty]))
    rounds_of_kills(world, rounds, random.Random(rounds))
    done = started(world, "--once", "--json")
    told, _said = done.communicate(timeout=60)
    assert done.returncode == 0, _said
    assert json.loads(told)["accepted"] <= FILES * ROWS
    assert world.ids() == sorted(f"Z-{n}" for n in range(FILES * ROWS))
    assert len(world.accepted()) == FILES * ROWS
    assert world.in_folder("") == {".adaptor.lock"}
    assert world.in_folder("done") == {f"{n}.csv{end}" for n in range(FILES) for end in ("", ".receipt.json")}
    for n in range(FILES):
        receipt = json.loads((world.incoming / "done" / f"{n}.csv.receipt.json").read_text())
        assert (receipt["accepted"] + receipt["before"], receipt["refused"]) == (ROWS, 1)


def test_it_stops_when_told_to_with_what_it_did_being_durable(world: World) -> None:
    world.write("a.csv", table(row(n) for n in range(20)))
    process = started(world, "--json")
    deadline = time.monotonic() + 30
    while not (world.incoming / "done" / "a.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    told, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert json.loads(told)["accepted"] == 20
    assert "compas: 10 accepted" in said, "progress of a file that is under way"
    assert len(world.accepted()) == 20


def test_check_shows_events_and_delivers_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.write("a.csv", table([row(1), row(2)]))
    command = ["adaptor", "check", str(world.file), "-d", str(world.folder), "--json"]
    assert run(command) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [each["event"]["id"] for each in shown] == ["Z-1", "Z-2"]
    assert (world.incoming / "a.csv").exists()
    assert world.file.with_name("in").exists()
    world.write("a.csv", table([row(1), row(2, maanden="veel")]))
    assert run(command) == 2
    assert json.loads(capsys.readouterr().out)[1]["reasons"] == [
        "maanden: expected a value of type integer, got other text"
    ]


def test_check_names_all_faults_with_their_lines(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.configure(FOLDER.replace('"om"', '"nobody"').replace('"integer"', '"whole"').replace('";"', '"; "'))
    assert run(["adaptor", "check", str(world.file), "-d", str(world.folder)]) == 2
    assert capsys.readouterr().err.count("compas.toml line ") == 2


def test_status_says_how_far_it_is(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["-d", str(world.folder), "--json"]
    world.write("a.csv", table([row(1), row(2, maanden="veel")]))
    assert run(["adaptor", "status", str(world.file), *at]) == 0
    (before,) = json.loads(capsys.readouterr().out)
    assert (before["waiting"], before["done"], before["last"]) == (1, 0, None)
    assert run(["adaptor", "run", str(world.file), "--once", "--on-store", *at]) == 0
    assert json.loads(capsys.readouterr().out)["refused"] == 1
    assert run(["adaptor", "status", str(world.file), *at]) == 0
    (after,) = json.loads(capsys.readouterr().out)
    assert (after["waiting"], after["done"], after["with_refused_rows"]) == (0, 1, 1)
    assert after["last"]["accepted"] == 1


def test_a_node_that_does_not_run_is_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.write("a.csv", table([row(1)]))
    assert run(["adaptor", "run", str(world.file), "--once", "-d", str(world.folder)]) == 1
    assert "link.unreachable" in capsys.readouterr().err
    assert (world.incoming / "a.csv").exists()
