"""The real logs, where they are: they may not be shipped, so elsewhere these tests say that they skip.

Variants of the forecast were compared on them, beside made logs, so they are no proof for records not seen before.
"""

from __future__ import annotations

import json

import pytest

from keersluis.cli.main import run
from replay.small_logs import DATA

ROAD_FINES = DATA / "road-traffic-fines.xes.gz"
RECEIPT = DATA / "receipt.csv"

absent = "the log may not be shipped; put it in KEERSLUIS_DATA to run this"


@pytest.mark.skipif(not RECEIPT.is_file(), reason=f"{RECEIPT.name}: {absent}")
def test_open_permits_are_foreseen_better_than_by_the_peers(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["backlog", "backtest", str(RECEIPT), "--json"]) == 0
    for each in json.loads(capsys.readouterr().out)["horizons"]:
        assert each["origins"] == 46
        assert each["negative_bounds"] == 0
        assert each["interval_score"] < each["best_peer_interval_score"]
        assert 0.7 <= each["coverage"] <= 0.98


@pytest.mark.long
@pytest.mark.skipif(not ROAD_FINES.is_file(), reason=f"{ROAD_FINES.name}: {absent}")
def test_unsent_fines_are_foreseen_better_than_by_the_peers(capsys: pytest.CaptureFixture[str]) -> None:
    activities = ["--arrival", "Create Fine", "--completion", "Send Fine", "--completion", "Payment"]
    assert run(["backlog", "backtest", str(ROAD_FINES), *activities, "--json"]) == 0
    for each in json.loads(capsys.readouterr().out)["horizons"]:
        assert each["negative_bounds"] == 0
        assert each["interval_score"] < each["best_peer_interval_score"]
        assert 0.75 <= each["coverage"] <= 0.85
