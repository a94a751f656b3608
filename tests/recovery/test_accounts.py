"""An account from a log or from counts: what is wrong is told with numbers and places, and left out."""

from __future__ import annotations

import gzip
import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from keersluis.cli.main import run
from keersluis.errors import Incorrect
from keersluis.recovery.accounts import Account, Wanted, read_account

STOCK = "date,arrivals,completions,stock"
MONDAY = date(2024, 1, 1)


def weeks(*rows: str, header: str = "date,arrivals,completions", start: date = MONDAY) -> str:
    return "\n".join([header, *(f"{start + timedelta(weeks=n)},{row}" for n, row in enumerate(rows))]) + "\n"


def read(tmp_path: Path, text: str, wanted: Wanted | None = None, name: str = "log.csv") -> Account:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return read_account(path, wanted or Wanted())


def faults(account: Account) -> dict[str, tuple[int, tuple[str, ...]]]:
    return {each.code: (each.number, each.places) for each in account.left_out}


def test_counts_become_an_account_in_which_in_less_out_is_stock(tmp_path: Path) -> None:
    account = read(tmp_path, weeks(*["5,4,11"] + ["3,3,11"] * 11, header=STOCK))
    assert account.past.stock.tolist() == [11] * 12
    assert account.past.held.sum(axis=1).tolist() == [11] * 12
    assert (account.past.steps, account.left_out) == (12, ())


def test_negative_doubled_and_unreadable_rows_are_told_by_line(tmp_path: Path) -> None:
    text = weeks(*["5,4"] * 30)
    lines = text.splitlines()
    lines[3] = lines[3].replace("5,4", "-5,4")
    lines[4] = lines[4].replace("5,4", "many,4")
    lines.append(lines[20])
    account = read(tmp_path, "\n".join(lines))
    told = faults(account)
    assert told["negative-count"] == (1, ("line 4",))
    assert told["unreadable"] == (1, ("line 5",))
    assert told["duplicate"] == (1, ("line 32",))
    assert told["gap"] == (2, ("2 before line 6",))
    assert told["before-gap"] == (2, ("2 periods before line 6",))
    assert account.past.steps == 26


def test_stocks_that_differ_from_in_less_out_are_told_and_the_last_counts(tmp_path: Path) -> None:
    rows = ["5,4,11"] + ["3,3,11"] * 5 + ["3,3,12"] * 8
    account = read(tmp_path, weeks(*rows, header=STOCK))
    assert faults(account) == {"stock-differs": (6, tuple(f"line {n}: 11 stated, 12 by in and out" for n in (2, 3, 4)))}
    assert account.past.stock.tolist() == [12] * 14


def test_more_completions_than_could_be_there_means_that_some_were_there_before(tmp_path: Path) -> None:
    account = read(tmp_path, weeks(*["2,9"] + ["4,3"] * 11))
    assert account.past.stock.tolist() == list(range(12))


def test_too_little_is_refused_with_what_was_left_out(tmp_path: Path) -> None:
    with pytest.raises(Incorrect, match=r"backlog\.too-little") as caught:
        read(tmp_path, weeks(*["5,4"] * 6, "-1,4", *["5,4"] * 6))
    assert [each["code"] for each in caught.value.facts["left_out"]] == ["negative-count", "gap", "before-gap"]  # type: ignore[attr-defined]


def events(number: int = 40) -> list[str]:
    rows = []
    for n in range(number):
        came = MONDAY + timedelta(days=3 * n)
        rows += [f"c{n},register,{came}T09:00:00", f"c{n},decide,{came + timedelta(days=10)}T09:00:00"]
    return rows


def test_events_become_an_account_by_first_and_last_event_or_by_activity(tmp_path: Path) -> None:
    text = "\n".join(["zaak,activiteit,tijd", *events()])
    for name in ("log.csv", "log.csv.gz"):
        first_last = read(tmp_path, text, name=name)
        by_name = read(tmp_path, text, Wanted(arrival=("register",), completion=("decide",)), name)
        assert first_last.past.stock.tolist() == by_name.past.stock.tolist()
        assert (first_last.first_last, by_name.first_last) == (True, False)
        assert first_last.past.arrivals.sum() - first_last.past.departures.sum() == first_last.past.stock[-1]


def test_cases_that_cannot_be_are_left_out_and_never_named(tmp_path: Path) -> None:
    odd = ["odd,decide,2024-01-02", "odd,register,2024-02-02", "lost,decide,2024-02-02", "x,y,soon"]
    rows = [*events(), events()[0], *odd]
    account = read(
        tmp_path, "\n".join(["case,activity,time", *rows]), Wanted(arrival=("register",), completion=("decide",))
    )
    told = faults(account)
    assert told["duplicate"] == (1, ("line 82",))
    assert told["completion-before-arrival"] == (1, ("line 83",))
    assert told["completion-without-arrival"] == (1, ("line 85",))
    assert told["unreadable"][0] == 1
    assert "odd" not in json.dumps([each.told() for each in account.left_out])


def test_dates_may_have_slashes_and_columns_their_usual_names_in_any_case(tmp_path: Path) -> None:
    text = "\n".join(["Case ID;Activity;Complete Timestamp", *(row.replace(",", ";") for row in events())])
    slashed = text.replace("2024-", "2024/").replace("/01-", "/01/").replace("T09:00:00", " 09:00:00.000")
    assert read(tmp_path, slashed).past.stock.tolist() == read(tmp_path, text).past.stock.tolist()


def test_an_unknown_activity_or_column_says_what_there_is(tmp_path: Path) -> None:
    text = "\n".join(["case,activity,time", *events()])
    with pytest.raises(Incorrect, match="decide, register"):
        read(tmp_path, text, Wanted(completion=("decided",)))
    with pytest.raises(Incorrect, match="activity"):
        read(tmp_path, text.replace("case,", "who,", 1))


def test_the_command_says_when_it_is_gone_and_what_a_date_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "counts.csv"
    rows = [f"{20 + n % 3},{30 - n % 4},{1000 - 8 * n}" for n in range(60)]
    path.write_text(weeks(*rows, header=STOCK))
    assert run(["backlog", "forecast", str(path), "--by", "2026-01-04", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["gone"]["never_at_this_rate"] is False
    assert [each["level"] for each in told["gone"]["intervals"]] == [0.5, 0.8, 0.95]
    for each in told["gone"]["intervals"]:
        assert each["from"] <= told["gone"]["date"] <= (each["to"] or "9999")
    assert told["capacity"]["per_week_certain"] >= told["capacity"]["per_week"] > told["gone"]["arrivals_per_week"]
    assert told["assumptions"]
    assert run(["backlog", "forecast", str(path)]) == 0
    assert "With probability 80 %" in capsys.readouterr().out


def test_the_command_says_never_with_the_growth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "counts.csv"
    path.write_text(weeks(*(f"{60 + n % 7},{50 + n % 5}" for n in range(60))))
    assert run(["backlog", "forecast", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["gone"]
    assert (told["never_at_this_rate"], told["date"]) == (True, None)
    assert 9 < told["growth_per_week"] < 13
    assert run(["backlog", "forecast", str(path)]) == 0
    assert "Never gone at this rate" in capsys.readouterr().out


def test_the_backtest_prints_coverage_and_scores_of_ours_and_each_peer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "counts.csv"
    rows = [f"{40 + n * 7 % 13},{40 + n * 5 % 12},{100 + n % 9}" for n in range(60)]
    path.write_text(weeks(*rows, header=STOCK))
    assert run(["backlog", "backtest", str(path), "--origins", "12", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    names = ("horizon", "origins", "negative_bounds")
    assert [[each[name] for name in names] for each in told["horizons"]] == [[4, 12, 0], [13, 12, 0]]
    for each in told["horizons"]:
        assert {"seasonal_naive", "random_walk_drift"} <= set(each["peers"])
    assert ("autoets" in told["horizons"][0]["peers"]) or told["peers_left_out"]


@pytest.mark.parametrize(
    "flags",
    [
        ["--horizon", "0"],
        ["--level", "1"],
        ["--step", "5m"],
        ["--season", "1"],
        ["--by", "soon"],
        ["--by", "2024-01-01"],
    ],
)
def test_wrong_options_end_with_2(flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "counts.csv"
    path.write_text(weeks(*["5,4"] * 30))
    assert run(["backlog", "forecast", str(path), *flags]) == 2
    assert "expected" in capsys.readouterr().err


def test_too_little_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "counts.csv"
    path.write_text(weeks(*["5,4"] * 12))
    assert run(["backlog", "forecast", str(path)]) == 0
    assert run(["backlog", "backtest", str(path)]) == 2
    path.write_text(weeks(*["5,4"] * 3))
    assert run(["backlog", "forecast", str(path)]) == 2
    assert "too-little" in capsys.readouterr().err
