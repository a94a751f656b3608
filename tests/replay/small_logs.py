"""Small event logs, written for a test in each format; never a real one."""

from __future__ import annotations

import csv
import gzip
import io
import os
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TypeAlias
from xml.sax.saxutils import quoteattr

import pyarrow
from pyarrow import parquet

CASE, ACTIVITY, TIME = "case:concept:name", "concept:name", "time:timestamp"
Event: TypeAlias = Mapping[str, str]

FIRST_DAY = date(2004, 1, 1)
DATA = Path(os.environ.get("KEERSLUIS_DATA", Path(__file__).parents[3] / "shared" / "data"))
"""Where the real logs lie, if they are there at all: they may not be shipped."""


def event(case: str, activity: str, time: str, **fields: str) -> dict[str, str]:
    return {CASE: case, ACTIVITY: activity, TIME: time, **fields}


def fine(case: str, activity: str, day: int, **fields: str) -> dict[str, str]:
    """An event of the map road-fines, `day` days after the first."""
    needed = {"Create Fine": {"amount": "35.0"}, "Send Fine": {"expense": "11.5"}, "Payment": {"paymentAmount": "35.0"}}
    time = (FIRST_DAY + timedelta(days=day)).isoformat() + "T00:00:00+01:00"
    return event(case, activity, time, **needed.get(activity, {}), **fields)


def xes(events: Sequence[Event], *, head: str = "") -> str:
    """As many traces as there are runs of the same case; one line for each tag."""
    lines = ['<?xml version="1.0" encoding="UTF-8" ?>', head or '<log xes.version="1.0">']
    lines += ['<global scope="event"><string key="concept:name" value="?"/></global>']
    case: str | None = None
    for each in events:
        if each.get(CASE) != case:
            lines += ["</trace>"] if case is not None else []
            case = each.get(CASE)
            lines += ["<trace>", f'<string key="concept:name" value={quoteattr(case or "")}/>']
        inside = [f"<string key={quoteattr(k)} value={quoteattr(v)}/>" for k, v in each.items() if k != CASE]
        lines += ["<event>", *inside, "</event>"]
    return "\n".join([*lines, *(["</trace>"] if events else []), "</log>"])


def write_xes(path: Path, events: Sequence[Event]) -> Path:
    text = xes(events).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def columns_of(events: Sequence[Event]) -> list[str]:
    return list(dict.fromkeys([CASE, ACTIVITY, TIME, *(key for each in events for key in each)]))


def write_csv(path: Path, events: Sequence[Event], delimiter: str = ",") -> Path:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns_of(events), restval="", delimiter=delimiter)
    writer.writeheader()
    writer.writerows(events)
    path.write_bytes(text.getvalue().encode())
    return path


def write_parquet(path: Path, events: Sequence[Event]) -> Path:
    columns = {name: [each.get(name) for each in events] for name in columns_of(events)}
    parquet.write_table(
        pyarrow.table({name: pyarrow.array(column, pyarrow.string()) for name, column in columns.items()}), path
    )
    return path
