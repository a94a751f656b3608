"""What an adaptor's file may say, and how every fault of it is told with its line."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from adaptor_harness import CHAIN, FOLDER
from hypothesis import given
from hypothesis import strategies as st

from keersluis.adaptors.config import load_adaptor
from keersluis.adaptors.mapping import Mapping, Row, RowFaults, to_event
from keersluis.errors import Incorrect


def mapping(tmp_path: Path, text: str = FOLDER) -> Mapping:
    file = tmp_path / "a.toml"
    file.write_text(text, encoding="utf-8")
    found = load_adaptor(file, CHAIN).mapping
    assert found is not None
    return found


def faults(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(Incorrect) as refused:
        mapping(tmp_path, text)
    assert refused.value.code == "adaptor.broken"
    return refused.value.faults


def line_of(text: str, words: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if words in line)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"om"', '"omm"', "did you mean 'om'?"),
        ('"om"', '"justis"', "a source of the chain"),
        ('"compas"', '"Com Pas"', "small letters"),
        ('delimiter = ";"', 'delimiter = "; "', "one character"),
        ('delimiter = ";"', 'encoding = "utf-9"', "cp1252"),
        ('delimiter = ";"', 'complete = "soon"', "renamed, marker"),
        ('delimiter = ";"', 'delimeter = ";"', "did you mean 'delimiter'?"),
        ('form = "%d-%m-%Y %H:%M"', 'form = "%d-%m"', None),
        ('E = "prosecution-decision.serious"', 'E = "prosecution-decision.seriuos"', "did you mean"),
        ('E = "prosecution-decision.serious"', 'E = "police-data.serious"', "a kind of this organisation"),
        ('type = "integer"', 'type = "whole"', "text, integer"),
        ('type = "integer"', 'type = "text"\ntimes = 100', "because there is times"),
        ('scheme = "skn"', 'scheme = "S K"', "small letters"),
        ('system = "compas"', "batch = 0", "at least 1"),
        ('system = "compas"', 'every = "soon"', "a duration"),
        ('system = "compas"', 'zone = "Europe/Utrecht"', "IANA"),
    ],
)
def test_a_fault_is_told_with_its_line(tmp_path: Path, old: str, new: str, words: str | None) -> None:
    text = FOLDER.replace(old, new)
    if words is None:
        assert mapping(tmp_path, text)
        return
    (fault,) = faults(tmp_path, text)
    assert fault.startswith(f"a.toml line {line_of(text, new.splitlines()[0])}: ")
    assert words in fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["organisation", "either [folder] or [outbox]"]),
        ("organisation = om\n", ["line 1"]),
        (FOLDER.replace('id = "zaak"', ""), ["event.id"]),
        (FOLDER.replace('id = "zaak"', 'id = "zaak"\ndigest = "row"'), ["both"]),
        (FOLDER.replace('kind_column = "soort"', ""), ["event.kind"]),
        (FOLDER + '\n[outbox]\nmode = "mark"\n', ["either"]),
        (
            FOLDER.replace("[folder]", "[outbox]").replace('path = "in"', ""),
            ["url", "table", "key", "mode", "delimiter"],
        ),
    ],
)
def test_a_broken_file_is_told_whole(tmp_path: Path, text: str, words: list[str]) -> None:
    told = faults(tmp_path, text)
    assert all(any(word in fault for fault in told) for word in words), told


def test_a_name_in_sql_is_a_name(tmp_path: Path) -> None:
    outbox = '[outbox]\nurl = "sqlite:///x.db"\ntable = "a; DROP TABLE b"\nkey = "n\\"x"\nmode = "cursor"\n'
    told = faults(tmp_path, FOLDER.replace('[folder]\npath = "in"\ndelimiter = ";"', outbox))
    assert [fault.split(": ")[1] for fault in told] == ["outbox.table", "outbox.key"]


@pytest.mark.parametrize(
    ("kind", "form", "text", "occurred"),
    [
        ("judgment.serious", "%d-%m-%Y", "17-07-2025", "2025-07-17"),
        ("judgment.serious", "", "2025-07-17T00:30:00+02:00", "2025-07-17"),
        ("judgment.serious", "", "2025-07-16T22:30:00Z", "2025-07-17"),
        ("prosecution-decision.serious", "", "2025-07-17T00:30:00", "2025-07-16T22:30:00Z"),
        ("prosecution-decision.serious", "%Y%m%d%H%M", "202501170030", "2025-01-16T23:30:00Z"),
    ],
)
def test_a_day_stays_a_day_and_a_local_time_gets_its_offset(
    tmp_path: Path, kind: str, form: str, text: str, occurred: str
) -> None:
    config = FOLDER.replace('kind_column = "soort"', f'kind = "{kind}"').replace('"%d-%m-%Y %H:%M"', f'"{form}"')
    config = config.partition("[event.kinds]")[0] + "[content.offence]\nfrom = 'feit'\n"
    row = Row(2, "", {"zaak": "1", "gepleegd": text, "skn": "T0000001"})
    assert msgspec.json.decode(to_event(mapping(tmp_path, config), row, "f"))["occurred"] == occurred


def test_the_page_shows_the_file_that_is_shipped() -> None:
    """Its transcripts are run by `test_documents`."""
    page = (Path(__file__).parents[2] / "docs" / "adaptors.md").read_text(encoding="utf-8")
    shipped = CHAIN.folder / "adaptors" / "compas.toml"
    assert f"```toml\n{shipped.read_text(encoding='utf-8')}```" in page
    assert load_adaptor(shipped, CHAIN).mapping


COLUMNS = ("zaak", "gepleegd", "soort", "skn", "feit", "maanden")


@given(values=st.dictionaries(st.sampled_from(COLUMNS), st.text(max_size=30)), number=st.integers(1, 10**9))
def test_whatever_stands_in_a_row_it_is_an_event_or_its_faults(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, str], number: int
) -> None:
    found = MAPPINGS.setdefault("x", None) or mapping(tmp_path_factory.mktemp("m"))
    MAPPINGS["x"] = found
    row = Row(number, "", values)
    try:
        event = to_event(found, row, "f")
    except RowFaults as told:
        event = b"" if told.faults else b"?"
    if event:
        assert event == to_event(found, row, "g"), "the same row is the same event"
        assert msgspec.json.decode(event)["data"]["subject"] == f"skn:{values['skn']}"


MAPPINGS: dict[str, Mapping | None] = {}
