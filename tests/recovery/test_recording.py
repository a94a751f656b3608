"""Every forecast is kept, scored by what was known first, and in the timeline both times; a record that was changed is
refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from homes import fresh_home
from keersluis import forecasting
from keersluis.chain import load_chain
from keersluis.errors import Incorrect, Untrusted
from keersluis.exchange.wire import Wire
from keersluis.recovery import recording
from keersluis.recovery.accounts import Account
from keersluis.recovery.assumptions import of_record
from keersluis.recovery.dates import Gone
from keersluis.recovery.forecasts import FAR, STATED, Forecast, by_record, stated
from keersluis.recovery.history import History
from keersluis.recovery.outlook import Forecaster
from keersluis.recovery.verification import Kept, Stocks, held, stocks
from keersluis.service import Node, open_node
from keersluis.timeline import log
from keersluis.timeline.texts import sentence
from keersluis.times import DAY, ManualClock, parse_instant
from recovery.made_logs import made

START = parse_instant("2024-01-01T00:00:00+01:00")
WEEK = 7 * DAY
KEY = "om/post"
PAST = made("stable", 110, 4)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    fresh_home(tmp_path, "om")
    opened = open_node(load_chain("nl-justice"), "om", tmp_path, ManualClock(START), Wire({}), inline=True)
    yield opened
    opened.close()


def account(steps: int) -> Account:
    past = History(*(part[:steps] for part in (PAST.arrivals, PAST.departures, PAST.stock, PAST.held, PAST.left)))
    return Account(START, WEEK, past, (), False, False)


def foretell(node: Node, steps: int) -> dict[str, Any]:
    """As an unattended node does at the end of that week."""
    of = account(steps)
    node.clock.set(of.end + 60)  # type: ignore[attr-defined]
    said = by_record(of, Forecaster(of.past, FAR), KEY, 0, 10, of_record(of, 52))
    return forecasting.keep(node, said, stocks(of))


def whole(node: Node) -> list[Kept]:
    with node.store.read() as tx:
        return recording.record(tx, KEY)


def entries(node: Node, kind: str) -> list[dict[str, Any]]:
    with node.store.read() as tx:
        return [dict(each.body) for each in log.entries(tx, 0, 1000) if each.kind == kind]


def test_what_was_said_is_scored_when_its_weeks_are_over(node: Node) -> None:
    foretell(node, 60)
    assert whole(node)[0].actual == {}
    foretell(node, 64)
    first, second = whole(node)
    sizes = {h: actual for h, actual in first.actual.items() if h > 0}
    assert sizes == {h: int(PAST.stock[59 + h]) for h in (1, 2, 3, 4)}
    assert second.actual == {}
    [body] = entries(node, recording.SCORED)
    assert body["held"] == sum(held(first, h, 0.8) for h in (1, 2, 3, 4))
    made_entries = entries(node, recording.MADE)
    assert [each["digest"] for each in made_entries] == [first.forecast.digest, second.forecast.digest]


def test_the_same_said_again_is_one_statement(node: Node) -> None:
    one = foretell(node, 60)
    again = foretell(node, 60)
    assert (one["n"], again["n"]) == (1, 1)
    assert one["made"] == again["made"]
    assert len(entries(node, recording.MADE)) == 1


def test_what_was_known_when_it_was_said_never_scores_it(node: Node) -> None:
    """Asked in week 70 of a log that ends in week 60: weeks 61 to 70 were no secret."""
    node.clock.set(account(70).end)  # type: ignore[attr-defined]
    of = account(60)
    forecasting.keep(node, by_record(of, Forecaster(of.past, FAR), KEY, 0, 0, ()), stocks(of))
    foretell(node, 72)
    assert sorted(h for h in whole(node)[0].actual if h > 0) == [11, 12]


def test_a_correction_is_told_and_changes_no_score(node: Node) -> None:
    foretell(node, 60)
    foretell(node, 62)
    before = whole(node)[0].actual
    known = stocks(account(63))
    later = Stocks(known.start, known.step, (*known.sizes[:60], known.sizes[60] + 500, *known.sizes[61:]))
    with_it = node.store.write(lambda tx: recording.score(tx, KEY, later, node.clock.now()))
    assert with_it == 2, "week 63 of both"
    first = whole(node)[0]
    assert first.actual[1] == before[1]
    assert first.corrected == {1: before[1] + 500}
    [body] = entries(node, recording.CORRECTED)
    assert body["corrections"] == [[1, 1, before[1], before[1] + 500]]
    node.store.write(lambda tx: recording.score(tx, KEY, later, node.clock.now()))
    assert len(entries(node, recording.CORRECTED)) == 1, "said once"


def test_sizes_of_another_account_are_refused(node: Node) -> None:
    of = account(60)
    said = by_record(of, Forecaster(of.past, FAR), KEY, 0, 0, ())
    with pytest.raises(Incorrect, match=r"forecast\.other-account"):
        forecasting.keep(node, said, stocks(account(61)))


FORGERIES = {
    "a statement made otherwise": "UPDATE forecasts SET statement ="
    " CAST(replace(CAST(statement AS TEXT), 'normal', 'formal') AS BLOB)",
    "two statements exchanged": "UPDATE forecasts SET statement ="
    " (SELECT statement FROM forecasts f WHERE f.n = 3 - forecasts.n) WHERE n < 3",
    "an actual that fits better": "UPDATE forecast_actuals SET actual = actual + 1 WHERE n = 1 AND h = 2",
    "actuals exchanged": "UPDATE forecast_actuals SET actual = (SELECT actual FROM forecast_actuals a WHERE a.n = 1"
    " AND a.h = 3 - forecast_actuals.h) WHERE n = 1 AND h < 3",
    "a miss left out": "DELETE FROM forecast_actuals WHERE n = 1 AND h = 1",
    "a forecast left out": "DELETE FROM forecasts WHERE n = 1",
    "the last forecast left out": "DELETE FROM forecasts WHERE n = 3",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_record_that_was_changed_is_refused(forgery: str, node: Node) -> None:
    for steps in (60, 63, 66):
        foretell(node, steps)
    assert len(whole(node)) == 3
    node.store.write(lambda tx: tx.execute(sa.text(FORGERIES[forgery])))
    with pytest.raises(Untrusted, match=r"forecast\.altered"):
        whole(node)
    with pytest.raises(Untrusted, match=r"forecast\.altered"):
        foretell(node, 70)
    with pytest.raises(Untrusted):
        forecasting.listed(node)


def walk(steps: int, half: float) -> Forecast:
    """As a walk from the stock of now, whose 80 % is `half` of what its own past changes say."""
    of = account(steps)
    h = np.arange(1, 14)[:, None]
    reach = half * np.diff(of.past.stock).std() * np.sqrt(h) * [NormalDist().inv_cdf(level) for level in STATED]
    none = tuple((level, None, None) for level in (0.5, 0.8, 0.95))
    return stated(of, KEY, 0, "paths", STATED, of.past.stock[-1] + reach, Gone(0, None, none, 0.0), (), seed=1)


def test_a_forecaster_of_half_the_width_is_stretched_by_its_own_record(node: Node) -> None:
    for steps in range(20, 100):
        node.clock.set(account(steps).end + 60)  # type: ignore[attr-defined]
        forecasting.keep(node, walk(steps, 0.5), stocks(account(steps)))
    record = whole(node)
    assert record[0].forecast.stretch == ()
    assert record[-1].forecast.stretch[0] > 1.3
    assert forecasting.listed(node, KEY)["records"][0]["stretch"]["4"] > 1.3
    plain = [held(replace(each, forecast=walk(20 + n, 0.5)), 1, 0.8) for n, each in enumerate(record[:-1])]
    late = [held(each, 1, 0.8) for each in record[20:-1]]
    assert sum(late) / len(late) > 0.7 > sum(plain) / len(plain)


def test_the_record_stands_beside_a_new_forecast(node: Node) -> None:
    for steps in (60, 64, 68, 72):
        last = foretell(node, steps)
    assert last["record"]["number"] == 3
    assert last["record"]["horizons"] == [4, 13]
    assert 0 <= last["record"]["held"] <= 3
    assert last["statement"]["backlog"] == KEY
    told = forecasting.listed(node)
    assert [each["n"] for each in told["forecasts"]] == [4, 3, 2, 1]
    first = forecasting.one(node, 1)
    assert [each["horizon"] for each in first["sizes"]] == list(range(1, FAR + 1))
    assert first["sizes"][0]["actual"] == int(PAST.stock[60])
    with pytest.raises(Incorrect, match=r"forecast\.unknown"):
        forecasting.one(node, 5)


def test_the_timeline_tells_of_it_in_both_languages(node: Node) -> None:
    foretell(node, 60)
    foretell(node, 64)
    with node.store.read() as tx:
        told = [each for each in log.entries(tx, 0, 1000) if each.kind.startswith("forecast.")]
    for entry in told:
        dutch, english = sentence(entry, "nl", node.chain), sentence(entry, "en", node.chain)
        assert dutch != english
        assert KEY in dutch
