"""Entries about restored backups, epochs and reservations, and a part of what is told of each."""

from __future__ import annotations

from typing import Any

from keersluis.chain import load_chain

CHAIN = load_chain("nl-justice")
STREAM = next(kind for kind in CHAIN.kinds.values() if kind.action != "answer")
ORIGIN = f"{CHAIN.organisations[STREAM.source].oin}/{STREAM.path}/1"
TIME = "2025-07-17T04:00:00Z"
BY = {"who": "operator", "why": "disk broke"}

RECOVERY: list[tuple[str, dict[str, Any], str]] = [
    ("stream.behind", {"origin": ORIGIN, "by": STREAM.source, "size": 9, "ours": 5, "code": "ahead"}, "this node 5"),
    ("stream.agreed", {"origin": ORIGIN, "by": STREAM.source}, "holds no more of"),
    ("events.given-back", {"origin": ORIGIN, "to": STREAM.source, "from": 6, "through": 9}, "Events 6 to 9 of"),
    (
        "stream.taken-back",
        {"origin": ORIGIN, "by": STREAM.source, "from": 6, "through": 9, "again": 2, **BY},
        "2 accepted meanwhile follow",
    ),
    ("epoch.opened", {"origin": ORIGIN, "size": 5, **BY}, "after event 5 of the old one: disk broke"),
    ("epoch.declared", {"origin": ORIGIN, "size": 5, "beyond": 0, **BY}, "goes on in a new epoch"),
    ("epoch.declared", {"origin": ORIGIN, "size": 5, "beyond": 4, **BY}, "4 events beyond that are kept here"),
    ("restore.confirmed", {"kinds": [STREAM.path], **BY}, "everything is here again"),
    ("restore.conflict-solved", {"kind": STREAM.path, "event": "e-6", **BY}, "key had been used before"),
    ("timeline.restored", {"epoch": 2, "heads": [{"by": "a", "note": "b"}], **BY}, "1 partner keeps a head"),
    (
        "reservation.set",
        {"source": STREAM.source, "since": TIME, "until": TIME, **BY},
        "operator made a reservation on what",
    ),
    ("reservation.lifted", {"source": STREAM.source, **BY}, "lifted the reservation"),
    ("reservation.reaffirmed", {"origin": ORIGIN, "size": 9, **BY}, "stands by it, up to event 9"),
]
