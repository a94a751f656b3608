"""Changes of a service's state: what may be told, which stands, and how it is told again. Pure.

Changes are only ever added. An undo is a change that takes the last standing one back, so that the one before it stands
again; of a service of which nothing stands nobody ever said anything, and it is up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from keersluis.errors import Incorrect
from keersluis.recovery.services import STATES, Emergency, Service, State, Up, state_of
from keersluis.sections import LANGUAGES, Words, nearest
from keersluis.times import Instant, When, format_instant, parse_when

LONGEST = 1000
"""Characters of a text; a key has at most a fifth."""

_NUMBER = re.compile(r"(?<!\d)\d{9}(?!\d)")
_CASE = re.compile(r"(?<!\d)\d{2}[/.]\d{6}-\d{2}(?!\d)")


@dataclass(frozen=True, slots=True)
class Change:
    """`state` holds since `since`; it was told at `at` by `who` (a function), with why and evidence. `expected`: the
    return, as a day or RFC 3339. `public`: the sentence for outsiders; without one they hear the state alone.
    `undoes` is the number of the change that this one takes back. `number` is 0 until it is stored; `entry` is that of
    the timeline."""

    service: str
    state: State
    since: Instant
    who: str
    why: str
    at: Instant
    expected: str | None = None
    evidence: str | None = None
    public: Words | None = None
    key: str | None = None
    undoes: int | None = None
    number: int = 0
    entry: int | None = None

    @property
    def procedure(self) -> str | None:
        return self.state.procedure if isinstance(self.state, Emergency) else None


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody says of a service, not yet checked. `since` and `expected` are texts; None is now, and unknown."""

    state: str
    who: str
    why: str
    procedure: str | None = None
    since: str | None = None
    expected: str | None = None
    evidence: str | None = None
    public: Mapping[str, str] | None = None
    key: str | None = None


def standing(changes: Iterable[Change]) -> Change | None:
    """Which of the changes of one service (oldest first) stands."""
    stack: list[Change] = []
    for change in changes:
        if change.undoes is None:
            stack.append(change)
        elif stack and stack[-1].number == change.undoes:
            stack.pop()
    return stack[-1] if stack else None


def checked(told: Told, service: Service, last: Change | None, now: Instant, latest: Instant, zone: ZoneInfo) -> Change:
    """What is told, as a change. `last` stands now; nothing may hold since later than `latest`.

    Raises Incorrect `service.refused` naming every fault.
    """
    faults: list[str] = []
    since = _moment(faults, "since", told.since, zone, When(now, now)).start
    least = 0 if last is None else last.since
    if not least <= since <= latest:
        after = f"after {format_instant(least)}, since when it is {last.state.name}, and " if last else ""
        faults.append(f"since: expected a moment {after}not in the future, got {told.since}")
    _check_state(faults, told, service)
    _check_return(faults, told, since, zone)
    _check_texts(faults, told)
    if faults:
        expected = f"a state of {service.key}"
        raise Incorrect("service.refused", expected=expected, got="; ".join(faults), faults=faults)
    return Change(
        service=service.key,
        state=state_of(told.state, told.procedure),
        since=since,
        who=told.who.strip(),
        why=told.why.strip(),
        at=now,
        expected=_filled(told.expected),
        evidence=_filled(told.evidence),
        public=None if told.public is None else {each: told.public[each].strip() for each in LANGUAGES},
        key=told.key,
    )


def _check_return(faults: list[str], told: Told, since: Instant, zone: ZoneInfo) -> None:
    if told.expected is None:
        return
    if _moment(faults, "expected", told.expected, zone, When(since, since)).end < since:
        faults.append(f"expected: expected a moment after it began, got {told.expected}")
    if told.state == Up.name:
        faults.append(f"expected: expected no return of what is up, got {told.expected}")


def _filled(text: str | None) -> str | None:
    return text.strip() or None if text else None


def _moment(faults: list[str], name: str, text: str | None, zone: ZoneInfo, neutral: When) -> When:
    if text is None:
        return neutral
    try:
        return parse_when(text.strip(), zone)
    except Incorrect as error:
        faults.append(f"{name}: expected {error.expected}, got {error.got}")
        return neutral


def _check_state(faults: list[str], told: Told, service: Service) -> None:
    if told.state not in STATES:
        faults.append(f"state: expected one of {', '.join(STATES)}, got {told.state!r}{nearest(told.state, STATES)}")
        return
    known = [each.key for each in service.procedures]
    if told.state == Emergency.name and told.procedure not in known:
        expected = "one of " + ", ".join(known) if known else f"another state, as {service.key} has no procedure"
        hint = nearest(told.procedure or "", known)
        faults.append(f"procedure: expected {expected}, got {told.procedure or 'nothing'!r}{hint}")
    if told.state != Emergency.name and told.procedure is not None:
        faults.append(f"procedure: expected none with {told.state}, got {told.procedure!r}")


def _check_texts(faults: list[str], told: Told) -> None:
    texts = {"who": told.who, "why": told.why}
    if told.public is not None:
        texts |= {f"public.{language}": told.public.get(language, "") for language in LANGUAGES}
        unknown = sorted(told.public.keys() - set(LANGUAGES))
        faults += [f"public.{each}: expected only {' and '.join(LANGUAGES)}, got {each!r}" for each in unknown]
    faults += [f"{name}: expected a text, got nothing" for name, text in texts.items() if not text.strip()]
    for name, text in (texts | {"evidence": told.evidence or ""}).items():
        if len(text) > LONGEST or any(ord(each) < 32 and each != "\n" for each in text):
            faults.append(f"{name}: expected plain text of at most {LONGEST} characters, got {len(text)}")
        if names_somebody(text):
            faults.append(f"{name}: expected a text without the number of a person or a case, got one that has it")
    if told.key is not None and not usable_key(told.key):
        faults.append(f"key: expected 1 to {LONGEST // 5} printable characters, got {len(told.key)}")


def usable_key(key: str) -> bool:
    """Whether a text may be an idempotency key: every database can look for it."""
    return 0 < len(key) <= LONGEST // 5 and key.isprintable()


def names_somebody(text: str) -> bool:
    """Whether a text holds what may be a citizen's number (nine digits that pass the eleven-test) or a case's."""
    return bool(_CASE.search(text)) or any(_eleven(each) for each in _NUMBER.findall(text))


def _eleven(digits: str) -> bool:
    weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True)) % 11 == 0


def same(one: Change, other: Change) -> bool:
    """Whether two changes say the same, whenever they were told."""
    return _timeless(one) == _timeless(other)


def _timeless(change: Change) -> Change:
    """Without what every telling has of its own; a `since` that nobody gave is the moment of telling."""
    since = 0 if change.since == change.at else change.since
    return replace(change, at=0, number=0, since=since, key=None, entry=None)


def body(change: Change, service: Service) -> dict[str, Any]:
    """The change as its timeline entry has it. The titles are in it, as an inventory may change later."""
    procedure = service.procedure(change.procedure) if change.procedure else None
    told = {
        "service": service.key,
        "title": dict(service.title),
        "organisation": service.organisation,
        "state": change.state.name,
        "procedure": change.procedure,
        "procedure_title": dict(procedure.title) if procedure else None,
        "since": format_instant(change.since),
        "expected": change.expected,
        "who": change.who,
        "why": change.why,
        "evidence": change.evidence,
        "public": change.public,
        "undoes": change.undoes,
        "number": change.number,
    }
    return {name: value for name, value in told.items() if value is not None}


def as_json(change: Change) -> dict[str, Any]:
    """The change for the API: every field, None where there is nothing."""
    return {
        "number": change.number,
        "state": change.state.name,
        "procedure": change.procedure,
        "since": format_instant(change.since),
        "expected": change.expected,
        "who": change.who,
        "why": change.why,
        "evidence": change.evidence,
        "public": change.public,
        "undoes": change.undoes,
        "at": format_instant(change.at),
        "entry": change.entry,
    }


def overdue(expected: str | None, now: Instant, zone: ZoneInfo) -> bool:
    """Whether a return was expected before now."""
    return expected is not None and parse_when(expected, zone).end < now
