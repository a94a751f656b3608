"""Sentences for entries about the state of services. Pure. `texts` gives them what they tell of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keersluis.timeline.texts import _Told


def _state(told: _Told) -> str:
    """The titles are in the body, as they were when it was told."""
    _ = told._
    facts = {"service": _.pick(told.body["title"]), "name": told.name("organisation")}
    facts |= {"who": told.text("who"), "why": told.text("why")}
    if told.body.get("undoes"):
        said = _("{who} took back what was said of “{service}” of {name}: {why}", **facts)
        return _("{told} It is as before: {state}.", told=_ended(said), state=_named(told))
    said = _("{who}: “{service}” of {name} is {state}. {why}", state=_named(told), **facts)
    if told.body.get("expected"):
        return _("{told} Expected back: {moment}.", told=_ended(said), moment=told.text("expected"))
    return said


def _ended(said: str) -> str:
    return said if said.endswith((".", "!", "?")) else said + "."


def _named(told: _Told) -> str:
    _ = told._
    if told.text("state") == "emergency" and told.body.get("procedure_title"):
        return _("under an emergency procedure ({title})", title=_.pick(told.body["procedure_title"]))
    return {
        "up": _("up"),
        "read-only": _("read-only"),
        "emergency": _("under an emergency procedure"),
        "down": _("down"),
    }[told.text("state")]


SENTENCES: Mapping[str, Callable[[Any], str]] = {"service.state": _state}

NOTABLE = frozenset({"service.state"})
"""Those that people want to know of."""
