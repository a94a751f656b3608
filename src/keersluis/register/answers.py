"""Questions and answers: what an answer states, until when its sources are complete, and what could still end it.

Pure. An answer is facts + watermarks + the moments it speaks for, never apart. While a stream that it needs is not
complete through its moment it is provisional, and the register owes the asker its end.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import msgspec

from keersluis.chain import ANSWER_END, Chain, Kind, Route
from keersluis.errors import Incorrect
from keersluis.register.facts import Fact, in_force, recorded
from keersluis.register.intake import SUBJECT
from keersluis.register.proofs import NO_LINKS, Links, Proof, link
from keersluis.register.reservations import StatedReservation
from keersluis.times import Instant, format_instant, format_when, parse_instant
from keersluis.watermarks import NOTHING_PROMISED, settles_up_to

Watermarks = Mapping[str, Instant]
"""Kind path -> complete_through of its stream; a kind that is absent never promised anything."""

RESERVED = "reservation"
"""What an answer waits for, beside kinds, when it rests on a fact in doubt: no watermark ends that."""

_ID = re.compile(r"[!-~]{1,128}")
_decode = msgspec.json.Decoder().decode


class Question(msgspec.Struct, frozen=True):
    """What a decider asks about one subject. `needs` are paths in the tree of kinds, leaves or inner nodes;
    a `standing` question is answered anew whenever a needed fact of later than `moment` arrives."""

    id: str
    purpose: str
    policy: str
    subject: str
    moment: str
    needs: tuple[str, ...]
    standing: bool = False


class StatedFact(msgspec.Struct, frozen=True, omit_defaults=True):
    """A fact as an answer states it. `occurred` is a day or an RFC 3339 time; `valid_to` is exclusive.

    `proofs` are there where the act came more than one way. `same_as` is the id of the fact that counts in the place of
    this one, because both are the same act.
    """

    id: str
    source: str
    kind: str
    occurred: str
    valid_from: str | None
    valid_to: str | None
    content: Any
    same_as: str = ""
    proofs: list[Proof] = []


class Mark(msgspec.Struct, frozen=True):
    """Until when (event time) a stream is complete here; 1970-01-01T00:00:00Z: it never promised. `source`: OIN."""

    source: str
    kind: str
    complete_through: str


class Alternative(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an emergency route brought for a need: the facts of one of its streams, which stand in for `covers`, and
    what they prove."""

    route: str
    source: str
    kind: str
    complete_through: str
    covers: str
    facts: list[StatedFact]
    weight: str = ""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A register's answer; its JSON is what is signed and sent. `register` and `asker` are OINs.

    `facts` are those in force for `moment`; `valid_at` and `known_at` are stated where they differ from it, as in
    a look-up back in time. The two lists of watermarks cover every need and every alternative.
    """

    id: str
    register: str
    asker: str
    purpose: str
    subject: str
    moment: str
    answered_at: str
    state: Literal["provisional", "settled"]
    facts: list[StatedFact]
    watermarks: list[Mark]
    alternatives: list[Alternative]
    valid_at: str | None = None
    known_at: str | None = None
    reservations: list[StatedReservation] = []


class Owed(NamedTuple):
    """An answer as the register remembers it, to say how it ends.

    `anchor` is empty, or the id of the fact for which a standing question was answered anew; then `moment` is the end
    of that fact. `needs` numbers the set of needed kinds.
    """

    asker: str
    id: str
    anchor: str
    subject: str
    purpose: str
    policy: str
    moment: Instant
    standing: bool
    needs: int
    open: bool
    answered_at: Instant

    @property
    def name(self) -> str:
        """What the decider's decision on this answer is called."""
        return f"{self.id}/{self.anchor}" if self.anchor else self.id


@dataclass(frozen=True)
class Scope:
    """What a purpose may see of what was asked: the needed leaves, and the streams that may stand in for them now.

    `kinds` are the paths of both: a fact of any other kind does not touch the answer. `routes` are all emergency
    routes for these needs and this purpose, whether permitted now or not.
    """

    needs: tuple[Kind, ...]
    needed: frozenset[str]
    alternatives: tuple[tuple[Route, Kind], ...]
    kinds: frozenset[str]
    routes: tuple[tuple[Route, Kind], ...]

    def calls_for_anew(self, fact: Fact) -> bool:
        """A standing question is answered anew for this fact, if it is of after its moment.

        Whether a fact of an emergency route does so depends on its event time, not on when it arrived: so the same
        facts always lead to the same answers (P3).
        """
        return fact.kind in self.needed or any(
            kind.path == fact.kind and permitted(route, fact.when.end) for route, kind in self.routes
        )


def may_see(kind: Kind, purpose: str) -> bool:
    """Some kinds are shown for some purposes only."""
    return not kind.purposes or purpose in kind.purposes


def needed_leaves(chain: Chain, paths: Iterable[str], purpose: str) -> tuple[str, ...]:
    """The leaves at or below the asked paths that the purpose may see, sorted: a set of needs."""
    return tuple(sorted({kind.path for path in paths for kind in chain.under(path) if may_see(kind, purpose)}))


def scope(
    chain: Chain, needs: Sequence[str], purpose: str, now: Instant, closed: Collection[str] = frozenset()
) -> Scope:
    """The kinds that an answer speaks of at `now`; an emergency route counts while it is permitted and its gate, here,
    stands open (`closed` are the kinds of which it does not)."""
    routes = tuple(
        (route, kind)
        for route in chain.routes.values()
        if (not route.purposes or purpose in route.purposes) and any(covers(route, path) for path in needs)
        for kind in chain.under(route.kind)
        if may_see(kind, purpose) and kind.path not in needs
    )
    alternatives = tuple((route, kind) for route, kind in routes if permitted(route, now) and kind.path not in closed)
    needed = frozenset(needs)
    return Scope(
        needs=tuple(chain.kinds[path] for path in needs),
        needed=needed,
        alternatives=alternatives,
        kinds=needed | {kind.path for _route, kind in alternatives},
        routes=routes,
    )


def covers(route: Route, path: str) -> bool:
    """The route stands in for the leaf `path`."""
    return path == route.covers or path.startswith(route.covers + ".")


def permitted(route: Route, at: Instant) -> bool:
    """An emergency route has a ground for some time only."""
    return route.start <= at and (route.until is None or at <= route.until)


def emergency(chain: Chain) -> frozenset[str]:
    """The kinds that come along emergency routes."""
    return frozenset(kind.path for route in chain.routes.values() for kind in chain.under(route.kind))


def settles(chain: Chain, needs: Iterable[Kind], watermarks: Watermarks) -> Instant:
    """The greatest moment for which every needed stream is complete (P2)."""
    return min(
        settles_up_to(watermarks.get(kind.path, NOTHING_PROMISED), chain.skew, kind.resolution, chain.timezone)
        for kind in needs
    )


def capped(watermarks: Watermarks, gaps: Iterable[tuple[str, Instant]]) -> dict[str, Instant]:
    """Watermarks that count: a stream with a gap that is not filled is complete up to its beginning only.

    `gaps` are (kind, first instant) pairs.
    """
    counted = dict(watermarks)
    for kind, since in gaps:
        counted[kind] = min(counted.get(kind, NOTHING_PROMISED), since - 1)
    return counted


def marks(chain: Chain, kinds: Iterable[Kind], watermarks: Watermarks) -> list[Mark]:
    """The watermarks as an answer states them."""
    return [Mark(chain.organisations[kind.source].oin, kind.path, _through(kind, watermarks)) for kind in kinds]


def derive(
    chain: Chain,
    register: str,
    owed: Owed,
    seen: Scope,
    facts: Sequence[Fact],
    watermarks: Watermarks,
    *,
    at: Instant,
    state: Literal["provisional", "settled"],
) -> Answer:
    """The answer that follows from all facts of the subject. `register`: OIN.

    Facts of kinds that are not needed have no say, not even to end another: nobody waits for them (P2).
    """
    mine = [fact for fact in facts if fact.kind in seen.needed]
    regular = in_force(mine, moment=owed.moment, valid_at=owed.moment)
    brought = _brought(seen, facts, owed.moment)
    links = link(seen.alternatives, recorded(mine, moment=owed.moment), regular, brought) if brought else NO_LINKS
    return Answer(
        id=owed.id,
        register=register,
        asker=chain.organisations[owed.asker].oin,
        purpose=owed.purpose,
        subject=owed.subject,
        moment=format_instant(owed.moment),
        answered_at=format_instant(at),
        state=state,
        facts=[stated(fact, chain, links) for fact in regular],
        watermarks=marks(chain, seen.needs, watermarks),
        alternatives=_alternatives(chain, seen, brought, watermarks, links),
    )


def stated(fact: Fact, chain: Chain, links: Links = NO_LINKS) -> StatedFact:
    """A fact as an answer states it."""
    return StatedFact(
        fact.id,
        fact.source,
        fact.kind,
        format_when(fact.when, chain.timezone),
        None if fact.valid_from is None else format_instant(fact.valid_from),
        None if fact.valid_to is None else format_instant(fact.valid_to),
        _decode(fact.content),
        links.same_as(fact),
        links.proofs_of(fact),
    )


def because(facts: Iterable[Fact], chain: Chain) -> list[dict[str, str]]:
    """The late facts that a supplement names."""
    return [{"id": fact.id, "kind": fact.kind, "occurred": format_when(fact.when, chain.timezone)} for fact in facts]


def faults(question: Question, chain: Chain, taken: Collection[str]) -> list[str]:
    """What is wrong with a question apart from its needs, a sentence per field. `taken`: ids asked before it."""
    found = []
    if not _ID.fullmatch(question.id):
        found.append("id: expected 1 to 128 printable characters without spaces")
    elif question.id in taken:
        found.append("id: expected an id of its own, got one that is in this request already")
    if chain.purposes and question.purpose not in chain.purposes:
        found.append(f"purpose: expected one of {', '.join(chain.purposes)}, got {question.purpose!r}")
    if not SUBJECT.fullmatch(question.subject):
        found.append("subject: expected <scheme>:<number>, got another form")
    found += _moment_faults(question)
    return [f"question {question.id[:128]}: {fault}" for fault in found]


def _moment_faults(question: Question) -> list[str]:
    try:
        parse_instant(question.moment)
    except Incorrect as error:
        return [f"moment: expected {error.expected}, got {error.got}"]
    return []


def needs_faults(needs: Sequence[str], chain: Chain, register: str) -> list[str]:
    """What is wrong with the needs of a question."""
    if not needs:
        return ["needs: expected at least one kind, got none"]
    return [
        f"needs: expected a kind that {register} receives, got {path!r}"
        for path in needs
        if not (leaves := chain.under(path)) or not all(held(kind, register) for kind in leaves)
    ]


def held(kind: Kind, register: str) -> bool:
    """The register keeps facts of this kind. `register`: key."""
    return register in kind.receivers and not kind.path.startswith(ANSWER_END + ".")


def _through(kind: Kind, watermarks: Watermarks) -> str:
    return format_instant(watermarks.get(kind.path, NOTHING_PROMISED))


def _brought(seen: Scope, facts: Sequence[Fact], moment: Instant) -> tuple[Fact, ...]:
    """What the emergency routes brought; facts and the acts on them both come along the route."""
    paths = seen.kinds - seen.needed
    return in_force([fact for fact in facts if fact.kind in paths], moment=moment, valid_at=moment)


def _alternatives(
    chain: Chain, seen: Scope, brought: Sequence[Fact], watermarks: Watermarks, links: Links
) -> list[Alternative]:
    return [
        Alternative(
            route.key,
            chain.organisations[kind.source].oin,
            kind.path,
            _through(kind, watermarks),
            route.covers,
            [stated(fact, chain, links) for fact in brought if fact.kind == kind.path],
            route.weight,
        )
        for route, kind in seen.alternatives
    ]


def folded(
    chain: Chain, kinds: Collection[Kind], facts: Sequence[Fact], shown: Sequence[Fact], known_at: Instant | None
) -> list[StatedFact]:
    """The facts `shown` to somebody who may see all of `kinds`, each act once: what a route brought of an act that is
    shown already is a proof of it. `facts` are all of the subject, of which what was recorded up to `known_at` counts.
    """
    routes = [(route, kind) for route in chain.routes.values() for kind in chain.under(route.kind) if kind in kinds]
    by_route = {kind.path for _route, kind in routes}
    regular = [fact for fact in shown if fact.kind not in by_route]
    others = [fact for fact in recorded(facts, known_at=known_at) if fact.kind not in by_route]
    links = link(routes, others, regular, [fact for fact in shown if fact.kind in by_route])
    here = {fact.id for fact in shown}
    return [stated(fact, chain, links) for fact in shown if links.same_as(fact) not in here]
