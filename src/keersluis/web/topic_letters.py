"""Letters: events printed with codes, and scans of them entered as if they had come over the network. Pure."""

from __future__ import annotations

from typing import Any

from keersluis.web.actions import Action, Download, Field, Values
from keersluis.web.exchange_view import whose
from keersluis.web.scene import Scene
from keersluis.web.topics import Table, Topic, as_json, at

SHOWN = 20


def topic(scene: Scene, organisation: str) -> Topic:
    """The topic of every organisation."""
    _ = scene._
    return Topic(
        key="brieven",
        title=_("Letters"),
        actions=[_scan(scene), _print(scene, organisation)],
        reads="/brieven",
        tables=lambda answer: _tables(scene, answer),
        none=_("No letter was printed here, and none came."),
    )


def _tables(scene: Scene, answer: Any) -> list[Table]:
    _, found = scene._, []
    if answer["out"]:
        heads = (_("Kind"), _("Number in its stream"), _("For"), _("Printed"))
        rows = [
            (scene.kind(e["kind"]), _.number(e["position"]), scene.short(e["peer"]), scene.short_moment(e["at"]))
            for e in answer["out"][:SHOWN]
        ]
        found.append(Table(_("Printed: {count} in all", count=answer["letters_out"]), heads, rows))
    if answer["in"]:
        heads_in = (_("Kind"), _("Number in its stream"), _("Of"), _("Came"), _("State"))
        rows_in = [_came(scene, each) for each in answer["in"][:SHOWN]]
        found.append(Table(_("Came by letter: {count} in all", count=answer["letters_in"]), heads_in, rows_in))
    return found


def _came(scene: Scene, each: Any) -> tuple[Any, ...]:
    _ = scene._
    states = {"applied": _("entered"), "known": _("was here already"), "kept": _("kept until its turn")}
    source, kind = whose(scene.chain, each["origin"])
    moment = scene.short_moment(each["at"])
    return scene.kind(kind), _.number(each["position"]), scene.short(source), moment, states[each["outcome"]]


def _print(scene: Scene, organisation: str) -> Action:
    _ = scene._
    kinds = [(k.path, scene.kind(k.path)) for k in scene.chain.kinds.values() if k.source == organisation]
    peers = [(link["peer"], scene.name(link["peer"])) for link in scene.by_key[organisation]["links"]]

    def body(values: Values) -> bytes:
        numbers = {name: int(values[field]) for name, field in (("van", "first"), ("tot", "last")) if values[field]}
        wish = {"gebeurtenis": values["event"], "soort": values["kind"], "wachtOp": values["waiting"]}
        return as_json(wish | numbers | {"aan": values["peer"], "taal": values["language"]})

    return Action(
        key="brieven-afdrukken",
        title=_("Print events as letters"),
        lede=_("Fill in one of three: a reference, a kind with its first and last number, or a partner that waits."),
        button=_("Make the letters (PDF)"),
        fields=[
            Field("event", _("Reference of one event"), required=False),
            Field("kind", _("Or: kind"), "choice", options=kinds, required=False),
            Field("first", _("From number"), "number", required=False),
            Field("last", _("Through number"), "number", required=False),
            Field("waiting", _("Or: all that waits for"), "choice", options=peers, required=False),
            Field("peer", _("For, where several receive it"), "choice", options=peers, required=False),
            Field("language", _("Language"), "choice", options=[("nl", "Nederlands"), ("en", "English")], value="nl"),
        ],
        path=at("/brieven/_pdf"),
        body=body,
        download=Download("application/pdf", lambda _values: "brieven.pdf"),
    )


def _scan(scene: Scene) -> Action:
    _ = scene._
    return Action(
        key="brieven-inlezen",
        title=_("Read scanned letters"),
        lede=_("A PDF or picture with pages in any order, at most 200; larger stacks go by the command line."),
        button=_("Read"),
        fields=[Field("file", _("The scan"), "file", accept=".pdf,.png,.jpg,.jpeg,.tif,.tiff")],
        path=at("/brieven/_scan?naam=scan"),
        body=lambda v: v["file"],
        told=lambda answer: _read(scene, answer),
    )


def _read(scene: Scene, answer: Any) -> list[str]:
    """What came of a scan: how much was read, what was entered, and what could not be, with its pages and why."""
    _ = scene._
    outcomes = [each["outcome"] for each in answer["entered"]]
    new = sum(outcome != "known" for outcome in outcomes)
    counts = {"pages": _.number(answer["pages"]), "letters": _.number(answer["letters"])}
    said = [
        _("Read: {pages} pages with {letters} letters.", **counts),
        _("Entered: {new}; were here already: {known}.", new=_.number(new), known=_.number(len(outcomes) - new)),
    ]
    return said + [_unread(scene, each) for each in answer["failed"]]


def _unread(scene: Scene, each: Any) -> str:
    pages = ", ".join(str(page["page"]) for page in each["pages"])
    problem = each["problem"]
    told = " ".join(str(problem[name]) for name in ("expected", "got") if problem.get(name))
    return scene._("Not entered: page {pages}. {reason}", pages=pages, reason=told or str(problem.get("code", "")))
