"""Sentences for entries about restored backups, epochs of streams, and reservations. Pure. `texts` gives them what they
tell of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from keersluis.timeline.model import RESTORED

if TYPE_CHECKING:
    from keersluis.timeline.texts import _Told


def _events(told: _Told) -> str:
    _, first, last = told._, told.number("from"), told.number("through")
    if first == last:
        return _("Event {first}", first=first)
    return _("Events {first} to {last}", first=first, last=last)


def _behind(told: _Told) -> str:
    _ = told._
    return _(
        "{peer} holds {size} events of {stream}, this node {ours}: it came back from an old backup, and sends none.",
        peer=told.name("by"),
        size=told.number("size"),
        stream=told.stream(),
        ours=told.number("ours"),
    )


def _agreed(told: _Told) -> str:
    _ = told._
    return _("{peer} holds no more of {stream} than this node any longer.", peer=told.name("by"), stream=told.stream())


def _given_back(told: _Told) -> str:
    _ = told._
    return _(
        "{events} of {stream} given back to {peer}.", events=_events(told), stream=told.stream(), peer=told.name("to")
    )


def _taken_back(told: _Told) -> str:
    _ = told._
    return _(
        "{who} took back from {peer} what was lost: {events} of {stream}; {again} accepted meanwhile follow.",
        who=told.text("who"),
        peer=told.name("by"),
        events=_events(told),
        stream=told.stream(),
        again=told.number("again"),
    )


def _epoch_opened(told: _Told) -> str:
    _ = told._
    return _(
        "{who} opened a new epoch of {stream}, after event {size} of the old one: {why}",
        who=told.text("who"),
        stream=told.stream(),
        size=told.number("size"),
        why=told.text("why"),
    )


def _epoch_declared(told: _Told) -> str:
    _ = told._
    said = _(
        "{stream} goes on in a new epoch, after event {size} of the old one.",
        stream=told.stream(),
        size=told.number("size"),
    )
    beyond = told.number("beyond")
    if not beyond:
        return said
    kept = _.plural("{count} event beyond that is kept here.", "{count} events beyond that are kept here.", beyond)
    return f"{said} {kept}"


def _confirmed(told: _Told) -> str:
    _ = told._
    return _(
        "{who} confirmed that everything is here again of {kinds}: {why}",
        who=told.text("who"),
        kinds=told.kinds("kinds"),
        why=told.text("why"),
    )


def _conflict_solved(told: _Told) -> str:
    _ = told._
    return _(
        "{who} dealt with an event of {stream} whose key had been used before: {why}",
        who=told.text("who"),
        stream=told.stream(),
        why=told.text("why"),
    )


def _log_restored(told: _Told) -> str:
    _ = told._
    return _.plural(
        "{who} put this node back from a backup; {count} partner keeps a head of its timeline that was lost: {why}",
        "{who} put this node back from a backup; {count} partners keep a head of its timeline that was lost: {why}",
        told.count("heads"),
        who=told.text("who"),
        why=told.text("why"),
    )


def _reserved(told: _Told) -> str:
    _ = told._
    return _(
        "{who} made a reservation on what {source} recorded from {since} to {until}: {why}",
        who=told.text("who"),
        source=told.name("source"),
        since=told.moment("since"),
        until=told.moment("until"),
        why=told.text("why"),
    )


def _lifted(told: _Told) -> str:
    _ = told._
    return _(
        "{who} lifted the reservation on what {source} recorded: {why}",
        who=told.text("who"),
        source=told.name("source"),
        why=told.text("why"),
    )


def _reaffirmed(told: _Told) -> str:
    _ = told._
    return _(
        "{who} checked {stream} and stands by it, up to event {size}: {why}",
        who=told.text("who"),
        stream=told.stream(),
        size=told.number("size"),
        why=told.text("why"),
    )


SENTENCES: Mapping[str, Callable[[Any], str]] = {
    "stream.behind": _behind,
    "stream.agreed": _agreed,
    "events.given-back": _given_back,
    "stream.taken-back": _taken_back,
    "epoch.opened": _epoch_opened,
    "epoch.declared": _epoch_declared,
    "restore.confirmed": _confirmed,
    "restore.conflict-solved": _conflict_solved,
    "reservation.set": _reserved,
    "reservation.lifted": _lifted,
    "reservation.reaffirmed": _reaffirmed,
    RESTORED: _log_restored,
}

NOTABLE = frozenset(SENTENCES) - {"events.given-back"}
"""Those that people want to know of."""
