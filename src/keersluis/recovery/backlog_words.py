"""Backlogs in sentences, in Dutch and English: until when one lasts, and what holds a register back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from zoneinfo import ZoneInfo

from keersluis.recovery.stock import NEEDED_IN, CatchUp, Standing, needed
from keersluis.times import Instant
from keersluis.words import Translator


@dataclass(frozen=True)
class Holding:
    """What holds back the promises of an organisation: until when each is complete at least, how many acts wait by
    channel, and when what waits now is entered. `links_open`: whether all its gates are open."""

    through: Instant
    waiting: Mapping[str, int]
    ends: CatchUp
    links_open: bool
    per_day: float

    @property
    def number(self) -> int:
        return sum(self.waiting.values())


def holding(held: Holding, zone: ZoneInfo, _: Translator) -> str:
    """Links are back, yet the register is complete only through a day, because so much waits; and until when."""
    what = _.join(_channel(channel, number, _) for channel, number in _ordered(held.waiting))
    verb = _.plural_form("waits", "wait", held.number)
    if held.links_open:
        first = _(
            "All links are open, yet the register is complete only through {day}, because {what} {verb}.",
            day=_.day(held.through, zone),
            what=what,
            verb=verb,
        )
    else:
        first = _(
            "The register is complete only through {day}: not all links are open, and {what} {verb}.",
            day=_.day(held.through, zone),
            what=what,
            verb=verb,
        )
    return f"{first} {_entered(held, zone, _)}"


def _ordered(waiting: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(((c, n) for c, n in waiting.items() if n), key=lambda each: (-each[1], each[0]))


def _channel(channel: str, number: int, _: Translator) -> str:
    if channel == "paper":
        return _.plural("{count} letter", "{count} letters", number)
    if channel == "mailbox":
        return _.plural("{count} message in a mailbox", "{count} messages in mailboxes", number)
    if channel == "system-down":
        return _.plural("{count} act in a system that is down", "{count} acts in systems that are down", number)
    return _.plural(
        "{count} act that is still to be looked into", "{count} acts that are still to be looked into", number
    )


def _entered(held: Holding, zone: ZoneInfo, _: Translator) -> str:
    ends = held.ends
    if ends.middle is None:
        return _("In the last four weeks nothing was entered of what waits: at this rate it never catches up.")
    day = _.day(ends.middle, zone)
    text = _("At the rate of the last four weeks ({number} a week) what waits now is entered by {day}", day=day,
             number=round(held.per_day * 7))  # fmt: skip
    return text + _between(ends, zone, _)


def _between(ends: CatchUp, zone: ZoneInfo, _: Translator) -> str:
    """Bounds, as the end of a sentence."""
    if ends.early is None or _.day(ends.early, zone) == (_.day(ends.late, zone) if ends.late else ""):
        return "."
    if ends.late is None:
        early = _.day(ends.early, zone)
        return _("; four times in five not before {early}, and perhaps never.", early=early)
    return _(
        "; four times in five between {early} and {late}.",
        early=_.day(ends.early, zone),
        late=_.day(ends.late, zone),
    )


def lasts(it: Standing, zone: ZoneInfo, _: Translator) -> str:
    """Until when a backlog lasts at the rate of the last weeks, or that it never ends, and what would end it."""
    if it.excess == 0:
        return _("No more waits than is normal ({normal}).", normal=it.backlog.normal)
    ends = it.normal_again
    if ends.middle is not None:
        return _("At the rate of the last four weeks it lasts until {day}", day=_.day(ends.middle, zone)) + _between(
            ends, zone, _
        )
    weekly = {"came": round(it.pace.came * 7), "gone": round(it.pace.gone * 7)}
    growth = round(it.pace.growth * 7)
    if growth > 0:
        first = _(
            "Never at this rate: {came} a week come and {gone} go, so it grows by {growth} a week.",
            growth=growth,
            **weekly,
        )
    else:
        first = _("Never at this rate: {came} a week come and {gone} go.", **weekly)
    return first + " " + _needed(it, zone, _)


def _needed(it: Standing, zone: ZoneInfo, _: Translator) -> str:
    return _(
        "To be back to normal on {day}, {number} a week must go.",
        day=_.day(it.now + NEEDED_IN, zone),
        number=ceil(needed(it.excess, it.pace) * 7),
    )


def terms(it: Standing, _: Translator) -> str:
    """How many are past their term, and how many more will be; nothing where there is no term."""
    if all(each.overdue is None for each in it.classes):
        return ""
    if it.overdue + it.will_be == 0:
        return _("Nothing is past its term, nor will be before it is reached.")
    past = _.plural("{count} is past its term", "{count} are past their term", it.overdue)
    more = _.plural(
        "{count} more will be before it is reached", "{count} more will be before they are reached", it.will_be
    )
    return f"{past}; {more}."


def age_label(bounds: tuple[int | None, int | None], _: Translator) -> str:
    """A row of the age profile: days from, and below."""
    first, last = bounds
    if first is None:
        return _.plural("less than {count} day", "less than {count} days", last or 0)
    if last is None:
        return _.plural("{count} day or more", "{count} days or more", first)
    return _("{first} to {last} days", first=first, last=last)
