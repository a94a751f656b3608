"""What an order of a plan, and what waits, are in words. Pure; over the documents of `ordering`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from keersluis.times import parse_instant
from keersluis.words import Translator

Doc = Mapping[str, Any]


def headline(_: Translator, told: Doc) -> str:
    """The comparison with the plan, in one sentence."""
    if not told["stages"]:
        return _("Every stage is done; there is nothing left to order.")
    more = told["planned_order"]["more_weighted_days"]
    if told["weights"] == "plan":
        return _("No decision that waits was counted: the weights in the plan's file decide this order.")
    if more <= 0:
        if told["proven"]:
            return _("The order as planned is the best there is.")
        return _("No better order than the planned one was found.")
    days = max(0.0, told["planned_order"]["more_days"])
    return _(
        "The order as planned costs {weighted} weighed decision-days more than this one ({days} decision-days).",
        weighted=_.number(more),
        days=_.number(days),
    )


def certainty(_: Translator, told: Doc) -> str:
    """How far from the best this order can be."""
    if told["proven"]:
        return _("Proven: there is no better order.")
    return _(
        "Not proven: another order could save {share} % at most (bound {bound}, found {cost}).",
        share=_.number(round(100 * told["gap"], 1)),
        bound=_.number(told["bound"]),
        cost=_.number(told["cost"]),
    )


def compared(_: Translator, told: Doc, zone: ZoneInfo) -> Iterator[str]:
    """A line for each of: as proposed, the planned order, the planned dates."""
    names = {
        "proposed": _("as proposed"),
        "planned_order": _("the planned order, with no time lost"),
        "planned_dates": _("the planned dates"),
    }
    if told["planned_dates"]["passed"]:
        del names["planned_dates"]  # they can no longer be kept
    for key, name in names.items() if told["decisions"] else ():
        each = told[key]
        yield _(
            "{name}: {days} decision-days, {weighted} weighed; done on {end}",
            name=name,
            days=_.number(each["decision_days"]),
            weighted=_.number(each["weighted_days"]),
            end=_.day(parse_instant(each["ends"]), zone),
        )


def reservations(_: Translator, told: Doc) -> Iterator[str]:
    """What the reader should know before using it: who was not counted, what no stage helps, what the dates break."""
    if told["missing"]:
        yield _("Not counted, for they did not answer: {names}.", names=_.join(told["missing"]))
    if count := told["helped_by_no_stage"]:
        yield _.plural(
            "{count} decision waits for streams that no stage of the plan opens.",
            "{count} decisions wait for streams that no stage of the plan opens.",
            count,
        )
    if count := told.get("also_wait_elsewhere", 0):
        yield _.plural(
            "{count} decision also waits for a stream that no stage opens, and may wait longer than this says.",
            "{count} decisions also wait for a stream that no stage opens, and may wait longer than this says.",
            count,
        )
    if count := told.get("not_weighed", 0):
        yield _.plural(
            "{count} decision was too little of the whole to be weighed.",
            "{count} decisions were too little of the whole to be weighed.",
            count,
        )
    dates = told.get("planned_dates", {})
    if dates.get("passed"):
        stages = _.join(_.pick(row["title"]) for row in told["stages"] if row["key"] in dates["passed"])
        yield _("Planned moments have passed of stages that are not done: {stages}.", stages=stages)
    elif dates.get("breaks"):
        yield _("The planned dates ask for more of a team at once than there is.")


def counted(_: Translator, told: Doc) -> str:
    """Whose decisions, and how many."""
    if not told["counted"]:
        return _("Nobody's decisions were counted.")
    parts = [f"{each['organisation']} {_.number(each['decisions'])}" for each in told["counted"]]
    return _("Decisions that wait: {names}.", names=_.join(parts))
