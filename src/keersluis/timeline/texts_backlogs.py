"""Sentences for entries about backlogs that are counted by import. Pure. `texts` gives them what they tell of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keersluis.timeline.texts import _Told


def _imported(told: _Told) -> str:
    _ = told._
    return _(
        "{who} imported counts of the backlog {backlog}, until {until}: {came} came, {left} left. {why}",
        who=told.text("who"),
        backlog=told.text("backlog"),
        until=told.moment("until"),
        came=told.number("came"),
        left=told.number("left"),
        why=told.text("why"),
    )


def _undone(told: _Told) -> str:
    _ = told._
    return _(
        "{who} undid the last import of the backlog {backlog}: {came} came, {left} left. {why}",
        who=told.text("who"),
        backlog=told.text("backlog"),
        came=told.number("came"),
        left=told.number("left"),
        why=told.text("why"),
    )


SENTENCES: Mapping[str, Callable[[_Told], str]] = {"backlog.imported": _imported, "backlog.undone": _undone}

NOTABLE = frozenset(SENTENCES)
