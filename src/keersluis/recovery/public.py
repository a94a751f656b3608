"""The status that partners and the public may read: a value made from what nodes say of themselves. Pure.

Nothing of it names a person or says who ordered what and why; of services that are not public not even the name is in
it, and a change has only the sentence that was written for outsiders (`docs/formats.md`, "Public status").
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from keersluis.chain import Chain, Kind
from keersluis.recovery.service_view import across
from keersluis.recovery.services import PHASES, STATES, WAYS, Inventory
from keersluis.sections import LANGUAGES, Words
from keersluis.times import Instant, format_instant, parse_instant
from keersluis.words import Translator, translator

FORMAT = "keersluis-status/1"
LONGEST_HISTORY = 200
"""Changes in the feed; older ones are in the timelines of the nodes."""


def feed(
    chain: Chain,
    inventory: Inventory,
    services: Mapping[str, Any],
    statuses: Sequence[Mapping[str, Any]],
    *,
    expected: Collection[str],
    made: Instant,
    until: Instant,
    ahead: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The whole status as JSON.

    `services`: node -> its answer at `/v0/diensten`; `statuses`: what the nodes say at `/v0/stand`; `expected`: the
    nodes that it is to tell of, so that one that says nothing is named. `until`: when it is too old to be relied on.
    """
    everything = across(inventory, services)
    told = [each for each in everything if each["public"] and each["kept_by"] in expected]
    states = {each["key"]: each["state"] for each in everything}
    return {
        "format": FORMAT,
        "chain": {"name": chain.name, "title": dict(chain.title)},
        "organisations": [_named(chain, key) for key in chain.organisations if key in expected],
        "silent": [_named(chain, key) for key in chain.organisations if key in set(expected) - services.keys()],
        "made": format_instant(made),
        "valid_until": format_instant(until),
        "phases": _phases(chain, inventory, states, told),
        "sources": _sources(chain, statuses, made),
        "ahead": [dict(each) for each in ahead],
        "history": _history(chain, told),
    }


def _named(chain: Chain, organisation: str) -> dict[str, Any]:
    return {"organisation": organisation, "name": dict(chain.organisations[organisation].name)}


def phase_title(_: Translator, phase: str) -> str:
    return {
        "investigation": _("Investigation"),
        "prosecution": _("Prosecution"),
        "trial": _("Trial"),
        "execution": _("Execution of sentences"),
        "cross-cutting": _("For all phases"),
    }[phase]


def _both(text: Any, *facts: str) -> Words:
    """A text of the product in each language."""
    return {language: text(translator(language), *facts) for language in LANGUAGES}


# -- services ----------------------------------------------------------------------------------------------------------


def _phases(
    chain: Chain, inventory: Inventory, states: Mapping[str, str | None], told: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    found = []
    for phase in PHASES:
        services = [_service(chain, inventory, states, each) for each in told if each["phase"] == phase]
        if services:
            found.append({"phase": phase, "title": _both(phase_title, phase), "services": services})
    return found


def _service(
    chain: Chain, inventory: Inventory, states: Mapping[str, str | None], each: Mapping[str, Any]
) -> dict[str, Any]:
    procedure = next((one for one in each["procedures"] if one["key"] == each["procedure"]), None)
    change = each["change"]
    return {
        "key": each["key"],
        "title": each["title"],
        **_named(chain, each["organisation"]),
        "sort": each["sort"],
        "state": each["state"],
        "usable": each["usable"],
        "due_to": _due_to(chain, inventory, states, each["due_to"]),
        "sure": not each["unsure"],
        "since": each["since"],
        "expected": each["expected"],
        "overdue": each["overdue"],
        "procedure": procedure["title"] if procedure else None,
        "deliver": _deliver(chain, procedure) if procedure else [],
        "public": change["public"] if change else None,
    }


def _due_to(
    chain: Chain, inventory: Inventory, states: Mapping[str, str | None], keys: Collection[str]
) -> list[dict[str, Any]]:
    """By name where the cause is public; all that is not is one cause without a name, in the worst of their states."""
    found = [
        {"key": key, "title": dict(inventory[key].title), "state": states[key]}
        | _named(chain, inventory[key].organisation)
        for key in keys
        if inventory[key].public
    ]
    hidden = [STATES.index(states[key] or "down") for key in keys if not inventory[key].public]
    if hidden:
        nameless = dict.fromkeys(("key", "title", "organisation", "name"))
        found.append(nameless | {"state": STATES[max(hidden)]})
    return found


def _deliver(chain: Chain, procedure: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How to deliver meanwhile: by which ways with what text, and through whom."""
    found: list[dict[str, Any]] = [{"way": way, "text": procedure[way]} for way in WAYS if way in procedure]
    through = procedure["through"]
    return found + ([{"way": "through", "text": None, **_named(chain, through)}] if through else [])


def _history(chain: Chain, told: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every change of a public service, newest first."""
    found = [_change(chain, each, change) for each in told for change in each["history"]]
    found.sort(key=lambda change: (parse_instant(change["at"]), change["number"]), reverse=True)
    return found[:LONGEST_HISTORY]


def _change(chain: Chain, each: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    procedure = next((one["title"] for one in each["procedures"] if one["key"] == change["procedure"]), None)
    return {
        "number": change["number"],
        "kept_by": each["kept_by"],
        "at": change["at"],
        "service": each["key"],
        "title": each["title"],
        **_named(chain, each["organisation"]),
        "state": change["state"],
        "procedure": procedure,
        "since": change["since"],
        "expected": change["expected"],
        "public": change["public"],
        "undoes": change["undoes"],
    }


# -- until when sources are complete -----------------------------------------------------------------------------------


def _sources(chain: Chain, statuses: Sequence[Mapping[str, Any]], now: Instant) -> list[dict[str, Any]]:
    """Each stream as its receivers have it, and as its source promises it where no receiver is asked."""
    waits = {stream["kind"]: stream for status in statuses for stream in status["streams"]}
    rows = [
        _row(chain, chain.kinds[mark["kind"]], status["organisation"], mark, now)
        for status in statuses
        for mark in status["watermarks"]
        if mark["kind"] in chain.kinds
    ]
    received = {row["kind"] for row in rows}
    for kind, stream in waits.items():
        if kind in chain.kinds and kind not in received:
            promise = {"complete_through": stream["complete_through"], "heard_at": None, "state": "flowing"}
            rows.append(_row(chain, chain.kinds[kind], None, promise, now))
    return [row | _waiting(waits.get(row["kind"])) for row in rows if _told_of(chain, chain.kinds[row["kind"]], now)]


def _told_of(chain: Chain, kind: Kind, now: Instant) -> bool:
    """Facts alone; those of an emergency route only for as long as it is permitted."""
    routes = [each for each in chain.routes.values() if kind in chain.under(each.kind)]
    permitted = [each for each in routes if each.start <= now and (each.until is None or now <= each.until)]
    return kind.action != "answer" and (not routes or bool(permitted))


def _row(chain: Chain, kind: Kind, receiver: str | None, mark: Mapping[str, Any], now: Instant) -> dict[str, Any]:
    through = parse_instant(mark["complete_through"]) if mark["complete_through"] else 0
    return {
        "source": _named(chain, kind.source),
        "receiver": _named(chain, receiver) if receiver else None,
        "kind": kind.path,
        "title": dict(kind.title),
        "complete_through": format_instant(through) if through > 0 else None,
        "heard_at": mark["heard_at"],
        "state": _state(chain, kind, str(mark["state"]), through, now),
    }


def _state(chain: Chain, kind: Kind, told: str, through: Instant, now: Instant) -> str:
    """never, stopped, silent, behind or current: silence is a state (P7), whatever anybody says of the link."""
    if told == "stopped":
        return told
    if through <= 0:
        return "never"
    if told != "flowing":
        return told
    return "current" if now - through <= kind.lag + chain.heartbeat + 2 * chain.skew else "behind"


def _waiting(stream: Mapping[str, Any] | None) -> dict[str, Any]:
    """How many acts the source knows to wait for entry; None where it is not asked."""
    if stream is None:
        return {"waiting": None, "oldest_waiting": None}
    return {"waiting": stream["waiting"], "oldest_waiting": stream["oldest_waiting"] if stream["waiting"] else None}
