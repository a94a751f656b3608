"""Which node a command speaks to: over its API when it runs, on its store when it does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keersluis.chain import Chain, load_chain
from keersluis.errors import Incorrect, Unavailable

if TYPE_CHECKING:
    from keersluis.service import Node

Directory = Annotated[Path, typer.Option("--dir", "-d", help="The chain folder that `keersluis up` runs.")]
Whose = Annotated[str, typer.Option("--organisation", "-o", help="Which organisation's node.")]

RUN = "run"
"""The working directory inside a chain folder: keys, addresses, databases."""


class Target:
    """One node of a chain folder."""

    def __init__(self, directory: Path, organisation: str) -> None:
        self.chain: Chain = load_chain(directory)
        self.home = directory / RUN
        self.organisation = organisation
        keys = [each.key for each in self.chain.nodes]
        if organisation not in keys:
            raise Incorrect("cli.organisation", expected=f"one of {', '.join(keys)}", got=repr(organisation))
        if not (self.home / "keys.json").exists():
            mend = f"run `keersluis up {directory}` once"
            raise Incorrect(
                "cli.no-home", expected="a chain folder that was started before", got=str(directory), mend=mend
            )

    def call(self, path: str, body: Any = None, *, patience: float = 600.0) -> Any:
        """POST `body` (GET without) to the node. Raises its problem, or Unavailable when it does not run or has not
        answered after `patience` seconds."""
        from keersluis.exchange.wire import Wire, read_addresses

        wire = Wire(read_addresses(self.home / "addresses.json"), timeout=patience)
        try:
            if body is None:
                return json.loads(wire.get(self.organisation, path))
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            return json.loads(wire.send(self.organisation, path, raw))
        finally:
            wire.close()

    def fetch(self, path: str, *, patience: float = 600.0) -> bytes:
        """GET what is not JSON. Raises as `call`."""
        from keersluis.exchange.wire import Wire, read_addresses

        wire = Wire(read_addresses(self.home / "addresses.json"), timeout=patience)
        try:
            return wire.get(self.organisation, path)
        finally:
            wire.close()

    def ask(self, path: str, body: Any, on_store: Callable[[Node], Any]) -> Any:
        """`call`, or `on_store` with the node on its store where it does not run; either way durable on return."""
        try:
            return self.call(path, body)
        except Unavailable as error:
            if not is_down(error):
                raise
        with self.node() as node:
            return on_store(node)

    @contextmanager
    def node(self) -> Iterator[Node]:
        """The node's own parts on its store, without its web: for when it does not run."""
        from keersluis.exchange.wire import Wire
        from keersluis.service import open_node
        from keersluis.times import SystemClock

        node = open_node(self.chain, self.organisation, self.home, SystemClock(), Wire({}), inline=True)
        try:
            yield node
        finally:
            node.close()


def is_down(error: Unavailable) -> bool:
    """Whether the node did not answer at all."""
    return error.code == "link.unreachable"
