"""`keersluis backlog list|show|import|undo` on nodes that do not run: counts by file, whole or not at all."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from keersluis.chain import copy_template, load_chain
from keersluis.cli.main import run
from keersluis.exchange.wire import Wire
from keersluis.service import make_home, open_node
from keersluis.timeline import log, texts
from keersluis.times import ManualClock, parse_instant

FIRST = date(2025, 7, 1)
WHO = ["--who", "planner", "--why", "weekly count"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = copy_template("nl-justice", tmp_path / "chain")
    make_home(load_chain(folder), folder / "run")
    (folder / "run" / "addresses.json").write_text(
        json.dumps({"om": "http://127.0.0.1:9", "justis": "http://127.0.0.1:9"})
    )
    return folder


def counts(path: Path, first: int, last: int, *, stock: int | None = 100, **changed: str) -> Path:
    """Days `first` up to `last`: ten come and eight go, from a stock of 100 before day 0."""
    lines = ["date,arrivals,completions,stock"]
    for n in range(first, last):
        day = (FIRST + timedelta(days=n)).isoformat()
        there = "" if stock is None else str(stock + 2 * (n + 1))
        lines.append(changed.get(f"day{n}", f"{day},10,8,{there}"))
    path.write_text("\n".join(lines) + "\n")
    return path


def call(folder: Path, capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    capsys.readouterr()
    assert run(["backlog", *words, "-d", str(folder), "--json"]) == code
    return json.loads(capsys.readouterr().out)


def load(folder: Path, capsys: pytest.CaptureFixture[str], file: Path, *more: str, code: int = 0) -> Any:
    return call(folder, capsys, "import", str(file), "--backlog", "om-calls", *WHO, *more, code=code)


def shown(folder: Path, capsys: pytest.CaptureFixture[str], key: str = "om-calls") -> Any:
    return call(folder, capsys, "show", key)


def test_a_file_counts_once_and_a_later_one_goes_on_from_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = counts(tmp_path / "one.csv", 0, 20)
    assert load(folder, capsys, first, "--dry-run")["new"] == 20
    assert shown(folder, capsys)["stock"] == 0
    assert load(folder, capsys, first)["new"] == 20
    once = shown(folder, capsys)
    assert (once["stock"], once["per_week"]["came"], once["as_of"][:10]) == (140, 70.0, "2025-07-20")
    assert load(folder, capsys, first) == {"backlog": "om-calls", "again": True, "new": 0, "came": 200, "left": 160}
    assert shown(folder, capsys) == once
    more = load(folder, capsys, counts(tmp_path / "two.csv", 15, 30))
    assert (more["new"], shown(folder, capsys)["stock"]) == (10, 160)
    steps = shown(folder, capsys)["steps"]
    assert [(each["came"], each["gone"], each["stock"]) for each in steps] == [
        (10, 8, 100 + 2 * n) for n in range(1, 31)
    ]


def test_the_last_import_is_undone_and_the_file_counts_again_after(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load(folder, capsys, counts(tmp_path / "one.csv", 0, 20))
    before = shown(folder, capsys)
    two = counts(tmp_path / "two.csv", 20, 30)
    load(folder, capsys, two)
    assert call(folder, capsys, "undo", "--backlog", "om-calls", *WHO) == {
        "backlog": "om-calls", "digest": shown(folder, capsys)["imports"][0]["digest"], "came": 100, "left": 80,
    }  # fmt: skip
    after = shown(folder, capsys)
    assert {**after, "imports": []} == {**before, "imports": []}
    assert load(folder, capsys, two)["new"] == 10
    call(folder, capsys, "undo", "--backlog", "om-calls", *WHO)
    call(folder, capsys, "undo", "--backlog", "om-calls", *WHO)
    assert call(folder, capsys, "undo", "--backlog", "om-calls", *WHO, code=2)["code"] == "backlog.nothing-imported"


FAULTY = {
    "day3": "2025-07-04,-4,8,",
    "day5": "2025-07-06,ten,8,",
    "day6": "2025-07-05,10,8,",
}


def test_what_cannot_be_right_is_told_with_numbers_and_places_and_nothing_counts(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = load(folder, capsys, counts(tmp_path / "bad.csv", 0, 20, stock=None, **FAULTY), code=2)
    assert told["code"] == "backlog.refused"
    assert told["faults"] == [
        "negative-count: 1 (line 5)",
        "unreadable: 1 (line 7)",
        "duplicate: 1 (line 8)",
        "gap: 3 (1 before line 6; 2 before line 9)",
    ]
    assert shown(folder, capsys)["imports"] == []


def test_periods_in_a_hole_are_never_left_out_silently(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --skip-bad what is bad goes; a hole stays a hole, since what came in it is not known."""
    file = counts(tmp_path / "bad.csv", 0, 20, stock=None, day3="2025-07-04,-4,8,")
    told = load(folder, capsys, file, "--skip-bad", code=2)
    assert told["faults"] == ["gap: 1 (1 before line 6)"]
    twice = tmp_path / "twice.csv"
    twice.write_text(counts(tmp_path / "good.csv", 0, 20).read_text() + "2025-07-20,10,8,140\n")
    assert load(folder, capsys, twice, code=2)["faults"] == ["duplicate: 1 (line 22)"]
    told = load(folder, capsys, twice, "--skip-bad")
    assert told["left_out"] == [{"code": "duplicate", "number": 1, "places": ["line 22"]}]
    assert shown(folder, capsys)["left_out"] == told["left_out"]


@pytest.mark.parametrize(
    ("file", "fault"),
    [
        (
            {"first": 10, "last": 30, "day12": "2025-07-13,11,9,126"},
            "contradicts: 1 (line 4 (2025-07-12): 11 in, 9 out",
        ),
        ({"first": 22, "last": 30}, "gap: 2 (2 before line 2)"),
        ({"first": 20, "last": 30, "stock": 150}, "stock-differs: 1"),
    ],
)
def test_counts_that_contradict_what_is_known_are_refused_whole(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], file: dict[str, Any], fault: str
) -> None:
    load(folder, capsys, counts(tmp_path / "one.csv", 0, 20))
    before = shown(folder, capsys)
    told = load(folder, capsys, counts(tmp_path / "two.csv", **file), "--skip-bad", code=2)
    assert told["code"] == "backlog.contradicts"
    assert told["faults"][0].startswith(fault)
    assert shown(folder, capsys) == before


def cases(path: Path, days: int, *, late: int = 0) -> Path:
    """Each day three letters come and, five days on, two of these are answered; `late` more arrivals on day 2."""
    lines = ["case,activity,time"]
    for n in range(days):
        for k in range(3 + (late if n == 2 else 0)):
            lines.append(f"J.Jansen-{n}-{k},ontvangen,{(FIRST + timedelta(days=n)).isoformat()}T10:00:00")
            if k < 2 and n + 5 < days:
                lines.append(f"J.Jansen-{n}-{k},beantwoord,{(FIRST + timedelta(days=n + 5)).isoformat()}T15:00:00")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_an_event_log_counts_with_real_ages_and_no_number_of_a_case_stays(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--backlog", "om-letters", *WHO]
    call(folder, capsys, "import", str(cases(tmp_path / "one.csv", 30)), *words)
    told = shown(folder, capsys, "om-letters")
    assert (told["stock"], told["came"], told["left"]) == (90 - 2 * 25, 90, 50)
    assert sum(each["count"] for each in told["ages"]) == 40
    call(folder, capsys, "import", str(cases(tmp_path / "two.csv", 40)), *words)
    assert shown(folder, capsys, "om-letters")["came"] == 120
    refused = call(folder, capsys, "import", str(cases(tmp_path / "other.csv", 45, late=4)), *words, code=2)
    assert refused["faults"] == ["contradicts: 1 (2025-07-03: 7 in, 0 out; before 3 in, 0 out)"]
    assert b"Jansen" not in (folder / "run" / "om" / "node.db").read_bytes()


def test_the_timeline_tells_of_an_import_by_its_digest_and_counts(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load(folder, capsys, counts(tmp_path / "one.csv", 0, 20))
    call(folder, capsys, "undo", "--backlog", "om-calls", *WHO)
    node = open_node(
        load_chain(folder), "om", folder / "run", ManualClock(parse_instant("2025-08-01T00:00:00Z")), Wire({})
    )
    with node.store.read() as tx:
        entries = [each for each in log.entries(tx, 0, 100) if each.room == "recovery"]
    assert [each.kind for each in entries] == ["backlog.imported", "backlog.undone"]
    assert texts.sentence(entries[0], "en", node.chain) == (
        "planner imported counts of the backlog om-calls, until 21 July 00:00: 200 came, 160 left. weekly count"
    )
    assert set(entries[0].body) == {"backlog", "digest", "form", "until", "came", "left", "new", "who", "why"}
    node.close()


def test_what_is_counted_by_itself_takes_no_file(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(counts(tmp_path / "one.csv", 0, 20))
    told = call(folder, capsys, "import", file, "--backlog", "om-paper", *WHO, code=2)
    assert told["code"] == "backlog.not-imported"
    told = call(folder, capsys, "import", file, "--backlog", "om-papr", *WHO, code=2)
    assert "did you mean 'om-paper'" in told["detail"]


def test_the_list_says_what_holds_the_register_back(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waits = ["--kind", "judgment.serious", "--id", "e-1", "--occurred", "2025-08-03"]
    assert run(["intake", "register", "-d", str(folder), "-o", "om", *waits]) == 0
    told = call(folder, capsys, "list", "-o", "om")[0]
    assert told["holding"]["waiting"] == {"paper": 1}
    assert "because 1 letter waits" in told["holding"]["sentence_en"]
    assert told["backlogs"][0]["key"] == "om-paper", "what is past its term comes first"
    assert {each["key"] for each in told["backlogs"]} >= {
        "om-paper",
        "om-mailbox",
        "om-exchange",
        "om-calls",
        "om-letters",
    }


def test_the_shipped_examples_can_be_imported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for key in ("om-calls", "om-letters"):
        file = folder / "examples" / f"{key}.csv"
        told = call(folder, capsys, "import", str(file), "--backlog", key, *WHO)
        stands = shown(folder, capsys, key)
        assert told["left_out"] == []
        assert stands["stock"] == stands["came"] - stands["left"] > 100
        assert len(stands["steps"]) >= 20
