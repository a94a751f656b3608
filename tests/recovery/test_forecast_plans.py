"""Plans for a forecast by paths: read with all faults at once, built on what was counted, compared by variant."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from keersluis.cli.main import run
from keersluis.errors import Incorrect
from keersluis.recovery.accounts import ZONE, Account
from keersluis.recovery.building import Built, build
from keersluis.recovery.dates import Gone
from keersluis.recovery.forecast_views import day
from keersluis.recovery.forecasts import Forecast, decode
from keersluis.recovery.history import Counts
from keersluis.recovery.learning import next_day
from keersluis.recovery.path_answers import answer, compared, statement
from keersluis.recovery.paths import simulate
from keersluis.recovery.whatif import ALL, compare, difference, ends
from keersluis.recovery.world_files import read_plan
from keersluis.times import DAY
from keersluis.words import translator
from recovery.made_worlds import account_of

SHIPPED = Path(__file__).parents[2] / "src/keersluis/chains/nl-justice/forecasts/om.toml"
MONDAY = date(2026, 1, 5)

PLAN = """
from = 2026-01-05
horizon_days = 182
paths = 250
holidays = "none"

[[organisation]]
key = "post"
stock = 120
normal = 10
arrivals = { per_week = 35, doubt = 0.05, weekdays = [1, 1, 1, 1, 1, 0, 0] }
capacity = { per_person_day = 5, doubt = 0.05, workplaces = 2, home_share = 0.5, shift = [{ staff = 4 }] }
gate = [{ name = "stage", items = 80, opens = 2026-02-02 }]

[[variant]]
key = "evening"
shift = [{ staff = 2, days = ["tue"], name = "evening" }]

[[variant]]
key = "home"
home = [{ from = 2026-01-12 }]

[[variant]]
key = "earlier"
stage = [{ name = "stage", days_earlier = 7 }]

[[variant]]
key = "scanning"
boost = [{ factor = 2, from = 2026-01-12 }]

[[variant]]
key = "fewer-places"
workplaces = [{ number = 1.75 }]
"""


def written(path: Path, text: str = PLAN) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def account(came: Counts, went: Counts, before: int = 0) -> Account:
    """By days, of which the last is the Sunday before MONDAY."""
    return account_of(before, came, went, 1, MONDAY - timedelta(days=len(came)))


def weeks(number: int, came: list[int], went: list[int], before: int) -> Account:
    return account(np.tile(came, number), np.tile(went, number), before)


# -- reading


def test_the_shipped_plan_is_right_and_says_that_it_is_invented() -> None:
    plan = read_plan(SHIPPED)
    assert [each.key for each in plan.variants] == ["extra-shift", "home-16-october", "stage-earlier", "scanning"]
    assert "ALL NUMBERS ARE INVENTED" in SHIPPED.read_text(encoding="utf-8")


def test_all_faults_are_told_at_once_with_their_places(tmp_path: Path) -> None:
    text = """
from = "soon"
[[organisation]]
key = "a"
stock = -3
normaal = 4
arrivals = { per_week = -1 }
capacity = { per_person_day = 3, home_from = "2026-13-01" }
gate = [{ name = "g", items = 10, opens = 2026-03-01, latest = 2026-02-01 }]
[[organisation]]
key = "b"
capacity = { per_week = 10 }
class = [{ key = "x", share = 0.5, stock = 3 }, { key = "y", share = 0.4, stock = 3 }]
[[passage]]
from = "a"
to = "b"
[[passage]]
from = "b"
to = "a"
[[variant]]
key = "v"
stage = [{ organisation = "a", name = "h", days_earlier = 7 }]
boost = [{ organisation = "c", factor = 2, from = 2026-01-01 }]
"""
    with pytest.raises(Incorrect) as error:
        read_plan(written(tmp_path / "plan.toml", text))
    faults = "\n".join(error.value.faults)
    for part in (
        "from: expected a date",
        "organisation[1].stock",
        "'normaal' (did you mean 'normal'?)",
        "per_week: expected a number from 0",
        "home_from: expected a date",
        "capacity.shift",
        "latest: expected 2026-03-01 or later",
        "shares that add up to 1",
        "passage[1].class",
        "without loops, got a -> b -> a",
        "stage[1].name: expected one of g",
        "boost[1].organisation: expected one of a, b, got 'c'",
    ):
        assert part in faults, part
    assert error.value.code == "forecast.plan"


def test_what_is_neither_stated_nor_counted_is_asked_for(tmp_path: Path) -> None:
    text = '[[organisation]]\nkey = "a"\n'
    with pytest.raises(Incorrect) as error:
        read_plan(written(tmp_path / "plan.toml", text))
    assert len(error.value.faults) == 3  # stock, capacity, from
    plan = read_plan(written(tmp_path / "plan.toml", '[[organisation]]\nkey = "a"\nbacklog = "a"\n'))
    with pytest.raises(Incorrect) as missing:
        build(plan, {})
    assert missing.value.code == "forecast.account"


# -- building


def learned(tmp_path: Path, told: Account, extra: str = "") -> Built:
    plan = read_plan(
        written(tmp_path / "plan.toml", f'holidays = "none"\n[[organisation]]\nkey = "a"\nbacklog = "a"\n{extra}')
    )
    return build(plan, {"a": told}, paths=250)


def test_a_backlog_is_learned_from_its_account(tmp_path: Path) -> None:
    """Ten come each working day and fifteen go: a thousand at first, ten weeks later 750."""
    built = learned(tmp_path, weeks(10, [10] * 5 + [0, 0], [15] * 5 + [0, 0], 1000))
    at = built.world.organisations[0]
    assert built.world.days.first == MONDAY
    assert at.stock == 750
    assert at.arrivals is not None
    assert at.arrivals.per_day(built.world.days)[:7] == pytest.approx([10] * 5 + [0, 0], abs=0.3)
    assert at.capacity.people(built.world.days)[:7].tolist() == [1] * 5 + [0, 0]
    assert at.output.mean == pytest.approx(15, rel=0.01)
    assert max(at.classes[0].ages) == 70  # 250 of those that were there before the first day
    codes = {each.code for each in built.assumptions}
    assert {"paths-arrivals-learned", "paths-output-learned", "paths-no-season", "paths-oldest-first"} <= codes


def test_what_one_does_is_learned_by_the_people_who_were_there(tmp_path: Path) -> None:
    """Thirty a day by ten people; in the plan five more from now on."""
    shifts = "[organisation.capacity]\nshift = [{ staff = 10 }, { staff = 5, from = 2026-01-05 }]\n"
    built = learned(tmp_path, weeks(10, [10] * 5 + [0, 0], [30] * 5 + [0, 0], 3000), shifts)
    at = built.world.organisations[0]
    assert at.output.mean == pytest.approx(3, rel=0.01)
    assert at.capacity.people(built.world.days)[0] == 15


def test_a_backlog_that_was_always_worked_off_may_go_faster_and_says_so(tmp_path: Path) -> None:
    built = learned(tmp_path, weeks(10, [10] * 5 + [0, 0], [10] * 5 + [0, 0], 0))
    assert "paths-spare" in {each.code for each in built.assumptions}


def test_with_less_than_four_weeks_nothing_is_learned(tmp_path: Path) -> None:
    with pytest.raises(Incorrect) as error:
        learned(tmp_path, weeks(3, [10] * 7, [5] * 7, 100))
    assert error.value.code == "forecast.too-little"


def test_a_season_is_seen_in_three_years_and_not_in_one(tmp_path: Path) -> None:
    days = np.arange(3 * 364)
    first = MONDAY - timedelta(days=len(days))
    year = (first.timetuple().tm_yday - 1 + days) / 365.25
    came = np.random.default_rng(1).poisson(100 * np.exp(0.4 * np.cos(2 * np.pi * year)))
    whole = learned(tmp_path, account(came, np.full(len(days), 90), 50_000)).world.organisations[0]
    assert whole.arrivals is not None
    assert whole.arrivals.season[0] == pytest.approx(0.4, abs=0.05)
    assert abs(whole.arrivals.season[1]) < 0.05
    short = learned(tmp_path, account(came[-364:], np.full(364, 90), 50_000)).world.organisations[0]
    assert short.arrivals is not None
    assert short.arrivals.season == ()


@pytest.mark.parametrize(
    ("start", "end"), [(date(2026, 3, 1), date(2026, 4, 30)), (date(2026, 9, 1), date(2026, 10, 31))]
)
def test_summer_time_makes_no_day_of_an_hour(start: date, end: date) -> None:
    """Sixty days of 24 hours end at one o'clock in summer, at eleven in the evening in winter."""
    told = account_of(0, np.full(60, 10), np.full(60, 5), 1, start)
    assert next_day(told) == end
    said = Forecast(
        "x", 0, told.end, DAY, 300, 0, "record", (0.1, 0.9), ((0.0, 9.0),), Gone(0, None, (), 0.0), (), (), ""
    )
    days = [day(said, steps, ZONE) for steps in (0, 1)]
    assert days == [(end - timedelta(days=1)).isoformat(), end.isoformat()]


def test_accounts_must_end_together() -> None:
    plan = read_plan(SHIPPED)
    two = [replace(each, key=key, backlog=key, stock=None) for key, each in zip("ab", plan.organisations, strict=False)]
    told = weeks(10, [10] * 7, [10] * 7, 100)
    late = replace(told, start=told.start + 20 * DAY)
    with pytest.raises(Incorrect) as error:
        build(replace(plan, organisations=tuple(two), passages=(), variants=()), {"a": told, "b": late})
    assert error.value.code == "forecast.dates"


# -- what-if


def test_each_variant_moves_the_date_the_way_it_must(tmp_path: Path) -> None:
    plan = read_plan(written(tmp_path / "plan.toml"))
    base, *others = compare(build(plan, {}), plan.variants)
    change = {each.variant.key: each.change["post"] for each in others if each.variant is not None}
    assert change["evening"].middle < 0
    assert change["home"].middle < 0
    assert change["scanning"].middle < change["evening"].middle
    assert change["fewer-places"].middle > 0
    for key in ("evening", "home", "scanning"):  # never later, on any path
        assert change[key].later == 0
    assert base.change == {}


def test_a_difference_is_known_better_than_either_date(tmp_path: Path) -> None:
    """The same chances: its interval is narrower than if the two had nothing to do with each other."""
    plan = read_plan(written(tmp_path / "plan.toml"))
    built = build(plan, {})
    base, other = compare(built, [plan.variant("evening")])
    same = np.std(ends(other.found, ALL) - ends(base.found, ALL))
    apart = np.std(np.roll(ends(other.found, ALL), 7) - ends(base.found, ALL))
    assert same < 0.8 * apart


def test_a_variant_that_changes_nothing_changes_no_path(tmp_path: Path) -> None:
    text = PLAN + '\n[[variant]]\nkey = "same"\nshift = [{ staff = 0 }]\n'
    plan = read_plan(written(tmp_path / "plan.toml", text))
    _base, other = compare(build(plan, {}), [plan.variant("same")])
    assert (other.change["post"].middle, other.change["post"].sooner, other.change["post"].later) == (0, 0, 0)


def test_paths_that_end_beyond_the_simulation_are_counted_to_its_end() -> None:
    change = difference(np.array([50, 101, 101, 101]), np.array([40, 90, 101, 80]), 101)
    assert change.beyond == 0.75
    assert change.middle == -11


# -- answers


def test_an_answer_tells_dates_sizes_ages_and_what_it_rests_on(tmp_path: Path) -> None:
    built = build(read_plan(written(tmp_path / "plan.toml")), {})
    found = answer(built, simulate(built.world), date(2026, 2, 27), translator("en"))
    (post,) = found["organisations"]
    assert found["as_of"] == "2026-01-04"
    assert post["stock"] == 120
    assert len(post["sizes"]) == 26
    assert post["sizes"][0]["q0.1"] <= post["sizes"][0]["q0.5"] <= post["sizes"][0]["q0.9"]
    levels = [(each["level"], each["from"] <= post["gone"]["date"]) for each in post["gone"]["intervals"]]
    assert levels == [(0.5, True), (0.8, True), (0.95, True)]
    weekly = [each["per_week"] for each in post["capacity"]["needed"]]
    assert weekly == sorted(weekly)
    assert any("workplace" not in line and "at most 2 can work together" in line for line in found["assumptions"])
    dutch = answer(built, simulate(built.world), None, translator("nl"))
    assert not set(dutch["assumptions"]) & set(found["assumptions"])
    json.dumps(found)


def test_never_at_this_rate_tells_the_growth_and_what_would_do(tmp_path: Path) -> None:
    text = PLAN.replace("per_week = 35", "per_week = 80")
    built = build(read_plan(written(tmp_path / "plan.toml", text)), {})
    (post,) = answer(built, simulate(built.world), None, translator("en"))["organisations"]
    assert post["gone"]["never_at_this_rate"]
    assert post["gone"]["date"] is None
    assert post["gone"]["growth_per_week"] == pytest.approx(80 - 50, abs=4)
    assert post["capacity"]["needed"][0]["per_week"] > 80
    assert post["capacity"]["needed"][0]["times_present"] > 1.6


def test_a_statement_can_be_kept_and_read_again(tmp_path: Path) -> None:
    built = learned(tmp_path, weeks(10, [10] * 5 + [0, 0], [15] * 5 + [0, 0], 1000), "normal = 5\n")
    said = statement(built, simulate(built.world), "a", "a", 1_700_000_000_000_000)
    assert (said.method, said.stock, said.normal, said.step, said.seed) == ("paths", 750, 5, DAY, 1)
    assert said.as_of == built.accounts["a"].end
    assert said.gone.middle is not None
    assert 25 * 7 < said.gone.middle < 40 * 7  # 750 less 25 a week
    assert all(list(row) == sorted(row) and row[0] >= 0 for row in said.quantiles)
    assert decode(said.encode()) == said


def test_variants_stand_side_by_side(tmp_path: Path) -> None:
    built = build(read_plan(written(tmp_path / "plan.toml")), {})
    found = compared(built, compare(built, built.plan.variants), translator("nl"))
    assert [each["key"] for each in found["variants"]] == ["", "evening", "home", "earlier", "scanning", "fewer-places"]
    assert "change" not in found["variants"][0]["organisations"][0]
    assert found["variants"][1]["organisations"][0]["change"]["days"] < 0


# -- commands


def test_the_command_tells_it_twice_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = str(written(tmp_path / "plan.toml"))
    told = []
    for _again in range(2):
        assert run(["backlog", "forecast", "--plan", plan, "--by", "2026-03-31", "--json"]) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    assert json.loads(told[0])["organisations"][0]["capacity"]["by"] == "2026-03-31"
    assert run(["backlog", "forecast", "--plan", plan]) == 0
    assert "Gone (at most 10)" in capsys.readouterr().out


def test_the_command_compares_variants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = str(written(tmp_path / "plan.toml"))
    assert run(["backlog", "what-if", plan, "--variant", "home", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["key"] for each in found["variants"]] == ["", "home"]
    assert run(["backlog", "what-if", plan, "--variant", "homes"]) == 2
    assert "did you mean 'home'" in capsys.readouterr().err


def test_a_log_and_a_plan_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["date,arrivals,completions,stock"]
    stock = 400
    for n in range(70):
        day = MONDAY - timedelta(days=70 - n)
        came, went = (9, 12) if day.weekday() < 5 else (0, 0)
        stock += came - went
        rows.append(f"{day},{came},{went},{stock}")
    log = written(tmp_path / "log.csv", "\n".join(rows))
    plan = written(tmp_path / "plan.toml", 'paths = 250\n[[organisation]]\nkey = "a"\nbacklog = "a"\n')
    assert run(["backlog", "forecast", str(log), "--plan", str(plan), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["organisations"]
    assert found["stock"] == stock
    assert run(["backlog", "forecast"]) == 2
    assert "backlog.log" in capsys.readouterr().err
