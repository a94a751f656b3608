"""What a node answers about the shipped plan in the middle of it: a go that stands, one that fell, a no-go."""

from __future__ import annotations

from typing import Any

import msgspec

from keersluis import ordering
from keersluis.chain import load_chain
from keersluis.exchange.gates import Scope
from keersluis.recovery import plan_acts, plan_view, planfiles
from keersluis.recovery.plan_order import Standing
from keersluis.recovery.plans import Plan
from keersluis.recovery.standing import Act, fold
from keersluis.recovery.weights import Tally
from keersluis.times import DAY, HOUR, format_instant, parse_instant

CHAIN = load_chain("nl-justice")
START = parse_instant("2025-08-03T20:00:00+02:00")
NOW = parse_instant("2025-08-18T14:20:00+02:00")
PATH = "/v0/herstelplannen"


def _acts() -> list[Act]:
    acts: list[Act] = []

    def act(days: float, what: str, stage: str = "", **body: Any) -> None:
        at, n = START + int(days * DAY), len(acts) + 1
        acts.append(Act(n, at, what, stage, {"who": "CISO OM", "role": "ciso", "why": "<because>"} | body, 800 + n))

    def shown(days: float, stage: str, criterion: str, **body: Any) -> None:
        by = {"by": ["technisch beheer"], "role": "technical-management", "criterion": criterion}
        act(days, "evidence", stage, entry=700 + len(acts), **by | body)

    act(0, "adopted")
    for stage, criteria in {
        "consulting": ["patched"],
        "gravest-decisions": ["investigated", "credentials", "monitoring", "register"],
        "mail": ["monitoring"],
    }.items():
        for criterion in criteria:
            partner = {"partner": "justid"} if criterion == "register" else {}
            result = {"result": "geen sporen"} if criterion == "investigated" else {}
            shown(0.3, stage, criterion, **partner, **result)
        if stage != "mail":
            act(0.5, "go", stage)
            act(0.5, "stood", stage)
    act(3, "evidence-withdrawn", "gravest-decisions", of=5, how="undone", by_entry=790)
    act(3, "fell", "gravest-decisions", stood=True, why=[])
    act(4, "no-go", "gravest-judgments", who="Proceseigenaar <strafzaken>", role="process-owner")
    act(5, "rolled-back", "amendments")
    origin = f"{CHAIN.organisations['justid'].oin}/timeline/1"
    shown(6, "other-decisions", "register", partner="justid", origin=origin, older=True)
    return acts


def plan_answers() -> dict[str, Any]:
    """Path -> answer."""
    plan = planfiles.load_plan(planfiles.find_plan("om-return", CHAIN), CHAIN)
    moved = format_instant(START + 13 * HOUR)

    def gate(scope: Scope) -> dict[str, str]:
        return {"state": "open" if scope.kind.endswith("decision.serious") else "closed", "moved": moved}

    seen = plan_view.Seen("om", NOW, gate, plan_acts.need_as_json)
    adoption = {
        "state": "adopted",
        "digest": plan.digest,
        "file_digest": "ab" * 32,
        "changed": True,
        "adopted": {"at": format_instant(START), "entry": 801, "who": "Crisismanager OM", "role": "x", "why": "y"},
        "ended": None,
    }
    whole = plan_view.document(fold(plan, _acts()), seen, adopted=True) | adoption
    line = {"name": plan.name} | adoption | plan_view.listed(plan) | {"goes": 1, "ours": True}
    broken = {
        "name": "broken",
        "state": "not-adopted",
        "faults": ["broken.toml: title: expected <a text>, got nothing"],
    }
    told = {PATH: {"plans": [line, broken]}, f"{PATH}/om-return": whole}
    return told | {f"{PATH}/_telling": _tally(), f"{PATH}/om-return/_volgorde": _order(plan)}


def _tally() -> dict[str, Any]:
    """What a decider counted: the same at each, as this source answers by address alone."""
    groups = [
        (["judgment.serious", "withdrawal", "correction"], 6, 1204),
        (["prosecution-decision.serious"], 9, 31),
        (["judgment.other", "disposal", "withdrawal", "correction"], 2, 8310),
    ]
    rows = [
        {"missing": missing, "policy": "vog-standard", "gravity": gravity, "held": False, "decisions": number}
        for missing, gravity, number in groups
    ]
    return {"organisation": "justis", "as_of": format_instant(NOW), "groups": rows}


def _order(plan: Plan) -> dict[str, Any]:
    counted = [msgspec.convert(_tally(), Tally)]
    return ordering.scheduled(plan, counted, CHAIN, Standing(NOW, done={"consulting": NOW}))
