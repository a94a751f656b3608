"""Keys: whose word counts, until when, and the change of one while everything runs. Pure."""

from __future__ import annotations

from typing import Any

from keersluis.web.actions import Action, Field, Values, moment, who_and_why
from keersluis.web.scene import Scene
from keersluis.web.topics import Table, Topic, as_json, at


def topic(scene: Scene) -> Topic:
    """The topic of every organisation."""
    return Topic(
        key="sleutels",
        title=scene._("Keys"),
        actions=[_rotate(scene), _revoke(scene), _add(scene)],
        reads="/sleutels",
        tables=lambda answer: _tables(scene, answer),
    )


def _tables(scene: Scene, answer: Any) -> list[Table]:
    _ = scene._
    states = {"in force": _("in force"), "ends": _("ends"), "ended": _("ended"), "to come": _("to come")}
    rows = [
        (
            scene.short(each["organisation"]) if each["organisation"] else each["oin"],
            each["key"],
            states[each["state"]],
            scene.short_moment(each["from"]) if each["from"] and not each["from"].startswith("1970") else "–",
            scene.short_moment(each["until"]) or "–",
        )
        for each in answer["keys"]
    ]
    heads = (_("Organisation"), _("Key"), _("State"), _("From"), _("Through"))
    found = [Table(_("Whose signature counts here"), heads, rows)]
    if shown := answer["certificate"]:
        heads_own = (_("Name in it"), _("Through"))
        own = [(shown["subject"], scene.short_moment(shown["until"]))]
        found.append(Table(_("The certificate that this node shows to others"), heads_own, own))
    return found


def _organisation(scene: Scene) -> Field:
    nodes = [(each.oin, scene.name(each.key)) for each in scene.chain.nodes]
    return Field("oin", scene._("Organisation"), "choice", options=nodes)


def _ordered(values: Values) -> dict[str, Any]:
    return {"wie": values["who"], "waarom": values["why"]}


def _rotate(scene: Scene) -> Action:
    _ = scene._
    return Action(
        key="sleutel-wisselen",
        title=_("Change the key of this organisation"),
        lede=_("The old key signs for the new one; partners hear of it by themselves. Nothing has to be restarted."),
        button=_("Change the key"),
        fields=[
            Field("starts", _("From"), "moment", _("Left open: in half a minute."), required=False),
            *who_and_why(scene),
        ],
        path=at("/sleutels/_wissel"),
        body=lambda values: as_json(_ordered(values) | {"vanaf": moment(scene, values, "starts")}),
        consequences=lambda _values: [
            _("What was signed with the old key goes on counting. From that moment on only the new key counts.")
        ],
        told=lambda _answer: [_("The change is signed and stands in the timeline; partners are told.")],
    )


def _revoke(scene: Scene) -> Action:
    _ = scene._
    return Action(
        key="sleutel-intrekken",
        title=_("Revoke a key"),
        lede=_("When somebody else may have it: what it signed from that moment on counts for nothing."),
        button=_("Revoke"),
        fields=[
            _organisation(scene),
            Field("key", _("Key"), hint=_("Its eight digits from the list.")),
            Field("starts", _("From"), "moment", _("Left open: from now on."), required=False),
            *who_and_why(scene),
        ],
        path=at("/sleutels/_intrekken"),
        body=lambda values: as_json(
            {"oin": values["oin"], "sleutel": values["key"], "vanaf": moment(scene, values, "starts")}
            | _ordered(values)
        ),
        consequences=lambda _values: [
            _("Nothing of that organisation is taken until it signs with another key that is known here."),
            _("This cannot be undone."),
        ],
        told=lambda _answer: [_("The key is revoked.")],
    )


def _add(scene: Scene) -> Action:
    _ = scene._
    return Action(
        key="sleutel-toevoegen",
        title=_("Trust a key that was shown in another way"),
        lede=_("For example read out by telephone, or brought by hand, by somebody whom you know."),
        button=_("Trust it"),
        fields=[
            _organisation(scene),
            Field("key", _("Key"), hint=_("In base64, as `keersluis keys list` shows it.")),
            Field("starts", _("From"), "moment"),
            *who_and_why(scene),
        ],
        path=at("/sleutels/_toevoegen"),
        body=lambda values: as_json(
            {"oin": values["oin"], "sleutel": values["key"], "vanaf": moment(scene, values, "starts")}
            | _ordered(values)
        ),
        consequences=lambda _values: [_("Whoever has this key can speak for that organisation.")],
        told=lambda _answer: [_("The key counts from that moment on.")],
    )
