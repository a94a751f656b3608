"""The command line as a whole: quick help, one-sentence errors, exit codes, problem objects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from keersluis.cli import main, output
from keersluis.errors import Conflict, Fault, Forbidden, Incorrect, KeersluisError, Unavailable, Untrusted


@pytest.mark.parametrize(
    ("error", "code"),
    [(Incorrect, 2), (Conflict, 2), (Forbidden, 1), (Unavailable, 1), (Untrusted, 1), (Fault, 1)],
)
def test_exit_code_says_whose_fault_it_is(
    error: type[KeersluisError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert output.fail(error("some.code", expected="a door", got="a wall"), as_json=False) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "keersluis: expected a door, got a wall [some.code]\n"


def test_with_json_an_error_is_also_a_problem_object(capsys: pytest.CaptureFixture[str]) -> None:
    error = Incorrect("log.times", expected="a time", got="'soon'", where="log.csv, line 3", mend="--skip-bad goes on")
    assert output.fail(error, as_json=True) == 2
    problem = json.loads(capsys.readouterr().out)
    assert problem["status"] == 400
    assert {name: problem[name] for name in ("code", "expected", "got", "where", "mend")} == {
        "code": "log.times",
        "expected": "a time",
        "got": "'soon'",
        "where": "log.csv, line 3",
        "mend": "--skip-bad goes on",
    }


def test_all_faults_of_one_input_are_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    output.fail(Incorrect("chain.broken", faults=["a.toml: one", "b.toml: two"]), as_json=False)
    said = ["The folder of the chain has faults.", "a.toml: one", "b.toml: two"]
    assert capsys.readouterr().err.splitlines() == [f"keersluis: {each}" for each in said]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nonsense"], "no such command 'nonsense'"),
        (["new"], "missing argument 'directory'"),
        (["new", "--speed", "3"], "no such option: --speed"),
    ],
)
def test_a_wrong_command_line_is_said_plainly_and_ends_with_2(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(arguments) == 2
    said = capsys.readouterr().err
    assert told in said.lower()
    assert said.count("\n") == 1
    assert said.startswith("keersluis: ")
    assert "expected a command line as `keersluis" in said


def test_a_file_that_is_not_there_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def opens() -> None:
        Path("/nowhere/at/all").read_text()

    assert _with_command(monkeypatch, opens) == 2
    assert "/nowhere/at/all: expected a file or folder to work with, got no such file" in capsys.readouterr().err


def test_an_interrupted_command_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert _with_command(monkeypatch, interrupted) == 130


def test_a_fault_of_ours_is_not_dressed_up_as_somebody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _with_command(monkeypatch, wrong)


def _with_command(monkeypatch: pytest.MonkeyPatch, function: object) -> int:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.callback()(lambda: None)
    app.command("act")(function)  # type: ignore[type-var]
    monkeypatch.setattr(main, "build", lambda wanted: app)
    return main.run(["act"])


def test_help_lists_every_command_and_comes_at_once() -> None:
    """In processor time, for the machine may be busy with other tests; a bare interpreter is taken off."""
    script = "import sys, keersluis.cli.main as m; sys.exit(m.run(['--help']))"
    spent, told = min(_timed("-c", script) for _ in range(3))
    bare, _ = min(_timed("-c", "pass") for _ in range(3))
    assert spent - bare < 0.3
    assert [name for name in main.COMMANDS if f"\n  {name} " not in told] == []


def _timed(*arguments: str) -> tuple[float, str]:
    before = os.times()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return spent, done.stdout


def test_help_loads_no_server_database_or_science() -> None:
    script = "import sys, keersluis.cli.main as m; m.run(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stderr.split()}
    assert loaded & {"litestar", "granian", "sqlalchemy", "numpy", "pyarrow", "httpx", "lxml", "cryptography"} == set()


@pytest.mark.parametrize("name", list(main.COMMANDS))
def test_each_command_has_help_of_its_own(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([name, "--help"]) == 0
    assert f"Usage: keersluis {name}" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("keersluis 0.")


def test_emit_prints_one_line_of_json_or_a_text(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit({"name": "Justitiële keten", "n": 3}, as_json=True)
    output.emit({"name": "x"}, as_json=False, text="a sentence")
    output.emit({"name": "x", "list": [1, 2]}, as_json=False)
    output.emit(["a", {"b": 1}], as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        '{"name": "Justitiële keten", "n": 3}',
        "a sentence",
        "name  x",
        "list  [1, 2]",
        "a",
        '{"b": 1}',
    ]
