"""What has yet to be entered at a source: paper, mailboxes, systems that are down. Pure."""

from __future__ import annotations

from typing import Any

from keersluis.web.actions import Action, Field, Values, moment, who_and_why
from keersluis.web.scene import Scene
from keersluis.web.topics import Table, Topic, as_json, at, own_kinds


def topic(scene: Scene, organisation: str) -> Topic:
    """The topic of one source."""
    _ = scene._
    return Topic(
        key="inname",
        title=_("What has yet to be entered"),
        actions=[
            _register(scene, organisation),
            _withdraw(scene, organisation),
            _mailbag(scene, organisation),
            _opened(scene, organisation),
            _closed(scene, organisation),
        ],
        reads="/inname/wachtend",
        tables=lambda answer: _tables(scene, answer),
        none=_("Nothing is known to wait for entry."),
    )


def channels(scene: Scene) -> list[tuple[str, str]]:
    """Where an act may lie until it is entered."""
    _ = scene._
    return [
        ("paper", _("on paper")),
        ("mailbox", _("in a mailbox")),
        ("system-down", _("in a system that is down")),
    ]


def _tables(scene: Scene, answer: Any) -> list[Table]:
    _, where = scene._, dict(channels(scene))
    bags = {(each["kind"], each["id"]): each for each in answer["mailbags"]}
    rows = [
        (scene.kind(each["kind"]), where.get(each["channel"], each["channel"]), _.number(each["count"]),
         scene.short_moment(each["oldest"]))
        for each in answer["groups"]
    ]  # fmt: skip
    heads = (_("Kind"), _("Where it lies"), _("Number"), _("Oldest act"))
    found = [Table(_("Registered, per kind and place"), heads, rows)] if rows else []
    if bags:
        rows = [
            (key, scene.kind(kind), _.number(each["count"]), scene.short_moment(each["oldest"]))
            for (kind, key), each in bags.items()
        ]
        heads = (_("Mailbag"), _("Kind"), _("About so many"), _("Oldest act"))
        found.append(Table(_("Unopened mailbags"), heads, rows))
    return found


def _kind(scene: Scene, organisation: str) -> Field:
    return Field("kind", scene._("Kind"), "choice", options=own_kinds(scene, organisation))


def _register(scene: Scene, organisation: str) -> Action:
    _ = scene._

    def body(values: Values) -> bytes:
        when = moment(scene, values, "when")
        item = {"soort": values["kind"], "id": values["id"], "gebeurd": when, "kanaal": values["channel"]}
        return as_json([item])

    return Action(
        key="wacht-op-invoer",
        title=_("Register an act that waits for entry"),
        lede=_("Until it is entered, nobody is promised that everything up to its date is in."),
        button=_("Register"),
        fields=[
            _kind(scene, organisation),
            Field("id", _("Reference"), hint=_("The number under which it will be entered.")),
            Field("when", _("Date and time of the act"), "moment"),
            Field("channel", _("Where it lies"), "choice", options=channels(scene)),
        ],
        path=at("/inname/wachtend"),
        body=body,
        told=lambda _answer: [_("It is registered. The promise for this kind is held back to before its date.")],
    )


def _withdraw(scene: Scene, organisation: str) -> Action:
    _ = scene._
    return Action(
        key="wacht-niet",
        title=_("Withdraw what was registered by mistake"),
        lede=_("The act does not wait after all. To undo this, register it again."),
        button=_("Withdraw"),
        fields=[_kind(scene, organisation), Field("id", _("Reference")), *who_and_why(scene)],
        path=at("/inname/_trek-in"),
        body=lambda v: as_json({"soort": v["kind"], "ids": [v["id"]], "wie": v["who"], "waarom": v["why"]}),
        consequences=lambda _values: [
            _("The promise for this kind no longer waits for it. If it is entered after all, that is a broken promise.")
        ],
        told=lambda answer: [
            _("It is withdrawn.") if answer["withdrawn"] else _("It was not registered: nothing has changed.")
        ],
    )


def _mailbag(scene: Scene, organisation: str) -> Action:
    _ = scene._

    def body(values: Values) -> bytes:
        bag = {"soort": values["kind"], "id": values["id"], "aantal": int(values["count"])}
        return as_json(bag | {"oudste": moment(scene, values, "oldest"), "kanaal": values["channel"]})

    return Action(
        key="postzak",
        title=_("Register a mailbag that nobody has opened"),
        lede=_("About so many letters or messages, the oldest possibly of that date."),
        button=_("Register"),
        fields=[
            _kind(scene, organisation),
            Field("id", _("Name of the mailbag"), hint=_("For example post-room-2025-08-03, without spaces.")),
            Field("count", _("About how many"), "number"),
            Field("oldest", _("The oldest act is possibly of"), "moment"),
            Field("channel", _("Where it lies"), "choice", options=channels(scene), value="mailbox"),
        ],
        path=at("/inname/postzakken"),
        body=body,
        told=lambda _answer: [_("It is registered. The promise for this kind is held back to before its date.")],
    )


def _opened(scene: Scene, organisation: str) -> Action:
    _ = scene._
    return Action(
        key="postzak-geopend",
        title=_("Take opened letters out of a mailbag"),
        lede=_("Register each of them by itself first, or enter it; the mailbag then holds so many less."),
        button=_("Take out"),
        fields=[
            _kind(scene, organisation),
            Field("id", _("Name of the mailbag")),
            Field("count", _("How many were opened"), "number"),
        ],
        path=at("/inname/postzakken/_open"),
        body=lambda v: as_json({"soort": v["kind"], "id": v["id"], "aantal": int(v["count"])}),
        told=lambda answer: [_("About {count} are left in it.", count=answer["left"])],
    )


def _closed(scene: Scene, organisation: str) -> Action:
    _ = scene._
    return Action(
        key="postzak-leeg",
        title=_("Declare a mailbag empty"),
        lede=_("Nothing of it waits any longer."),
        button=_("Declare it empty"),
        fields=[_kind(scene, organisation), Field("id", _("Name of the mailbag")), *who_and_why(scene)],
        path=at("/inname/postzakken/_sluit"),
        body=lambda v: as_json({"soort": v["kind"], "id": v["id"], "wie": v["who"], "waarom": v["why"]}),
        consequences=lambda _values: [_("The promise for this kind no longer waits for this mailbag.")],
        told=lambda _answer: [_("The mailbag is closed.")],
    )
