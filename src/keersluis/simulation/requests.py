"""Requests of a scenario: any operation of a node's API at a virtual moment, and what became of it. Pure.

An answer of an earlier request may be referred to: ``{entry:NAME}`` in a body or a path stands for the number of the
timeline entry that the answer of the request NAME tells of.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from keersluis.errors import Incorrect, KeersluisError
from keersluis.simulation.feed import Request

REFUSALS = (400, 403, 409, 422, 503)
"""What a row may expect instead of success."""

WORLD = ("/v0/gebeurtenissen", "/v0/beslissingen", "/v0/tellingen", "/v0/inname")
"""Operations that change the world itself: alone in one variant they would make the two incomparable."""

_REFERENCE = re.compile(r"\{entry:([^{}]*)\}")


def references(body: Any) -> set[str]:
    """The names that a body or a path refers to."""
    match body:
        case str():
            return set(_REFERENCE.findall(body))
        case dict():
            return {name for value in body.values() for name in references(value)}
        case list():
            return {name for value in body for name in references(value)}
    return set()


def filled(body: Any, entries: Mapping[str, int]) -> Any:
    """The body with each reference replaced: by the number where it is the whole text, else within the text."""
    match body:
        case str():
            whole = _REFERENCE.fullmatch(body)
            if whole:
                return entries[whole[1]]
            return _REFERENCE.sub(lambda found: str(entries[found[1]]), body)
        case dict():
            return {key: filled(value, entries) for key, value in body.items()}
        case list():
            return [filled(value, entries) for value in body]
    return body


def as_json(value: object) -> Any:
    """A TOML value as JSON has it; dates become texts. Raises Incorrect `scenario.not-json`."""
    match value:
        case dict():
            return {key: as_json(each) for key, each in value.items()}
        case list():
            return [as_json(each) for each in value]
        case date():  # a datetime is one too
            return value.isoformat()
        case float() if not math.isfinite(value):
            pass
        case str() | bool() | int() | float():
            return value
    raise Incorrect("scenario.not-json", expected="texts, numbers, dates, flags, lists and tables", got=str(value))


def outcome(row: Request, error: KeersluisError | None) -> str | None:
    """What is to be said of a request that did not end as its row expects; None when it did."""
    status = 200 if error is None else error.status
    if status == row.expect:
        return None
    said = "it was done" if error is None else f"{error.status} {error}"
    faults = "".join(f"; {each}" for each in error.faults) if isinstance(error, Incorrect) else ""
    return f"{row.place}: {row.organisation} {row.path}: expected {row.expect}, got {said}{faults}"
