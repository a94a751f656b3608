"""`keersluis adaptor`: deliver what a source system puts in a folder or in an outbox table, each act exactly once."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keersluis.cli.output import AsJson, emit
from keersluis.cli.target import Directory, Target

if TYPE_CHECKING:
    from keersluis.adaptors import Adaptor
    from keersluis.adaptors.delivery import Delivered, Delivery
    from keersluis.adaptors.running import Progress, Shown

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)

File = Annotated[Path, typer.Argument(help="The adaptor's file (TOML).")]

EVERY = 1.0
"""Seconds between two words of progress."""


def _load(file: Path, directory: Path) -> Adaptor:
    from keersluis.adaptors.config import load_adaptor
    from keersluis.chain import load_chain

    return load_adaptor(file, load_chain(directory))


@app.command("run")
def run(
    file: File,
    directory: Directory = Path(),
    once: Annotated[bool, typer.Option("--once", help="End when nothing waits any more.")] = False,
    on_store: Annotated[
        bool, typer.Option("--on-store", help="Write in the node's store: for when the node does not run.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Deliver what waits and what comes, until told to stop; acknowledge only what is durable."""
    from keersluis.adaptors import running
    from keersluis.times import SystemClock

    adaptor, stop = _load(file, directory), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with _delivery(Target(directory, adaptor.me.key), on_store) as delivery:
        done = running.run(adaptor, delivery, SystemClock(), stop, _Said(adaptor.name), once=once)
    told = {"files": done.files, "accepted": done.accepted, "before": done.before, "refused": done.refused}
    sentence = (
        f"{adaptor.name}: {done.accepted:,} events accepted and durable, {done.before:,} were accepted before, "
        f"{done.refused:,} rows refused."
    )
    emit(told | {"receipts": done.receipts}, as_json, sentence)


@contextmanager
def _delivery(target: Target, on_store: bool) -> Iterator[Delivery]:
    from keersluis.adaptors.delivery import OnStore, OverHttp
    from keersluis.exchange.wire import Wire, read_addresses

    if on_store:
        with target.node() as node:
            yield OnStore(node)
        return
    wire = Wire(read_addresses(target.home / "addresses.json"))
    try:
        yield OverHttp(wire, target.organisation)
    finally:
        wire.close()


class _Said:
    """Progress on standard error, at most once a second, and at once where there is trouble."""

    def __init__(self, name: str) -> None:
        self._name, self._last, self._line, self._trouble = name, 0.0, "", ""

    def __call__(self, progress: Progress, delivered: Delivered | None) -> None:
        now = time.monotonic()
        if now - self._last < EVERY and progress.trouble == self._trouble:
            return
        accepted = progress.accepted + (delivered.accepted if delivered else 0)
        refused = progress.refused + (len(delivered.refused) if delivered else 0)
        line = f"{self._name}: {accepted:,} accepted, {progress.before:,} before, {refused:,} refused"
        line += f"; {progress.trouble}" if progress.trouble else ""
        self._last, self._trouble = now, progress.trouble
        if line != self._line:
            print(line, file=sys.stderr, flush=True)
        self._line = line


@app.command("check")
def check(
    file: File,
    directory: Directory = Path(),
    sample: Annotated[Path | None, typer.Option(help="A file to show instead of those that wait.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="How many rows to show.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Name every fault of the adaptor's file, and show the first rows as events; nothing is delivered."""
    from keersluis.adaptors import running
    from keersluis.times import SystemClock

    adaptor = _load(file, directory)
    shown = running.preview(adaptor, SystemClock(), rows, sample)
    told = [{"place": each.place, "event": each.event, "reasons": list(each.reasons)} for each in shown]
    lines = [line for each in shown for line in _lines(each)]
    emit(told, as_json, "\n".join([f"{file}: in order.", *(lines or ["Nothing waits that could be shown."])]))
    if any(each.reasons for each in shown):
        raise typer.Exit(2)


def _lines(shown: Shown) -> list[str]:
    import json

    if shown.reasons:
        return [f"{shown.place}: {reason}" for reason in shown.reasons]
    return [f"{shown.place}: {json.dumps(shown.event, ensure_ascii=False)}"]


@app.command("status")
def status(
    files: Annotated[list[Path], typer.Argument(help="Adaptors' files (TOML).")],
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> None:
    """How far each adaptor is: what waits, what was delivered, what was refused."""
    from keersluis.adaptors import running

    told = [running.status(_load(file, directory)) for file in files]
    lines = [", ".join(f"{name} {value}" for name, value in each.items() if name != "last") for each in told]
    emit(told, as_json, "\n".join(lines))
