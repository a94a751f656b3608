"""P5: whatever single thing is changed in an exported log is found, and its place is named."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keersluis.errors import Incorrect
from keersluis.timeline import LogReport
from keersluis.timeline.lines import EntryRow, HeadRow, Opening, WitnessedRow, read_line
from keersluis.timeline.model import What
from keersluis.timeline.verify import verify_log
from timeline.logs import ALPHA, HEADS, SIZE, attack, entry, exported, keyring, put_entry, write_chain, write_log

EXAMPLES = 150


class Export(NamedTuple):
    """An exported log and where to write altered copies of it."""

    data: bytes
    lines: list[bytes]
    scratch: Path


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """A log that witnessed another one, in its entries and beside them."""
    folder = tmp_path_factory.mktemp("export")
    data = exported(write_chain(folder)[ALPHA])
    return Export(data, data.splitlines(keepends=True), folder / "log.jsonl")


def verified(scratch: Path, data: bytes) -> LogReport | None:
    """The report; None when the file is refused as no log at all."""
    scratch.write_bytes(data)
    try:
        return verify_log(scratch, keyring())
    except Incorrect as error:
        if error.code == "timeline.not-a-log":
            return None
        raise


def names(report: LogReport, lines: list[bytes], number: int) -> bool:
    """Whether a finding names line `number` (from 1): the line, or what stood on it."""
    what, n = stands(lines, number)
    return any(
        (f.what == "line" and f.covers(number)) or (f.what == what and (what == "log" or f.covers(n)))
        for f in report.findings
    )


def stands(lines: list[bytes], number: int) -> tuple[What, int]:
    row = read_line(lines[number - 1], number)
    if isinstance(row, EntryRow):
        return "entry", row.n
    if isinstance(row, HeadRow):
        return "head", row.n
    if isinstance(row, WitnessedRow):
        return "witnessed", 1 + sum(line.startswith(b'{"witnessed"') for line in lines[: number - 1])
    assert isinstance(row, Opening)
    return "log", 0


def test_an_untouched_export_verifies(export: Export) -> None:
    report = verified(export.scratch, export.data)
    assert report is not None
    assert report.good
    assert report.entries == sum(line.startswith(b'{"n":') for line in export.lines)
    assert report.heads == sum(line.startswith(b'{"head":') for line in export.lines)
    assert any(line.startswith(b'{"witnessed":') for line in export.lines)


def test_an_export_holds_the_exact_bytes_of_each_entry(tmp_path: Path) -> None:
    path = write_log(tmp_path)
    with attack(path) as db:
        wanted = [entry(db, n)[0] for n in range(1, SIZE + 1)]
    rows = [read_line(line, 1) for line in exported(path).splitlines(keepends=True)]
    assert [row.data for row in rows if isinstance(row, EntryRow)] == wanted
    assert [row.n for row in rows if isinstance(row, HeadRow)] == list(HEADS)


@settings(max_examples=EXAMPLES * 2)
@given(st.data())
def test_any_single_byte_flipped(export: Export, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(export.data) - 1))
    mask = data.draw(st.integers(1, 255))
    flipped = bytearray(export.data)
    flipped[at] ^= mask
    report = verified(export.scratch, bytes(flipped))
    assert report is not None
    assert names(report, export.lines, export.data.count(b"\n", 0, at) + 1)


def test_any_case_of_a_letter_flipped_in_a_note_or_hash(export: Export) -> None:
    """Where two spellings mean the same to a decoder (hexadecimal digits, names of fields), only one is accepted."""
    for number, line in enumerate(export.lines, start=1):
        for at in range(number % 5, len(line), 29):
            if line[at : at + 1].isalpha():
                flipped = line[:at] + bytes([line[at] ^ 0x20]) + line[at + 1 :]
                before, after = export.lines[: number - 1], export.lines[number:]
                report = verified(export.scratch, b"".join([*before, flipped, *after]))
                assert report is None or names(report, export.lines, number), flipped


@settings(max_examples=EXAMPLES)
@given(st.data())
def test_any_line_deleted(export: Export, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, len(export.lines)))
    report = verified(export.scratch, b"".join(export.lines[: number - 1] + export.lines[number:]))
    assert report is not None
    what, n = stands(export.lines, number)
    if what == "witnessed":  # it is gone: what is left is that one is missing, and of whom
        assert any(f.code == "timeline.witnessed-removed" for f in report.findings)
    elif what == "head" and n == report.entries:  # the last one
        assert any(f.code == "timeline.entries-unsigned" and f.covers(n) for f in report.findings)
    else:
        assert names(report, export.lines, number)


@settings(max_examples=EXAMPLES)
@given(st.data())
def test_any_byte_deleted(export: Export, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(export.data) - 1))
    report = verified(export.scratch, export.data[:at] + export.data[at + 1 :])
    assert report is not None
    assert names(report, export.lines, export.data.count(b"\n", 0, at) + 1)


@settings(max_examples=EXAMPLES)
@given(st.data())
def test_any_line_repeated_elsewhere(export: Export, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, len(export.lines)))
    to = data.draw(st.integers(0, len(export.lines)))
    lines = [*export.lines[:to], export.lines[number - 1], *export.lines[to:]]
    report = verified(export.scratch, b"".join(lines))
    assert report is not None
    what, _n = stands(export.lines, number)
    assert not report.good
    assert what == "witnessed" or names(report, export.lines, number)


@settings(max_examples=EXAMPLES)
@given(st.data())
def test_any_two_lines_swapped(export: Export, data: st.DataObject) -> None:
    one = data.draw(st.integers(1, len(export.lines) - 1))
    other = data.draw(st.integers(one + 1, len(export.lines)))
    lines = list(export.lines)
    lines[one - 1], lines[other - 1] = lines[other - 1], lines[one - 1]
    report = verified(export.scratch, b"".join(lines))
    assert report is not None
    assert names(report, export.lines, one) or names(report, export.lines, other)


@settings(max_examples=EXAMPLES)
@given(st.data())
def test_any_end_cut_off(export: Export, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, len(export.data) - 1))
    report = verified(export.scratch, export.data[:at])
    assert report is None or not report.good


def test_a_file_that_is_no_log_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"\x00" * 5000, b"case,time\n1,2025-07-17\n", b'{"specversion":"1.0"}\n'):
        assert verified(tmp_path / "file", content) is None


def test_an_export_of_an_altered_log_shows_the_alteration(tmp_path: Path) -> None:
    path = write_log(tmp_path)
    with attack(path) as db:
        put_entry(db, 12, entry(db, 12)[0].replace(b"police", b"courts"))
    report = verified(tmp_path / "log.jsonl", exported(path))
    assert report is not None
    assert [f.place for f in report.findings] == ["entries 11-12"]
