"""Starts the product's own node as `python -m keersluis.node` does, in a process that ends itself where it is told to.

Nothing of this is in the product. The node is watched at the numbered steps of DESIGN.md and at its commits; a file
`deadly` in its folder names the place, and at the nth passing the process gets its SIGKILL. Just before, it lingers:
what must not have left it yet has the time to leave, so that an acknowledgement given too early is found out.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import planted_in_processes

from keersluis import node as process
from keersluis.exchange.sender import BATCHES, Link
from keersluis.service import Node

LINGER = 0.1

WRITER = "writer"
"""The name of the thread that commits."""


class Gallows:
    """Kills its own process at the nth passing of one place."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "deadly"
        self._told, self._passed = "", 0
        self._steps: list[int] = []
        self._one = threading.Lock()

    def at(self, place: str) -> None:
        """The node passes `place`."""
        try:
            told = self.file.read_text()
        except OSError:
            return
        with self._one:
            if told != self._told:
                self._told, self._passed = told, 0
            named, nth = told.rsplit(" ", 1)
            if named != place:
                return
            self._passed += 1
            if self._passed < int(nth):
                return
        time.sleep(LINGER)
        os.kill(os.getpid(), signal.SIGKILL)

    def step(self, number: int) -> None:
        """A numbered step; those within a transaction are remembered until its commit."""
        self.at(f"step {number}")
        if threading.current_thread().name == WRITER:
            self._steps.append(number)

    def before_commit(self, _tx: Any) -> None:
        """All is written and sealed, nothing is durable."""
        for number in dict.fromkeys(self._steps):
            self.at(f"step {number}, before the commit")

    def after_commit(self) -> None:
        """All is durable, nobody was told."""
        for number in dict.fromkeys(self._steps):
            self.at(f"step {number}, after the commit")
        self._steps.clear()


class Line:
    """A node's way to its peers, watched."""

    def __init__(self, link: Link, gallows: Gallows) -> None:
        self._link, self._gallows = link, gallows

    def send(self, peer: str, path: str, body: bytes) -> bytes:
        answer = self._link.send(peer, path, body)
        if path == BATCHES:
            self._gallows.at("answered")
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)


def _watched(work: Callable[..., Any], before: Callable[[], None], after: Callable[[], None]) -> Callable[..., Any]:
    def watched(*arguments: Any, **named: Any) -> Any:
        before()
        result = work(*arguments, **named)
        after()
        return result

    return watched


def _nothing() -> None:
    pass


def watch(node: Any, gallows: Gallows) -> None:
    """Lead the node past the gallows at every place that a test can name."""
    node.ctx.step = gallows.step
    node.store.before_commit.append(gallows.before_commit)
    node.store.after_commit.insert(0, gallows.after_commit)
    node.receive = _watched(node.receive, lambda: gallows.at("arrived"), _nothing)
    node._apply = _watched(node._apply, _nothing, lambda: gallows.at("in the register"))
    node.link = Line(node.link, gallows)
    for sender in node.senders.values():
        sender.link = node.link


def main() -> None:
    """`launcher.py FOLDER <arguments of keersluis.node>`; the folder may hold `deadly`, `planted` and `database`."""
    folder = Path(sys.argv[1])
    gallows = Gallows(folder)
    begin = Node.__init__

    def begun(self: Node, *arguments: Any, **named: Any) -> None:
        begin(self, *arguments, **named)
        planted_in_processes.plant(self, folder / "planted")
        watch(self, gallows)

    Node.__init__ = begun  # type: ignore[method-assign]
    database = folder / "database"
    process.main([*sys.argv[2:], *(("--database", database.read_text()) if database.exists() else ())])


if __name__ == "__main__":
    main()
