"""Sends by itself: after each commit, and a heartbeat when nothing happens. One thread per peer, so that a peer that
does not answer holds up nobody else."""

from __future__ import annotations

import logging
import random
import threading
import time

from keersluis.errors import KeersluisError
from keersluis.service import Node
from keersluis.times import SECOND

logger = logging.getLogger(__name__)

SETTLE = 0.02
"""Seconds to wait after a commit, so that one batch serves many."""

CEILING = 5.0
"""The longest wait, in seconds, before a peer that did not answer is tried again while something waits."""


class Worker:
    """The sending threads of one node on the machine's clock."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.heartbeat = node.chain.heartbeat / SECOND
        self._stop = threading.Event()
        self._wake = {peer: threading.Event() for peer in node.senders}
        self._threads = [threading.Thread(target=self._run, args=(peer,), daemon=True) for peer in node.senders]

    def start(self) -> None:
        """Begin sending."""
        self.node.store.after_commit.append(self._woken)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish the round under way and end."""
        self._stop.set()
        self._woken()
        for thread in self._threads:
            thread.join(timeout=10)

    def _woken(self) -> None:
        for event in self._wake.values():
            event.set()

    def _run(self, peer: str) -> None:
        failures = 0
        while not self._stop.is_set():
            failures = 0 if self._round(peer) else failures + 1
            self._rest(peer, failures)

    def _round(self, peer: str) -> bool:
        """One round of sending; False when nothing of what waits got through."""
        try:
            sent = self.node.pump(peers=[peer]).sent[peer]
        except KeersluisError as error:
            logger.warning("sending to %s: %s", peer, error)
            return False
        return not sent.refused or sent.events > 0

    def _rest(self, peer: str, failures: int) -> None:
        """Until something new waits, or the heartbeat is due. Own sending commits too: what woke us before is done.

        After a failure: back off with jitter, up to a ceiling, for ever (P1: no attempt counters).
        """
        event = self._wake[peer]
        event.clear()
        if failures:
            self._stop.wait(min(CEILING, 0.1 * 2 ** min(failures, 10)) * random.uniform(0.5, 1.0))
            return
        deadline = time.monotonic() + self.heartbeat
        while (left := deadline - time.monotonic()) > 0 and not self._stop.is_set():
            if not event.wait(left):
                return
            event.clear()
            self._stop.wait(SETTLE)
            if self.node.waits_for(peer):
                return
