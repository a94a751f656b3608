"""Something that a running node does again and again by itself, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Repeating:
    """Does `job` every so many seconds, from one interval after `start` until `stop`. A job that fails is logged and
    tried again at the next turn: what must not be missed does not depend on one turn."""

    def __init__(self, name: str, every: float, job: Callable[[], object]) -> None:
        self._every, self._job, self._stop = every, job, threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish what is under way."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self._job()
            except Exception:
                logger.exception("%s failed", self._thread.name)
