"""`keersluis status`: until when each source is complete here, what is open, what waits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from keersluis.cli.output import AsJson, emit
from keersluis.cli.target import Target, is_down
from keersluis.errors import Unavailable
from keersluis.words import translator


def command(
    directory: Annotated[Path, typer.Argument(help="The chain folder that `keersluis up` runs.")] = Path(),
    organisation: Annotated[str | None, typer.Option("--organisation", "-o", help="One node; default all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Until when each source is complete, what is open, what waits."""
    from keersluis.chain import load_chain

    keys = [organisation] if organisation else [each.key for each in load_chain(directory).nodes]
    told = [stand(Target(directory, key)) for key in keys]
    emit(told, as_json, "\n".join(line for each in told for line in _lines(each)))


def stand(target: Target) -> dict[str, Any]:
    """The node's status: from itself, or from its store when it does not run."""
    try:
        told: dict[str, Any] = target.call("/v0/stand")
    except Unavailable as error:
        if not is_down(error):
            raise
        from keersluis import status

        with target.node() as node:
            told = status.of(node) | {"running": False}
    return told


def _lines(told: dict[str, Any]) -> list[str]:
    head = f"{told['name']['en']} ({told['organisation']}), {told['now']}"
    lines = [head if told.get("running", True) else f"{head}: the node does not run, this is its store"]
    lines += [
        f"  {each['kind']:34} complete through {each['complete_through']:27} {each['state']}"
        for each in told["watermarks"]
    ]
    for stream in told["streams"]:
        for peer in stream["peers"]:
            waits = f"{peer['backlog']:,} wait" if peer["backlog"] else "nothing waits"
            paper = f", {stream['waiting']:,} not entered" if stream["waiting"] else ""
            lines.append(f"  {stream['kind']:34} to {peer['peer']:10} {peer['state']:8} {waits}{paper}")
    lines += _completeness(told)
    counts = told["decisions"]
    if counts["total"]:
        lines.append("  decisions: " + ", ".join(f"{counts[name]:,} {name}" for name in counts))
    return lines


def _completeness(told: dict[str, Any]) -> list[str]:
    """What is wrong with the promises: entry that takes too long, and promises that were broken."""
    lines = [
        f"  {each['kind']:34} entry takes {_span(each['lag']['measured_seconds'])} "
        f"({each['lag']['samples']:,} acts), declared {_span(each['lag']['declared_seconds'])}: promises wait for it"
        for each in told["streams"]
        if each["lag"]["exceeded"]
    ]
    lines += [
        f"  {each['kind']:34} {each['source']} broke its promise for {each['count']:,} acts, "
        f"delays up to {_span(each['longest_delay_seconds'])}, the last at {each['last']}"
        for each in told["breach_summary"]
    ]
    return lines


def _span(seconds: int) -> str:
    return translator("en").duration(seconds * 1_000_000)
