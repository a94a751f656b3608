"""Reading event logs of others: the same rows from every format, and every fault with its place."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from keersluis.errors import Incorrect
from keersluis.eventlogs import BadRows, Columns, Row, read_log
from replay.small_logs import ACTIVITY, CASE, TIME, event, fine, write_csv, write_parquet, write_xes, xes

COLUMNS = Columns(CASE, ACTIVITY, TIME)
ROME = ZoneInfo("Europe/Rome")
WRITERS = {"log.xes": write_xes, "log.xes.gz": write_xes, "log.csv": write_csv, "log.parquet": write_parquet}

_texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), min_size=1, max_size=12)
_times = st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
_events = st.builds(
    lambda case, activity, time, fields: {**fields, **event(case, activity, time.isoformat())},
    st.sampled_from(["A1", "A2", "Ω 3"]),
    _texts,
    _times,
    st.dictionaries(_texts.map("field {}".format), _texts, max_size=3),
)


def rows(path: Path, *, sound: bool = True) -> tuple[list[Row], BadRows]:
    bad = BadRows()
    found = list(read_log(path, COLUMNS, ROME, bad))
    assert not (sound and bad.number), bad.first
    return found, bad


def refused(path: Path) -> Incorrect:
    with pytest.raises(Incorrect) as caught:
        rows(path)
    return caught.value


@given(events=st.lists(_events, min_size=1, max_size=8))
def test_every_format_gives_the_same_rows(
    events: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("formats")
    found = {name: rows(write(folder / name, events))[0] for name, write in WRITERS.items()}
    for name, got in found.items():
        assert [row.fields for row in got] == [{k: v for k, v in each.items() if v} for each in events], name
        assert [row[1:4] for row in got] == [row[1:4] for row in found["log.xes"]], name
    instants = [datetime.fromisoformat(each[TIME]).timestamp() for each in events]
    assert [row.at for row in found["log.csv"]] == [round(instant * 1_000_000) for instant in instants]


def test_a_row_knows_its_line(tmp_path: Path) -> None:
    events = [fine("A1", "Create Fine", 0), fine("A1", "Send Fine", 1)]
    path = write_xes(tmp_path / "log.xes", events)
    lines = path.read_text().splitlines()
    assert [lines[row.line - 1] for row in rows(path)[0]] == ["<event>", "<event>"]
    path = write_csv(tmp_path / "log.csv", [{**events[0], "note": "two\nlines"}, events[1]])
    assert [row.line for row in rows(path)[0]] == [2, 4]


def test_only_attributes_directly_in_an_event_are_its_fields(tmp_path: Path) -> None:
    path = tmp_path / "log.xes"
    inner = '<string key="outer" value="1"><string key="inner" value="2"/></string><list key="l"><values/></list>'
    path.write_text(xes([fine("A1", "Create Fine", 0)]).replace("<event>", f"<event>{inner}"))
    ((row,), _bad) = rows(path)
    assert row.fields["outer"] == "1"
    assert "inner" not in row.fields
    assert "l" not in row.fields


def test_a_time_without_offset_is_local(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", [event("A", "x", "2004-07-01 00:00:00"), event("A", "x", "2004-01-01")])
    assert [row.at for row in rows(path)[0]] == [1088632800_000000, 1072911600_000000]


def test_parquet_times_and_numbers_become_text(tmp_path: Path) -> None:
    moment = datetime(2011, 10, 11, 11, 45, 40, 276000, tzinfo=UTC)
    table = pyarrow.table(
        {
            CASE: [1],
            ACTIVITY: ["x"],
            TIME: pyarrow.array([int(moment.timestamp()) * 10**9 + 276_000_123], pyarrow.timestamp("ns", "UTC")),
            "paid": [True],
        }
    )
    parquet.write_table(table, tmp_path / "log.parquet")
    ((row,), _bad) = rows(tmp_path / "log.parquet")
    assert (row.case, row.at, row.fields["paid"]) == ("1", round(moment.timestamp() * 1_000_000), "true")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_with_another_delimiter_or_a_byte_order_mark(tmp_path: Path, delimiter: str) -> None:
    path = write_csv(tmp_path / "log.csv", [fine("A1", "Create Fine", 0)], delimiter)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(rows(path)[0]) == 1


# --- faults


BROKEN = {1: {TIME: ""}, 3: {TIME: "31 February"}, 4: {ACTIVITY: ""}, 5: {TIME: "2004"}}


@pytest.mark.parametrize(("name", "place"), [("log.xes", "line 11"), ("log.csv", "line 3"), ("log.parquet", "row 2")])
def test_missing_and_unreadable_times_are_counted_and_the_first_three_shown(
    tmp_path: Path, name: str, place: str
) -> None:
    events = [fine("A1", "Create Fine", n) | BROKEN.get(n, {}) for n in range(7)]
    good, bad = rows(WRITERS[name](tmp_path / name, events), sound=False)
    assert (len(good), bad.number, len(bad.first)) == (3, 4, 3)
    assert bad.first[0] == f"{place}: expected a value for 'time:timestamp', got nothing"
    assert "'31 February'" in bad.first[1]
    with pytest.raises(Incorrect) as caught:
        bad.stop(tmp_path / name)
    assert "4 faulty events" in str(caught.value)
    assert "--skip-bad" in str(caught.value)
    assert caught.value.facts["number"] == 4


@given(share=st.floats(0, 1, exclude_max=True))
def test_a_truncated_archive_is_never_taken_for_a_short_log(
    share: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = gzip.compress(xes([fine("A1", "Create Fine", n) for n in range(50)]).encode())
    path = tmp_path_factory.mktemp("cut") / "log.xes.gz"
    path.write_bytes(whole[: int(share * len(whole))])
    assert refused(path).code in ("log.truncated", "log.not-xes")


def test_a_truncated_archive_is_told_with_its_place(tmp_path: Path) -> None:
    path = write_xes(tmp_path / "log.xes.gz", [fine("A1", "Create Fine", n) for n in range(5000)])
    path.write_bytes(path.read_bytes()[:-4000])
    error = refused(path)
    assert error.code == "log.truncated"
    assert "breaks off after line" in str(error)


def test_a_flipped_bit_in_an_archive_is_found(tmp_path: Path) -> None:
    path = write_xes(tmp_path / "log.xes.gz", [fine("A1", "Create Fine", n) for n in range(50)])
    damaged = bytearray(path.read_bytes())
    damaged[-5] ^= 1
    path.write_bytes(damaged)
    assert refused(path).code == "log.truncated"


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("log.xes", "<html><body/></html>", "log.not-xes"),
        ("log.xes", "case,activity", "log.not-xes"),
        ("log.xes", "", "log.not-xes"),
        ("log.xes", "<log><trace><string key='a' value='b'/>", "log.not-xes"),
        ("log.xes", "<log><trace><event><string value='b'/></event></trace></log>", "log.not-xes"),
        ("log.xes.gz", "<log/>", "log.truncated"),
        ("log.csv", "", "log.missing-columns"),
        ("log.csv", f"{CASE},{CASE},{ACTIVITY},{TIME}\n", "log.missing-columns"),
        ("log.csv", f"{CASE},{ACTIVITY},{TIME}\n\xff,x,2004-01-01\n", "log.not-csv"),
        ("log.parquet", "PAR1", "log.not-parquet"),
        ("log.txt", "a", "log.unknown-format"),
    ],
)
def test_a_file_that_is_no_log_is_refused(tmp_path: Path, name: str, text: str, code: str) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode("latin-1"))
    error = refused(path)
    assert error.code == code
    assert str(path) in error.where or path.name in error.got


def test_no_file_is_told(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.xes").code == "log.not-found"
    assert refused(tmp_path).code == "log.not-found"


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_missing_columns_are_all_named(tmp_path: Path, name: str) -> None:
    path = WRITERS[name](tmp_path / name, [fine("A1", "Create Fine", 0)])
    with pytest.raises(Incorrect) as caught:
        list(read_log(path, Columns(CASE, "Activity", "time:timestmp"), ROME, BadRows()))
    assert len(caught.value.faults) == 2
    assert "did you mean 'time:timestamp'" in str(caught.value)


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    path = tmp_path / "log.xes"
    path.write_text('<!DOCTYPE log [<!ENTITY a "aaaaaaaaaa">]><log><trace/></log>')
    assert "declares no entities" in str(refused(path))


def test_an_event_outside_a_trace_has_no_case(tmp_path: Path) -> None:
    path = tmp_path / "log.xes"
    path.write_text('<log>\n<event><string key="concept:name" value="x"/></event></log>')
    _good, bad = rows(path, sound=False)
    assert bad.first == ["line 2: expected a value for 'case:concept:name', got nothing"]


def test_a_csv_row_of_another_width_is_a_fault(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", [fine("A1", "Create Fine", 0)])
    path.write_text(path.read_text() + "A2,x\n\n")
    good, bad = rows(path, sound=False)
    assert (len(good), bad.first) == (1, ["line 3: expected 4 cells, got 2"])
