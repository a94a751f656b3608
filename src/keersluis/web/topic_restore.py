"""A node that came back from an old backup: what it lost, and the two ways to go on. Pure."""

from __future__ import annotations

from typing import Any

from keersluis.web.actions import Action, Field, who_and_why
from keersluis.web.exchange_view import whose
from keersluis.web.scene import Scene
from keersluis.web.topics import Table, Topic, as_json, at, own_kinds


def topic(scene: Scene, organisation: str) -> Topic:
    """The topic of one organisation that sends."""
    _ = scene._
    return Topic(
        key="herstel",
        title=_("After a restored backup"),
        actions=[
            _check(scene),
            _take_back(scene),
            _confirm(scene),
            _epoch(scene, organisation),
            _solve(scene, organisation),
        ],
        reads="/herstel",
        tables=lambda answer: _tables(scene, answer),
        alarm=lambda answer: _alarm(scene, answer),
        none=_("Partners hold nothing of ours that is not here."),
    )


def _alarm(scene: Scene, answer: Any) -> list[str]:
    _, found = scene._, []
    if answer["behind"]:
        found.append(_("A partner holds more of our own events than we do: an old backup was put back."))
        found.append(_("Nothing of these kinds is sent until it is taken back."))
    if answer["unconfirmed"]:
        found.append(_("Some kinds promise nothing until somebody confirms that everything is here again."))
    return found


def _tables(scene: Scene, answer: Any) -> list[Table]:
    _, found = scene._, []
    if answer["behind"]:
        heads = (_("Kind"), _("Held by"), _("They hold"))
        rows = [(scene.kind(e["kind"]), scene.short(e["peer"]), _.number(e["size"])) for e in answer["behind"]]
        found.append(Table(_("What partners hold and we lost"), heads, rows))
    if answer["unconfirmed"]:
        found.append(
            Table(_("Not yet confirmed"), (_("Kind"),), [[scene.kind(kind)] for kind in answer["unconfirmed"]])
        )
    if answer["conflicts"]:
        heads = (_("Kind"), _("Reference"), _("Since"))
        rows = [(scene.kind(e["kind"]), e["id"], scene.short_moment(e["at"])) for e in answer["conflicts"]]
        found.append(Table(_("Events whose reference had been used before, with other content"), heads, rows))
    if answer["epochs"]:
        heads = (_("Kind"), _("Epoch"), _("Continues after"))
        rows = [_epoch_row(scene, each) for each in answer["epochs"]]
        found.append(Table(_("Streams that go on in a new epoch"), heads, rows))
    return found


def _epoch_row(scene: Scene, each: Any) -> tuple[Any, ...]:
    _source, kind = whose(scene.chain, each["origin"])
    return scene.kind(kind), each["origin"].rsplit("/", 1)[-1], scene._.number(each["size"])


def _ordered(values: Any) -> bytes:
    return as_json({"wie": values["who"], "waarom": values["why"]})


def _answers(scene: Scene, answer: Any) -> list[str]:
    """Who answered, and who did not."""
    _, answers = scene._, answer["answers"]
    mute = [scene.short(peer) for peer, code in answers.items() if code]
    heard = [scene.short(peer) for peer, code in answers.items() if not code]
    told = [_("Answered: {names}.", names=_.join(heard))] if heard else []
    return told + ([_("Not reached: {names}.", names=_.join(mute))] if mute else [])


def _check(scene: Scene) -> Action:
    _ = scene._
    return Action(
        key="herstel-controle",
        title=_("Ask every partner what it holds of ours"),
        lede=_("This is done by itself before anything is sent after a start; here it is done now."),
        button=_("Ask now"),
        fields=[],
        path=at("/herstel/_controle"),
        body=lambda _values: b"",
        told=lambda answer: _answers(scene, answer),
    )


def _take_back(scene: Scene) -> Action:
    _ = scene._

    def told(answer: Any) -> list[str]:
        number = _.number(len(answer["taken"]))
        said = [_("Streams that are whole again: {count}.", count=number)]
        if answer["refused"]:
            said.append(_("Refused, for what came does not match: {count}.", count=len(answer["refused"])))
        return said + _answers(scene, answer)

    return Action(
        key="terughalen",
        title=_("Take lost events back from who holds them"),
        lede=_("Each is verified by our own signature before it counts."),
        button=_("Take back"),
        fields=who_and_why(scene),
        path=at("/herstel/terughalingen"),
        body=_ordered,
        consequences=lambda _values: [
            _("What partners hold of our streams comes back under the numbers that it had."),
            _("What was accepted here since then gets the numbers after that; nobody has seen it yet."),
        ],
        told=told,
    )


def _confirm(scene: Scene) -> Action:
    _ = scene._
    return Action(
        key="herstel-bevestigen",
        title=_("Confirm that everything is here again"),
        lede=_("After a check in the system of record: from now on all kinds promise again."),
        button=_("Confirm"),
        fields=who_and_why(scene),
        path=at("/herstel/bevestigingen"),
        body=_ordered,
        consequences=lambda _values: [
            _("Partners settle decisions on our promises again. What is still missing then is a broken promise.")
        ],
        told=lambda answer: [
            _("These kinds promise again: {names}.", names=_.join(scene.kind(kind) for kind in answer["confirmed"]))
            if answer["confirmed"]
            else _("Nothing was waiting for it: nothing has changed.")
        ],
    )


def _epoch(scene: Scene, organisation: str) -> Action:
    _ = scene._
    return Action(
        key="nieuw-tijdperk",
        title=_("Go on in a new epoch: the lost events cannot be had back"),
        lede=_("Only when no partner can give them back. The relation to what was before is declared and signed."),
        button=_("Open the new epoch"),
        fields=[
            Field("kind", _("Kind"), "choice", options=own_kinds(scene, organisation)),
            Field("even_so", _("Also where no partner is known to hold more"), "check", required=False),
            *who_and_why(scene),
        ],
        path=at("/herstel/tijdperken"),
        body=lambda v: as_json({"soort": v["kind"], "toch": bool(v["even_so"]), "wie": v["who"], "waarom": v["why"]}),
        consequences=lambda _values: [
            _("The stream begins to number anew. Partners keep what they hold of the old epoch, and mark it."),
            _("This cannot be undone."),
        ],
        told=lambda answer: [_("The stream goes on as {origin}.", origin=answer["origin"])],
    )


def _solve(scene: Scene, organisation: str) -> Action:
    _ = scene._
    return Action(
        key="conflict-opgelost",
        title=_("An event with a reference that was used before is dealt with"),
        lede=_("It has been entered under another reference, or was not needed."),
        button=_("It is dealt with"),
        fields=[
            Field("kind", _("Kind"), "choice", options=own_kinds(scene, organisation)),
            Field("id", _("Reference")),
            *who_and_why(scene),
        ],
        path=at("/herstel/conflicten"),
        body=lambda v: as_json({"soort": v["kind"], "id": v["id"], "wie": v["who"], "waarom": v["why"]}),
        told=lambda answer: [
            _("It is off the desk.") if answer["solved"] else _("It lay on no desk: nothing has changed.")
        ],
    )
