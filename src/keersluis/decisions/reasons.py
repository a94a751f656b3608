"""Why a decision must be looked at again, or is not settled yet: one sentence, from structured data. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

import msgspec
from babel.dates import format_datetime

from keersluis.chain import WEIGHTS, Chain, Kind
from keersluis.decisions.evidence import Late, when
from keersluis.register.answers import RESERVED
from keersluis.sections import Words
from keersluis.times import Instant, local
from keersluis.watermarks import NOTHING_PROMISED
from keersluis.words import Translator, translator

_NAMED = 3  # late facts that are named one by one
_BARE = ("data", "gegevens")  # words that take no article


class Arrived(msgspec.Struct, frozen=True):
    """A late fact, and when it came to the register."""

    fact: Late
    at: Instant


class Reason(msgspec.Struct, frozen=True):
    """Issued at `issued_at`, while the kinds of `issued_on` were complete through those times only (none: while all
    were complete), and emergency routes of the weights in `covered` stood in for some; since then `late` arrived."""

    issued_at: Instant
    issued_on: Mapping[str, Instant]
    late: tuple[Arrived, ...] = ()
    covered: Mapping[str, str] = {}

    def with_late(self, more: Sequence[Arrived]) -> Reason:
        """The same, with facts that arrived since; one that is named already is not named again."""
        known = {each.fact.id for each in self.late}
        return msgspec.structs.replace(self, late=self.late + tuple(each for each in more if each.fact.id not in known))


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Reason)


def encode(reason: Reason) -> bytes:
    return _encoder.encode(reason)


def decode(data: bytes) -> Reason:
    return _decoder.decode(data)


def revisit_sentence(reason: Reason, chain: Chain, language: str) -> str:
    """`issued 3 August on data of … complete through 17 July 06:00; a conviction of 21 July arrived on 29 August`."""
    _ = translator(language)
    dates = _Dates(_, chain.timezone, _years(reason, chain))
    issued = _covered(_issued(reason, chain, _, dates), reason, _)
    return f"{issued}; {_arrived(reason, chain, _, dates)}"


def _covered(issued: str, reason: Reason, _: Translator) -> str:
    """What was issued on an indication is named as such."""
    if not reason.covered:
        return issued
    if WEIGHTS[0] in reason.covered.values():
        return _("{issued}, with an indication from an emergency route in its place", issued=issued)
    return _("{issued}, with full proof from an emergency route in its place", issued=issued)


def waiting_sentence(missing: Mapping[str, Instant], moment: Instant, chain: Chain, language: str) -> str:
    """What a decision for `moment` still waits for; `missing` is kind path -> complete_through. Empty for nothing."""
    if not missing:
        return ""
    _ = translator(language)
    waits = [_waiting(path, at, chain, _) for path, at in _least_by_source(missing, chain)]
    if RESERVED in missing:
        waits.append(_("there is a reservation on what it rests on"))
    return _("for {moment}: {waits}", moment=_.moment(moment, chain.timezone), waits=_.join(waits))


def _waiting(path: str, at: Instant, chain: Chain, _: Translator) -> str:
    source = _source(path, chain, _)
    if at == NOTHING_PROMISED:
        return _("nothing was heard of {source} yet", source=source)
    through = _.short_moment(at, chain.timezone)
    return _("data of {source} are complete through {through}", source=source, through=through)


def _least_by_source(missing: Mapping[str, Instant], chain: Chain) -> list[tuple[str, Instant]]:
    least: dict[str, tuple[str, Instant]] = {}
    for path, at in missing.items():
        if path == RESERVED:
            continue
        source = chain.kinds[path].source
        if source not in least or at < least[source][1]:
            least[source] = (path, at)
    return list(least.values())


class _Dates:
    """Dates in one sentence; with the year only where the sentence spans more than one."""

    def __init__(self, _: Translator, zone: ZoneInfo, years: bool) -> None:
        self._, self._zone, self._years = _, zone, " y" if years else ""

    def day(self, at: Instant) -> str:
        return self._text(at, f"d MMMM{self._years}")

    def moment(self, at: Instant) -> str:
        return self._text(at, f"d MMMM{self._years} HH:mm")

    def _text(self, at: Instant, pattern: str) -> str:
        return str(format_datetime(local(at, self._zone), pattern, locale=self._.locale))


def _years(reason: Reason, chain: Chain) -> bool:
    times = [reason.issued_at, *(at for at in reason.issued_on.values() if at != NOTHING_PROMISED)]
    for each in reason.late:
        times += [each.at, when(each.fact.occurred, chain.timezone).start]
    return len({local(at, chain.timezone).year for at in times}) > 1


def _issued(reason: Reason, chain: Chain, _: Translator, dates: _Dates) -> str:
    issued = dates.day(reason.issued_at)
    late = [each.fact.kind for each in reason.late]
    short = [path for path in late if path in reason.issued_on] or list(reason.issued_on)
    if not short:
        sources = [_source(path, chain, _) for path in dict.fromkeys(late)]
        if not sources:
            return _("issued {issued} on complete data", issued=issued)
        promised = _.join(dict.fromkeys(sources))
        return _("issued {issued} on data that {source} had promised to be complete", issued=issued, source=promised)
    path = min(short, key=lambda kind: reason.issued_on[kind])
    source, at = _source(path, chain, _), reason.issued_on[path]
    if at == NOTHING_PROMISED:
        return _("issued {issued} before any data of {source}", issued=issued, source=source)
    through = dates.moment(at)
    return _(
        "issued {issued} on data of {source} complete through {through}", issued=issued, source=source, through=through
    )


def _arrived(reason: Reason, chain: Chain, _: Translator, dates: _Dates) -> str:
    if not reason.late:
        return _("the regular data say otherwise than the emergency route")
    named = [_fact(each.fact, chain, _, dates) for each in reason.late[:_NAMED]]
    more = len(reason.late) - len(named)
    if more:
        named.append(_("{count} more", count=more))
    days = [dates.day(each.at) for each in reason.late]
    if len(set(days)) == 1:
        return _("{late} arrived on {day}", late=_.join(named), day=days[0])
    last = dates.day(max(each.at for each in reason.late))
    return _("{late} arrived, the last on {day}", late=_.join(named), day=last)


def _fact(fact: Late, chain: Chain, _: Translator, dates: _Dates) -> str:
    kind = _kind_words(chain.kinds.get(fact.kind), fact.kind, chain, _)
    return _("{kind} of {day}", kind=kind, day=dates.day(when(fact.occurred, chain.timezone).start))


def _kind_words(kind: Kind | None, path: str, chain: Chain, _: Translator) -> str:
    """The kind as one of its sort: `a conviction`."""
    name = _.pick(_sort_of(kind, chain)) if kind else path
    name = name[:1].lower() + name[1:]
    if name.endswith(_BARE):
        return name
    return _("an {thing}", thing=name) if name[:1] in "aeiou" else _("a {thing}", thing=name)


def _sort_of(kind: Kind, chain: Chain) -> Words:
    """The words of the group of kinds, or of the kind itself where the group is called after its source."""
    group = chain.groups.get(kind.path.partition(".")[0], kind.title)
    return kind.title if group == chain.organisations[kind.source].name else group


def _source(path: str, chain: Chain, _: Translator) -> str:
    kind = chain.kinds.get(path)
    return _.pick(chain.organisations[kind.source].name) if kind else path
