"""`keersluis demo`: a whole chain on this machine, on a virtual clock."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keersluis.cli.output import AsJson, emit
from keersluis.cli.progress import Steps
from keersluis.errors import Incorrect

if TYPE_CHECKING:
    from keersluis.simulation.demo import Demo
    from keersluis.simulation.generated import GeneratedFeed

FIRST_SPEED = 21_600.0
"""Virtual seconds in a second: a quarter of a day."""


def command(
    scenario: Annotated[str, typer.Argument(help="Scenario of the chain, by name or path.")] = "om-2025",
    chain: Annotated[str, typer.Option(help="Chain folder, or the name of a shipped one.")] = "nl-justice",
    headless: Annotated[bool, typer.Option("--headless", help="Run to the end and compare; no page.")] = False,
    persons: Annotated[int | None, typer.Option(help="Generated persons; default as the scenario says.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the generated world.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes a free one.")] = 8600,
    speed: Annotated[float, typer.Option(help="Virtual seconds in a second, at the start.")] = FIRST_SPEED,
    as_json: AsJson = False,
) -> int:
    """Run a whole chain on this machine: cut off, come back, settle."""
    from keersluis.chain import load_chain
    from keersluis.simulation.demo import MAX_SPEED
    from keersluis.simulation.scenario import load_scenario

    if not 0 < speed <= MAX_SPEED:
        expected = f"virtual seconds in a second above 0, at most {MAX_SPEED:,.0f}"
        raise Incorrect("demo.speed", expected=expected, got=str(speed), where="--speed")
    feed = load_scenario(scenario, load_chain(chain), persons=persons, seed=seed)
    with tempfile.TemporaryDirectory(prefix="keersluis-demo-") as home:
        if headless:
            return _headless(feed, Path(home), as_json)
        _page(feed, Path(home), port, speed)
    return 0


def _headless(feed: GeneratedFeed, home: Path, as_json: bool) -> int:
    """1 when a request of the scenario did not end as its row expects."""
    from keersluis.cli.results import told
    from keersluis.simulation.trial import trial

    with Steps(feed) as steps:
        result = trial(feed, home, steps.report)
    emit(result, as_json, told(result))
    return 1 if result["refused"] else 0


def _page(feed: GeneratedFeed, home: Path, port: int, speed: float) -> None:
    from keersluis.simulation.conductor import Nodes
    from keersluis.simulation.demo import Demo

    nodes = Nodes(feed.chain, home, feed.start)
    try:
        asyncio.run(_serve(Demo(nodes, feed, speed=speed, refused=lambda said: typer.echo(said, err=True)), port))
    finally:
        nodes.stop()


async def _serve(demo: Demo, port: int) -> None:
    """The page is there at once; the nodes come up behind it."""
    from keersluis.web.app import pages_app
    from keersluis.web.serve import free_port, serve

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    port = port or free_port()
    typer.echo(f"The chain's first page: http://127.0.0.1:{port}/   (stop with Ctrl-C)")
    serving = asyncio.create_task(serve(pages_app(demo), port, stop))
    starting = asyncio.create_task(asyncio.to_thread(demo.start))
    await asyncio.wait([serving, starting], return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        await starting
        for key, address in demo.nodes.addresses.items():
            typer.echo(f"  {key:12} {address}/")
    await serving
    await starting
    await asyncio.to_thread(demo.stop)
