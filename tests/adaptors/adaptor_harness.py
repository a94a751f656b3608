"""A chain folder with one adaptor, the prosecution service's store under it, and what was accepted there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from homes import fresh_home
from keersluis.adaptors.config import load_adaptor
from keersluis.adaptors.delivery import Delivery, OnStore
from keersluis.adaptors.folder import Folder
from keersluis.chain import copy_template, load_chain
from keersluis.exchange.wire import Wire
from keersluis.service import Node, open_node
from keersluis.times import SystemClock

CHAIN = load_chain("nl-justice")
HEADER = "zaak;gepleegd;soort;skn;feit;maanden"

FOLDER = """
organisation = "om"
system = "compas"

[folder]
path = "in"
delimiter = ";"

[event]
id = "zaak"
occurred = "gepleegd"
form = "%d-%m-%Y %H:%M"
kind_column = "soort"
subject = "skn"
scheme = "skn"

[event.kinds]
E = "prosecution-decision.serious"
Z = "prosecution-decision.sexual"

[content.offence]
from = "feit"

[content.maximum_months]
from = "maanden"
type = "integer"
"""


def row(number: int, **changes: str) -> str:
    cells = {
        "zaak": f"Z-{number}",
        "gepleegd": f"{1 + number % 27:02d}-06-2025 10:30",
        "soort": "EZ"[number % 2],
        "skn": f"T{number % 50:07d}",
        "feit": "geweld",
        "maanden": "96",
    }
    return ";".join((cells | changes).values())


def table(rows: Iterable[str]) -> str:
    return "\n".join([HEADER, *rows]) + "\n"


class World:
    """`write` puts a file in the watched folder as a writer should: under another name first."""

    def __init__(self, folder: Path, *, copied: bool = False) -> None:
        """`copied`: with a chain folder of its own, as commands need."""
        self.folder = copy_template("nl-justice", folder / "chain") if copied else folder
        self.chain = CHAIN
        self.home = self.folder / "run"
        fresh_home(self.home, "om")
        (self.home / "addresses.json").write_text(json.dumps({"om": "http://127.0.0.1:9"}))
        self.file = folder / "compas.toml"
        self.incoming = folder / "in"
        self.incoming.mkdir()

    def configure(self, text: str) -> None:
        self.file.write_text(text, encoding="utf-8")

    def write(self, name: str, text: str, encoding: str = "utf-8") -> None:
        part = self.incoming / f"{name}.part"
        part.write_bytes(text.encode(encoding))
        part.rename(self.incoming / name)

    @contextmanager
    def node(self) -> Any:
        node: Node = open_node(self.chain, "om", self.home, SystemClock(), Wire({}), inline=True)
        try:
            yield node
        finally:
            node.close()

    def deliver(self, delivery: Delivery | None = None) -> list[dict[str, Any]]:
        """One round over the folder."""
        adaptor = load_adaptor(self.file, self.chain)
        with self.node() as node:
            return Folder(adaptor, adaptor.source, delivery or OnStore(node), SystemClock()).once()  # type: ignore[arg-type]

    def accepted(self) -> list[dict[str, Any]]:
        """Every event in the store, read from the outside, in the order of its number within its kind."""
        engine = sa.create_engine(f"sqlite:///{self.home / 'om' / 'node.db'}")
        with engine.connect() as connection:
            rows = connection.execute(sa.text("SELECT bytes FROM out_events ORDER BY stream, position")).scalars()
            found = [msgspec.json.decode(bytes(each)) for each in rows]
        engine.dispose()
        return found

    def ids(self) -> list[str]:
        return sorted(each["id"] for each in self.accepted())

    def in_folder(self, name: str) -> set[str]:
        return {path.name for path in (self.incoming / name).iterdir() if path.is_file()}

    def reasons(self, name: str) -> list[dict[str, Any]]:
        told = msgspec.json.decode((self.incoming / "refused" / f"{name}.reasons.json").read_bytes())
        found: list[dict[str, Any]] = told["rows"]
        return found
