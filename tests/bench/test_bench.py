"""The benchmarks measure what they say, and hold each figure against its aim. No figure itself is tested here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keersluis.bench import _store_queue, nats, ours, postgres
from keersluis.bench.aims import aim, quantile, ratio
from keersluis.bench.exchange import result
from keersluis.cli.main import run as command

pytestmark = pytest.mark.xdist_group("processes")


def test_an_aim_holds_on_its_own_side_only_and_never_unmeasured() -> None:
    assert aim("ratio", 3.0, ">=", 3.0).holds
    assert not aim("ratio", 2.99, ">=", 3.0).holds
    assert aim("latency", 19.0, "<=", 20.0).holds
    assert not aim("latency", 21.0, "<=", 20.0).holds
    assert not aim("ratio", ratio(100.0, None), ">=", 0.0).holds


def test_quantiles_are_measured_values() -> None:
    assert quantile([3.0, 1.0, 2.0, 4.0], 0.5) == 3.0
    assert quantile([1.0], 0.99) == 1.0


def test_the_figures_and_aims_of_the_exchange_are_named_as_agreed() -> None:
    told = result({"ours": 9000.0, "nats_always": 3000.0, "nats_default": 10000.0}, [5.0] * 100)
    assert {"ours_per_s", "nats_always_per_s", "nats_default_per_s", "latency_p50_ms", "latency_p99_ms"} <= told.keys()
    assert (told["ratio_always"], told["ratio_default"]) == (3.0, 0.9)
    assert {each.name: each.holds for each in told["aims"]} == {
        "ratio_always": True,
        "ratio_default": False,
        "latency_p50_ms": True,
    }


def test_ours_counts_what_the_register_applied_once_and_the_source_holds_receipts_for(tmp_path: Path) -> None:
    with ours.pair(tmp_path / "chain") as nodes:
        assert {len(each) for each in ours.events(nodes.chain, range(50), 1024)} == {1024}
        assert ours.throughput(nodes, 0, 1200, 1024) > 0
        assert len(ours.latencies(nodes, 1200, 3, 1024)) == 3
        ours.exactly_once(nodes, 1203)
        with pytest.raises(Exception, match="1204 events"):
            ours.exactly_once(nodes, 1204)


@pytest.mark.skipif(nats.why_not() is not None, reason=str(nats.why_not()))
@pytest.mark.parametrize("always", [True, False])
def test_the_broker_takes_and_gives_every_message(tmp_path: Path, always: bool) -> None:
    assert nats.throughput(tmp_path / "nats", 600, 256, always=always) > 0


@pytest.mark.postgres
@pytest.mark.skipif(postgres.why_not() is not None, reason=str(postgres.why_not()))
def test_the_queue_in_postgresql_takes_and_gives_every_row() -> None:
    with postgres.cluster(durable=True) as url:
        assert _store_queue.throughput(url, 600, 256, 100) > 0


def test_a_size_that_measures_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["bench", "exchange", "--events", "10", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["code"] == "bench.size"
