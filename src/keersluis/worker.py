"""Sends by itself: after each commit, and a heartbeat when nothing happens. One thread per peer, so that a peer that
does not answer holds up nobody else."""

from __future__ import annotations

import logging
import random
import threading
import time

from keersluis.errors import KeersluisError
from keersluis.exchange.sender import Sent
from keersluis.moves import GateWatch
from keersluis.service import Node
from keersluis.times import SECOND

logger = logging.getLogger(__name__)

SETTLE = 0.02
"""Seconds from the beginning of one round to that of the next, at least: under load one batch serves many commits,
and on an idle chain nobody waits."""

CEILING = 5.0
"""The longest wait, in seconds, before what did not get through is tried again."""

LOOK = 0.25
"""Seconds between two looks at the gates (P4: within a second)."""


class Worker:
    """The sending threads of one node on the machine's clock, and the one that watches its gates."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.heartbeat = node.chain.heartbeat / SECOND
        self._stop = threading.Event()
        self._wake = {peer: threading.Event() for peer in node.senders}
        self._opened: set[str] = set()
        self._threads = [threading.Thread(target=self._run, args=(peer,), daemon=True) for peer in node.senders]
        self._threads.append(threading.Thread(target=self._watch, daemon=True))

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

    def _watch(self) -> None:
        """Cuts off what is on its way when a gate closes, by whichever process; a gate that opens is used at once."""
        watch = GateWatch(self.node)
        while not self._stop.wait(LOOK):
            try:
                opened = watch.look() & self._wake.keys()
            except Exception:
                logger.exception("looking at the gates failed")
                continue
            self._opened |= opened
            for peer in opened:
                self._wake[peer].set()

    def _run(self, peer: str) -> None:
        failures, due = 0, 0.0
        while not self._stop.is_set():
            now = time.monotonic()
            heartbeat = not failures or now >= due
            sent = self._round(peer, heartbeat)
            if heartbeat and sent.reached:
                due = now + self.heartbeat
            failures = (1 if sent.events else failures + 1) if sent.refused or not sent.reached else 0
            # Back off with jitter, up to a ceiling, for ever (P1: no attempt counters).
            pause = min(CEILING, 0.1 * 2 ** min(failures, 10)) * random.uniform(0.5, 1.0)
            self._rest(peer, sent, now + SETTLE, time.monotonic() + pause if failures else due)

    def _round(self, peer: str, heartbeat: bool) -> Sent:
        """One round of sending. Whatever goes wrong, the thread lives: nobody else sends to this peer."""
        try:
            return self.node.pump(heartbeat=heartbeat, peers=[peer]).sent[peer]
        except KeersluisError as error:
            logger.warning("sending to %s: %s", peer, error)
        except Exception:
            logger.exception("sending to %s failed", peer)
        return Sent(reached=False)

    def _rest(self, peer: str, sent: Sent, earliest: float, deadline: float) -> None:
        """Until `deadline`, or until something new waits for a peer that answers: of a kind that was not refused."""
        woken = self._wake[peer]
        while (left := deadline - time.monotonic()) > 0 and not self._stop.is_set():
            self._stop.wait(max(0.0, earliest - time.monotonic()))
            woken.clear()  # before looking: what is committed after the look wakes us again
            if self._stop.is_set() or peer in self._opened or (sent.reached and self._news(peer, sent)):
                self._opened.discard(peer)
                return
            woken.wait(left)

    def _news(self, peer: str, sent: Sent) -> bool:
        try:
            return self.node.waits_for(peer, sent.refused.keys())
        except Exception:
            logger.exception("looking what waits for %s failed", peer)
            return False
