"""What a stage waits for and how it stands, in words, from a plan as `plan_view.document` tells it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from keersluis.words import Translator

Name = Callable[[str], str]
"""The name of an organisation, by its key."""

Told = Mapping[str, Any]


def phase(_: Translator, key: str) -> str:
    return {
        "investigation": _("investigation"),
        "prosecution": _("prosecution"),
        "trial": _("trial"),
        "execution": _("execution of sentences"),
        "cross-cutting": _("the whole process"),
    }[key]


def sort(_: Translator, key: str) -> str:
    return {
        "patched": _("patched"),
        "investigated": _("investigated, with result"),
        "credentials-renewed": _("credentials renewed"),
        "monitoring": _("monitoring in place"),
        "partner-consulted": _("partner consulted"),
        "other": _("other"),
    }[key]


def state(_: Translator, stage: Told) -> str:
    """In a word or two."""
    if stage["state"] == "go":
        return _("go stands")
    if stage["state"] == "rolled-back":
        return _("rolled back")
    if stage["no_gos"]:
        return _("no-go")
    if stage["state"] == "fell":
        return _("go fell")
    return _("ready for go") if stage["ready"] else _("still waits")


def adoption(_: Translator, plan: Told) -> str:
    if plan["state"] == "adopted":
        if plan["changed"]:
            return _("adopted; the file says something else by now, which counts only once it is adopted anew")
        return _("adopted: it guards its gates")
    return {
        "not-adopted": _("not adopted: it guards nothing"),
        "completed": _("completed: it guards nothing any more"),
        "withdrawn": _("withdrawn: it guards nothing any more"),
    }[plan["state"]]


def need(_: Translator, plan: Told, stage: Told, told: Told, name: Name) -> str:
    """One thing that a stage waits for."""
    match told["waits_for"]:
        case "evidence":
            titles = {each["key"]: _.pick(each["title"]) for each in stage["criteria"]}
            title = titles.get(told["criterion"], told["criterion"])
            if "partner" in told:
                return _("evidence of “{title}” for {partner}", title=title, partner=name(told["partner"]))
            return _("evidence of “{title}”", title=title)
        case "go":
            return _("the go of “{stage}”", stage=title_of(_, plan, told["stage"]))
        case "no-go":
            return _("the withdrawal of the no-go of {who} (number {number})", who=told["who"], number=told["number"])
        case "votes":
            roles = _.join(role(_, plan, each) for each in told["roles"])
            return _.plural(
                "{count} go, of one of: {roles}",
                "{count} goes, of different ones of: {roles}",
                told["missing"],
                roles=roles,
            )
        case _other:
            return str(_other)


def waits(_: Translator, plan: Told, stage: Told, name: Name) -> str:
    """Everything that a stage waits for, in one sentence; empty where it waits for nothing."""
    needs = [need(_, plan, stage, each, name) for each in stage["waits_for"]]
    if not needs:
        return ""
    return _("“{stage}” waits for: {needs}.", stage=_.pick(stage["title"]), needs="; ".join(needs))


def title_of(_: Translator, plan: Told, key: str) -> str:
    return next((_.pick(each["title"]) for each in plan["stages"] if each["key"] == key), key)


def role(_: Translator, plan: Told, key: str) -> str:
    return next((_.pick(each["title"]) for each in plan["roles"] if each["key"] == key), key)


def late(_: Translator, seconds: int) -> str:
    """How much later (or earlier) than planned."""
    if abs(seconds) < 60:
        return _("on time")
    span = _.duration(abs(seconds) * 1_000_000)
    return _("{span} late", span=span) if seconds > 0 else _("{span} early", span=span)
