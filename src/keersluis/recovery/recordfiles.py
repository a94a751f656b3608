"""Reads the decision records of a chain folder: `records/<name>.toml`, one file for each, all faults reported at once.

The format is described in the chain's README, by example in every shipped file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from keersluis.chain import Chain
from keersluis.errors import Incorrect
from keersluis.recovery.records import KINDS, UNDETERMINED, WEIGHS, Dossier, Item, check
from keersluis.sections import Faults, Section, Words, nearest, read_section

FOLDER = "records"
"""Where a chain folder keeps its decision records."""

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
"""A record's name, which stands in addresses: small letters, digits and hyphens, 64 at most."""


@dataclass(frozen=True)
class RecordFile:
    """A dossier as a file tells it; `items` in order of becoming known, as in the file where that is the same."""

    dossier: Dossier
    items: tuple[Item, ...]
    path: Path


def load_records(chain: Chain) -> dict[str, RecordFile]:
    """All decision records of the chain by name; none when the folder has no `records`.

    Raises Incorrect `records.broken` whose `.faults` names every fault of every file.
    """
    faults, found = Faults(), {}
    for path in sorted((chain.folder / FOLDER).glob("*.toml")):
        found[path.stem] = _read(faults, path, f"{FOLDER}/{path.name}", chain)
    faults.stop("records.broken", expected="decision records without faults", where=str(chain.folder / FOLDER))
    return found


def load_record(name_or_path: str, chain: Chain) -> RecordFile:
    """One record by name or path. Raises Incorrect `records.not-found` or `records.broken`."""
    path = chain.folder / FOLDER / f"{name_or_path}.toml"
    if not (NAME.fullmatch(name_or_path) and path.is_file()):
        path = Path(name_or_path)
    if not path.is_file():
        known = sorted(each.stem for each in (chain.folder / FOLDER).glob("*.toml"))
        expected = "a file, or a record of this chain: " + (", ".join(known) or "there is none")
        raise Incorrect("records.not-found", expected=expected, got=repr(name_or_path) + nearest(name_or_path, known))
    faults = Faults()
    found = _read(faults, path, path.name, chain)
    faults.stop("records.broken", expected="a decision record without faults", where=str(path))
    return found


def _read(faults: Faults, path: Path, name: str, chain: Chain) -> RecordFile:
    section = read_section(faults, path, name)
    if not NAME.fullmatch(path.stem):
        section.fault("", "a file name of small letters, digits and hyphens", repr(path.stem))
    dossier = Dossier(
        name=path.stem,
        organisation=section.choice("organisation", list(chain.organisations)),
        title=section.words("title"),
        question=section.words("question"),
        opened=section.when("opened", chain.timezone),
        public=section.flag("public", True),
    )
    rows = [(row, _item(row, chain.timezone, n)) for n, row in enumerate(section.rows("items"), 1)]
    section.done()
    items: list[Item] = []
    for row, item in sorted(rows, key=lambda each: each[1].since.start):
        for wrong in check(item, items, chain.organisations):
            row.fault(wrong.field, wrong.expected, wrong.got)
        if item.key in [each.key for each in items]:
            row.fault("key", "a key of its own", repr(item.key))
        items.append(item)
    return RecordFile(dossier, tuple(items), path)


def _item(row: Section, tz: ZoneInfo, number: int) -> Item:
    item = Item(
        key=row.text("key", f"item-{number}"),
        kind=row.choice("kind", KINDS),
        since=row.when("since", tz),
        text=row.words("text"),
        option=row.text("option", ""),
        weighs=row.choice("weighs", WEIGHS) if row.has("weighs") else "",
        organisation=row.text("organisation", ""),
        by=row.words("by", {}) if row.has("by") else {},
        review=row.when("review", tz) if row.has("review") else None,
        source=_source(row),
        replaces=row.texts("replaces", ()),
        answers=row.texts("answers", ()),
        public=row.flag("public", True),
        inferred=row.flag("inferred", False),
    )
    row.done()
    return item


def _source(row: Section) -> Words:
    """A source may be one text (a title is not translated), or one in each language."""
    if not row.has("source"):
        return {}
    if isinstance(row.values["source"], Mapping):
        return row.words("source")
    return {UNDETERMINED: row.text("source")}
