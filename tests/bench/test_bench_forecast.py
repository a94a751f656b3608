"""`bench forecast` compares like with like: every contender simulates the same queue. No speed is tested here."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from keersluis.bench import queue_cimba, queue_ciw, queue_ours, queue_simpy
from keersluis.bench.forecast import Measured, forecast_seconds, result
from keersluis.bench.queue_model import PLAIN, RETURN, STEADY, Model, Outcome, agrees, alike, cobham_waits, erlang_wait
from keersluis.bench.queue_world import world
from keersluis.cli.main import run as command

pytestmark = pytest.mark.xdist_group("processes")


def test_the_exact_waits_are_those_of_the_books() -> None:
    assert erlang_wait(2.0, 3) == pytest.approx(4 / 9)
    assert erlang_wait(0.5, 1) == pytest.approx(1.0)
    assert cobham_waits([0.25, 0.25], 1) == pytest.approx([2 / 3, 4 / 3])
    shares = [each.rate / STEADY.rate for each in STEADY.kinds]
    waits = cobham_waits([each.rate for each in STEADY.kinds])
    assert sum(s * w for s, w in zip(shares, waits, strict=True)) == pytest.approx(erlang_wait(4.0)), (
        "work is conserved"
    )


def test_a_standard_error_is_that_of_a_ratio_over_the_replications() -> None:
    mean, doubt = Outcome([[2.0], [2.0]], [[2.0], [4.0]]).wait()
    assert (mean, doubt) == (1.5, pytest.approx(0.5))


@pytest.fixture(scope="module")
def ours() -> Outcome:
    return queue_ours.run(RETURN, 256, 1)


PEERS = [
    pytest.param(queue_ciw.run, 3, marks=pytest.mark.skipif(queue_ciw.why_not() is not None, reason="no Ciw")),
    pytest.param(queue_simpy.run, 5, marks=pytest.mark.skipif(queue_simpy.why_not() is not None, reason="no SimPy")),
    *(
        pytest.param(
            lambda model, number, seed, style=style: queue_cimba.run(model, style, number, seed),
            200,
            marks=pytest.mark.skipif(queue_cimba.why_not() is not None, reason="no Cimba"),
        )
        for style in queue_cimba.STYLES
    ),
]


@pytest.mark.parametrize(("peer", "replications"), PEERS)
def test_each_peer_simulates_the_same_queue(
    peer: Callable[[Model, int, int], Outcome], replications: int, ours: Outcome
) -> None:
    assert agrees(peer(PLAIN, replications, 1), erlang_wait(PLAIN.rate))
    theirs = peer(RETURN, replications, 2)
    assert [alike(ours, theirs, k) for k in range(3)] == [True, True, True]
    for k, kind in enumerate(RETURN.kinds):
        expected = kind.stock + kind.rate * RETURN.until
        number = sum(row[k] for row in theirs.items) / len(theirs.items)
        assert number == pytest.approx(expected, abs=5 * (expected / len(theirs.items)) ** 0.5)


def measured(per_second: float, plain: float, waits: tuple[float, float, float]) -> dict[str, Measured]:
    return {
        "mm5": Measured([per_second], Outcome([[100.0]] * 4, [[100.0 * plain]] * 4)),
        "return": Measured([per_second], Outcome([[10.0, 10.0, 10.0]] * 4, [[10.0 * each for each in waits]] * 4)),
    }


def test_a_speed_counts_only_for_who_simulates_the_same() -> None:
    exact = erlang_wait(PLAIN.rate)
    steady = Outcome([[1.0] * 3], [cobham_waits([each.rate for each in STEADY.kinds])])
    told = {
        "ours": measured(100.0, exact, (1.0, 2.0, 3.0)),
        "cimba_processes": measured(10.0, exact, (1.0, 2.0, 3.0)),
        "cimba_events": measured(50.0, exact, (1.0, 2.0, 3.0)),
        "ciw": measured(1.0, exact, (1.0, 2.0, 3.5)),
    }
    figures = result(told, steady, 3.0)
    assert (figures["ratio_cimba"], figures["ratio_ciw"], figures["ratio_simpy"]) == (2.0, None, None)
    assert {each.name: each.holds for each in figures["aims"]} == {
        "mmc_error": True,
        "cobham_error": True,
        "ratio_cimba": True,
        "ratio_cimba_mm5": True,
        "ratio_ciw": False,
        "ratio_ciw_mm5": False,
        "forecast_seconds": True,
    }
    assert figures["simulates_the_same"] == {"ours": True, "cimba_processes": True, "cimba_events": True, "ciw": False}


def test_a_size_that_measures_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["bench", "forecast", "--paths", "0", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["code"] == "bench.size"


def test_the_large_forecast_is_of_as_many_organisations_items_and_paths_as_it_says() -> None:
    asked = world(5, 100_000, 2000)
    assert (len(asked.organisations), asked.paths) == (5, 2000)
    assert [each.stock for each in asked.organisations] == [100_000] * 5
    assert [(each.source, each.target) for each in asked.passages] == [(f"org{n}", f"org{n + 1}") for n in range(4)]
    assert forecast_seconds(20, lambda _: None) > 0
