"""Which bundles were made here and which came, for whoever looks: from the store to plain values."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection

from keersluis.errors import Incorrect
from keersluis.exchange import _store_bundles, packing, unpacking
from keersluis.exchange.bundles import Manifest
from keersluis.times import format_instant
from keersluis.watermarks import parse_origin


def made(tx: Connection, n: int, number: int) -> tuple[Any, Any]:
    """A bundle that was made here, and one of its parts. Raises Incorrect `bundle.unknown`."""
    row, kept = _store_bundles.get(tx, n), _store_bundles.part(tx, n, number)
    if row is None or (row.direction, row.state) != ("out", "made") or kept is None:
        mend = "of the bundles for one peer the parts of the last are kept: export it again"
        raise Incorrect("bundle.unknown", expected="a part that is kept", got=f"part {number} of {n}", mend=mend)
    return row, kept


def came(tx: Connection, n: int) -> Any:
    """A bundle that came. Raises Incorrect `bundle.unknown`."""
    row = _store_bundles.get(tx, n)
    if row is None or row.direction != "in":
        raise Incorrect("bundle.unknown", expected="the number of a bundle that came", got=str(n))
    return row


def verified(n: int, manifest: Manifest, tx: Connection) -> None:
    """The whole was verified: what it holds."""
    streams = packing.ranges_name(manifest.streams)
    _store_bundles.update(tx, n, state=unpacking.WHOLE, events=manifest.events, ranges=streams)


def ranges(text: str) -> list[dict[str, Any]]:
    """The streams of a bundle: `origin`, `kind`, `from`, `through`."""
    told = []
    for word in text.split():
        origin, _, numbers = word.rpartition(":")
        first, _, last = numbers.partition("-")
        told.append(
            {"origin": origin, "kind": parse_origin(origin).kind, "from": int(first), "through": int(last)},
        )
    return told


def out(tx: Connection, limit: int) -> list[dict[str, Any]]:
    """What was made here, newest first; `state` made, or receipted when the peer confirmed all of it."""
    told = []
    reached: dict[str, dict[str, int]] = {}
    for row in _store_bundles.listed(tx, "out", limit):
        streams = ranges(row.ranges)
        have = reached.setdefault(row.peer, packing.reached(tx, row.peer))
        all_here = streams and all(have.get(each["origin"], 0) >= each["through"] for each in streams)
        kept = len(_store_bundles.parts(tx, row.n))
        told.append(_told(row, streams) | {"state": "receipted" if all_here else "made", "kept": kept})
    return told


def came_in(tx: Connection, limit: int) -> list[dict[str, Any]]:
    """What came, newest first; `state` waiting (parts are `missing`), whole, applied or refused."""
    return [
        _told(row, ranges(row.ranges))
        | {
            "state": row.state,
            "missing": unpacking.missing(tx, row),
            "applied": row.applied,
            "refusal": json.loads(row.refusal) if row.refusal else None,
        }
        for row in _store_bundles.listed(tx, "in", limit)
    ]


def _told(row: Any, streams: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "n": row.n,
        "bundle": row.bundle,
        "peer": row.peer,
        "holds": row.holds,
        "made": row.made,
        "at": format_instant(row.at),
        "parts": row.parts,
        "sealed": bool(row.sealed),
        "events": row.events,
        "streams": streams,
    }
