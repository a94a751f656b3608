"""The exchange of one organisation as the page shows it: links, what waits, what was set apart. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from keersluis.chain import Chain
from keersluis.errors import Incorrect
from keersluis.times import parse_instant
from keersluis.watermarks import parse_origin
from keersluis.web.scene import Scene, told


@dataclass(frozen=True)
class Link:
    """One partner: how our gates towards it stand, and how much waits for it."""

    peer: str
    out: str
    into: str
    waiting: int
    oldest: str | None


@dataclass(frozen=True)
class Waiting:
    """One of our streams towards one partner; `expected` says in words when it has caught up."""

    kind: str
    peer: str
    receipted: int
    waiting: int
    oldest: str | None
    state: str
    expected: str


@dataclass(frozen=True)
class SetApart:
    """A delivery that was not applied: what is wrong with it, and what somebody can do."""

    source: str
    kind: str
    at: str
    sentence: str
    advice: str


def links(scene: Scene, organisation: str) -> list[Link]:
    """Each partner with the gates towards it, what waits most first."""
    status = scene.by_key[organisation]
    found = []
    for each in status["links"]:
        peers = [peer for stream in status["streams"] for peer in stream["peers"] if peer["peer"] == each["peer"]]
        oldest = min((peer["oldest"] for peer in peers if peer["oldest"]), default=None)
        waiting = sum(peer["backlog"] for peer in peers)
        found.append(Link(each["peer"], each["out"], each["in"], waiting, oldest))
    return sorted(found, key=lambda link: (-link.waiting, link.peer))


def backlog(scene: Scene, organisation: str) -> list[Waiting]:
    """Each stream of our own towards each receiver, in drain order."""
    kinds = scene.chain.kinds
    streams = sorted(scene.by_key[organisation]["streams"], key=lambda each: (kinds[each["kind"]].drain, each["kind"]))
    return [_waiting(scene, stream["kind"], peer) for stream in streams for peer in stream["peers"]]


def _waiting(scene: Scene, kind: str, peer: Mapping[str, Any]) -> Waiting:
    return Waiting(
        scene.kind(kind),
        peer["peer"],
        peer["receipted"],
        peer["backlog"],
        peer["oldest"],
        peer["state"],
        _expected(scene, peer),
    )


def _expected(scene: Scene, peer: Mapping[str, Any]) -> str:
    """When a stream has caught up, as far as somebody can know."""
    _ = scene._
    if not peer["backlog"]:
        return _("nothing waits")
    if peer["state"] == "closed":
        return _("when the gate opens")
    state = peer.get("catch_up") or {"state": "not-known"}
    if state["state"] == "expected":
        moment = _.short_moment(parse_instant(state["at"]), scene.chain.timezone)
        return _("about {moment}", moment=moment)
    if state["state"] == "not-at-this-rate":
        return _("never at this rate")
    return _("not known yet")


def set_apart(scene: Scene, organisation: str) -> list[SetApart]:
    """Deliveries that were not applied, latest first."""
    rows = [_apart(scene, each) for each in scene.by_key[organisation]["quarantine"]]
    return sorted(rows, key=lambda row: row.at, reverse=True)


def _apart(scene: Scene, each: Mapping[str, Any]) -> SetApart:
    source, kind = whose(scene.chain, each["origin"])
    return SetApart(source, kind, each["at"], each["sentence"], _advice(scene, each["code"]))


def whose(chain: Chain, origin: str) -> tuple[str, str]:
    """(organisation, kind) of a stream's origin; as it stands where the chain does not know it."""
    try:
        name = parse_origin(origin)
        return chain.organisation_by_oin(name.oin).key, name.kind
    except Incorrect:
        return origin, ""


def _advice(scene: Scene, code: str) -> str:
    _ = scene._
    advice = {
        "exchange.forked": _("The source has told two stories. Keep both, and ask it to explain before anything else."),
        "exchange.root-differs": _(
            "Something was altered, left out or added on the way. The source is asked again by itself;"
            " if it comes again, call the source."
        ),
        "exchange.numbering": _("The source has numbered its events wrongly. Call the source."),
        "exchange.size-differs": _(
            "The delivery was cut short. The source is asked again by itself; if it comes again, call the source."
        ),
        "exchange.not-applied": _("The fault is ours and has been recorded. Give the people who maintain this a call."),
    }
    return advice.get(code, _("The source is asked again by itself. If it comes again, call the source."))


def broken_promises(scene: Scene, organisation: str) -> list[Markup]:
    """Per source and kind: how many acts came after it had said that all was in."""
    counted: dict[tuple[str, str], int] = {}
    for each in scene.by_key[organisation]["breaches"]:
        key = (each["source"], each["kind"])
        counted[key] = counted.get(key, 0) + 1
    return [
        told(
            scene._.plural_form(
                "{source}, {kind}: {count} act came after it was promised.",
                "{source}, {kind}: {count} acts came after they were promised.",
                count,
            ),
            source=scene.short(source),
            kind=scene.kind(kind),
            count=scene.number(count),
        )
        for (source, kind), count in sorted(counted.items())
    ]


def lede(scene: Scene, waits: Sequence[Waiting], apart: Sequence[SetApart]) -> Markup:
    """What waits and what was set apart, in a sentence or two."""
    _, waiting = scene._, sum(row.waiting for row in waits)
    form = _.plural_form("{count} message waits to be sent.", "{count} messages wait to be sent.", waiting)
    said = told(form, count=scene.number(waiting)) if waiting else Markup.escape(_("Nothing waits to be sent."))
    if not apart:
        return said
    form = _.plural_form("{count} delivery was set apart.", "{count} deliveries were set apart.", len(apart))
    return said + " " + told(form, count=scene.number(len(apart)))
