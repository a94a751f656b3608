"""The live stream: its ids are positions of the log, and a reader that comes back misses nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
import pytest

from web.conftest import Running
from web.fixtures import FakeSource

Serving = Callable[[FakeSource], Running]


def first_event(url: str, headers: dict[str, str] | None = None, *, within: float = 10) -> dict[str, str]:
    """The fields of the first event on a stream; empty when none comes `within` seconds."""
    event: dict[str, str] = {}
    try:
        with httpx.stream("GET", url, headers=headers, timeout=within) as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if not line and "data" in event:
                    return event
                event |= {name: value} if name in ("id", "event", "data") else {}
    except httpx.ReadTimeout:
        pass
    return {}


@pytest.fixture
def running(serving: Serving) -> Running:
    return serving(FakeSource("cut"))


def test_what_happened_between_the_page_and_the_stream_is_told_at_once(running: Running) -> None:
    assert first_event(f"{running.url}/stroom?sinds=811") == {"event": "stand", "id": "812", "data": "812"}


def test_a_reader_that_reconnects_goes_on_from_the_last_event_that_it_saw(running: Running) -> None:
    """The browser's own header goes before the address, which is that of the first page."""
    event = first_event(f"{running.url}/stroom?sinds=1", {"Last-Event-ID": "810"})
    assert event["id"] == "812"
    assert first_event(f"{running.url}/stroom?sinds=1", {"Last-Event-ID": "812"}, within=1.5) == {}


def test_a_change_is_told_within_a_second(running: Running) -> None:
    began = time.monotonic()
    with httpx.stream("GET", f"{running.url}/stroom?sinds=812", timeout=10) as answer:
        lines = answer.iter_lines()
        next(lines)
        running.source.position = 813
        assert next(line for line in lines if line.startswith("id")) == "id: 813"
    assert time.monotonic() - began < 3


def test_a_server_that_stops_does_not_wait_for_those_who_look(running: Running) -> None:
    with httpx.stream("GET", f"{running.url}/stroom?sinds=812", timeout=10) as answer:
        lines = answer.iter_lines()  # held, since httpx hangs up when nobody holds them
        next(lines)
        assert running.stop()


@pytest.mark.parametrize("wrong", ["", "x", "-1", "9" * 40, "1.5"])
def test_a_position_that_is_no_number_is_the_present(running: Running, wrong: str) -> None:
    assert first_event(f"{running.url}/stroom", {"Last-Event-ID": wrong}, within=1.2) == {}
