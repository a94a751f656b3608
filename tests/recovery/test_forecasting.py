"""A node's own backlogs: forecast when asked and by itself, kept, scored, and told of by the command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from homes import fresh_home
from keersluis import counting, forecasting
from keersluis.chain import load_chain
from keersluis.cli.main import run
from keersluis.errors import Incorrect
from keersluis.exchange.wire import Wire
from keersluis.recovery import recording
from keersluis.service import Node, open_node
from keersluis.times import DAY, ManualClock, parse_instant

START = parse_instant("2025-07-18T00:00:00+02:00")
KEY = "om-paper"
KIND = "prosecution-decision.serious"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    fresh_home(tmp_path, "om")
    opened = open_node(load_chain("nl-justice"), "om", tmp_path, ManualClock(START), Wire({}), inline=True)
    yield opened
    opened.close()


def days(node: Node, first: int, number: int) -> None:
    """Each day some letters come, and wait."""
    for day in range(first, first + number):
        node.clock.set(START + day * DAY + DAY // 2)  # type: ignore[attr-defined]
        when = (date(2025, 7, 18) + timedelta(days=day)).isoformat()
        node.register_waiting([(KIND, f"l{day}-{n}", when, "paper") for n in range(3 + day % 3)])


def test_a_node_forecasts_its_backlog_when_asked_and_keeps_it(node: Node) -> None:
    days(node, 0, 15)
    made = forecasting.make(node, KEY)
    assert (made["n"], made["backlog"], made["normal"]) == (1, KEY, 20)
    assert made["gone"]["never_at_this_rate"]
    assert forecasting.make(node, KEY)["n"] == 1, "the same said again"
    assert forecasting.make(node, KEY, hold=False)["n"] == 0
    days(node, 15, 4)
    assert forecasting.make(node, KEY)["record"]["number"] == 1
    told = forecasting.listed(node, KEY)
    assert (told["number"], told["records"][0]["forecasts"]) == (2, 2)
    actual = counting.account(node, KEY).past.stock
    first = forecasting.one(node, 1)
    assert [each["actual"] for each in first["sizes"][:4]] == actual[-4:].tolist()


def test_too_little_and_an_unknown_backlog_are_refused(node: Node) -> None:
    days(node, 0, 5)
    with pytest.raises(Incorrect, match=r"backlog\.too-little"):
        forecasting.make(node, KEY)
    with pytest.raises(Incorrect, match=r"backlog\.unknown"):
        forecasting.make(node, "om-papers")


def test_a_node_forecasts_by_itself_once_for_each_step_that_passes(node: Node) -> None:
    days(node, 0, 15)
    tried: dict[str, int] = {}
    assert [forecasting.round_of(node, tried) for _ in range(3)] == [1, 0, 0]
    days(node, 15, 2)
    assert [forecasting.round_of(node, tried) for _ in range(2)] == [1, 0]
    assert forecasting.round_of(node, {}) == 0, "also after a restart"
    with node.store.read() as tx:
        record = recording.record(tx, KEY)
    assert [each.n for each in record] == [1, 2]
    assert record[0].actual


def test_the_commands_forecast_keep_and_tell_of_the_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chain = tmp_path / "chain"
    assert run(["new", str(chain)]) == 0
    fresh_home(chain / "run", "om")
    nobody = {each.key: "http://127.0.0.1:9" for each in load_chain(chain).nodes}
    (chain / "run" / "addresses.json").write_text(json.dumps(nobody))
    log = tmp_path / "counts.csv"
    rows = [f"{date(2024, 1, 1) + timedelta(weeks=n)},{20 + n % 3},{24 - n % 4},{900 - 3 * n}" for n in range(60)]
    log.write_text("\n".join(["date,arrivals,completions,stock", *rows]))
    node = ["-d", str(chain), "-o", "om"]
    capsys.readouterr()
    assert run(["backlog", "forecast", str(log), "--keep", "om-archive", *node, "--json"]) == 0
    kept = json.loads(capsys.readouterr().out)
    assert kept["kept"]["n"] == 1
    assert kept["kept"]["record"]["number"] == 0
    assert run(["backlog", "record", *node, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["backlog"] for each in told["forecasts"]] == ["om-archive"]
    assert [each["low"] for each in told["forecasts"][0]["sizes"]][1] == kept["sizes"][0]["low"]
    assert run(["backlog", "record", "om-archive", *node]) == 0
    assert "Of none of its statements is it known yet" in capsys.readouterr().out
    assert run(["backlog", "forecast", "om-paper", *node]) == 2
    assert "too-little" in capsys.readouterr().err
    assert run(["backlog", "forecast", str(log), "--keep", "om-archive"]) == 2
