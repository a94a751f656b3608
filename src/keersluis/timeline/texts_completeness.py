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


def _stated(told: _Told) -> str:
    _ = told._
    if told.number("differ"):
        return _(
            "The system of record counted {stream} in {periods} periods; {differ} differ, first {since} to {until}.",
            stream=told.stream(),
            periods=told.number("periods"),
            differ=told.number("differ"),
            since=told.moment("since"),
            until=told.moment("until"),
        )
    return _(
        "The system of record counted {stream} in {periods} periods: all as published.",
        stream=told.stream(),
        periods=told.number("periods"),
    )


def _compared(told: _Told) -> str:
    _ = told._
    facts = {"stream": told.stream(), "peer": told.name("peer")}
    if told.body["agrees"]:
        return _("{stream} was compared with what {peer} published: it is the same.", **facts)
    return _(
        "{stream} differs from what {peer} published, first from {since} to {until}; {under_way} events are under way.",
        since=told.moment("since"),
        until=told.moment("until"),
        under_way=told.number("under_way"),
        **facts,
    )


def _gap_stated(told: _Told) -> str:
    return told._.plural(
        "{count} act of {stream} was never published, between {since} and {until}: every receiver is told.",
        "{count} acts of {stream} were never published, between {since} and {until}: every receiver is told.",
        told.count("count"),
        stream=told.stream(),
        since=told.moment("since"),
        until=told.moment("until"),
    )


def _gap_mended(told: _Told) -> str:
    _ = told._
    return _(
        "What was missing of {stream} between {since} and {until} is published: counts and digest agree.",
        stream=told.stream(),
        since=told.moment("since"),
        until=told.moment("until"),
    )


def _gap_heard(told: _Told) -> str:
    _ = told._
    return _(
        "The source says that acts of {stream} are missing, between {since} and {until}.",
        stream=told.stream(),
        since=told.moment("since"),
        until=told.moment("until"),
    )


def _gap_heard_filled(told: _Told) -> str:
    _ = told._
    return _(
        "The source says that what was missing of {stream} between {since} and {until} has come.",
        stream=told.stream(),
        since=told.moment("since"),
        until=told.moment("until"),
    )


SENTENCES: Mapping[str, Callable[[Any], str]] = {
    "intake.waiting": _waiting,
    "intake.withdrawn": _withdrawn,
    "intake.mailbag": _mailbag,
    "intake.opened": _opened,
    "intake.closed": _closed,
    "lag.exceeded": _exceeded,
    "lag.kept": _kept,
    "ledger.stated": _stated,
    "ledger.compared": _compared,
    "gap.stated": _gap_stated,
    "gap.mended": _gap_mended,
    "gap.heard": _gap_heard,
    "gap.heard-filled": _gap_heard_filled,
}

NOTABLE = frozenset(
    {
        "lag.exceeded",
        "lag.kept",
        "intake.mailbag",
        "intake.withdrawn",
        "gap.stated",
        "gap.mended",
        "gap.heard",
        "gap.heard-filled",
    }
)
"""Those that people want to know of."""
