"""What somebody can do from a page, as data: its form, the request that it makes, and what is said afterwards. Pure.

An action is the API's operation under a form: the page adds words, never a rule of its own. So whatever a command can
do, a page can, and both are refused for the same reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from keersluis.errors import Incorrect
from keersluis.times import format_instant, parse_instant
from keersluis.web.orders import Problem
from keersluis.web.scene import Scene

Values: TypeAlias = Mapping[str, Any]
"""A form's fields: texts, and for a file its bytes."""

Shape = Literal["text", "area", "choice", "moment", "day", "number", "file", "check"]
LONGEST = 1000


@dataclass(frozen=True)
class Field:
    """One field of a form. `options` are (value, label) of a choice; `accept` is what a file may be."""

    name: str
    label: str
    shape: Shape = "text"
    hint: str = ""
    required: bool = True
    options: Sequence[tuple[str, str]] = ()
    accept: str = ""
    value: str = ""


@dataclass(frozen=True)
class Download:
    """The answer is a file."""

    media_type: str
    name: Callable[[Values], str]


@dataclass(frozen=True)
class Action:
    """One thing to do at an organisation's node.

    `path` and `body` make the request (no body: it is read); `told` turns its answer into sentences, unless it is a
    `download`. With `follow`, further requests follow from the answer, and `told` gets the list of all answers. With
    `consequences`, what will happen is shown first, and done on confirmation. `page` is the address of the page that
    it belongs to, where that is not the place of all its forms.
    """

    key: str
    title: str
    lede: str
    button: str
    fields: Sequence[Field]
    path: Callable[[Values], str]
    body: Callable[[Values], bytes | None]
    told: Callable[[Any], Sequence[str]] = lambda _answer: ()
    download: Download | None = None
    consequences: Callable[[Values], Sequence[str]] | None = None
    follow: Callable[[Any], Sequence[tuple[str, bytes]]] | None = None
    page: str = ""


@dataclass(frozen=True)
class Checked:
    """A form's values, and what is wrong with them."""

    values: Values
    problems: tuple[Problem, ...] = ()
    wrong: Mapping[str, str] = field(default_factory=dict)


def who_and_why(scene: Scene, *, evidence: bool = False) -> list[Field]:
    """The fields of every order: who gives it, and why."""
    _ = scene._
    who = _("A function, for example crisis manager. It is kept with the order.")
    why = _("A sentence that others will understand later. It is kept with the order.")
    fields = [Field("who", _("Who gives this order?"), hint=who), Field("why", _("Why?"), "area", why)]
    if evidence:
        hint = _("Where it can be found: the number of an advisory, a letter, a decision.")
        fields.append(Field("evidence", _("Evidence"), hint=hint, required=False))
    return fields


def empty(action: Action, given: Values) -> Checked:
    """The form as it opens; the query may choose what it starts with."""
    return Checked({each.name: str(given.get(each.name) or each.value) for each in action.fields})


def check(scene: Scene, action: Action, given: Values) -> Checked:
    """Everything that is wrong with what was filled in, at once. Moments become RFC 3339."""
    values: dict[str, Any] = {}
    problems = []
    for each in action.fields:
        raw = given.get(each.name)
        values[each.name] = raw if isinstance(raw, bytes) else str(raw or "").replace("\r\n", "\n").strip()
        sentence = _fault(scene, each, values[each.name])
        if sentence:
            problems.append(Problem(each.name, sentence))
    return Checked(values, tuple(problems), {problem.field: problem.sentence for problem in problems})


def _fault(scene: Scene, each: Field, value: str | bytes) -> str | None:
    _ = scene._
    if not value:
        return _("Fill in: {what}.", what=each.label.rstrip("?")) if each.required else None
    if isinstance(value, bytes):
        return None
    if each.shape == "choice" and value not in {option for option, _label in each.options}:
        return _("Choose one from the list.")
    if each.shape == "number" and not (value.isascii() and value.isdigit() and len(value) < 16):
        return _("Give a whole number.")
    if each.shape in ("moment", "day") and _instant(scene, value) is None:
        return _("Give a date and a time, for example 2025-08-25T12:00.")
    if len(value) > LONGEST and each.shape != "area":
        return _("Use at most {most} characters; now there are {now}.", most=LONGEST, now=len(value))
    return None


def _instant(scene: Scene, value: str) -> str | None:
    try:
        local = datetime.fromisoformat(value)
        given = local if local.tzinfo else local.replace(tzinfo=scene.chain.timezone)
        return format_instant(parse_instant(given.isoformat()))
    except (ValueError, OverflowError, Incorrect):
        return None


def moment(scene: Scene, values: Values, name: str) -> str | None:
    """A moment that was filled in, as RFC 3339; None where it was left open."""
    return _instant(scene, str(values[name])) if values.get(name) else None
