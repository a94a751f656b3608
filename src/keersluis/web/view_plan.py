"""Plans for coming back as their page shows them: sentences, rows and links, from what the nodes answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from keersluis.recovery import plan_words as words
from keersluis.times import parse_instant
from keersluis.web.scene import Scene, told

Told = Mapping[str, Any]
Answers = Mapping[str, Any]
"""Organisation -> what its node answered."""

FORMS = "/herstel/doen"
PAGE = "/herstel/plan"
API = "/v0/herstelplannen"


def says(scene: Scene, answers: Answers) -> Sequence[str]:
    """Of each plan that stands: how many stages have their go."""
    _ = scene._
    lines = []
    for organisation, answer in answers.items():
        for each in answer.get("plans", ()):
            if each["state"] == "adopted" and "faults" not in each:
                facts = {"plan": _.pick(each["title"]), "organisation": scene.short(organisation)}
                line = _(
                    "{organisation}, “{plan}”: the go stands of {goes} of {stages} stages.",
                    **facts,
                    goes=each["goes"],
                    stages=each["stages"],
                )
                lines.append(line)
            elif each["state"] == "completed":
                facts = {
                    "plan": _.pick(each.get("title", {"nl": each["name"], "en": each["name"]})),
                    "organisation": scene.short(organisation),
                }
                day = _.day(parse_instant(each["ended"]["at"]), scene.chain.timezone)
                lines.append(_("{organisation}, “{plan}”: completed on {day}.", **facts, day=day))
    return lines or [_("No plan stands now.")]


def wanted(answers: Answers) -> list[tuple[str, str]]:
    """(organisation, plan) of each plan to show: its own, and what it ever adopted."""
    return [
        (organisation, each["name"])
        for organisation, answer in answers.items()
        for each in answer.get("plans", ())
        if "faults" not in each and (each["ours"] or each["state"] != "not-adopted")
    ]


def broken(answers: Answers) -> dict[str, Sequence[str]]:
    """The faults of each file that cannot be read, by plan: the nodes of one chain folder tell of the same files."""
    return {
        each["name"]: each["faults"]
        for answer in answers.values()
        for each in answer.get("plans", ())
        if "faults" in each
    }


def headline(scene: Scene, plan: Told) -> list[Any]:
    """How the plan stands, in a few sentences."""
    _ = scene._
    lines: list[Any] = [_("This plan is {state}.", state=words.adoption(_, plan))]
    if plan["adopted"] and plan["state"] == "adopted":
        said = plan["adopted"]
        facts = {"who": said["who"], "when": scene.short_moment(said["at"]), "version": plan["digest"][:12]}
        lines.append(told(_("Adopted by {who} on {when}, version {version}."), **facts))
        goes = sum(stage["state"] == "go" for stage in plan["stages"])
        lines.append(_("The go stands of {goes} of {stages} stages.", goes=goes, stages=len(plan["stages"])))
    return lines


def warnings(scene: Scene, plan: Told) -> list[str]:
    """What somebody should see to."""
    _ = scene._
    lines = [
        _("“{stage}” has gates that stand open without a go: roll it back, or see to its go.", stage=title(scene, each))
        for each in plan["stages"]
        if each["open_without_go"]
    ]
    if plan["changed"]:
        lines.append(_("The file of this plan was edited since. Adopt it anew, or put it back."))
    return lines


def waiting(scene: Scene, plan: Told) -> list[str]:
    """What blocks what: a sentence for each stage without a go, the one that is planned first at the top."""
    stages = sorted(plan["stages"], key=lambda each: each["planned"]["end"])
    lines = [words.waits(scene._, plan, stage, scene.short) for stage in stages]
    return [each for each in lines if each]


def title(scene: Scene, stage: Told) -> str:
    return scene._.pick(stage["title"])


def state(scene: Scene, stage: Told) -> str:
    return words.state(scene._, stage)


def phase(scene: Scene, stage: Told) -> str:
    return words.phase(scene._, stage["phase"])


def mark(stage: Told) -> str:
    """The shape by which the picture and the table show a state."""
    if stage["state"] == "waits" and stage["no_gos"]:
        return "no-go"
    return "ready" if stage["state"] == "waits" and stage["ready"] else str(stage["state"])


def late(scene: Scene, stage: Told) -> str:
    """How the go compares with what was planned."""
    if stage["late"] is None or (stage["state"] != "go" and stage["late"] <= 0):
        return ""
    return words.late(scene._, stage["late"])


def slack(scene: Scene, stage: Told) -> str:
    """How much later it may end without moving the end of all."""
    _ = scene._
    return _("none: critical path") if stage["critical"] else _.duration(stage["slack"] * 1_000_000)


def depends(scene: Scene, plan: Told, stage: Told) -> str:
    return scene._.join(words.title_of(scene._, plan, key) for key in stage["depends_on"])


def gate(scene: Scene, each: Told) -> str:
    """A gate in words, with how it stands."""
    _ = scene._
    peer = scene.short(each["peer"])
    facts = {"kind": scene.kind(each["kind"]), "owner": scene.short(each["organisation"]), "peer": peer}
    to = _("{owner} to {peer}: {kind}", **facts)
    said = to if each["direction"] == "out" else _("{owner} from {peer}: {kind}", **facts)
    return f"{said} ({gate_state(scene, each['state'])})"


def gate_state(scene: Scene, key: str | None) -> str:
    _ = scene._
    known = {"closed": _("closed"), "metered": _("metered"), "open": _("open"), "mixed": _("partly open")}
    return known.get(key or "", _("not of this node"))


def sort(scene: Scene, criterion: Told) -> str:
    return words.sort(scene._, criterion["sort"])


def role(scene: Scene, plan: Told, key: str) -> str:
    return words.role(scene._, plan, key)


def evidence(scene: Scene, plan: Told, each: Told) -> str:
    """A reference to an entry, by whom, and whether it counts."""
    _ = scene._
    log = scene.short(_by_oin(scene, each["origin"].split("/")[0])) if "origin" in each else ""
    facts = {"entry": each["entry"], "who": each["who"], "role": role(scene, plan, each["role"]), "log": log}
    said = (
        _("entry {entry} of {log}, by {who} ({role})", **facts)
        if log
        else _("entry {entry}, by {who} ({role})", **facts)
    )
    parts = [said]
    parts += [scene.short(each["partner"])] if "partner" in each else []
    parts += [_("result: {result}", result=each["result"])] if "result" in each else []
    parts += [_("accepted as older")] if each["older"] else []
    lost = {
        "withdrawn": _("withdrawn: counts no longer"),
        "undone": _("taken back by entry {entry}: counts no longer", entry=each.get("lost_by", 0)),
        "changed": _("the plan asks for something else by now"),
    }
    parts += [] if each["counts"] else [lost[each["lost"]]]
    return f"{each['number']}. " + "; ".join(parts)


def _by_oin(scene: Scene, oin: str) -> str:
    return next((each.key for each in scene.chain.organisations.values() if each.oin == oin), oin)


def do(organisation: str, action: str, **given: str) -> str:
    """The address of a form, with what it begins with."""
    return f"{FORMS}/{organisation}/{action}?{urlencode(given)}"
