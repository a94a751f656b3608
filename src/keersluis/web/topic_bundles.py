"""Carried bundles: made for a partner, fetched part by part; brought, verified whole and taken in. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from keersluis.web.actions import Action, Download, Field, Values
from keersluis.web.scene import Scene
from keersluis.web.topics import API, Table, Topic, as_json, at


def topic(scene: Scene, organisation: str) -> Topic:
    """The topic of every organisation."""
    _ = scene._
    return Topic(
        key="bundels",
        title=_("Carried bundles"),
        actions=[
            _take_in(scene),
            _make(scene, organisation),
            _confirm(scene, organisation),
            _fetch(scene),
            _go_on(scene),
        ],
        reads="/bundels",
        tables=lambda answer: _tables(scene, organisation, answer),
        none=_("No bundle was made here, and none came."),
    )


def _tables(scene: Scene, organisation: str, answer: Any) -> list[Table]:
    _, found = scene._, []
    if answer["out"]:
        heads = (_("Nr."), _("For"), _("Holds"), _("Made"), _("State"), _("Fetch"))
        found.append(Table(_("Made here"), heads, [_out(scene, organisation, each) for each in answer["out"]]))
    if answer["in"]:
        heads_in = (_("Nr."), _("Of"), _("Holds"), _("Came"), _("State"))
        found.append(Table(_("Brought here"), heads_in, [_in(scene, each) for each in answer["in"]]))
    return found


def _holds(scene: Scene, each: Any) -> str:
    _ = scene._
    return _("receipts") if each["holds"] == "receipts" else _("{count} events", count=each["events"])


def _out(scene: Scene, organisation: str, each: Any) -> tuple[Any, ...]:
    _ = scene._
    states = {"made": _("on its way"), "receipted": _("confirmed by the partner")}
    address = "/uitwisseling/{}/bundel-ophalen?number={}&part={}"
    links = [
        Markup('<a href="{}">{}</a>').format(
            address.format(organisation, each["n"], part), _("part {part} of {parts}", part=part, parts=each["parts"])
        )
        for part in range(1, min(each["parts"], 20) + 1)
    ]
    held, moment = _holds(scene, each), scene.short_moment(each["at"])
    return each["n"], scene.short(each["peer"]), held, moment, states[each["state"]], Markup(" ").join(links)


def _in(scene: Scene, each: Any) -> tuple[Any, ...]:
    _ = scene._
    states = {
        "waiting": _("not whole: missing part {parts}", parts=", ".join(map(str, each["missing"][:20]))),
        "whole": _("whole, not yet taken in"),
        "applied": _("taken in"),
        "refused": _("refused: {reason}", reason=_reason(each["refusal"])),
    }
    return (
        each["n"],
        scene.short(each["peer"]),
        _holds(scene, each),
        scene.short_moment(each["at"]),
        states[each["state"]],
    )


def _reason(refusal: Any) -> str:
    if not isinstance(refusal, dict):
        return str(refusal or "")
    return " ".join(str(refusal[name]) for name in ("code", "where") if refusal.get(name))


def _peers(scene: Scene, organisation: str) -> list[tuple[str, str]]:
    return [(link["peer"], scene.name(link["peer"])) for link in scene.by_key[organisation]["links"]]


def _plain(scene: Scene) -> Field:
    _ = scene._
    label = _("Leave it unsealed")
    return Field("plain", label, "check", _("Anybody who holds it can then read it."), required=False)


def _make(scene: Scene, organisation: str) -> Action:
    _ = scene._
    kinds = [(k.path, scene.kind(k.path)) for k in scene.chain.kinds.values() if k.source == organisation]

    def body(values: Values) -> bytes:
        wanted = {"peer": values["peer"], "soorten": [values["kind"]] if values["kind"] else []}
        size = int(values["size"]) * 1024 * 1024 if values["size"] else None
        return as_json(wanted | {"deelgrootte": size, "onverzegeld": bool(values["plain"])})

    return Action(
        key="bundel-maken",
        title=_("Make a bundle"),
        lede=_("A file with what a partner has not confirmed, to be carried. The network goes on as if it never came."),
        button=_("Make the bundle"),
        fields=[
            Field("peer", _("For"), "choice", options=_peers(scene, organisation)),
            Field("kind", _("Kind"), "choice", _("Left open: everything."), options=kinds, required=False),
            Field("size", _("Megabytes in a part"), "number", _("Left open: in one part."), required=False),
            _plain(scene),
        ],
        path=at("/bundels/_maak"),
        body=body,
        told=lambda answer: _made(scene, answer),
    )


def _made(scene: Scene, answer: Any) -> list[str]:
    _ = scene._
    made = {"number": answer["n"], "parts": answer["parts"]}
    said = [_("Bundle {number} is made. Its parts, {parts} in number, can be fetched.", **made)]
    refused = [f"{scene.kind(kind)} ({code})" for kind, code in answer["refused"].items()]
    return said + ([_("Left out: {kinds}.", kinds=", ".join(refused))] if refused else [])


def _confirm(scene: Scene, organisation: str) -> Action:
    _ = scene._
    return Action(
        key="bundel-bevestigen",
        title=_("Make a bundle of receipts"),
        lede=_("Tells a source, by hand, what of its streams has been applied here."),
        button=_("Make the bundle"),
        fields=[Field("peer", _("For"), "choice", options=_peers(scene, organisation)), _plain(scene)],
        path=at("/bundels/_bevestig"),
        body=lambda v: as_json({"peer": v["peer"], "onverzegeld": bool(v["plain"])}),
        told=lambda answer: _made(scene, answer),
    )


def _fetch(scene: Scene) -> Action:
    _ = scene._
    return Action(
        key="bundel-ophalen",
        title=_("Fetch a part of a bundle"),
        lede=_("As a file, to be put on a medium that is carried."),
        button=_("Fetch"),
        fields=[Field("number", _("Number of the bundle"), "number"), Field("part", _("Part"), "number", value="1")],
        path=lambda v: f"{API}/bundels/{int(v['number'])}/delen/{int(v['part'])}",
        body=lambda _values: None,
        download=Download("application/octet-stream", lambda v: f"keersluis-{v['number']}.part-{v['part']}"),
    )


def _take_in(scene: Scene) -> Action:
    _ = scene._
    return Action(
        key="bundel-inlezen",
        title=_("Read a bundle that was brought"),
        lede=_("Parts may come in any order. All of it is verified before anything is applied."),
        button=_("Read"),
        fields=[Field("file", _("The file, or one part of it"), "file")],
        path=at("/bundels"),
        body=lambda v: v["file"],
        follow=lambda answer: [(API + "/bundels/_verwerk", as_json({"nummer": n})) for n in answer["kept"]],
        told=lambda answers: [sentence for answer in answers[1:] for sentence in _taken(scene, answer)],
    )


def _go_on(scene: Scene) -> Action:
    _ = scene._
    return Action(
        key="bundel-verwerken",
        title=_("Go on taking in a bundle"),
        lede=_("For one that is whole and was not taken in, because a gate was closed or it was large."),
        button=_("Go on"),
        fields=[Field("number", _("Number of the bundle"), "number")],
        path=at("/bundels/_verwerk"),
        body=lambda v: as_json({"nummer": int(v["number"])}),
        told=lambda answer: _taken(scene, answer),
    )


def _taken(scene: Scene, answer: Any) -> Sequence[str]:
    """What became of one bundle."""
    _ = scene._
    names = {"number": answer["n"], "peer": scene.short(answer["peer"])}
    if answer["missing"]:
        parts = ", ".join(map(str, answer["missing"][:20]))
        return [_("Bundle {number} of {peer} is kept. Still missing: part {parts}.", **names, parts=parts)]
    if answer["holds"] == "receipts":
        return [_("The receipts of {peer} are stored: {count}.", peer=names["peer"], count=answer["receipts"])]
    said = [
        _("Bundle {number} of {peer}: {new} new events, {known} were here already.", **names,
          new=_.number(answer["events"]), known=_.number(answer["passed"]))
    ]  # fmt: skip
    if answer["left"]:
        said.append(_("{count} events are left: go on taking it in.", count=answer["left"]))
    return said + [f"{scene.kind(kind)}: {why}" for kind, why in answer["refused"].items()]
