"""Decision records at a node: opened, added to, decided, reviewed; read as known and as recorded on a day.

On top of the service, as functions that take the Node.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from keersluis.errors import Incorrect
from keersluis.recovery import recordbook, recordviews
from keersluis.recovery.recordbook import Hand
from keersluis.recovery.recordfiles import load_record
from keersluis.recovery.records import UNDETERMINED, Dossier, Item
from keersluis.recovery.recordviews import Looking
from keersluis.sections import LANGUAGES, Words
from keersluis.service import Node
from keersluis.times import When, parse_when

Text = str | dict[str, str]
"""A text in one language, or in each of nl and en."""


def looking(node: Node, known_on: str | None, recorded_on: str | None, *, outside: bool) -> Looking:
    """From where one looks: a day (to its end) or RFC 3339; None is now. Raises Incorrect `record.times`."""
    given = {"geldigOp": known_on, "beschikbaarOp": recorded_on}
    times: dict[str, int] = {}
    faults = []
    for name, text in given.items():
        try:
            times |= {name: parse_when(text, node.chain.timezone).end} if text else {}
        except Incorrect as error:
            faults.append(f"{name}: expected {error.expected}, got {error.got}")
    if faults:
        raise Incorrect("record.times", expected="days or RFC 3339 times", got="; ".join(faults), faults=faults)
    return Looking(times.get("geldigOp", node.clock.now()), times.get("beschikbaarOp"), outside)


def listed(node: Node, look: Looking) -> dict[str, Any]:
    """{"records": [overview], "left_out"}: the records there were by then, the newest question first; how many these
    readers may not see."""
    with node.store.read() as tx:
        every = recordbook.every(tx, node.ctx)
    inside = dataclasses.replace(look, outside=False)
    there = [kept for kept in every if recordviews.exists(kept.dossier, kept.recorded, inside)]
    shown = [kept for kept in there if recordviews.exists(kept.dossier, kept.recorded, look)]
    told = [recordviews.overview(kept.dossier, kept.items, look, node.chain.timezone) for kept in shown]
    told.sort(key=lambda each: each["opened"], reverse=True)
    return {"records": told, "left_out": len(there) - len(shown)}


def shown(node: Node, name: str, look: Looking) -> dict[str, Any]:
    """One record as known then (`recordviews.render`). Raises Incorrect `record.unknown`, also where it was not yet
    there by then, or is not for these readers."""
    with node.store.read() as tx:
        kept = recordbook.read(tx, node.ctx, name)
    if not recordviews.exists(kept.dossier, kept.recorded, look):
        raise Incorrect("record.unknown", expected="a decision record that was there by then", got=repr(name[:80]))
    return recordviews.render(kept.dossier, kept.items, look, node.chain.timezone)


def opened(node: Node, dossier: Dossier, options: dict[str, Words], who: str, why: str) -> dict[str, Any]:
    """Open a record with its first options (key -> text), which were known when it became a question."""
    hand = Hand(who, why, node.clock.now())

    def write(tx: Any) -> dict[str, Any]:
        told = recordbook.open_record(tx, node.ctx, dossier, hand)
        for key, text in options.items():
            option = Item(key, "option", dossier.opened, text, public=True)
            told["entry"] = recordbook.add(tx, node.ctx, dossier.name, option, hand)["entry"]
        return told

    return node.store.write(write)


def added(node: Node, name: str, item: Item, who: str, why: str) -> dict[str, Any]:
    """Add an item to a record. Returns {"name", "key", "entry", "new"}."""
    hand = Hand(who, why, node.clock.now())
    return node.store.write(lambda tx: recordbook.add(tx, node.ctx, name, item, hand))


def brought(node: Node, name: str, who: str, why: str) -> dict[str, Any]:
    """Write down a record of the chain folder, as far as it is known by now; again it adds what became known since."""
    file, hand = load_record(name, node.chain), Hand(who, why, node.clock.now())
    return node.store.write(lambda tx: recordbook.bring(tx, node.ctx, file, hand))


def verified(node: Node) -> dict[str, Any]:
    """Whether the records are as the timeline tells: {"records", "items", "faults"}."""
    with node.store.read() as tx:
        return recordbook.verify(tx)


def words(text: Text | None, field: str) -> Words:
    """A text as it is kept. Raises Incorrect `record.language`."""
    if isinstance(text, str):
        return {UNDETERMINED: text} if text else {}
    wrong = (text or {}).keys() - {*LANGUAGES, UNDETERMINED}
    if wrong:
        expected = f"{field}: a text, or one for each of {', '.join(LANGUAGES)}"
        raise Incorrect("record.language", expected=expected, got=", ".join(sorted(wrong))[:80])
    return dict(text or {})


def since(node: Node, text: str | None) -> When:
    """When something became known: a day or RFC 3339; now where nothing is said."""
    now = node.clock.now()
    return parse_when(text, node.chain.timezone) if text else When(now, now)
