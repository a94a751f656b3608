"""What can be done under a plan for coming back, as forms: adopt, evidence, go and no-go, back, the end. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from keersluis.web.actions import Action, Field, Values
from keersluis.web.scene import Scene
from keersluis.web.topics import as_json
from keersluis.web.view_plan import API, PAGE


def actions(scene: Scene, organisation: str) -> list[Action]:
    """The forms of every node: a plan may be adopted wherever it lists gates."""
    return [_adopt(scene), _evidence(scene), _decide(scene), _roll_back(scene), _withdraw(scene), _end(scene)]


def _path(act: str) -> Callable[[Values], str]:
    return lambda values: f"{API}/{quote(str(values['plan']), safe='')}/{act}"


def _plan(scene: Scene) -> Field:
    return Field("plan", scene._("Plan"), hint=scene._("The name of its file, without .toml."))


def _stage(scene: Scene) -> Field:
    return Field("stage", scene._("Stage"), hint=scene._("Its key in the plan, for example gravest-decisions."))


def _by(scene: Scene) -> list[Field]:
    _ = scene._
    return [
        Field("who", _("Who?"), hint=_("A function, for example crisis manager. It is kept with the act.")),
        Field("role", _("In which role of the plan?"), hint=_("Its key in the plan, for example crisis-manager.")),
        Field("why", _("Why?"), "area", _("A sentence that others will understand later.")),
    ]


def _second(scene: Scene) -> list[Field]:
    _ = scene._
    return [
        Field("second", _("Who else? (four eyes)"), required=False),
        Field("second_role", _("In which role?"), required=False),
    ]


def _said(values: Values, **rest: Any) -> bytes:
    return as_json({"wie": values["who"], "rol": values["role"], "waarom": values["why"], **rest})


def _fell(scene: Scene, answer: Any) -> list[str]:
    _ = scene._
    lines = [_("The go stands now of: {stages}.", stages=", ".join(answer["stood"]))] if answer.get("stood") else []
    return lines + ([_("The go fell of: {stages}.", stages=", ".join(answer["fell"]))] if answer.get("fell") else [])


def _adopt(scene: Scene) -> Action:
    _ = scene._

    def body(values: Values) -> bytes:
        off = {"afgelasten": True} if values["call_off"] else {}
        return _said(values, tweede=values["second"], tweede_rol=values["second_role"], **off)

    hint = _("Only where another version of the plan stands.")
    return Action(
        key="plan-vaststellen",
        title=_("Adopt a plan"),
        lede=_("The version of the file that is there now counts from then on."),
        button=_("Adopt it"),
        fields=[
            _plan(scene),
            *_by(scene),
            Field("second", _("Who else? (four eyes)"), hint=hint, required=False),
            Field("second_role", _("In which role?"), required=False),
            Field("call_off", _("Call off orders to come that would open its gates"), "check", required=False),
        ],
        path=_path("_vaststellen"),
        body=body,
        consequences=lambda _values: [
            _("From then on the gates that the plan lists open only when the go of their stage stands."),
            _("Closing stays possible at once, without any go."),
        ],
        told=lambda answer: _fell(scene, answer),
        page=PAGE,
    )


def _evidence(scene: Scene) -> Action:
    _ = scene._

    def body(values: Values) -> bytes:
        texts = {"notitie": "note", "document": "document", "uitslag": "result", "partner": "partner"}
        rest: dict[str, Any] = {name: values[field] for name, field in texts.items()}
        rest |= {"tijdlijn": values["log"]} | ({"regel": int(values["entry"])} if values["entry"] else {})
        rest |= {"ouder": True} if values["older"] else {}
        return _said(values, fase=values["stage"], criterium=values["criterion"], **rest)

    partners = [(each.key, scene.name(each.key)) for each in scene.chain.organisations.values()]
    return Action(
        key="plan-bewijs",
        title=_("Record evidence"),
        lede=_("A reference to an entry of the timeline. Who records it gives no go of that stage."),
        button=_("Record it"),
        fields=[
            _plan(scene),
            _stage(scene),
            Field("criterion", _("Criterion"), hint=_("Its key in the plan, for example monitoring.")),
            Field("entry", _("Number of the entry"), "number", _("In our own timeline."), required=False),
            Field("note", _("Or a note, which becomes an entry"), "area", required=False),
            Field("document", _("Where it can be found"), required=False),
            Field("result", _("Result of the investigation"), "area", required=False),
            Field("partner", _("Partner that was consulted"), "choice", options=partners, required=False),
            Field("log", _("Another organisation's timeline"), hint=_("Its origin line."), required=False),
            Field("older", _("Accept an entry of before the adoption"), "check", required=False),
            *_by(scene),
        ],
        path=_path("_bewijs"),
        body=body,
        told=lambda answer: [_("Evidence {number} is recorded.", number=answer["number"])],
        page=PAGE,
    )


def _decide(scene: Scene) -> Action:
    _ = scene._
    options = [("go", _("Go")), ("no-go", _("No-go"))]

    def consequences(values: Values) -> Sequence[str]:
        if values["choice"] == "go":
            return [_("Once enough different roles have given theirs, the gates of the stage may open.")]
        return [
            _("A go that stands falls, and those of the stages that depend on it; orders to come are called off."),
            _("It blocks the stage until it is withdrawn. Gates that are open stay open."),
        ]

    return Action(
        key="plan-besluit",
        title=_("Give a go or a no-go"),
        lede=_("A go needs all evidence, the goes of what it depends on, and two persons in different roles."),
        button=_("Give it"),
        fields=[
            _plan(scene),
            _stage(scene),
            Field("choice", _("Go or no-go?"), "choice", options=options),
            *_by(scene),
        ],
        path=_path("_besluit"),
        body=lambda v: _said(v, fase=v["stage"], go=v["choice"] == "go"),
        consequences=consequences,
        told=lambda answer: _fell(scene, answer),
        page=PAGE,
    )


def _roll_back(scene: Scene) -> Action:
    _ = scene._

    def told(answer: Any) -> list[str]:
        lines = [_("Only a trial: nothing was done.")] if answer.get("dry_run") else []
        lines.append(_("Rolled back: {stages}.", stages=", ".join(answer["stages"])))
        lines += [_("Closes: {gate}.", gate=each["gate"]) for each in answer["closes"]]
        if answer["dependents"]:
            lines.append(_("Depend on it: {stages}.", stages=", ".join(answer["dependents"])))
        return [
            *lines,
            *([_("The go falls of: {stages}.", stages=", ".join(answer["falls"]))] if answer["falls"] else []),
        ]

    return Action(
        key="plan-terugdraaien",
        title=_("Roll a stage back"),
        lede=_("Its gates are closed again at once, one order each, and its go falls. A new go is possible later."),
        button=_("Roll it back"),
        fields=[
            _plan(scene),
            _stage(scene),
            Field("dry", _("Only tell what would happen"), "check", required=False),
            Field("dependents", _("Close the gates of the stages that depend on it too"), "check", required=False),
            *_by(scene),
        ],
        path=_path("_terugdraaien"),
        body=lambda v: _said(
            v,
            fase=v["stage"],
            **({"proef": True} if v["dry"] else {}),
            **({"ook_afhankelijke": True} if v["dependents"] else {}),
        ),
        consequences=lambda _values: [_("The goes of the stages that depend on it fall too.")],
        told=told,
        page=PAGE,
    )


def _withdraw(scene: Scene) -> Action:
    _ = scene._
    options = [("bewijs", _("Evidence")), ("no-go", _("A no-go"))]
    return Action(
        key="plan-intrekken",
        title=_("Withdraw evidence or a no-go"),
        lede=_("A go that rests on evidence that is withdrawn falls."),
        button=_("Withdraw it"),
        fields=[
            _plan(scene),
            Field("what", _("What?"), "choice", options=options),
            Field("number", _("Its number"), "number", _("As the page of the plan shows it.")),
            *_by(scene),
        ],
        path=lambda v: _path("_bewijs-intrekken" if v["what"] == "bewijs" else "_no-go-intrekken")(v),
        body=lambda v: _said(v, nummer=int(v["number"])),
        told=lambda answer: _fell(scene, answer),
        page=PAGE,
    )


def _end(scene: Scene) -> Action:
    _ = scene._
    options = [("completed", _("Completed: every go stands")), ("withdrawn", _("Withdrawn, by two persons"))]
    return Action(
        key="plan-beeindigen",
        title=_("End a plan"),
        lede=_("It guards its gates no longer."),
        button=_("End it"),
        fields=[_plan(scene), Field("how", _("How?"), "choice", options=options), *_by(scene), *_second(scene)],
        path=_path("_beeindigen"),
        body=lambda v: _said(v, hoe=v["how"], tweede=v["second"], tweede_rol=v["second_role"]),
        consequences=lambda _values: [_("From then on its gates move by orders alone, as before the plan.")],
        page=PAGE,
    )
