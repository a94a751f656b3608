"""Sentences for entries about completeness at the source: what waits, how long entry takes, what reconciling found.
Pure. `texts` gives them what they tell of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keersluis.timeline.texts import _Told

Telling = Callable[["_Told"], str]


def _waiting(told: _Told) -> str:
    _ = told._
    said = _.plural(
        "{count} act waits to be entered: {kinds}.",
        "{count} acts wait to be entered: {kinds}.",
        told.count("count", "events"),
        kinds=told.kinds("kinds"),
    )
    return f"{said} {_late(told)}".rstrip()


def _late(told: _Told) -> str:
    late = int(told.body.get("late", 0))
    if not late:
        return ""
    return told._.plural(
        "{count} of these was registered too late: a promise had passed it.",
        "{count} of these were registered too late: a promise had passed them.",
        late,
    )


def _withdrawn(told: _Told) -> str:
    return told._.plural(
        "{who} withdrew {count} act that was registered as waiting: {why}",
        "{who} withdrew {count} acts that were registered as waiting: {why}",
        told.count("count", "events"),
        who=told.text("who"),
        why=told.text("why"),
    )


def _mailbag(told: _Told) -> str:
    said = told._(
        "About {count} acts wait unopened, the oldest possibly of {oldest}: {stream}.",
        count=told.count("count"),
        oldest=told.moment("oldest"),
        stream=told.stream(),
    )
    return f"{said} {_late(told)}".rstrip()


def _opened(told: _Told) -> str:
    _ = told._
    return _(
        "{count} of a mailbag were opened, {left} are left: {stream}.",
        count=told.count("count"),
        left=told.number("left"),
        stream=told.stream(),
    )


def _closed(told: _Told) -> str:
    _ = told._
    return _(
        "{who} closed a mailbag of {stream}: {why}", who=told.text("who"), stream=told.stream(), why=told.text("why")
    )


def _hours(told: _Told, field: str) -> str:
    return told._.duration(told.number(field) * 1_000_000)


def _exceeded(told: _Told) -> str:
    _ = told._
    return _(
        "Entry of {stream} takes up to {measured}, longer than the {declared} declared: promises are held back.",
        stream=told.stream(),
        measured=_hours(told, "measured_seconds"),
        declared=_hours(told, "declared_seconds"),
    )


def _kept(told: _Told) -> str:
    _ = told._
    return _(
        "Entry of {stream} takes no longer than the {declared} declared again.",
        stream=told.stream(),
        declared=_hours(told, "declared_seconds"),
    )


SENTENCES: Mapping[str, Callable[[Any], str]] = {
    "intake.waiting": _waiting,
    "intake.withdrawn": _withdrawn,
    "intake.mailbag": _mailbag,
    "intake.opened": _opened,
    "intake.closed": _closed,
    "lag.exceeded": _exceeded,
    "lag.kept": _kept,
}

NOTABLE = frozenset({"lag.exceeded", "lag.kept", "intake.mailbag", "intake.withdrawn"})
"""Those that people want to know of."""
