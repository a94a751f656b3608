"""How a row of the source system becomes an event: a mapping, read from TOML. Pure.

The id of an event is stable: the same row delivered again gives the same event, which the node swallows (step 1).
Faults name columns and never what stands in them, for that may be about somebody.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping as Map
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from keersluis.chain import Chain, Kind, Organisation
from keersluis.fields import Field, check_form, content_of, read_field, read_moment
from keersluis.sections import Section, nearest
from keersluis.times import format_instant, parse_instant

DIGESTS = ("row", "file")
"""What an id may be the digest of: the row's values, or the file's name, the row's number and its values."""

_SCHEME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_encode = msgspec.json.Encoder(order="deterministic").encode


class Row(NamedTuple):
    """A row of the source system. `number` is where it stands: the line of a file, the key of a table; `text` is what
    stood there, to be handed back where it is refused; `values` are its columns as text, empty ones left out."""

    number: int | str
    text: str
    values: Map[str, str]


class RowFaults(Exception):
    """Why a row gives no event: a sentence for each fault."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class Mapping:
    """Which column is what. `id` names a column, or else `digest` says of what the id is the digest; `kind` is the
    kind of every row, or else `kinds` translates what stands in `kind_column`. `content_column` holds a JSON object
    of which `content` adds to the values."""

    source: str
    id: str
    digest: str
    occurred: str
    form: str
    kind: Kind | None
    kind_column: str
    kinds: Map[str, Kind]
    subject: str
    scheme: str
    refers_to: str
    valid_from: str
    valid_to: str
    content_column: str
    content: tuple[Field, ...]
    types: Map[str, str]
    zone: ZoneInfo

    def columns(self) -> tuple[str, ...]:
        """The columns without which no row gives an event."""
        named = (self.id, self.occurred, self.kind_column, self.subject, self.content_column)
        required = (field.source for field in self.content if field.required)
        return tuple(dict.fromkeys(name for name in (*named, *required) if name))


def read_mapping(section: Section, chain: Chain, me: Organisation, zone: ZoneInfo, system: str) -> Mapping:
    """The tables ``[event]`` and ``[content.…]`` of an adaptor's file; what is wrong becomes faults of the section."""
    event = section.section("event")
    named = event.text("id", "")
    digest = event.choice("digest", DIGESTS, "row") if event.has("digest") else ""
    if bool(named) == bool(digest):
        event.fault("id", "the name of a column, or instead of it digest", "both" if named else "neither")
    kind, kind_column, kinds = _read_kinds(event, _kinds_of(chain, me))
    form = event.text("form", "")
    check_form(event, "form", form)
    scheme = event.text("scheme", "")
    if scheme and not _SCHEME.fullmatch(scheme):
        event.fault("scheme", "small letters, digits and hyphens", repr(scheme))
    content_column = event.text("content", "")
    content = section.section("content") if section.has("content") else None
    found = Mapping(
        source=f"urn:nld:oin:{me.oin}:systeem:{system}",
        id=named,
        digest=digest,
        occurred=event.text("occurred"),
        form=form,
        kind=kind,
        kind_column=kind_column,
        kinds=kinds,
        subject=event.text("subject"),
        scheme=scheme,
        refers_to=event.text("refers_to", ""),
        valid_from=event.text("valid_from", ""),
        valid_to=event.text("valid_to", ""),
        content_column=content_column,
        content=tuple(read_field(name, table) for name, table in content.sections()) if content else (),
        types={path: chain.ce_type(each) for path, each in chain.kinds.items()},
        zone=zone,
    )
    event.done()
    return found


def _kinds_of(chain: Chain, me: Organisation) -> dict[str, Kind]:
    return {path: kind for path, kind in chain.kinds.items() if kind.source == me.key and kind.action != "answer"}


def _read_kinds(event: Section, mine: Map[str, Kind]) -> tuple[Kind | None, str, dict[str, Kind]]:
    constant, column = event.text("kind", ""), event.text("kind_column", "")
    if bool(constant) == bool(column):
        event.fault("kind", "a kind for every row, or instead of it kind_column", "both" if constant else "neither")
    kinds: dict[str, Kind] = {}
    if event.has("kinds"):
        table = event.section("kinds")
        kinds = {value: kind for value in table.values if (kind := _own(table, value, mine))}
    elif column:
        kinds = dict(mine)  # the column holds kinds by their own names
    return (_own(event, "kind", mine) if constant else None), column, kinds


def _own(table: Section, key: str, mine: Map[str, Kind]) -> Kind | None:
    path = table.text(key)
    if path and path not in mine:
        table.fault(key, f"a kind of this organisation ({', '.join(mine)})", repr(path) + nearest(path, mine))
    return mine.get(path)


def to_event(mapping: Mapping, row: Row, file: str) -> bytes:
    """The CloudEvent of a row, without number, time and salt, which the node gives. Raises RowFaults."""
    faults: list[str] = []
    values = row.values
    kind = _kind_of(mapping, values, faults)
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": _id_of(mapping, row, file, faults),
        "source": mapping.source,
        "type": mapping.types[kind.path] if kind else "",
        "occurred": _moment(mapping, "occurred", mapping.occurred, values, faults, by_day=_by_day(kind)),
        "datacontenttype": "application/json",
        "data": _data(mapping, values, faults),
    }
    if faults:
        raise RowFaults(faults)
    return _encode(event)


def _by_day(kind: Kind | None) -> bool:
    return kind is not None and kind.resolution == "day"


def _needed(column: str, values: Map[str, str], faults: list[str]) -> str:
    if not values.get(column):
        faults.append(f"{column}: expected a value, got none")
    return values.get(column, "")


def _kind_of(mapping: Mapping, values: Map[str, str], faults: list[str]) -> Kind | None:
    if mapping.kind is not None:
        return mapping.kind
    value = _needed(mapping.kind_column, values, faults)
    if value and value not in mapping.kinds:
        faults.append(f"{mapping.kind_column}: expected one of {', '.join(mapping.kinds)}, got another value")
    return mapping.kinds.get(value)


def _id_of(mapping: Mapping, row: Row, file: str, faults: list[str]) -> str:
    if mapping.id:
        return _needed(mapping.id, row.values, faults)
    place = [file, row.number] if mapping.digest == "file" else []
    return f"{mapping.digest}-{hashlib.sha256(_encode([*place, row.values])).hexdigest()[:40]}"


def _moment(mapping: Mapping, name: str, column: str, values: Map[str, str], faults: list[str], *, by_day: bool) -> str:
    """A day where only a day is written, or where acts of this kind are known by day; else an instant."""
    text = _needed(column, values, faults) if name == "occurred" else values.get(column, "")
    if not text:
        return ""
    try:
        moment = read_moment(text, mapping.form, mapping.zone)
        if by_day or not _tells_time(text, mapping.form):
            return moment.astimezone(mapping.zone).date().isoformat()
        return format_instant(parse_instant(moment.isoformat()))
    except (ValueError, OverflowError):
        faults.append(f"{column}: expected a moment written as {mapping.form or 'ISO 8601'}, got other text")
        return ""


def _tells_time(text: str, form: str) -> bool:
    if not form:
        return _DATE.fullmatch(text.strip()) is None
    morning, evening = (datetime(2025, 7, 17, hour, hour, tzinfo=UTC) for hour in (6, 18))
    return morning.strftime(form) != evening.strftime(form)


def _data(mapping: Mapping, values: Map[str, str], faults: list[str]) -> dict[str, Any]:
    subject = _needed(mapping.subject, values, faults)
    content, wrong = content_of(mapping.content, values, mapping.zone)
    faults += wrong
    data: dict[str, Any] = {
        "subject": f"{mapping.scheme}:{subject}" if mapping.scheme else subject,
        "content": _whole(mapping, values, faults) | content,
    }
    if values.get(mapping.refers_to):
        data["refers_to"] = values[mapping.refers_to]
    for name, column in (("valid_from", mapping.valid_from), ("valid_to", mapping.valid_to)):
        if moment := _moment(mapping, name, column, values, faults, by_day=False):
            data[name] = moment
    return data


def _whole(mapping: Mapping, values: Map[str, str], faults: list[str]) -> dict[str, Any]:
    """The content that stands in one column as a JSON object."""
    if not mapping.content_column:
        return {}
    try:
        return msgspec.json.decode(_needed(mapping.content_column, values, faults) or "{}", type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError:
        faults.append(f"{mapping.content_column}: expected a JSON object, got other text")
        return {}
