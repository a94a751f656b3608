"""The form that moves a gate: from what somebody typed to an order, all that is wrong at once, and what will happen.

Pure. The values of a form are texts by field name; an order is what `StatusSource.order_gate` takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup

from keersluis.times import format_instant, parse_instant
from keersluis.web import canals
from keersluis.web.canals import Lane
from keersluis.web.scene import ALL, Scene, told

FIELDS = ("state", "peer", "direction", "kind", "rate", "who", "why", "until", "evidence")
STATES = ("closed", "metered", "open")
DIRECTIONS = (ALL, "out", "in")
_LONGEST = {"who": 100, "why": 1000, "evidence": 300}
_PER_MINUTE = 60
_FASTEST = 1_000_000.0


@dataclass(frozen=True)
class Problem:
    """What is wrong with one field, in words; `field` is also the id of its place in the form."""

    field: str
    sentence: str


@dataclass(frozen=True)
class Checked:
    """A form's values with the order that they make, or what is wrong with them."""

    values: Mapping[str, str]
    order: dict[str, Any]
    problems: tuple[Problem, ...]


def values_of(form: Mapping[str, Any]) -> dict[str, str]:
    """The form's fields as trimmed texts; what is not given is all, or empty."""
    given = {field: str(form.get(field) or "").replace("\r\n", "\n").strip() for field in FIELDS}
    return given | {field: given[field] or ALL for field in ("peer", "direction", "kind")}


def peers(scene: Scene, organisation: str) -> list[str]:
    return [ALL, *(link["peer"] for link in scene.by_key[organisation]["links"])]


def kinds(scene: Scene, organisation: str) -> list[str]:
    """All, then the kinds that this organisation sends or receives with the inner nodes above them."""
    found: dict[str, None] = {ALL: None}
    for kind in scene.chain.kinds.values():
        if organisation == kind.source or organisation in kind.receivers:
            parts = kind.path.split(".")
            above = [".".join(parts[:n]) for n in range(1, len(parts))]
            found.update(dict.fromkeys(path for path in above if path in scene.chain.groups))
            found[kind.path] = None
    return [*found, "question", "answer"]


def check(scene: Scene, organisation: str, values: Mapping[str, str]) -> Checked:
    """Everything that is wrong, or the order with rate in messages per second and `until` in RFC 3339."""
    problems = [*_choices(scene, organisation, values), *_texts(scene, values)]
    rate = _rate(scene, values, problems)
    until = _until(scene, values, problems)
    order: dict[str, Any] = {field: values[field] for field in FIELDS}
    order |= {"rate": rate, "until": until, "evidence": values["evidence"] or None}
    problems.sort(key=lambda problem: FIELDS.index(problem.field))
    return Checked(values, order, tuple(problems))


def _choices(scene: Scene, organisation: str, values: Mapping[str, str]) -> list[Problem]:
    _ = scene._
    found = []
    if values["state"] not in STATES:
        found.append(Problem("state", _("Choose what the gate must do: close, meter or open.")))
    if values["peer"] not in peers(scene, organisation):
        found.append(Problem("peer", _("Choose a partner from the list.")))
    if values["direction"] not in DIRECTIONS:
        found.append(Problem("direction", _("Choose a direction.")))
    if values["kind"] not in kinds(scene, organisation):
        found.append(Problem("kind", _("Choose a kind of message from the list.")))
    return found


def _texts(scene: Scene, values: Mapping[str, str]) -> list[Problem]:
    _ = scene._
    found = []
    if not values["who"]:
        found.append(Problem("who", _("Say who gives the order: a function, for example crisis manager.")))
    if not values["why"]:
        found.append(Problem("why", _("Say why. The reason is kept with the order.")))
    for field, longest in _LONGEST.items():
        if len(values[field]) > longest:
            text = _("Use at most {most} characters; now there are {now}.", most=longest, now=len(values[field]))
            found.append(Problem(field, text))
    return found


def _rate(scene: Scene, values: Mapping[str, str], problems: list[Problem]) -> float | None:
    if values["state"] != "metered":
        return None
    try:
        per_minute = float(values["rate"].replace(",", "."))
    except ValueError:
        per_minute = 0.0
    if not 0 < per_minute <= _FASTEST:
        text = scene._("Say how many messages a minute may pass: a number above 0, for example 300.")
        problems.append(Problem("rate", text))
        return None
    return per_minute / _PER_MINUTE


def _until(scene: Scene, values: Mapping[str, str], problems: list[Problem]) -> str | None:
    _ = scene._
    if not values["until"]:
        return None
    try:
        local = datetime.fromisoformat(values["until"])
        given = local if local.tzinfo else local.replace(tzinfo=scene.chain.timezone)
        until = parse_instant(given.isoformat())
    except (ValueError, OverflowError):
        problems.append(Problem("until", _("Give a date and a time, for example 2025-08-25T12:00.")))
        return None
    if until <= scene.now:
        now = _.moment(scene.now, scene.chain.timezone)
        problems.append(Problem("until", _("Give a moment that is still to come; it is now {now}.", now=now)))
        return None
    return format_instant(until)


def scope_in_words(scene: Scene, organisation: str, order: Mapping[str, Any]) -> str:
    """Between whom, which way and what: the reach of an order in one phrase."""
    _ = scene._
    names = {"organisation": scene.short(organisation), "peer": scene.short(order["peer"])}
    between = {
        ALL: _("between {organisation} and {peer}, in both directions", **names),
        "out": _("from {organisation} to {peer}", **names),
        "in": _("from {peer} to {organisation}", **names),
    }[order["direction"]]
    what = scene.kind(order["kind"])
    return _("{what}, {between}", what=what if order["kind"] == ALL else f"“{what}”", between=between)


def consequences(scene: Scene, organisation: str, order: Mapping[str, Any]) -> list[Markup]:
    """What happens on confirmation, in sentences."""
    _ = scene._
    scope = scope_in_words(scene, organisation, order)
    told_first = {
        "closed": _("Within a second nothing passes any more of: {scope}. Nobody else has to agree."),
        "metered": _("From now on at most {rate} messages a minute pass of: {scope}. The gravest kinds go first."),
        "open": _("From now on all of this passes again: {scope}. What waits is sent, the gravest kinds first."),
    }[order["state"]]
    rate = _.number(round(order["rate"] * _PER_MINUTE, 2)) if order["rate"] else ""
    sentences = [told(told_first, scope=scope, rate=rate)]
    sentences += _effects(scene, organisation, order)
    sentences.append(
        told(
            _("The order is signed and kept in the timeline of {organisation}, with who gave it and why."),
            organisation=scene.short(organisation),
        )
    )
    return sentences


def _effects(scene: Scene, organisation: str, order: Mapping[str, Any]) -> list[Markup]:
    _ = scene._
    sentences = []
    lanes = _touched(scene, organisation, order)
    waiting = sum(lane.backlog for lane in lanes if lane.sender == organisation)
    if order["state"] == "closed":
        sentences.append(told(_("Messages wait until the gate opens. Nothing is lost and nothing expires.")))
        if order["direction"] != "in":
            sentences.append(told(_("Decisions of partners that rest on it turn provisional by themselves.")))
    elif waiting:
        form = _.plural_form("{count} message waits now.", "{count} messages wait now.", waiting)
        sentences.append(told(form, count=scene.number(waiting)))
    shut = dict.fromkeys(end for lane in lanes for end in lane.closers if end != organisation)
    if order["state"] != "closed" and shut:
        names = _.join(scene.short(end) for end in shut)
        sentences.append(told(_("The gates at the other side stay as they are, at: {names}."), names=names))
    if order["until"]:
        moment = scene.moment(order["until"])
        sentences.append(told(_("To be looked at again on {moment}. A gate never moves by itself."), moment=moment))
    return sentences


def _touched(scene: Scene, organisation: str, order: Mapping[str, Any]) -> list[Lane]:
    """The lanes that an order speaks of."""
    lanes = [lane for link in canals.canals(scene) for lane in (link.there, link.back)]
    return [
        lane
        for lane in lanes
        for way, peer in (("out", lane.receiver), ("in", lane.sender))
        if organisation == (lane.sender if way == "out" else lane.receiver)
        and order["direction"] in (ALL, way)
        and order["peer"] in (ALL, peer)
    ]


def before(scene: Scene, organisation: str, order: Mapping[str, Any]) -> str:
    """The state that an order changes, so that it can be taken back; open where that was not one state."""
    links = [link for link in scene.by_key[organisation]["links"] if order["peer"] in (ALL, link["peer"])]
    ways = ("in", "out") if order["direction"] == ALL else (order["direction"],)
    states = {link[way] for link in links for way in ways}
    return "closed" if states == {"closed"} else "open"
