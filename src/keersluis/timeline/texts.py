"""One sentence for people, in Dutch or English, for each kind of entry and each kind of finding. Pure.

A body that lacks what its kind usually has (it may come from a newer version) is still told, in less detail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from keersluis.chain import Chain
from keersluis.errors import Incorrect
from keersluis.timeline import texts_topics
from keersluis.timeline.model import CONTRADICTED, WITNESSED, Entry, owner
from keersluis.times import parse_instant
from keersluis.watermarks import parse_origin
from keersluis.words import Translator, translator

_UTC = ZoneInfo("UTC")
ALL = "*"

NOTABLE = frozenset(
    {
        "gate.moved",
        "gate.took-effect",
        "gate.called-off",
        "batch.quarantined",
        "letter.printed",
        "watermark.stopped",
        "promise.broken",
        "gap.declared",
        "gap.filled",
        "decision.revisit",
        "revisit.closed",
        "hold.released",
        "key.rotated",
        "key.revoked",
        "key.added",
        *texts_topics.NOTABLE,
    }
)
"""Kinds of timeline entries that people want to know of; all others are routine traffic."""


def sentence(entry: Entry, language: str, chain: Chain | None = None) -> str:
    """What the entry tells. With `chain`, organisations and kinds go by their names and times are local."""
    told = _Told(translator(language), chain, entry.body)
    try:
        return _SENTENCES[entry.kind](told)
    except (KeyError, TypeError, ValueError, Incorrect):
        return told.plain(entry)


class _Told:
    """The body of an entry, its values put into words. A value that is missing raises KeyError."""

    def __init__(self, _: Translator, chain: Chain | None, body: Mapping[str, Any]) -> None:
        self._, self._chain, self.body = _, chain, body

    def plain(self, entry: Entry) -> str:
        _ = self._
        return _("An entry of {room}: {kind}.", room=entry.room, kind=entry.kind)

    def text(self, field: str) -> str:
        return str(self.body[field])

    def number(self, field: str) -> int:
        return int(self.body[field])

    def count(self, *fields: str) -> int:
        """The first of `fields` that is there: a number, or how many a list has."""
        field = next((field for field in fields if field in self.body), fields[0])
        value = self.body[field]
        return value if isinstance(value, int) else len(value)

    def parts(self, field: str) -> list[_Told]:
        """Each of a list of bodies."""
        return [_Told(self._, self._chain, each) for each in self.body[field]]

    def moment(self, field: str) -> str:
        zone = self._chain.timezone if self._chain else _UTC
        return self._.short_moment(parse_instant(self.text(field)), zone)

    def name(self, field: str) -> str:
        """An organisation, given by its key, its OIN or an origin."""
        return self._name(self.text(field))

    def kind(self, field: str = "kind") -> str:
        return self._kind(self.text(field))

    def kinds(self, field: str) -> str:
        return self._.join(self._kind(str(path)) for path in self.body[field])

    def stream(self) -> str:
        """The stream of the body: by its origin, or one of our own by its kind."""
        _ = self._
        if "origin" not in self.body:
            return self.kind()
        stream = parse_origin(self.text("origin"))
        return _("“{kind}” of {source}", kind=self._kind(stream.kind), source=self._name(stream.oin))

    def _name(self, key: str) -> str:
        oin = owner(key)
        organisations = self._chain.organisations.values() if self._chain else ()
        return next((self._.pick(each.name) for each in organisations if oin in (each.key, each.oin)), oin)

    def _kind(self, path: str) -> str:
        if self._chain is None:
            return path
        if path in self._chain.kinds:
            return self._.pick(self._chain.kinds[path].title)
        return self._.pick(self._chain.groups[path]) if path in self._chain.groups else path


# --- the exchange -----------------------------------------------------------------------------------


def _gate(told: _Told) -> str:
    """The order; with its window, its moment and what it takes back, where it has these."""
    _, said = told._, _order(told)
    if told.body.get("window"):
        said = _("Daily {window}: {told}", window=told.text("window"), told=said)
    if told.body.get("undoes"):
        said = _("{told} (takes back order {number})", told=said, number=told.number("undoes"))
    if told.body.get("starts"):
        return _("As of {moment}: {told}", moment=told.moment("starts"), told=said)
    return said


def _order(told: _Told) -> str:
    _, gate, who, why = told._, _gate_name(told), told.text("who"), told.text("why")
    state = told.text("state")
    if state == "closed":
        return _("{who} closed {gate}: {why}", who=who, gate=gate, why=why)
    if state == "metered":
        return _("{who} metered {gate} at {rates}: {why}", who=who, gate=gate, rates=_rates(told), why=why)
    return _("{who} opened {gate}: {why}", who=who, gate=gate, why=why)


def _rates(told: _Told) -> str:
    _ = told._
    rate, byte_rate = (format(told.body.get(name) or 0, "g") for name in ("rate", "byte_rate"))
    events, size = _("{rate} events a second", rate=rate), _("{rate} bytes a second", rate=byte_rate)
    return _.join(said for said, rate in ((events, rate), (size, byte_rate)) if rate != "0")


def _took_effect(told: _Told) -> str:
    return told._("What was ordered before takes effect. {told}", told=_gate(told))


def _called_off(told: _Told) -> str:
    _ = told._
    return _(
        "{who} called off order {number} before it took effect: {why}",
        who=told.text("who"),
        number=told.number("number"),
        why=told.text("why"),
    )


def _gate_name(told: _Told) -> str:
    """All combinations are whole phrases: Dutch and English order them differently."""
    _, inward = told._, told.text("direction") == "in"
    every_peer, every_kind = told.text("peer") == ALL, told.text("kind") == ALL
    if every_peer and every_kind:
        return _("the gate for all that comes in") if inward else _("the gate for all that goes out")
    if every_peer:
        kind = told.kind()
        return _("the gate for {kind} from all", kind=kind) if inward else _("the gate for {kind} to all", kind=kind)
    peer = told.name("peer")
    if every_kind:
        return _("the gate from {peer}", peer=peer) if inward else _("the gate to {peer}", peer=peer)
    kind = told.kind()
    if inward:
        return _("the gate for {kind} from {peer}", kind=kind, peer=peer)
    return _("the gate for {kind} to {peer}", kind=kind, peer=peer)


def _offered(told: _Told) -> str:
    _ = told._
    return _(
        "{events} of {stream} offered to {peer}.", events=_events(told), stream=told.stream(), peer=told.name("to")
    )


def _applied(told: _Told) -> str:
    _ = told._
    return _(
        "{events} of {stream} applied: complete through {through}.",
        events=_events(told),
        stream=told.stream(),
        through=told.moment("watermark"),
    )


def _events(told: _Told) -> str:
    _, first, last = told._, told.number("from"), told.number("through")
    if first == last:
        return _("Event {first}", first=first)
    return _("Events {first} to {last}", first=first, last=last)


def _receipted(told: _Told) -> str:
    _ = told._
    by, size = told.name("by"), told.number("size")
    return _("{peer} confirmed {stream} up to event {size}.", peer=by, stream=told.stream(), size=size)


def _printed(told: _Told) -> str:
    _ = told._
    return _(
        "{events} of {stream} printed for {peer}.", events=_events(told), stream=told.stream(), peer=told.name("to")
    )


def _entered(told: _Told) -> str:
    _, stream, position, outcome = told._, told.stream(), told.number("position"), told.text("outcome")
    if outcome == "known":
        return _("A letter brought event {position} of {stream}, which was here.", position=position, stream=stream)
    if outcome == "kept":
        return _("A letter brought event {position} of {stream}: it waits its turn.", position=position, stream=stream)
    return _("A letter brought event {position} of {stream}: applied.", position=position, stream=stream)


def _asked_again(told: _Told) -> str:
    _ = told._
    facts = {"peer": told.name("by"), "stream": told.stream(), "first": told.number("from")}
    return _("{peer} misses events of {stream}: they go again from event {first}.", **facts)


def _quarantined(told: _Told) -> str:
    _ = told._
    return _("A batch of {stream} is in quarantine ({code}).", stream=told.stream(), code=told.text("code"))


def _moved(told: _Told) -> str:
    _ = told._
    return _("{stream} goes on: complete through {through}.", stream=told.stream(), through=told.moment("watermark"))


def _stopped(told: _Told) -> str:
    _, stream, through = told._, told.stream(), told.moment("watermark")
    stated, received = told.body.get("stated"), told.body.get("received")
    if stated is None or received is None:
        return _("{stream} stands still at {through}.", stream=stream, through=through)
    return _(
        "{stream} stands still at {through}: the source counted {stated}, {received} came.",
        stream=stream,
        through=through,
        stated=stated,
        received=received,
    )


def _broken(told: _Told) -> str:
    _ = told._
    return _.plural(
        "{count} act of before {promised}, a moment that was promised to be complete: {stream}.",
        "{count} acts of before {promised}, a moment that was promised to be complete: {stream}.",
        told.count("count", "events"),
        promised=told.moment("promised"),
        stream=told.stream(),
    )


def _counted(told: _Told) -> str:
    _ = told._
    counts = told.parts("counts")
    if len(counts) == 1:
        return _(
            "The source's own system counts {count} acts through {through}: {stream}.",
            count=counts[0].count("count"),
            through=counts[0].moment("through"),
            stream=counts[0].stream(),
        )
    return _(
        "The source's own system counts the acts of {streams} kinds: {count} in all.",
        streams=len(counts),
        count=sum(each.count("count") for each in counts),
    )


# --- the register, the decisions --------------------------------------------------------------------


def _gap(told: _Told) -> str:
    _ = told._
    return _(
        "A gap was found in {stream}, from {since} to {until}.",
        stream=told.stream(),
        since=told.moment("since"),
        until=told.moment("until"),
    )


def _filled(told: _Told) -> str:
    _ = told._
    return _(
        "The gap in {stream}, from {since} to {until}, is filled.",
        stream=told.stream(),
        since=told.moment("since"),
        until=told.moment("until"),
    )


def _lookup(told: _Told) -> str:
    _, who = told._, told.name("who")
    count = told.count("records", "count")
    return _.plural("{count} look-up for {who}.", "{count} look-ups for {who}.", count, who=who)


def _answered(told: _Told) -> str:
    _, asker = told._, told.name("asker")
    count = told.count("answers", "count")
    return _.plural("{count} answer given to {asker}.", "{count} answers given to {asker}.", count, asker=asker)


def _taken(told: _Told) -> str:
    _ = told._
    return _.plural("{count} decision taken.", "{count} decisions taken.", told.count("decisions", "count"))


def _settled(told: _Told) -> str:
    _ = told._
    settled, found = told.count("decisions", "count"), len(told.body.get("revisit", ()))
    if found and not settled:
        return _to_see(_, found)
    said = _.plural("{count} decision settled.", "{count} decisions settled.", settled)
    return f"{said} {_to_see(_, found)}" if found else said


def _revisit(told: _Told) -> str:
    return _to_see(told._, 1 if "decision" in told.body else told.count("decisions", "count"))


def _to_see(_: Translator, count: int) -> str:
    return _.plural("{count} decision must be looked at again.", "{count} decisions must be looked at again.", count)


def _closed(told: _Told) -> str:
    _, who, why = told._, told.text("who"), told.text("why")
    if told.body.get("undone"):
        return _("{who} put a decision back on the desk: {why}", who=who, why=why)
    return _("{who} looked at a decision again: {why}", who=who, why=why)


def _released(told: _Told) -> str:
    _, count = told._, told.count("decisions", "count")
    if "who" in told.body:
        return _("{who} issued a decision that was held: {why}", who=told.text("who"), why=told.text("why"))
    return _.plural(
        "{count} decision that was held is issued: an emergency route covers what is missing.",
        "{count} decisions that were held are issued: an emergency route covers what is missing.",
        count,
    )


# --- the node itself --------------------------------------------------------------------------------


def _started(told: _Told) -> str:
    _ = told._
    return _("The node was started.")


def _rotated(told: _Told) -> str:
    _ = told._
    if "from" not in told.body:
        return _("{name} signs with a new key.", name=told.name("oin"))
    facts = {"name": told.name("oin"), "key": told.text("key"), "at": told.moment("from")}
    return _("{name} signs with a new key ({key}) from {at}.", **facts)


def _revoked(told: _Told) -> str:
    _ = told._
    facts = {"name": told.name("oin"), "key": told.text("key"), "at": told.moment("from")}
    if "why" not in told.body:
        return _("{name} revoked its key {key} from {at}.", **facts)
    facts |= {"who": told.text("who"), "why": told.text("why")}
    return _("{who} revoked the key {key} of {name} from {at}: {why}", **facts)


def _added(told: _Told) -> str:
    _ = told._
    facts = {"name": told.name("oin"), "key": told.text("key"), "who": told.text("who"), "why": told.text("why")}
    return _("{who} trusts the key {key} of {name}: {why}", **facts)


def _witnessed(told: _Told) -> str:
    _ = told._
    return _("The timeline of {name} was seen with {size} entries.", name=told.name("of"), size=told.number("size"))


def _contradicted(told: _Told) -> str:
    _ = told._
    return _("{name} signed two timelines that cannot both be true.", name=told.name("of"))


_Sentence: TypeAlias = Callable[[_Told], str]

_SENTENCES: Mapping[str, _Sentence] = {
    "gate.moved": _gate,
    "gate.took-effect": _took_effect,
    "gate.called-off": _called_off,
    "batch.offered": _offered,
    "batch.applied": _applied,
    "batch.receipted": _receipted,
    "batch.asked-again": _asked_again,
    "batch.quarantined": _quarantined,
    "letter.printed": _printed,
    "letter.entered": _entered,
    "watermark.moved": _moved,
    "watermark.stopped": _stopped,
    "promise.broken": _broken,
    "counts.stated": _counted,
    "gap.declared": _gap,
    "gap.filled": _filled,
    "lookup": _lookup,
    "answer.given": _answered,
    "decision.taken": _taken,
    "decision.settled": _settled,
    "decision.revisit": _revisit,
    "revisit.closed": _closed,
    "hold.released": _released,
    "clock.started": _started,
    "key.rotated": _rotated,
    "key.revoked": _revoked,
    "key.added": _added,
    WITNESSED: _witnessed,
    CONTRADICTED: _contradicted,
    **texts_topics.SENTENCES,
}

KINDS = tuple(_SENTENCES)
"""The kinds of entries that have a sentence of their own."""
