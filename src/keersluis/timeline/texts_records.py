"""Sentences for entries about decision records. Pure. `texts` gives them what they tell of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keersluis.timeline.texts import _Told

Telling = Callable[["_Told"], str]


def _opened(told: _Told) -> str:
    return told._(
        "{who} opened the decision record “{record}” of {organisation}.",
        who=told.text("who"),
        record=told.text("record"),
        organisation=told.name("organisation"),
    )


def _noted(told: _Told) -> str:
    _ = told._
    kinds = {
        "option": _("an option"),
        "argument": _("an argument"),
        "known": _("what was known"),
        "unknown": _("what was not known"),
        "consequence": _("a consequence"),
        "advice": _("an advice"),
    }
    return _(
        "{who} added {what} to the decision record “{record}” ({item}).",
        who=told.text("who"),
        what=kinds.get(told.text("kind"), told.text("kind")),
        record=told.text("record"),
        item=told.text("item"),
    )


def _decided(told: _Told) -> str:
    _ = told._
    return _("{who} added who decided what to the decision record “{record}” ({item}).", **_facts(told))


def _reviewed(told: _Told) -> str:
    _ = told._
    return _("{who} added a review to the decision record “{record}” ({item}).", **_facts(told))


def _corrected(told: _Told) -> str:
    _ = told._
    return _("{who} corrected the decision record “{record}” ({item}); the old stays: {why}", **_facts(told, "why"))


def _facts(told: _Told, *more: str) -> Mapping[str, object]:
    return {field: told.text(field) for field in ("who", "record", "item", *more)}


NOTABLE = frozenset({"record.opened", "record.decided", "record.reviewed", "record.corrected"})
"""The kinds that people want to know of."""

SENTENCES: Mapping[str, Telling] = {
    "record.opened": _opened,
    "record.noted": _noted,
    "record.decided": _decided,
    "record.reviewed": _reviewed,
    "record.corrected": _corrected,
}
