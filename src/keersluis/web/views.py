"""The first page as a model in words: headline, counts, revisits, gates, timeline. Pure: it is given the statuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from keersluis.timeline.texts import NOTABLE
from keersluis.times import parse_instant
from keersluis.web import canals, completeness
from keersluis.web.canals import Canal, Standing
from keersluis.web.scene import ALL, Scene, told

FIGURES = ("provisional", "revisit", "held", "settled")


@dataclass(frozen=True)
class Headline:
    """`alarm` is one of `_sentences`, busy or calm; `lede` are sentences with what else is amiss and the figures."""

    alarm: str
    title: str
    lede: tuple[Markup, ...]


@dataclass(frozen=True)
class Figure:
    """One state of decisions: how many now, what that means, and how it moved."""

    key: str
    title: str
    meaning: str
    count: int
    moved: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Revisit:
    organisation: str
    id: str
    title: str
    was: str
    now: str
    gravity: int
    harmful: bool
    because: str
    final: bool
    at: str


@dataclass(frozen=True)
class Entry:
    """A timeline entry; a notable one is not routine traffic."""

    notable: bool
    organisation: str
    n: int
    at: str
    room: str
    text: str


@dataclass(frozen=True)
class Gatehouse:
    """One organisation's gates: a sentence about all of them, and the orders in force, the broadest first."""

    organisation: str
    state: str
    sentence: str
    orders: tuple[Standing, ...]
    more: str


def headline(scene: Scene) -> Headline:
    """The worst of the chain's state in one sentence; then what else is amiss, and the figures."""
    links = canals.canals(scene)
    alarms = _alarms(scene, links)
    if not scene.statuses:
        starting = scene._("If they have just been started, it takes some seconds; this page follows by itself.")
        return Headline("absent", scene._("No organisation answers"), (Markup.escape(starting),))
    if alarms:
        alarm, title = alarms[0]
    else:
        alarm, title = _well(scene)
    others = [Markup.escape(sentence) for _alarm, sentence in alarms[1:]]
    return Headline(alarm, title, (*others, *_lede(scene, links)))


def _well(scene: Scene) -> tuple[str, str]:
    """When nothing is amiss. One organisation alone does not see behind the register, and does not claim to."""
    _ = scene._
    if _total(scene)["provisional"]:
        if scene.alone:
            return "busy", _("Nothing is amiss here. Decisions wait for a source further on.")
        return "busy", _("The chain is whole. The last decisions are being settled.")
    if scene.alone:
        return "calm", _("Nothing is amiss here: all that comes in is complete.")
    return "calm", _("The chain is whole: every source is complete.")


def _alarms(scene: Scene, links: Sequence[Canal]) -> list[tuple[str, str]]:
    """All that is amiss, worst first; an organisation is named once, for the worst."""
    told_of: set[str] = set()
    found = []
    concerned = _concerned(scene, links)
    for alarm, sentence in _sentences(scene).items():
        names = [key for key in dict.fromkeys(concerned[alarm]) if key not in told_of]
        told_of.update(names)
        if names:
            found.append((alarm, sentence.format(names=scene._.join(scene.short(key) for key in names))))
    return found


def _sentences(scene: Scene) -> dict[str, str]:
    """The alarms with their sentences, worst first."""
    _ = scene._
    return {
        "cut": _("Cut off from the chain: {names}."),
        "absent": _("No word from the node of: {names}."),
        "stopped": _("Something is missing in what came from: {names}."),
        "closed": _("Some gates are closed, at: {names}."),
        "silent": _("Silent, although no gate is closed: {names}."),
        "metered": _("Coming back in stages: {names}."),
        "behind": _("Not everything has been entered yet at: {names}."),
        "never": _("Nothing has been promised yet by: {names}."),
    }


def _concerned(scene: Scene, links: Sequence[Canal]) -> dict[str, list[str]]:
    """Per alarm the organisations that it is about."""
    lanes = [lane for link in links for lane in (link.there, link.back)]
    streams = completeness.rows(scene)
    by_stream = {state: [row.source for row in streams if row.state == state] for state in completeness.STATES}
    return by_stream | {
        "cut": canals.cut_off(links),
        "absent": scene.absent,
        "closed": [end for lane in lanes if lane.shown in ("closed", "mixed") for end in lane.closers],
        "metered": [end for lane in lanes if lane.state == "metered" for end in lane.closers],
    }


def _lede(scene: Scene, links: Sequence[Canal]) -> list[Markup]:
    _, total = scene._, _total(scene)
    sentences = [_decided(scene, total)] if total["total"] else []
    if count := total["held"]:
        form = _.plural_form("{count} of those is on hold.", "{count} of those are on hold.", count)
        sentences.append(told(form, count=scene.number(count)))
    if count := total["revisit"]:
        form = _.plural_form(
            "{count} is to be revisited: what arrived later changes its outcome.",
            "{count} are to be revisited: what arrived later changes their outcome.",
            count,
        )
        sentences.append(told(form, count=scene.number(count)))
    return [*sentences, *_waiting(scene, links), *_amiss(scene)]


def _amiss(scene: Scene) -> list[Markup]:
    """What was found wrong with what came in, and what sources did not keep to."""
    _, sentences = scene._, []
    if count := sum(len(status["quarantine"]) for status in scene.statuses):
        form = _.plural_form(
            "{count} delivery was set apart, unread.", "{count} deliveries were set apart, unread.", count
        )
        sentences.append(told(form, count=scene.number(count)))
    if count := sum(len(status["breaches"]) for status in scene.statuses):
        form = _.plural_form(
            "{count} act came after its source had said that all was in.",
            "{count} acts came after their source had said that all was in.",
            count,
        )
        sentences.append(told(form, count=scene.number(count)))
    return sentences


def _decided(scene: Scene, total: Mapping[str, int]) -> Markup:
    _ = scene._
    if not total["provisional"]:
        form = _.plural_form(
            "The one decision taken is not provisional.",
            "None of {all} decisions is provisional.",
            total["total"],
        )
        return told(form, all=scene.number(total["total"]))
    form = _.plural_form(
        "{count} of {all} decisions is provisional: it rests on a source that is not complete.",
        "{count} of {all} decisions are provisional: they rest on a source that is not complete.",
        total["provisional"],
    )
    return told(form, count=scene.number(total["provisional"]), all=_.number(total["total"]))


def _waiting(scene: Scene, links: Sequence[Canal]) -> list[Markup]:
    """The backlog: messages at gates, and acts that lie at the sources waiting to be entered."""
    _, sentences = scene._, []
    lanes = [lane for link in links for lane in (link.there, link.back) if lane.backlog]
    if lanes:
        count = sum(lane.backlog for lane in lanes)
        oldest = min((lane.oldest for lane in lanes if lane.oldest), default=None)
        form = _.plural_form("{count} message waits to be sent", "{count} messages wait to be sent", count)
        ending = told(_(", the oldest since {moment}."), moment=scene.short_moment(oldest)) if oldest else Markup(".")
        sentences.append(told(form, count=scene.number(count)) + ending)
    paper = sum(stream["waiting"] for status in scene.statuses for stream in status["streams"])
    if paper:
        form = _.plural_form(
            "{count} act on paper has yet to be entered at its source.",
            "{count} acts on paper have yet to be entered at their source.",
            paper,
        )
        sentences.append(told(form, count=scene.number(paper)))
    return sentences


def _total(scene: Scene) -> dict[str, int]:
    keys = ("total", *FIGURES)
    return {key: sum(status["decisions"][key] for status in scene.statuses) for key in keys}


def figures(scene: Scene, history: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """The counts of decisions by state; `history` is a list of {"at", provisional, settled, revisit, held}."""
    _, total = scene._, _total(scene)
    words = {
        "provisional": (_("Provisional"), _("May still change: a source is not complete.")),
        "revisit": (_("To be revisited"), _("What arrived later leads to another outcome.")),
        "held": (_("On hold"), _("Not carried out until it is certain.")),
        "settled": (_("Settled"), _("Nothing can still arrive that changes it.")),
    }
    return [
        Figure(key, *words[key], total[key], tuple((sample["at"], sample[key]) for sample in history))
        for key in FIGURES
    ]


def deciders(scene: Scene) -> list[tuple[str, Mapping[str, int]]]:
    """Per organisation that decides: its counts."""
    return [
        (status["organisation"], status["decisions"])
        for status in scene.statuses
        if status["decisions"]["total"] or "decider" in status["roles"]
    ]


def revisits(scene: Scene) -> list[Revisit]:
    """Decisions to be revisited at all nodes, worst first: found graver than issued before found milder, then by
    gravity, then the oldest."""
    _ = scene._
    found = [
        Revisit(
            organisation=status["organisation"],
            id=each["id"],
            title=_.pick(each["title"]),
            was=_.pick(each["was"]),
            now=_.pick(each["now"]),
            gravity=each["gravity"],
            harmful=each.get("harmful", True),
            because=_as_sentence(each[f"because_{_.language}"]),
            final=each["final"],
            at=each["at"],
        )
        for status in scene.statuses
        for each in status["revisits"]
    ]
    return sorted(found, key=lambda each: (not each.harmful, -each.gravity, each.at, each.id))


def _as_sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def entries(scene: Scene) -> list[Entry]:
    """The last timeline entries of all nodes, latest first."""
    found = [
        Entry(
            each["kind"] in NOTABLE,
            status["organisation"],
            each["n"],
            each["at"],
            each["room"],
            each[f"text_{scene._.language}"],
        )
        for status in scene.statuses
        for each in status["timeline"]["entries"]
    ]
    return sorted(found, key=lambda each: (-parse_instant(each.at), each.organisation, -each.n))


def headlines(scene: Scene, most: int) -> list[Entry]:
    """The latest notable entries; where there are none, the latest of all."""
    found = entries(scene)
    return ([entry for entry in found if entry.notable] or found)[:most]


def gatehouses(scene: Scene) -> list[Gatehouse]:
    """For each node that can move gates: how they stand, in a sentence, and by whose order."""
    houses = []
    for status in scene.statuses:
        key = status["organisation"]
        orders = canals.standing(scene, key)
        orders.sort(key=lambda order: (order.kind != ALL, order.peer != ALL, order.direction != ALL))
        if all(order.state == "open" for order in orders):
            orders = []
        more = scene._.plural("{count} more order", "{count} more orders", len(orders) - 1)
        own = [link[direction] for link in status["links"] for direction in ("in", "out")]
        state = own[0] if own and len(set(own)) == 1 else "mixed" if own else "open"
        houses.append(Gatehouse(key, state, _house_sentence(scene, state), tuple(orders), more))
    return houses


def _house_sentence(scene: Scene, state: str) -> str:
    _ = scene._
    return {
        "closed": _("All its gates are closed."),
        "metered": _("All its gates are metered."),
        "open": _("All its gates are open."),
        "mixed": _("Some of its gates are closed or metered."),
    }[state]


def notes(scene: Scene) -> dict[str, str]:
    """A line for an organisation's box in the picture: until when it is complete, or what it holds."""
    _, found = scene._, {}
    for row in sorted(completeness.rows(scene), key=lambda row: row.through):
        if row.through > 0 and row.source not in found:
            moment = _.short_moment(row.through, scene.chain.timezone)
            found[row.source] = _("through {moment}", moment=moment)
    for status in scene.statuses:
        if status["register"]["facts"]:
            found[status["organisation"]] = _("{count} facts", count=status["register"]["facts"])
    for organisation, counts in deciders(scene):
        found[organisation] = _("{count} provisional", count=counts["provisional"])
    return found
