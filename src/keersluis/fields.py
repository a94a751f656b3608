"""Columns of a table of others, as values of an act's content: what replays of event logs and adaptors share. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, DecimalException
from functools import lru_cache
from typing import TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from keersluis.sections import Section
from keersluis.times import Instant, format_instant

TYPES = ("text", "integer", "number", "flag", "time", "day", "json")

Value: TypeAlias = "str | int | float | bool | msgspec.Raw"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True, slots=True)
class Field:
    """One value of an act's content, taken from attribute `source` of the event.

    Numbers are multiplied by `times`; values in `none` mean that there is nothing; `form` is how a time or a day is
    written (as for `strptime`; empty: ISO 8601).
    """

    name: str
    source: str
    type: str
    times: int
    none: tuple[str, ...]
    required: bool
    form: str = ""


def read_field(name: str, table: Section) -> Field:
    """A table such as ``[content.amount]`` of a TOML file."""
    found = Field(
        name=name,
        source=table.text("from"),
        type=table.choice("type", TYPES, "text"),
        times=table.whole("times", 1, least=1),
        none=table.texts("none", ()),
        required=table.flag("required", False),
        form=table.text("form", ""),
    )
    if found.type not in ("integer", "number") and found.times != 1:
        table.fault("type", "integer or number, because there is times", repr(found.type))
    if found.type not in ("time", "day") and found.form:
        table.fault("type", "time or day, because there is form", repr(found.type))
    check_form(table, "form", found.form)
    table.done()
    return found


def check_form(table: Section, key: str, form: str) -> None:
    """A fault where `form` is not how a time can be written."""
    try:
        if form:
            datetime.strptime(datetime(2025, 7, 17, 6, tzinfo=UTC).strftime(form), form)  # noqa: DTZ007, none needed
    except ValueError:
        table.fault(key, "how a time is written, as %d-%m-%Y", repr(form))


def convert(field: Field, text: str, zone: ZoneInfo) -> Value:
    """The text of a column as a value of the content. Raises ValueError when it does not fit the type."""
    if field.type == "text":
        return text
    if field.type == "flag":
        return _flag(text)
    if field.type == "time":
        return format_instant(_read_time(text, field.form, zone))
    if field.type == "day":
        return read_moment(text, field.form, zone).date().isoformat()
    if field.type == "json":
        return _json(text)
    try:
        number = Decimal(text) * field.times
        if not number.is_finite() or (field.type == "integer" and number != number.to_integral_value()):
            raise ValueError(text)
    except DecimalException:
        raise ValueError(text) from None
    return int(number) if field.type == "integer" else float(number)


def content_of(fields: tuple[Field, ...], row: Mapping[str, str], zone: ZoneInfo) -> tuple[dict[str, Value], list[str]]:
    """(content, faults) of a row. The faults name columns, never what stands in them: that may be about somebody."""
    content: dict[str, Value] = {}
    faults = []
    for field in fields:
        text = row.get(field.source, "")
        if text == "" or text in field.none:
            if field.required:
                faults.append(f"{field.source}: expected a value, got none")
            continue
        try:
            content[field.name] = convert(field, text, zone)
        except ValueError:
            faults.append(f"{field.source}: expected a value of type {field.type}, got other text")
    return content, faults


@lru_cache(maxsize=65536)
def parse_time(text: str, zone: ZoneInfo) -> Instant:
    """ISO 8601 -> instant; without an offset it is local time of `zone`. Raises ValueError."""
    return _read_time(text, "", zone)


def read_moment(text: str, form: str, zone: ZoneInfo) -> datetime:
    """A moment written in `form` (empty: ISO 8601), in `zone` where it has no offset. Raises ValueError."""
    text = text.strip()
    moment = datetime.strptime(text, form) if form else datetime.fromisoformat(text)  # noqa: DTZ007, see below
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment


def _read_time(text: str, form: str, zone: ZoneInfo) -> Instant:
    return (read_moment(text, form, zone) - _EPOCH) // _MICROSECOND


def _flag(text: str) -> bool:
    try:
        return _FLAGS[text.strip().lower()]
    except KeyError:
        raise ValueError(text) from None


def _json(text: str) -> msgspec.Raw:
    msgspec.json.decode(text)  # a DecodeError is a ValueError
    return msgspec.Raw(text.encode())
