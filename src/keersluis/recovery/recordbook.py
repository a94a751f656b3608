"""Keeps decision records on a node: opened, added to, never overwritten; each addition is an entry of the timeline.

An entry holds a salted digest of what was written, not the text: some of it may not be made public, and a log can be
handed to others. So whoever has both sees whether a record was altered afterwards (P5).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import Connection

from keersluis.context import Context
from keersluis.errors import Conflict, Fault, Incorrect
from keersluis.recovery import _store_records as store
from keersluis.recovery.recordfiles import NAME, RecordFile
from keersluis.recovery.records import Dossier, Item, Recorded, Wrong, check, from_json, to_json
from keersluis.sections import nearest
from keersluis.storage import Migrations
from keersluis.timeline import log
from keersluis.timeline.model import Entry
from keersluis.times import Instant, format_when, parse_when

MIGRATIONS: Migrations = store.MIGRATIONS

ENTRIES = {"decision": "record.decided", "review": "record.reviewed"}
"""The kind of entry that an item makes; any other is noted, and what replaces something is a correction."""

OPENED, NOTED, CORRECTED = "record.opened", "record.noted", "record.corrected"
ALL_ENTRIES = (OPENED, NOTED, CORRECTED, *ENTRIES.values())


@dataclass(frozen=True)
class Kept:
    """A record as it is kept here."""

    dossier: Dossier
    recorded: Instant
    items: Sequence[Recorded]


@dataclass(frozen=True)
class Hand:
    """Who writes something down, why, and now."""

    who: str
    why: str
    now: Instant


def open_record(tx: Connection, ctx: Context, dossier: Dossier, hand: Hand) -> dict[str, Any]:
    """Open a record; again with the same content it is as once. Returns {"name", "entry", "new"}.

    Raises Incorrect `record.refused` with all faults, Conflict `record.name-reused`.
    """
    _stop([*_hand_faults(hand), *_dossier_faults(dossier, ctx, hand.now)])
    body = msgspec.json.encode(_dossier_json(dossier, ctx))
    for row in store.records(tx, dossier.name):
        if row.body != body:
            got = f"another question under the name {dossier.name!r}"
            raise Conflict("record.name-reused", expected="a name that is free", got=got, mend="choose another name")
        return {"name": dossier.name, "entry": row.entry, "new": False}
    told = {"record": dossier.name, "organisation": dossier.organisation, "public": dossier.public}
    row = _written(tx, OPENED, told, body, hand)
    store.add_record(tx, {"name": dossier.name} | row)
    return {"name": dossier.name, "entry": row["entry"], "new": True}


def add(tx: Connection, ctx: Context, name: str, item: Item, hand: Hand) -> dict[str, Any]:
    """Add an item; without a key it gets one. Again under the same key with the same content it is as once.

    Returns {"name", "key", "entry", "new"}. Raises Incorrect `record.refused` with all faults or `record.unknown`,
    Conflict `record.key-reused`.
    """
    kept = read(tx, ctx, name)
    return _add(tx, ctx, kept, item, hand)


def _add(tx: Connection, ctx: Context, kept: Kept, item: Item, hand: Hand) -> dict[str, Any]:
    name, before = kept.dossier.name, [row.item for row in kept.items]
    item = item if item.key else replace(item, key=f"{item.kind}-{len(before) + 1}")
    for row in kept.items:
        if row.item.key == item.key:
            if row.item == item:
                return {"name": name, "key": item.key, "entry": row.entry, "new": False}
            got = f"other content under the key {item.key!r}"
            mend = "nothing is overwritten: add an item that replaces it"
            raise Conflict("record.key-reused", expected="the same content, or a key that is free", got=got, mend=mend)
    wrong = [*_hand_faults(hand), *check(item, before, ctx.chain.organisations), *_node_faults(tx, kept, item, hand)]
    _stop(wrong)
    kind = CORRECTED if item.replaces else ENTRIES.get(item.kind, NOTED)
    told = {
        "record": name,
        "item": item.key,
        "kind": item.kind,
        "since": format_when(item.since, ctx.chain.timezone),
        "public": item.public and kept.dossier.public,
    }
    told |= {"replaces": list(item.replaces)} if item.replaces else {}
    told |= {"evidence": item.evidence} if item.evidence else {}
    made = _written(tx, kind, told, msgspec.json.encode(to_json(item, ctx.chain.timezone)), hand)
    store.add_item(tx, {"record": name, "key": item.key} | made)
    return {"name": name, "key": item.key, "entry": made["entry"], "new": True}


def bring(tx: Connection, ctx: Context, file: RecordFile, hand: Hand) -> dict[str, Any]:
    """Write down what a file tells and was known by now; again it adds what became known since.

    Returns {"name", "opened", "added", "there", "later", "entry"}: how many items were added, were there already, and
    will be known later; `entry` is the last one made. All or nothing: raises as `open_record` and `add`.
    """
    opened = open_record(tx, ctx, file.dossier, hand)
    made, entry = [], opened["entry"]
    due = [item for item in file.items if item.since.start <= hand.now]
    for item in due:
        told = add(tx, ctx, file.dossier.name, item, hand)
        made += [told["key"]] if told["new"] else []
        entry = max(entry, told["entry"])
    counts = {"added": len(made), "there": len(due) - len(made), "later": len(file.items) - len(due)}
    return {"name": file.dossier.name, "opened": opened["new"], "entry": entry} | counts


def read(tx: Connection, ctx: Context, name: str) -> Kept:
    """One record. Raises Incorrect `record.unknown`."""
    for row in store.records(tx, name):
        return _kept(row, store.items(tx, name), ctx)
    known = [row.name for row in store.records(tx)]
    got = repr(name[:80]) + nearest(name[:80], known)
    raise Incorrect("record.unknown", expected="a decision record that is kept here", got=got)


def every(tx: Connection, ctx: Context) -> list[Kept]:
    """All records, in the order in which they were opened."""
    items: dict[str, list[Any]] = {}
    for row in store.items(tx):
        items.setdefault(row.record, []).append(row)
    return [_kept(row, items.get(row.name, ()), ctx) for row in store.records(tx)]


def verify(tx: Connection) -> dict[str, Any]:
    """Hold every record against the timeline. Returns {"records", "items", "faults"}: one sentence for each thing that
    was altered, that no entry tells of, or that an entry tells of and is gone."""
    records, items = store.records(tx), store.items(tx)
    rows = {row.entry: (f"record {row.name!r}", row) for row in records}
    rows |= {row.entry: (f"record {row.record!r}, item {row.key!r}", row) for row in items}
    entries = {entry.n: entry for entry in log.of_kinds(tx, ALL_ENTRIES, 0)}
    faults = []
    for n, (place, row) in sorted(rows.items()):
        told = entries.get(n)
        if told is None or (told.body.get("record"), told.body.get("item")) != _whose(row):
            faults.append(f"{place}: entry {n} of the timeline does not tell of it")
        elif not _as_told(row, told):
            faults.append(f"{place}: altered since entry {n} of the timeline was made")
    gone = sorted(entries.keys() - rows.keys())
    faults += [f"record {entries[n].body.get('record')!r}: entry {n} tells of something that is gone" for n in gone]
    return {"records": len(records), "items": len(items), "faults": faults}


def digest(salt: bytes, body: bytes) -> str:
    """SHA-256 (hex) over the salt and the bytes as stored; the salt keeps a short text from being guessed."""
    return hashlib.sha256(salt + body).hexdigest()


def _as_told(row: Any, told: Entry) -> bool:
    """Whether a row is what its entry says. SQLite gives back whatever type somebody put there."""
    if not (isinstance(row.salt, bytes) and isinstance(row.body, bytes)):
        return False
    written = (digest(row.salt, row.body), row.recorded, row.who, row.why)
    return written == (told.body.get("digest"), told.at, told.body.get("who"), told.body.get("why"))


def _whose(row: Any) -> tuple[str, str | None]:
    return (row.record, row.key) if hasattr(row, "record") else (row.name, None)


def _written(tx: Connection, kind: str, told: Mapping[str, Any], body: bytes, hand: Hand) -> dict[str, Any]:
    salt = secrets.token_bytes(16)
    entry = {**told, "digest": digest(salt, body), "who": hand.who, "why": hand.why}
    n = log.append(tx, at=hand.now, room="recovery", kind=kind, body=entry)
    return {"recorded": hand.now, "entry": n, "who": hand.who, "why": hand.why, "salt": salt, "body": body}


def _kept(record: Any, items: Sequence[Any], ctx: Context) -> Kept:
    tz = ctx.chain.timezone
    try:
        told = msgspec.json.decode(record.body)
        dossier = Dossier(record.name, **(told | {"opened": parse_when(told["opened"], tz)}))
        rows = [
            Recorded(from_json(msgspec.json.decode(row.body), tz), row.recorded, row.who, row.why, row.entry)
            for row in items
        ]
    except (msgspec.MsgspecError, TypeError, KeyError, Incorrect):
        mend = "somebody changed this database from outside: `keersluis record check` names the place"
        raise Fault("record.altered", expected="what was written down", got="something else", mend=mend) from None
    return Kept(dossier, record.recorded, rows)


def _dossier_json(dossier: Dossier, ctx: Context) -> dict[str, Any]:
    return {
        "organisation": dossier.organisation,
        "title": dossier.title,
        "question": dossier.question,
        "opened": format_when(dossier.opened, ctx.chain.timezone),
        "public": dossier.public,
    }


def _dossier_faults(dossier: Dossier, ctx: Context, now: Instant) -> list[Wrong]:
    found = []
    if not NAME.fullmatch(dossier.name):
        found.append(Wrong("name", "small letters, digits and hyphens, 64 at most", repr(dossier.name[:80])))
    if dossier.organisation not in ctx.chain.organisations:
        got = repr(dossier.organisation) + nearest(dossier.organisation, ctx.chain.organisations)
        found.append(Wrong("organisation", "an organisation of this chain", got))
    for name, words in (("title", dossier.title), ("question", dossier.question)):
        if not words or not all(each.strip() for each in words.values()):
            found.append(Wrong(name, "a text", "nothing"))
    if dossier.opened.start > now:
        found.append(Wrong("opened", "a day that has come", "a later one"))
    return found


def _hand_faults(hand: Hand) -> list[Wrong]:
    return [] if hand.who.strip() else [Wrong("who", "who writes it down", "nothing")]


def _node_faults(tx: Connection, kept: Kept, item: Item, hand: Hand) -> list[Wrong]:
    """What only a node can see: its clock, its timeline, and the reason that a correction needs."""
    found = []
    if item.since.start > hand.now:
        found.append(Wrong("since", "a moment that has come", "a later one"))
    if item.since.end < kept.dossier.opened.start and item.kind == "decision":
        found.append(Wrong("since", "a day on which it was a question", "an earlier one"))
    if item.evidence is not None and not 1 <= item.evidence <= log.size(tx):
        found.append(Wrong("evidence", f"an entry of the timeline, 1 to {log.size(tx)}", str(item.evidence)))
    if item.replaces and not hand.why.strip():
        found.append(Wrong("why", "a reason, as for every correction", "nothing"))
    return found


NAMES = {
    "kind": "soort", "text": "tekst", "since": "sinds", "option": "optie", "weighs": "weegt", "by": "door",
    "organisation": "organisatie", "review": "herzien", "source": "bron", "replaces": "vervangt", "key": "sleutel",
    "answers": "beantwoordt", "evidence": "bewijs", "who": "wie", "why": "waarom", "name": "naam", "title": "titel",
    "question": "vraag", "opened": "sinds",
}  # fmt: skip
"""What the API calls the fields, for those who read that one is wrong."""


def _stop(wrong: Sequence[Wrong]) -> None:
    if wrong:
        faults = [f"{NAMES.get(each.field, each.field)}: expected {each.expected}, got {each.got}" for each in wrong]
        raise Incorrect("record.refused", expected="an addition without faults", got="; ".join(faults), faults=faults)
