"""The demo: a chain of nodes on a virtual clock that the page moves, and the page's view of all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from keersluis.chain import Chain
from keersluis.errors import Incorrect, KeersluisError
from keersluis.simulation.conductor import Nodes, Player
from keersluis.simulation.feed import Feed
from keersluis.times import SECOND, format_instant
from keersluis.web.history import Samples
from keersluis.web.scene import Status

LOOK_EVERY = 0.4
"""Seconds between two looks at the nodes."""

MAX_SPEED = 30 * 86_400.0
"""Virtual seconds in a second; more than this and nobody can follow."""


class Demo:
    """Plays a feed at a speed, pausable, and tells the page what all nodes say (a `StatusSource`)."""

    def __init__(
        self, nodes: Nodes, feed: Feed, *, speed: float, refused: Callable[[str], None] = lambda _said: None
    ) -> None:
        """`refused` is told of every request of the scenario that did not end as its row expects."""
        self.nodes, self.feed, self._refused = nodes, feed, refused
        self._speed, self._paused, self._ended = speed, False, False
        self._samples = Samples()
        self._statuses: Sequence[Status] = []
        self._position = 0
        self._stop = threading.Event()
        self._moved = threading.Event()
        self._pool = ThreadPoolExecutor(max_workers=8)
        self._threads = [
            threading.Thread(target=self._play, name="player", daemon=True),
            threading.Thread(target=self._look, name="looker", daemon=True),
        ]

    @property
    def chain(self) -> Chain:
        return self.nodes.chain

    def start(self) -> None:
        """Start the nodes, look once, so that the page is full, and begin to play."""
        self.nodes.start()
        self._look_once()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End playing; the nodes are ended by whoever started them."""
        self._stop.set()
        self._moved.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=30)
        self._pool.shutdown()

    # -- playing -----------------------------------------------------------------------------------------------

    def _play(self) -> None:
        player = Player(self.nodes, self.feed, cut=True)
        while not self._stop.is_set():
            if self._paused:
                self._moved.wait(0.2)
                self._moved.clear()
                continue
            started = time.monotonic()
            goes_on = player.step()
            while player.played.refused:
                self._refused(player.played.refused.pop(0))
            if not goes_on:
                self._ended = True
                return
            pause = self.feed.tick / SECOND / self._speed - (time.monotonic() - started)
            if pause > 0:
                self._moved.wait(pause)
                self._moved.clear()

    def clock(self) -> Mapping[str, Any] | None:
        """The virtual clock as the page shows it."""
        feed = self.feed
        return {
            "paused": self._paused or self._ended,
            "speed": self._speed,
            "start": format_instant(feed.start),
            "end": format_instant(feed.end),
        }

    def control(self, action: dict[str, Any]) -> None:
        """Pause, resume, or change the speed. Raises Incorrect `demo.action`."""
        what, factor = action.get("action"), action.get("factor")
        if what == "pause":
            self._paused = True
        elif what == "resume":
            self._paused = False
        elif what == "speed" and isinstance(factor, int | float) and 0 < factor <= MAX_SPEED:
            self._speed = float(factor)
        else:
            raise Incorrect("demo.action", expected="pause, resume, or speed with a factor above 0", got=repr(action))
        self._position += 1
        self._moved.set()

    # -- looking -----------------------------------------------------------------------------------------------

    def _look(self) -> None:
        while not self._stop.wait(LOOK_EVERY):
            self._look_once()

    def _look_once(self) -> None:
        told = [self._pool.submit(self._ask, each.key) for each in self.chain.nodes]
        statuses = [status for future in told if (status := future.result()) is not None]
        if statuses != self._statuses:
            self._statuses = statuses
            self._samples.add(statuses)
            self._position += 1

    def _ask(self, key: str) -> Status | None:
        try:
            status: Status = msgspec.json.decode(self.nodes.wire.get(key, "/v0/stand"))
        except KeersluisError:
            return None  # the page says of which nodes it has no word
        return status

    def statuses(self) -> Sequence[Status]:
        """What each node that answers said of itself at the last look."""
        return self._statuses

    def history(self) -> Sequence[Mapping[str, Any]]:
        """How the counts moved."""
        return self._samples.samples()

    def changed(self, _since: int) -> int:
        """Grows with every change that a look found."""
        return self._position

    def call(self, organisation: str, path: str, body: bytes | None) -> bytes:
        """The API of an organisation's own node."""
        wire = self.nodes.wire
        answer = wire.get(organisation, path) if body is None else wire.send(organisation, path, body)
        self._look_once()
        return answer

    def order_gate(self, organisation: str, order: dict[str, Any]) -> None:
        """Carry out an order at the organisation's own node."""
        names = {"direction": "richting", "kind": "soort", "state": "stand", "rate": "tempo", "who": "wie"}
        names |= {"why": "waarom", "until": "tot", "evidence": "bewijs"}
        told = {names.get(name, name): value for name, value in order.items() if value is not None}
        told["richting"] = {"out": "uit"}.get(told["richting"], told["richting"])
        self.nodes.wire.send(organisation, "/v0/poorten", msgspec.json.encode(told))
        self._look_once()
