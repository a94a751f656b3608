"""`keersluis decide`: take decisions on answers of the register."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from keersluis.cli.output import AsJson, emit
from keersluis.cli.target import Directory, Target, Whose
from keersluis.errors import Incorrect


def command(
    organisation: Whose,
    directory: Directory = Path(),
    file: Annotated[
        Path | None, typer.Argument(help="Requests, one JSON object a line; default standard input.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take decisions. A request has id, policy, subject and, where it is not now, moment."""
    where = str(file or "standard input")
    try:
        lines = (file.read_text("utf-8") if file else sys.stdin.read()).splitlines()
    except UnicodeDecodeError as error:
        got = f"byte {error.start + 1} that is none"
        raise Incorrect("decide.not-text", expected="text in UTF-8", got=got, where=where) from None
    requests = _requests(lines, where)
    told: list[dict[str, Any]] = Target(directory, organisation).call("/v0/beslissingen", requests)["decisions"]
    text = "\n".join(f"{each['id']:30} {each['state']:12} {each['level_words']['en']}" for each in told)
    emit(told, as_json, text or "nothing was asked")


def _requests(lines: list[str], where: str) -> list[dict[str, Any]]:
    requests, faults = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            read = json.loads(line)
        except ValueError as error:
            faults.append(f"{where} line {number}: expected a JSON object, got {error}")
            continue
        lacking = [name for name in ("id", "policy", "subject") if not (isinstance(read, dict) and read.get(name))]
        if lacking:
            faults.append(f"{where} line {number}: expected {', '.join(lacking)}, got nothing there")
        requests.append(read)
    if faults:
        raise Incorrect("decide.faults", expected="requests without faults", got=faults[0], faults=faults)
    return requests
