"""Sentences for entries about plans for coming back. Pure. `texts` gives them what they tell of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keersluis.timeline.texts import _Told


def _adopted(told: _Told) -> str:
    _, replaces = told._, told.body.get("replaces")
    facts = {"who": told.text("who"), "plan": told.text("plan"), "version": told.text("digest")[:12]}
    if not replaces:
        return _("{who} adopted plan “{plan}”, version {version}: {why}", **facts, why=told.text("why"))
    return _(
        "{who} and {second} adopted plan “{plan}” anew, version {version}: {why}",
        **facts,
        second=str(told.body.get("second", "")),
        why=told.text("why"),
    )


def _ended(told: _Told) -> str:
    _ = told._
    facts = {"who": told.text("who"), "plan": told.text("plan"), "why": told.text("why")}
    if told.text("how") == "completed":
        return _("{who} completed plan “{plan}”: {why}", **facts)
    return _("{who} and {second} withdrew plan “{plan}”: {why}", **facts, second=str(told.body.get("second", "")))


def _stage(told: _Told) -> dict[str, str]:
    return {"stage": told.text("stage"), "plan": told.text("plan")}


def _evidence(told: _Told) -> str:
    _ = told._
    facts = {**_stage(told), "who": told.text("who"), "criterion": told.text("criterion")}
    if "origin" in told.body:
        return _(
            "{who} recorded evidence of “{criterion}” for stage “{stage}” of plan “{plan}”: entry {entry} of {log}.",
            **facts,
            entry=told.number("entry"),
            log=told.name("origin"),
        )
    return _(
        "{who} recorded evidence of “{criterion}” for stage “{stage}” of plan “{plan}”: entry {entry}.",
        **facts,
        entry=told.number("entry"),
    )


def _evidence_withdrawn(told: _Told) -> str:
    return told._(
        "{who} withdrew evidence of “{criterion}” for stage “{stage}” of plan “{plan}”: {why}",
        **_stage(told),
        who=told.text("who"),
        criterion=told.text("criterion"),
        why=told.text("why"),
    )


def _evidence_lapsed(told: _Told) -> str:
    _ = told._
    facts = {**_stage(told), "criterion": told.text("criterion"), "entry": told.number("entry")}
    if told.text("how") == "undone":
        return _(
            "Entry {entry} was taken back by entry {by}: no evidence of “{criterion}” any more for stage “{stage}” of "
            "plan “{plan}”.",
            **facts,
            by=told.number("by_entry"),
        )
    return _(
        "Plan “{plan}” asks for something else by now: entry {entry} is no evidence of “{criterion}” for stage "
        "“{stage}” any more.",
        **facts,
    )


def _said(told: _Told) -> dict[str, str]:
    return {**_stage(told), "who": told.text("who"), "why": told.text("why")}


def _go(told: _Told) -> str:
    return told._("{who} gave a go for stage “{stage}” of plan “{plan}”: {why}", **_said(told))


def _no_go(told: _Told) -> str:
    return told._("{who} gave a no-go for stage “{stage}” of plan “{plan}”: {why}", **_said(told))


def _no_go_withdrawn(told: _Told) -> str:
    return told._("{who} withdrew a no-go for stage “{stage}” of plan “{plan}”: {why}", **_said(told))


def _stood(told: _Told) -> str:
    return told._("The go of stage “{stage}” of plan “{plan}” stands: its gates may open.", **_stage(told))


def _fell(told: _Told) -> str:
    _ = told._
    if told.body.get("stood"):
        return _("The go of stage “{stage}” of plan “{plan}” fell: its gates open no further.", **_stage(told))
    return _("The votes for stage “{stage}” of plan “{plan}” count no longer.", **_stage(told))


def _rolled_back(told: _Told) -> str:
    return told._("{who} rolled back stage “{stage}” of plan “{plan}”: {why}", **_said(told))


def _noted(told: _Told) -> str:
    return told._("{who} noted: {note}", who=told.text("who"), note=told.text("note"))


def _note_withdrawn(told: _Told) -> str:
    return told._(
        "{who} withdrew the note of entry {entry}: {why}",
        who=told.text("who"),
        entry=told.number("withdraws"),
        why=told.text("why"),
    )


SENTENCES: Mapping[str, Callable[[Any], str]] = {
    "plan.adopted": _adopted,
    "plan.evidence": _evidence,
    "plan.evidence-withdrawn": _evidence_withdrawn,
    "plan.evidence-lapsed": _evidence_lapsed,
    "plan.go": _go,
    "plan.no-go": _no_go,
    "plan.no-go-withdrawn": _no_go_withdrawn,
    "plan.stood": _stood,
    "plan.fell": _fell,
    "plan.rolled-back": _rolled_back,
    "plan.ended": _ended,
    "plan.noted": _noted,
    "plan.note-withdrawn": _note_withdrawn,
}

NOTABLE = frozenset(SENTENCES) - {"plan.noted"}
"""Those that people want to know of."""
