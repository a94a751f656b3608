"""The real logs, where they are: they may not be shipped, so elsewhere these tests say that they skip."""

from __future__ import annotations

import time
import tracemalloc
from collections import Counter

import pytest

from keersluis.eventlogs import BadRows, read_log
from keersluis.simulation.feed import Ask, Publish, Waiting
from keersluis.simulation.maps import load_map
from keersluis.simulation.replay_feed import replay_feed
from replay.small_logs import DATA

ROAD_FINES = DATA / "road-traffic-fines.xes.gz"
RECEIPT = DATA / "receipt.csv"

absent = "the log may not be shipped; put it in KEERSLUIS_DATA to run this"


@pytest.mark.skipif(not RECEIPT.is_file(), reason=f"{RECEIPT.name}: {absent}")
def test_the_permits_log_becomes_a_feed() -> None:
    feed = replay_feed(RECEIPT, load_map("permits"), "2011-03-01..2011-05-10", 1)
    kinds = Counter(type(item) for item in feed.items(True))
    assert (feed.total_events, kinds[Publish], feed.skipped) == (8577, 8577, 0)
    assert kinds[Ask] == feed.log_map.questions.number
    assert kinds[Waiting] == feed.on_paper > 0
    assert (feed.end - feed.start) // feed.tick <= 700


@pytest.mark.skipif(not ROAD_FINES.is_file(), reason=f"{ROAD_FINES.name}: {absent}")
def test_the_start_of_the_road_fines_log_is_read_without_holding_it() -> None:
    """Two megabytes suffice for any part of a log of 185 MB."""
    log_map, bad = load_map("road-fines"), BadRows()
    tracemalloc.start()
    for number, _row in enumerate(read_log(ROAD_FINES, log_map.columns, log_map.zone, bad)):
        if number == 30_000:
            break
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (bad.number, peak < 40 * 2**20) == (0, True)


@pytest.mark.long
@pytest.mark.skipif(not ROAD_FINES.is_file(), reason=f"{ROAD_FINES.name}: {absent}")
def test_the_whole_road_fines_log_becomes_a_feed() -> None:
    started = time.monotonic()
    feed = replay_feed(ROAD_FINES, load_map("road-fines"), "2004-08-01..2004-10-10", 1)
    assert time.monotonic() - started < 60
    kinds = Counter(type(item) for item in feed.items(True))
    assert (feed.total_events, kinds[Publish], feed.skipped) == (561_470, 561_470, 0)
    assert (kinds[Ask], kinds[Waiting]) == (10_000, feed.on_paper)
    assert feed.on_paper > 1000
    assert (feed.end - feed.start) // feed.tick <= 710
