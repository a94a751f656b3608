"""A server on a loopback port for the pages of made-up chains, and a browser to look at them with."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from litestar import Litestar

from keersluis.web.serve import free_port, serve
from keersluis.web.site import fault_page, page_handlers
from web.fixtures import FakeSource

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SWITCHES = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def application(source: FakeSource) -> Litestar:
    """The pages alone, with the calm page for addresses that do not exist."""
    faults: Any = {404: fault_page(source)}
    return Litestar([*page_handlers(source)], exception_handlers=faults, openapi_config=None, logging_config=None)


class Running:
    """The pages of `source`, served until `stop`."""

    def __init__(self, source: FakeSource) -> None:
        self._port = free_port()
        self.source, self.url = source, f"http://127.0.0.1:{self._port}"
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        self._wait()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await serve(application(self.source), self._port, self._stop)

    def _wait(self) -> None:
        for _attempt in range(200):
            try:
                socket.create_connection(("127.0.0.1", self._port), 0.2).close()
                return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError(self.url)

    def stop(self) -> bool:
        """Whether it ended in time, whoever was still looking."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)
        return not self._thread.is_alive()


@pytest.fixture
def serving() -> Iterator[Callable[[FakeSource], Running]]:
    """Serves a source; all are ended with the test."""
    running: list[Running] = []

    def serve(source: FakeSource) -> Running:
        running.append(Running(source))
        return running[-1]

    yield serve
    slow = [each.url for each in running if not each.stop()]
    assert slow == []


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium; skips, saying so, where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield chromium
        chromium.close()
