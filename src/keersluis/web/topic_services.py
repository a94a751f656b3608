"""Services: telling the state of one, and taking that back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keersluis.recovery.services import Inventory, kept_at
from keersluis.web.actions import Action, Field, Values, moment, who_and_why
from keersluis.web.scene import Scene
from keersluis.web.topics import as_json

PAGE = "/herstel/diensten"


def actions(scene: Scene, organisation: str, inventory: Inventory) -> list[Action]:
    """What can be done at the node of an organisation that keeps services."""
    mine = kept_at(inventory, organisation)
    return [_tell(scene, mine), _take_back(scene, mine)] if mine else []


def _service(scene: Scene, mine: Inventory) -> Field:
    _ = scene._
    return Field("service", _("Service"), "choice", options=[(key, _titled(scene, mine, key)) for key in mine])


def _titled(scene: Scene, mine: Inventory, key: str) -> str:
    return f"{scene._.pick(mine[key].title)} ({scene.short(mine[key].organisation)})"


def _tell(scene: Scene, mine: Inventory) -> Action:
    _ = scene._
    procedures = [
        (f"{key}/{each.key}", f"{_.pick(service.title)}: {_.pick(each.title)}")
        for key, service in mine.items()
        for each in service.procedures
    ]
    states = [
        ("up", _("up")),
        ("read-only", _("read-only")),
        ("emergency", _("under an emergency procedure")),
        ("down", _("down")),
    ]
    public = _("What outsiders read with it; left open, they read the state alone. Never reasons or evidence.")
    return Action(
        key="dienst-melden",
        page=PAGE,
        title=_("Tell the state of a service"),
        lede=_("It shows at once, also for partners and the public, and with all that rests on it."),
        button=_("Tell it"),
        fields=[
            _service(scene, mine),
            Field("state", _("State"), "choice", options=states),
            Field("procedure", _("Emergency procedure"), "choice", _("With that state alone."), required=False,
                  options=procedures),
            Field("since", _("Since when"), "moment", _("Left open: now."), required=False),
            Field("expected", _("Expected return"), "day", _("Left open: not known."), required=False),
            Field("public_nl", _("Sentence for outsiders, in Dutch"), "area", public, required=False),
            Field("public_en", _("Sentence for outsiders, in English"), "area", required=False),
            *who_and_why(scene, evidence=True),
        ],
        path=lambda values: f"/v0/diensten/{values['service']}/standen",
        body=lambda values: _body(scene, values),
        consequences=lambda values: _consequences(scene, mine, values),
        told=lambda answer: [
            _("It is told.") if answer.get("changed") else _("That was told already; nothing changed.")
        ],
    )  # fmt: skip


def _body(scene: Scene, values: Values) -> bytes:
    """What was chosen of another service is passed on as it is, for the node to refuse."""
    procedure = str(values["procedure"])
    order: dict[str, Any] = {
        "stand": values["state"],
        "noodprocedure": procedure.removeprefix(f"{values['service']}/"),
        "sinds": moment(scene, values, "since"),
        "verwacht": values["expected"],
        "bewijs": values["evidence"],
        "wie": values["who"],
        "waarom": values["why"],
    }
    if values["public_nl"] or values["public_en"]:
        order["publiek"] = {"nl": values["public_nl"], "en": values["public_en"]}
    return as_json(order)


def _consequences(scene: Scene, mine: Inventory, values: Mapping[str, Any]) -> list[str]:
    _ = scene._
    service = mine[str(values["service"])]
    said = [_("“{service}” is told to be: {state}.", service=_.pick(service.title), state=_state(scene, values))]
    below = [_.pick(each.title) for each in mine.values() if service.key in each.depends_on]
    if below:
        said.append(_("On it rest {services}.", services=_.join(below)))
    if not service.public:
        said.append(_("It is not public: outsiders do not read its name."))
    elif values["public_nl"]:
        said.append(_("Everybody may read: {sentence}", sentence=values[f"public_{_.language}"]))
    else:
        said.append(_("Everybody may read its state, and no reason."))
    return said


def _state(scene: Scene, values: Mapping[str, Any]) -> str:
    _ = scene._
    return {
        "up": _("up"),
        "read-only": _("read-only"),
        "emergency": _("under an emergency procedure"),
        "down": _("down"),
    }[str(values["state"])]


def _take_back(scene: Scene, mine: Inventory) -> Action:
    _ = scene._
    return Action(
        key="dienst-terugnemen",
        page=PAGE,
        title=_("Take back what was last told of a service"),
        lede=_("What stood before it stands again; both stay in the history."),
        button=_("Take it back"),
        fields=[_service(scene, mine), *who_and_why(scene)],
        path=lambda values: f"/v0/diensten/{values['service']}/standen/_herstel",
        body=lambda values: as_json({"wie": values["who"], "waarom": values["why"]}),
        consequences=lambda values: [
            _("What was last told of “{service}” is taken back.", service=_.pick(mine[str(values["service"])].title))
        ],
        told=lambda answer: [_("Change {number} is taken back.", number=answer["undone"])],
    )
