"""`keersluis register`: look up what the register holds of one person, as it held and as it was known."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from keersluis.cli.output import AsJson, emit
from keersluis.cli.target import Directory, Target
from keersluis.errors import Incorrect


def command(
    who: Annotated[str, typer.Option(help="Who looks.")],
    purpose: Annotated[str, typer.Option(help="What for; a purpose of the chain.")],
    directory: Directory = Path(),
    valid_at: Annotated[str | None, typer.Option("--valid-at", help="As it held at this moment (geldigOp).")] = None,
    known_at: Annotated[str | None, typer.Option("--known-at", help="As it was known then (beschikbaarOp).")] = None,
    as_json: AsJson = False,
) -> None:
    """Look up one person; the number is read from standard input, so that it stays out of histories and logs."""
    from keersluis.chain import load_chain

    subject = sys.stdin.readline().strip()
    if not subject:
        raise Incorrect("cli.subject", expected="<scheme>:<number> on standard input, as skn:T0000001", got="nothing")
    target = Target(directory, load_chain(directory).register.key)
    asked = {"onderwerp": subject, "wie": who, "doel": purpose, "geldigOp": valid_at, "beschikbaarOp": known_at}
    found = target.call("/v0/personen/_zoek", {name: value for name, value in asked.items() if value})
    emit(found, as_json, "\n".join(_lines(found)))


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [f"{found['state']}, for {found['moment']}, answered {found['answered_at']}"]
    lines += [f"  {fact['occurred']:12} {fact['kind']:32} {fact['content']}" for fact in found["facts"]] or [
        "  nothing found"
    ]
    lines += [f"  complete through {mark['complete_through']:27} {mark['kind']}" for mark in found["watermarks"]]
    return lines
