"""Decision records: what was asked, known, unknown, advised and decided, each with the day it became known. Pure.

A dossier is a question and a list of items that only grows. An item has two times: `since`, when it became known (valid
time of knowledge), and `recorded`, when it was written down (system time). A correction is a further item that names
what it replaces; both stay. So a dossier can be read as it was known on a day, and as it was recorded on a day.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from keersluis.sections import Words, nearest
from keersluis.times import Instant, When, format_when, parse_when

KINDS = ("option", "argument", "known", "unknown", "consequence", "advice", "decision", "review")
"""What an item can be. `known` and `unknown` are what was known and what was not; the others speak for themselves."""

WEIGHS = ("for", "against")
UNDETERMINED = "und"
"""The language of a text that was written in one language only (BCP 47)."""

LONGEST = 4000
"""Characters of a text."""

_HAVE = {
    "option": (("text",), ("option", "weighs", "organisation", "by", "review", "answers")),
    "argument": (("text", "option", "weighs"), ("organisation", "by", "review", "answers")),
    "known": (("text",), ("option", "weighs", "organisation", "by", "review")),
    "unknown": (("text",), ("option", "weighs", "organisation", "by", "review", "answers")),
    "consequence": (("text", "option", "organisation"), ("weighs", "by", "review", "answers")),
    "advice": (("text", "option", "by"), ("weighs", "organisation", "review", "answers")),
    "decision": (("text", "option", "by"), ("weighs", "organisation", "answers")),
    "review": (("text", "by"), ("option", "weighs", "organisation", "answers")),
}
"""Kind -> the fields that it needs, and those that it cannot have."""


@dataclass(frozen=True)
class Item:
    """One thing in a dossier. `since`: when it became known; known by day, it counts from the first moment of that day.

    `option` is the key of the option that an argument, a consequence, an advice or a decision is about; `by` is who
    advised, decided or reviewed (a function, no name); `review` is when a decision is to be looked at again. `replaces`
    are items that it corrects, `answers` are unknowns that it resolves. `inferred`: no source says it in so many
    words. `evidence` is an entry of the timeline.
    """

    key: str
    kind: str
    since: When
    text: Words
    option: str = ""
    weighs: str = ""
    organisation: str = ""
    by: Words = field(default_factory=dict)
    review: When | None = None
    source: Words = field(default_factory=dict)
    replaces: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    public: bool = True
    inferred: bool = False
    evidence: int | None = None


@dataclass(frozen=True)
class Dossier:
    """A question that had to be decided; `organisation` decides. `opened`: since when it was a question."""

    name: str
    organisation: str
    title: Words
    question: Words
    opened: When
    public: bool = True


class Recorded(NamedTuple):
    """An item as it was written down: when, by whom, why, and in which entry of the timeline. What stands in a file
    only was not recorded (None)."""

    item: Item
    recorded: Instant | None = None
    who: str = ""
    why: str = ""
    entry: int | None = None


class Wrong(NamedTuple):
    """What is wrong with a field of an item."""

    field: str
    expected: str
    got: str


def check(item: Item, before: Sequence[Item], organisations: Collection[str]) -> list[Wrong]:
    """Everything that is wrong with `item` as an addition to those `before` it."""
    if item.kind not in _HAVE:
        return [Wrong("kind", "one of " + ", ".join(KINDS), repr(item.kind) + nearest(item.kind, KINDS))]
    found = [*_fields(item), *_texts(item), *_refers(item, before, organisations)]
    if item.review and item.review.start <= item.since.start:
        found.append(Wrong("review", "a day after the item's own", "an earlier one"))
    if item.kind == "review" and not any(each.kind == "decision" for each in _earlier(before, item)):
        found.append(Wrong("kind", "a decision before its review", "none"))
    return found


def _fields(item: Item) -> list[Wrong]:
    needs, without = _HAVE[item.kind]
    found = [Wrong(name, f"a value, as every {item.kind} has", "nothing") for name in needs if not getattr(item, name)]
    found += [Wrong(name, f"nothing, as no {item.kind} has it", "a value") for name in without if getattr(item, name)]
    if item.weighs and item.weighs not in WEIGHS:
        found.append(Wrong("weighs", "one of " + ", ".join(WEIGHS), repr(item.weighs) + nearest(item.weighs, WEIGHS)))
    return found


def _texts(item: Item) -> list[Wrong]:
    texts = {"text": item.text, "by": item.by, "source": item.source}
    return [
        Wrong(name, f"a text of at most {LONGEST} characters", f"{len(each)} characters" if each.strip() else "blanks")
        for name, words in texts.items()
        for each in words.values()
        if len(each) > LONGEST or not each.strip()
    ]


def _refers(item: Item, before: Sequence[Item], organisations: Collection[str]) -> list[Wrong]:
    """References that lead nowhere, or to something that cannot be meant."""
    known = {each.key: each for each in before}
    options = [each.key for each in before if each.kind == "option"]
    found = []
    if item.option and item.option not in options:
        found.append(_unknown("option", "an option of this record", item.option, options))
    if item.organisation and item.organisation not in organisations:
        found.append(_unknown("organisation", "an organisation of this chain", item.organisation, organisations))
    for name, kind, keys in (("replaces", item.kind, item.replaces), ("answers", "unknown", item.answers)):
        fitting = [each.key for each in _earlier(before, item) if each.kind == kind]
        expected = f"an item of the kind {kind}, known by then"
        found += [_unknown(name, expected, key, fitting) for key in keys if key not in fitting]
    gone = {key: each.key for each in before for key in each.replaces}
    found += [
        Wrong("replaces", "an item that nothing has replaced", f"{key!r}, replaced by {gone[key]!r}")
        for key in item.replaces
        if key in gone and known.get(key)
    ]
    return found


def _unknown(name: str, expected: str, got: str, known: Collection[str]) -> Wrong:
    return Wrong(name, expected, repr(got) + nearest(got, known))


def _earlier(before: Sequence[Item], item: Item) -> list[Item]:
    return [each for each in before if each.since.start <= item.since.start]


def to_json(item: Item, tz: ZoneInfo) -> dict[str, Any]:
    """The item as JSON; what is as usual is left out. Times as they were given: a day or RFC 3339."""
    values = {name: getattr(item, name) for name in Item.__dataclass_fields__}
    values |= {"since": format_when(item.since, tz), "public": None if item.public else False}
    values["review"] = format_when(item.review, tz) if item.review else None
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value not in (None, "", (), {}) and not (name == "inferred" and not value)
    }


def from_json(told: Mapping[str, Any], tz: ZoneInfo) -> Item:
    """Inverse of `to_json`."""
    values = dict(told)
    values["since"] = parse_when(values["since"], tz)
    if "review" in values:
        values["review"] = parse_when(values["review"], tz)
    for name in ("replaces", "answers"):
        values[name] = tuple(values.get(name, ()))
    return Item(**values)
