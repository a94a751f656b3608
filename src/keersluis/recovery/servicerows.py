"""The inventory of services as a table (CSV): read into the chain's own form, and written from it. Pure.

A service is a row; further emergency procedures of it are rows below with the same key and the columns of the
procedure alone. Columns and values may be in Dutch or in English. Every fault is told with its line, all at once.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keersluis.chain import Chain
from keersluis.recovery.services import PHASES, SORTS, WAYS, Inventory, Procedure, Service, read_inventory
from keersluis.sections import LANGUAGES, Faults, Section, nearest

PLAIN = ("organisation", "kept_by", "sort", "phase")
TEXTS = ("title", "owner")
COLUMNS = (
    "key", "organisation", "kept_by", "title_nl", "title_en", "sort", "phase", "owner_nl", "owner_en", "depends_on",
    "public", "procedure", "procedure_nl", "procedure_en", "post_nl", "post_en", "hand_nl", "hand_en", "telephone_nl",
    "telephone_en", "through",
)  # fmt: skip
"""As they are written. Of a text in two languages one column without ending (`title`) is as good, for both."""

_DUTCH = {
    "sleutel": "key", "dienst": "key", "service": "key", "organisatie": "organisation", "bijgehouden_door": "kept_by",
    "titel": "title", "naam": "title", "name": "title", "soort": "sort", "fase": "phase", "eigenaar": "owner",
    "hangt_af_van": "depends_on", "openbaar": "public", "noodprocedure": "procedure", "per_post": "post",
    "hand_in": "hand", "afgifte": "hand", "telefoon": "telephone", "via": "through",
}  # fmt: skip
_VALUES = {
    "sort": dict(zip(("toepassing", "koppeling", "werkplekken", "mail", "telefoon"), SORTS, strict=True))
    | {"e-mail": "mail", "koppelingen": "link", "phone": "telephone", "app": "application"},
    "phase": dict(
        zip(("opsporing", "vervolging", "berechting", "tenuitvoerlegging", "overstijgend"), PHASES, strict=True)
    ),
}
_YES, _NO = ("yes", "true", "ja", "1", "x"), ("no", "false", "nee", "0", "")
_ENDED = ("title", "owner", "procedure", *WAYS)
_KNOWN = (*COLUMNS, *_ENDED)
_OF_A_NEW_ONE = ("key", "organisation", "title", "sort", "phase", "owner")
_FIELD = dict.fromkeys(("procedure", *WAYS, "through"), "procedures")
_OF_A_PROCEDURE = ("procedure", *WAYS, "through")


class _Table(Section):
    """One service, whose procedures may each have a line of their own."""

    def __init__(self, faults: Faults, file: str, line: int, values: Mapping[str, object]) -> None:
        super().__init__(faults, file, f"line {line}", values)
        self.lines: list[int] = []

    def take(self, kept: Mapping[str, object]) -> None:
        """What stays of the service as it was; its procedures then have no lines."""
        self.values = {**kept, **self.values}

    def rows(self, key: str) -> list[Section]:
        found = super().rows(key)
        if not self.lines:  # none of them is from the table
            return found
        lines = zip(self.lines, found, strict=True)
        return [Section(self.faults, self.file, f"line {n}", row.values) for n, row in lines]


class _File(Section):
    """The services of the table, among those that the chain has already."""

    def __init__(self, faults: Faults, file: str, tables: Mapping[str, Section]) -> None:
        super().__init__(faults, file, "", {key: table.values for key, table in tables.items()})
        self._tables = tables

    def sections(self) -> Iterator[tuple[str, Section]]:
        yield from self._tables.items()


def read_rows(text: str, file: str, chain: Chain, others: Mapping[str, Mapping[str, Any]]) -> dict[str, Service]:
    """The services of the CSV `text` together with `others` (tables of services.toml), in the order of `others` and
    then of the table. Of a service that is in both, what the table has no column for stays as it is.

    Raises Incorrect `services.broken` with every fault and its line.
    """
    faults = Faults()
    columns, rows = _rows(text, file, faults)
    tables = _tables(rows, file, faults)
    _check_columns(columns, file, faults, new=bool(tables.keys() - others.keys()) or not tables)
    there = {_FIELD.get(stem, stem) for stem in (_stem(name) for name in columns)}
    for key in tables.keys() & others.keys():
        kept = {name: value for name, value in others[key].items() if name not in there}
        tables[key].take(kept)
    others_ = {key: Section(faults, "services.toml", key, values) for key, values in others.items()}
    found = read_inventory(_File(faults, file, others_ | tables), chain)
    faults.stop("services.broken", expected="a table of services without faults", where=file)
    return found


def _rows(text: str, file: str, faults: Faults) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The columns, and (line, column -> cell) of each row that is not empty."""
    text = text.removeprefix("\ufeff")
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    columns: list[str] = []
    rows: list[tuple[int, dict[str, str]]] = []
    try:
        columns = [_column(name) for name in next(reader, [])]
        rows += _cells(reader, columns, file, faults)
    except csv.Error as error:
        faults.add(file, f"line {reader.line_num}", "a row of a CSV", str(error))
    return columns, rows


def _cells(reader: Any, columns: Sequence[str], file: str, faults: Faults) -> Iterator[tuple[int, dict[str, str]]]:
    line = reader.line_num
    for row in reader:
        start, line = line + 1, reader.line_num
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(columns):
            faults.add(file, f"line {start}", f"{len(columns)} cells", str(len(row)))
        yield start, {name: cell.strip() for name, cell in zip(columns, row, strict=False) if cell.strip()}


def _stem(name: str) -> str:
    stem, _, ending = name.rpartition("_")
    return stem if ending in LANGUAGES else name


def _column(name: str) -> str:
    plain = name.strip().lower().replace(" ", "_").replace("-", "_")
    stem, _, ending = plain.rpartition("_")
    if ending in LANGUAGES:
        return f"{_DUTCH.get(stem, stem)}_{ending}"
    return _DUTCH.get(plain, plain)


def _check_columns(columns: Sequence[str], file: str, faults: Faults, *, new: bool) -> None:
    for name in dict.fromkeys(columns):
        if name not in _KNOWN:
            faults.add(file, "line 1", "a known column: " + ", ".join(COLUMNS), repr(name) + nearest(name, _KNOWN))
        elif columns.count(name) > 1:
            faults.add(file, "line 1", "each column once", f"{name!r} {columns.count(name)} times")
    for name in _OF_A_NEW_ONE if new else ("key",):
        if name not in map(_stem, columns):
            faults.add(file, "line 1", f"a column {name}", "none")


def _tables(rows: Sequence[tuple[int, Mapping[str, str]]], file: str, faults: Faults) -> dict[str, _Table]:
    found: dict[str, _Table] = {}
    for line, cells in rows:
        key = cells.get("key", "")
        if not key:
            faults.add(file, f"line {line}", "a key in every row", "nothing")
            continue
        own = {name: cell for name, cell in cells.items() if name.partition("_")[0] not in _OF_A_PROCEDURE}
        if key not in found:
            found[key] = _Table(faults, file, line, _values(own, line, file, faults))
        elif len(own) > 1:
            got = ", ".join(sorted(set(own) - {"key"}))
            expected = f"only columns of a procedure, as {key} stands on {found[key].where}"
            faults.add(file, f"line {line}", expected, got)
        _add_procedure(found[key], line, cells)
    return found


def _values(cells: Mapping[str, str], line: int, file: str, faults: Faults) -> dict[str, object]:
    """The row as a table of services.toml has it."""
    values: dict[str, object] = {
        name: _VALUES.get(name, {}).get(cells[name].lower(), cells[name]) for name in PLAIN if name in cells
    }
    values |= {name: words for name in TEXTS if (words := _words(cells, name))}
    if "depends_on" in cells:
        values["depends_on"] = list(dict.fromkeys(cells["depends_on"].replace(",", " ").replace(";", " ").split()))
    told = cells.get("public", "").lower()
    if told not in (*_YES, *_NO):
        faults.add(file, f"line {line}.public", "yes or no", repr(cells["public"]))
    return values | ({"public": True} if told in _YES else {})


def _words(cells: Mapping[str, str], name: str) -> dict[str, str]:
    both = cells.get(name)
    found = {language: cells.get(f"{name}_{language}", both) for language in LANGUAGES}
    return {language: text for language, text in found.items() if text}


def _add_procedure(table: _Table, line: int, cells: Mapping[str, str]) -> None:
    if not any(name.partition("_")[0] in _OF_A_PROCEDURE for name in cells):
        return
    row: dict[str, object] = {"key": cells["procedure"]} if "procedure" in cells else {}
    row |= {way: words for way in WAYS if (words := _words(cells, way))}
    titles = {language: text for language in LANGUAGES if (text := cells.get(f"procedure_{language}"))}
    row |= {"title": titles} if titles else {}
    row |= {"through": cells["through"]} if "through" in cells else {}
    given = table.values.get("procedures", [])
    table.values = {**table.values, "procedures": [*(given if isinstance(given, list) else []), row]}
    table.lines.append(line)


# -- writing ---------------------------------------------------------------------------------------------------------


def written(inventory: Inventory) -> str:
    """The services as CSV, for a spreadsheet; `read_rows` gives them back."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for service in inventory.values():
        first, *more = service.procedures or (None,)
        writer.writerow(_row(service) | (_procedure_row(first) if first else {}))
        writer.writerows({"key": service.key} | _procedure_row(each) for each in more if each)
    return out.getvalue()


def _row(service: Service) -> dict[str, str]:
    row = {"key": service.key, "organisation": service.organisation, "sort": service.sort, "phase": service.phase}
    row |= {f"{name}_{language}": getattr(service, name)[language] for name in TEXTS for language in LANGUAGES}
    row |= {"kept_by": service.keeper} if service.keeper != service.organisation else {}
    return row | {"depends_on": " ".join(service.depends_on), "public": "yes" if service.public else ""}


def _procedure_row(procedure: Procedure) -> dict[str, str]:
    row = {"procedure": procedure.key, "through": procedure.through or ""}
    row |= {f"procedure_{language}": procedure.title[language] for language in LANGUAGES}
    return row | {
        f"{way}_{language}": words[language] for way, words in procedure.ways.items() for language in LANGUAGES
    }
