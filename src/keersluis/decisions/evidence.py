"""What a decision rests on: the facts, watermarks and alternatives of one answer, as the rules see them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from keersluis.chain import Chain
from keersluis.decisions.policies import Known
from keersluis.errors import Incorrect
from keersluis.register.answers import Alternative as StatedAlternative
from keersluis.register.answers import Answer, Mark, StatedFact
from keersluis.times import SECOND, Instant, When, parse_instant, parse_when
from keersluis.watermarks import NOTHING_PROMISED

Marks = Mapping[str, Instant]
"""Kind path -> complete_through."""


class Heard(NamedTuple):
    """What the register said over the stream: complete through `through`; `lowered_at` (its clock) is when it last took
    that back because a gap was found, 0 for never."""

    through: Instant
    lowered_at: Instant = 0


@dataclass(frozen=True, slots=True)
class Alternative:
    """An emergency route for the leaf `covers`: it is complete when all of its streams `kinds` are, and its facts count
    as of the kind that it covers; not those of an act of which another fact counts already. `weight` is what they
    prove."""

    covers: str
    kinds: tuple[str, ...]
    facts: tuple[Known, ...]
    weight: str = ""
    route: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """`marks` hold the needed kinds and those of the alternatives; `reserved`: some of it is in doubt."""

    facts: tuple[Known, ...]
    marks: Marks
    alternatives: tuple[Alternative, ...]
    reserved: bool = False


class Late(msgspec.Struct, frozen=True):
    """A late fact as a supplement names it."""

    id: str
    kind: str
    occurred: str


class Supplement(msgspec.Struct, frozen=True, tag_field="what", tag="supplement"):
    """The register owes an answer this: the answer derived again, and why. `answer` is kept as its bytes.

    `anchor` names the fact on which a standing answer is given anew; the decision on it has a name of its own.
    """

    answer: msgspec.Raw
    because: tuple[Late, ...] = ()
    anchor: str = ""


class Completeness(msgspec.Struct, frozen=True, tag_field="what", tag="completeness"):
    """Watermarks of the register; `settled` names the answers whose needs are all complete now."""

    watermarks: tuple[Mark, ...] = ()
    settled: tuple[str, ...] = ()


class Gap(msgspec.Struct, frozen=True, tag_field="what", tag="gap"):
    """Of `kind`, what happened from `since` on is not complete after all; `reopened` names settled answers."""

    kind: str
    since: str
    until: str
    reopened: tuple[str, ...] = ()


End: TypeAlias = Supplement | Completeness | Gap


_decode_end: Callable[[bytes | msgspec.Raw], End] = msgspec.json.Decoder(End).decode
_decode_answer = msgspec.json.Decoder(Answer).decode
_encode = msgspec.json.Encoder().encode


def decode_end(data: bytes | msgspec.Raw) -> End:
    """The `data` of an event on an answer-end stream. Raises Incorrect `decisions.answer-end`."""
    try:
        return _decode_end(data)
    except msgspec.MsgspecError as error:
        expected = "a supplement, a completeness statement or a gap"
        raise Incorrect("decisions.answer-end", expected=expected, got=str(error)) from None


def decode_answer(data: bytes | msgspec.Raw) -> Answer:
    """Raises Incorrect `decisions.answer`."""
    try:
        return _decode_answer(data)
    except msgspec.MsgspecError as error:
        raise Incorrect("decisions.answer", expected="an answer of the register", got=str(error)) from None


def answer_bytes(answer: Answer | msgspec.Raw | Mapping[str, Any]) -> bytes:
    """The answer's JSON; what came as bytes stays as it is."""
    return bytes(answer) if isinstance(answer, msgspec.Raw) else _encode(answer)


def evidence(answer: Answer, chain: Chain, heard: Mapping[str, Heard] | None = None) -> Evidence:
    """The answer as rules see it; for each kind the better of its watermark and the one `heard` on the stream counts.

    A watermark in the answer to one question says nothing about another answer: supplements to that one may still be
    under way. One heard on the stream does, for what was owed before it has come before it.
    """
    tz = chain.timezone
    given = {mark.kind: parse_instant(mark.complete_through) for mark in answer.watermarks}
    given |= {each.kind: parse_instant(each.complete_through) for each in answer.alternatives}
    return Evidence(
        facts=tuple(known(fact, tz) for fact in answer.facts),
        marks=_newest(given, parse_instant(answer.answered_at), heard or {}),
        alternatives=_alternatives(answer.alternatives, chain),
        reserved=bool(answer.reservations),
    )


def known(fact: StatedFact, tz: ZoneInfo, kind: str | None = None) -> Known:
    """A stated fact; `kind` is given where it counts as one of another kind."""
    content = fact.content if isinstance(fact.content, dict) else {}
    return Known(fact.id, kind or fact.kind, when(fact.occurred, tz), content)


@lru_cache(maxsize=65536)
def when(occurred: str, tz: ZoneInfo) -> When:
    """`parse_when`, remembered: many acts share a day."""
    return parse_when(occurred, tz)


def stand_ins(kinds: Sequence[str], covers: str, chain: Chain) -> dict[str, tuple[str, ...]]:
    """Leaf below `covers` -> those of a route's streams that stand in for it: of the same last name, else all."""
    found: dict[str, tuple[str, ...]] = {}
    for leaf in chain.under(covers):
        alike = tuple(kind for kind in kinds if kind.rpartition(".")[2] == leaf.path.rpartition(".")[2])
        found[leaf.path] = alike or tuple(kinds)
    return found


def _alternatives(stated: Sequence[StatedAlternative], chain: Chain) -> tuple[Alternative, ...]:
    by_route: dict[tuple[str, str], list[StatedAlternative]] = {}
    for each in stated:
        by_route.setdefault((each.route, each.covers), []).append(each)
    return tuple(
        Alternative(path, kinds, tuple(_brought(streams, path, kinds, chain.timezone)), streams[0].weight, route)
        for (route, covers), streams in by_route.items()
        for path, kinds in stand_ins([each.kind for each in streams], covers, chain).items()
    )


def _brought(streams: Iterable[StatedAlternative], path: str, kinds: Sequence[str], tz: ZoneInfo) -> Iterator[Known]:
    for each in streams:
        if each.kind in kinds:
            yield from (known(fact, tz, path) for fact in each.facts if not fact.same_as)


def _newest(given: Marks, answered_at: Instant, heard: Mapping[str, Heard]) -> dict[str, Instant]:
    return {kind: _word(through, answered_at, heard.get(kind)) for kind, through in given.items()}


def _word(through: Instant, answered_at: Instant, told: Heard | None) -> Instant:
    """The greater of two promises, unless the answer is from before the register took its promise back.

    The register may state an answer some microseconds ahead of its clock, so a second is left between the two.
    """
    if told is None:
        return through
    return told.through if answered_at <= told.lowered_at + SECOND else max(through, told.through)


def marks_of(watermarks: Iterable[Mark]) -> dict[str, Instant]:
    """The watermarks of a completeness statement."""
    return {mark.kind: parse_instant(mark.complete_through) for mark in watermarks}


def through(marks: Marks, kind: str) -> Instant:
    """A kind without a watermark never promised anything."""
    return marks.get(kind, NOTHING_PROMISED)
