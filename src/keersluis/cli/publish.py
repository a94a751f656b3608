"""`keersluis publish`: feed events to a node, each exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from keersluis.cli.output import AsJson, emit
from keersluis.cli.target import Directory, Target, Whose, is_down
from keersluis.errors import Incorrect, Unavailable

AT_ONCE = 1000


def command(
    file: Annotated[Path, typer.Argument(help="CloudEvents, one JSON object a line.")],
    organisation: Whose,
    directory: Directory = Path(),
    check: Annotated[bool, typer.Option("--check", help="Only say what is wrong; publish nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Feed events to a node, each exactly once: what was accepted before is not accepted twice."""
    target = Target(directory, organisation)
    events = _checked(file, target)
    taken: list[dict[str, object]] = []
    for batch in _batches([] if check else events):
        taken += accepted(target, batch)
    twice = sum(bool(each["duplicate"]) for each in taken)
    told = {"read": len(events), "accepted": len(taken) - twice, "before": twice, "durable": not check}
    sentence = (
        f"{len(events):,} events are in order, nothing was published."
        if check
        else (f"{told['accepted']:,} events accepted and durable, {twice:,} were accepted before.")
    )
    emit(told, as_json, sentence)


def _checked(file: Path, target: Target) -> list[bytes]:
    """Every line validated before the first is published. Raises Incorrect naming each faulty line."""
    from keersluis.errors import KeersluisError
    from keersluis.exchange.envelope import submitted
    from keersluis.times import SystemClock

    me, now = target.chain.organisations[target.organisation], SystemClock().now()
    events, faults = [], []
    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            submitted(line, target.chain, me, now)
        except KeersluisError as error:
            faults.append(f"{file} line {number}: {error}")
        events.append(line)
    if faults:
        raise Incorrect("publish.faults", expected="events that can all be accepted", got=faults[0], faults=faults)
    return events


def _batches(events: list[bytes]) -> Iterator[list[bytes]]:
    return (events[first : first + AT_ONCE] for first in range(0, len(events), AT_ONCE))


def accepted(target: Target, batch: list[bytes]) -> list[dict[str, object]]:
    """Steps 1-6 for a batch, over the API or on the store of a node that does not run."""
    import msgspec

    try:
        told: list[dict[str, object]] = target.call("/v0/gebeurtenissen", b"[" + b",".join(batch) + b"]")["accepted"]
    except Unavailable as error:
        if not is_down(error):
            raise
        with target.node() as node:
            told = msgspec.to_builtins(node.accept(batch))
    return told
