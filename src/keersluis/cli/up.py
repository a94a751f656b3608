"""`keersluis up`: run the organisations of a chain folder, on the real clock."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from keersluis.cli.target import RUN


def command(
    directory: Annotated[Path, typer.Argument(help="A chain folder (see `keersluis new`).")],
    seconds: Annotated[
        float | None, typer.Option(min=0.0, help="Stop after so many seconds; default at Ctrl-C.")
    ] = None,
) -> None:
    """Run the organisations of a chain folder, on the real clock, each as a process of its own."""
    from keersluis.chain import load_chain
    from keersluis.decisions.policyfiles import load_policies
    from keersluis.simulation.conductor import Nodes

    chain = load_chain(directory)
    load_policies(chain)  # a fault in a policy is told before anything starts
    nodes = Nodes(chain, directory / RUN, None)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    nodes.start()
    try:
        for me in chain.nodes:
            typer.echo(f"{me.name['en']:45} {nodes.addresses[me.key]}/")
        typer.echo("All organisations answer. Stop with Ctrl-C.")
        stop.wait(seconds)
    finally:
        nodes.stop()
