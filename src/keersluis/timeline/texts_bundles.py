"""Sentences for entries about carried bundles. Pure. `texts` gives them what they tell of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keersluis.timeline.texts import _Told

Telling = Callable[["_Told"], str]


def _exported(told: _Told) -> str:
    _, to, count = told._, told.name("to"), told.count("count", "streams")
    return _.plural(
        "A bundle for {to} was made, with {count} event.",
        "A bundle for {to} was made, with {count} events.",
        count,
        to=to,
    )


def _kept(told: _Told) -> str:
    _, part, of = told._, told.number("part"), told.number("of")
    return _("Part {part} of {of} of a bundle of {peer} came.", part=part, of=of, peer=told.name("from"))


def _imported(told: _Told) -> str:
    _, peer, count = told._, told.name("from"), told.count("count", "carried")
    if told.body.get("holds") == "receipts":
        return _("A bundle with the receipts of {peer} was taken in.", peer=peer)
    return _.plural(
        "A bundle of {peer} was taken in: {count} event was new.",
        "A bundle of {peer} was taken in: {count} events were new.",
        count,
        peer=peer,
    )


def _refused(told: _Told) -> str:
    _ = told._
    return _("A bundle of {peer} was refused ({code}).", peer=told.name("from"), code=told.text("code"))


def _confirmed(told: _Told) -> str:
    _ = told._
    return _("A bundle with receipts for {to} was made.", to=told.name("to"))


NOTABLE = frozenset({"bundle.exported", "bundle.imported", "bundle.refused", "bundle.confirmed"})
"""Kinds that people want to know of."""

SENTENCES: Mapping[str, Telling] = {
    "bundle.exported": _exported,
    "bundle.kept": _kept,
    "bundle.imported": _imported,
    "bundle.refused": _refused,
    "bundle.confirmed": _confirmed,
}
