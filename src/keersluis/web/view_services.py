"""The services of the chain as a page shows them to those who run it: states, causes, procedures, history. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from keersluis.recovery.public import phase_title
from keersluis.recovery.service_view import across
from keersluis.recovery.services import PHASES, Inventory
from keersluis.web.scene import Scene
from keersluis.web.view_public import CHIPS, state_words, when

SHOWN = 25
"""Changes on the page; `service show` has all of a service."""


@dataclass(frozen=True)
class Row:
    """One service; `chip` and `words` say what can be used of it, `state` what was told of it."""

    key: str
    organisation: str
    keeper: str
    title: str
    sort: str
    state: str
    chip: str
    words: str
    since: Markup
    expected: Markup
    notes: Sequence[Markup]
    told_here: bool


@dataclass(frozen=True)
class Group:
    """The services of one phase; `caption` counts those that work as usual."""

    phase: str
    title: str
    caption: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Procedure:
    """An emergency procedure that is in force: how to deliver, as (way, text)."""

    title: str
    name: str
    ways: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Past:
    at: str
    title: str
    sentence: Markup


def groups(scene: Scene, services: Sequence[Mapping[str, Any]]) -> list[Group]:
    """Every service, by phase in the order of the process."""
    found = []
    for phase in PHASES:
        rows = [each for each in services if each["phase"] == phase]
        if rows:
            usual = sum((each["state"], each["usable"]) == ("up", "yes") for each in rows)
            title = phase_title(scene._, phase)
            caption = scene._("{phase}: {usual} of {all} as usual", phase=title, usual=usual, all=len(rows))
            found.append(Group(phase, title, caption, [_row(scene, each, services) for each in rows]))
    return found


def sort_words(scene: Scene, sort: str) -> str:
    _ = scene._
    return {
        "application": _("application"),
        "link": _("link"),
        "workplaces": _("workplaces"),
        "mail": _("e-mail"),
        "telephone": _("telephone"),
    }[sort]


def told_words(scene: Scene, each: Mapping[str, Any]) -> str:
    """The state as it was told, with the procedure in force by name."""
    _ = scene._
    if each["state"] is None:
        return _("no word")
    if each["state"] == "emergency":
        title = next((one["title"] for one in each["procedures"] if one["key"] == each["procedure"]), None)
        return _("emergency procedure: {title}", title=_.pick(title)) if title else _("emergency procedure")
    return {"up": _("up"), "read-only": _("read-only"), "down": _("down")}[each["state"]]


def _row(scene: Scene, each: Mapping[str, Any], services: Sequence[Mapping[str, Any]]) -> Row:
    _ = scene._
    zone = scene.chain.timezone
    return Row(
        key=each["key"],
        organisation=scene.short(each["organisation"]),
        keeper=each["kept_by"],
        title=_.pick(each["title"]),
        sort=sort_words(scene, each["sort"]),
        state=told_words(scene, each),
        chip=CHIPS[each["usable"]] if each["state"] else "silent",
        words=state_words(each, _),
        since=when(each["since"], _, zone) if each["since"] else Markup("–"),
        expected=when(each["expected"], _, zone) if each["expected"] else Markup("–"),
        notes=_notes(scene, each, services),
        told_here=each["kept_by"] in scene.by_key,
    )


def _notes(scene: Scene, each: Mapping[str, Any], services: Sequence[Mapping[str, Any]]) -> list[Markup]:
    """Why, what it is due to, what it takes along, and where somebody should look."""
    _, titles = scene._, {one["key"]: _title(scene, one) for one in services}
    notes = []
    if each["due_to"]:
        causes = _.join(titles[key] for key in each["due_to"])
        notes.append(escape(_("Due to {services}.", services=causes)))
    if each["change"] and each["state"] != "up":
        notes.append(escape(_("{who}: {why}", who=each["change"]["who"], why=each["change"]["why"])))
    if each["takes_along"]:
        count = len(each["takes_along"])
        said = _.plural("Takes {count} service along.", "Takes {count} services along.", count)
        notes.append(escape(said))
    if each["overdue"]:
        notes.append(escape(_("It should have been back.")))
    if not each["public"]:
        notes.append(escape(_("Not public.")))
    return notes


def _title(scene: Scene, each: Mapping[str, Any]) -> str:
    return scene._("“{title}”", title=scene._.pick(each["title"]))


def causes(scene: Scene, services: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(what does not work, what it takes along), the one that takes most along first."""
    _, by_key = scene._, {each["key"]: each for each in services}
    found = sorted((each for each in services if each["takes_along"]), key=lambda each: -len(each["takes_along"]))
    return [
        (
            _("“{service}” of {name}: {state}", service=_.pick(each["title"]), name=scene.short(each["organisation"]),
              state=told_words(scene, each)),
            _.join(_.pick(by_key[key]["title"]) for key in each["takes_along"]),
        )
        for each in found
    ]  # fmt: skip


def procedures(scene: Scene, services: Sequence[Mapping[str, Any]]) -> list[Procedure]:
    """The emergency procedures that are in force, in the order of the process."""
    found = []
    for each in sorted(services, key=lambda each: PHASES.index(each["phase"])):
        one = next((one for one in each["procedures"] if one["key"] == each["procedure"]), None)
        if one is not None:
            title = f"{scene._.pick(each['title'])}: {scene._.pick(one['title'])}"
            found.append(Procedure(title, scene.short(each["organisation"]), _ways(scene, one)))
    return found


def _ways(scene: Scene, one: Mapping[str, Any]) -> list[tuple[str, str]]:
    _ = scene._
    labels = {"post": _("By post"), "hand": _("By hand"), "telephone": _("By telephone")}
    ways = [(label, _.pick(one[way])) for way, label in labels.items() if way in one]
    return ways + ([(_("Through an organisation"), scene.name(one["through"]))] if one["through"] else [])


def history(scene: Scene, services: Sequence[Mapping[str, Any]]) -> list[Past]:
    """Changes of all services, newest first."""
    found = [(change, each) for each in services for change in each["history"]]
    found.sort(key=lambda pair: (pair[0]["at"], pair[0]["number"]), reverse=True)
    return [_past(scene, each, change) for change, each in found[:SHOWN]]


def _past(scene: Scene, each: Mapping[str, Any], change: Mapping[str, Any]) -> Past:
    _ = scene._
    state = told_words(scene, {**each, "state": change["state"], "procedure": change["procedure"]})
    if change["undoes"]:
        state = _("taken back; as before: {state}", state=state)
    said = _("{state}. {who}: {why}", state=state, who=change["who"], why=change["why"])
    evidence = f" [{change['evidence']}]" if change["evidence"] else ""
    title = f"{_.pick(each['title'])} ({scene.short(each['organisation'])})"
    return Past(change["at"], title, escape(said + evidence))


def lede(scene: Scene, services: Sequence[Mapping[str, Any]]) -> str:
    """What works, in one sentence."""
    _ = scene._
    if not services:
        return _("This chain has no services yet: import them from a table.")
    usual = sum((each["state"], each["usable"]) == ("up", "yes") for each in services)
    unheard = sum(each["state"] is None for each in services)
    said = _("{usual} of {all} services can be used as usual.", usual=usual, all=len(services))
    if unheard:
        said += " " + _.plural("Of {count} there is no word.", "Of {count} there is no word.", unheard)
    return said


def says(scene: Scene, inventory: Inventory, told: Mapping[str, Any]) -> list[str]:
    """For the first page of the return: how many can be used, and what takes most along."""
    services = seen(scene, inventory, told)
    said = [lede(scene, services)]
    return said + [f"{cause}." for cause, _along in causes(scene, services)[:2]]


def seen(scene: Scene, inventory: Inventory, told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The services that this page tells of: all of the chain, or those that this one node keeps."""
    services = across(inventory, told)
    return [each for each in services if each["kept_by"] in scene.by_key] if scene.alone else services
