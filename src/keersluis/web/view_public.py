"""The status for partners and the public in one language, made from its feed alone: what a page and an Atom feed say.
Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from keersluis.errors import Incorrect
from keersluis.times import format_instant, parse_instant, parse_when
from keersluis.words import Translator

SHOWN = 30
"""Changes on the page; the feed has more."""

CHIPS = {"yes": "current", "partly": "behind", "procedure": "metered", "no": "stopped"}
SOURCES = ("stopped", "silent", "behind", "never", "current")
"""Worst first; one without any promise tells nothing new while others fall behind."""


@dataclass(frozen=True)
class Card:
    """A service that does not work as usual: what is the matter, and how to deliver meanwhile, as (way, text)."""

    title: str
    name: str
    chip: str
    words: str
    sentences: Sequence[Markup]
    ways: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Phase:
    title: str
    cards: Sequence[Card]
    usual: str


@dataclass(frozen=True)
class Source:
    """Until when what a receiver has of a kind is complete; `state` is the suffix of a chip."""

    title: str
    between: str
    through: Markup
    state: str
    words: str
    note: str


@dataclass(frozen=True)
class Told:
    """One change: when, what, and the sentence that was written for outsiders."""

    id: str
    at: str
    moment: Markup
    title: str
    sentence: str
    public: str


@dataclass(frozen=True)
class View:
    title: str
    chain: str
    lede: str
    dated: Markup
    silent: str
    phases: Sequence[Phase]
    sources: Sequence[Source]
    expected: Sequence[tuple[str, str, Markup]]
    ahead: Sequence[str]
    history: Sequence[Told]
    all_history: Sequence[Told]
    more: str


def view(feed: Mapping[str, Any], _: Translator, zone: ZoneInfo) -> View:
    """`feed` as `recovery.public.feed` makes it, in the language of `_`."""
    services = [each for phase in feed["phases"] for each in phase["services"]]
    history = [_told(each, _, zone) for each in feed["history"]]
    names = [_.pick(each["name"]) for each in feed["organisations"]]
    chain = _.pick(feed["chain"]["title"])
    return View(
        title=_("{name}: what works and how to deliver", name=names[0] if len(names) == 1 else chain),
        chain=chain,
        lede=_lede(services, _),
        dated=_dated(feed, _, zone),
        silent=_silent(feed, _),
        phases=[_phase(each, _, zone) for each in feed["phases"]],
        sources=_sources(feed, _, zone),
        expected=_expected(services, _, zone),
        ahead=[_.pick(each["text"]) for each in feed["ahead"]],
        history=history[:SHOWN],
        all_history=history,
        more=_("The feed has all {count} changes.", count=len(history)) if len(history) > SHOWN else "",
    )


def _lede(services: Sequence[Mapping[str, Any]], _: Translator) -> str:
    usual = sum(_as_usual(each) for each in services)
    if not services:
        return _("No service is told of here.")
    if usual == len(services):
        return _.plural("It works as usual.", "All {count} services work as usual.", usual)
    return _("{usual} of {all} services work as usual; of the others you read here how to deliver.",
             usual=usual, all=len(services))  # fmt: skip


def _as_usual(service: Mapping[str, Any]) -> bool:
    return (service["state"], service["usable"]) == ("up", "yes")


def _dated(feed: Mapping[str, Any], _: Translator, zone: ZoneInfo) -> Markup:
    template = _("Made on {made}. Do not rely on it after {until}: ask for a newer one.")
    return escape(template).format(made=when(feed["made"], _, zone), until=when(feed["valid_until"], _, zone))


def _silent(feed: Mapping[str, Any], _: Translator) -> str:
    names = _.join(_.pick(each["name"]) for each in feed["silent"])
    return _("There is no word from {names}; what stands here says nothing of it.", names=names) if names else ""


def when(text: str, _: Translator, zone: ZoneInfo) -> Markup:
    """A day, or a moment, as a `time` element."""
    try:
        found = parse_when(text, zone)
    except Incorrect:
        return escape(text)
    words = _.day(found.start, zone) if "T" not in text.upper() else _.moment(found.start, zone)
    machine = text if "T" not in text.upper() else format_instant(found.start)
    return Markup('<time datetime="{}">{}</time>').format(machine, words)


# -- services ----------------------------------------------------------------------------------------------------------


def _phase(phase: Mapping[str, Any], _: Translator, zone: ZoneInfo) -> Phase:
    cards = [_card(each, _, zone) for each in phase["services"] if not _as_usual(each)]
    usual = [_.pick(each["title"]) for each in phase["services"] if _as_usual(each)]
    said = _("Works as usual: {services}.", services="; ".join(usual)) if usual else ""
    return Phase(_.pick(phase["title"]), cards, said)


def _card(service: Mapping[str, Any], _: Translator, zone: ZoneInfo) -> Card:
    sentences = [_because(service, _)] if service["due_to"] else []
    if service["public"]:
        sentences.append(escape(_.pick(service["public"])))
    if service["since"]:
        sentences.append(escape(_("Since {moment}.")).format(moment=when(service["since"], _, zone)))
    if service["expected"]:
        sentences.append(_back(service, _, zone))
    elif service["state"] not in ("up", None):
        sentences.append(escape(_("When it will be back is not known.")))
    if service["usable"] == "no" and not service["deliver"]:
        sentences.append(escape(_("No emergency procedure has been told.")))
    chip = CHIPS[service["usable"]] if service["state"] else "silent"
    ways = [_way(each, _) for each in service["deliver"]]
    return Card(_.pick(service["title"]), _.pick(service["name"]), chip, state_words(service, _), sentences, ways)


def state_words(service: Mapping[str, Any], _: Translator) -> str:
    """How it can be used now, in two or three words."""
    if service["state"] is None:
        return _("no word")
    if service["state"] == "emergency":
        return _("emergency procedure")
    if service["state"] == "read-only":
        return _("consulting only") if service["usable"] == "partly" else _("does not work")
    return {"yes": _("works"), "partly": _("works in part"), "no": _("does not work")}[service["usable"]]


def _because(service: Mapping[str, Any], _: Translator) -> Markup:
    """What it is due to: where it cannot be used at all, what is down."""
    causes = [each for each in service["due_to"] if service["usable"] != "no" or each["state"] == "down"]
    named = [_("“{title}”", title=_.pick(each["title"])) for each in causes if each["title"]]
    said = _.join([*named, *([_("another service")] if len(named) < len(causes) else [])])
    if service["usable"] == "no":
        return escape(_("It rests on {services}, which does not work.", services=said))
    return escape(_("It rests on {services}, which works in part or in another way.", services=said))


def _back(service: Mapping[str, Any], _: Translator, zone: ZoneInfo) -> Markup:
    moment = when(service["expected"], _, zone)
    if service["overdue"]:
        return escape(_("It was expected back {moment}, and is not.")).format(moment=moment)
    return escape(_("Expected back: {moment}.")).format(moment=moment)


def _way(each: Mapping[str, Any], _: Translator) -> tuple[str, str]:
    label = {
        "post": _("By post"),
        "hand": _("By hand"),
        "telephone": _("By telephone"),
        "through": _("Through an organisation"),
    }[each["way"]]
    return label, _.pick(each["text"] or each["name"])


def _expected(services: Sequence[Mapping[str, Any]], _: Translator, zone: ZoneInfo) -> list[tuple[str, str, Markup]]:
    """(service, organisation, when it is expected back), the first one first."""
    found = [each for each in services if each["expected"] and not each["overdue"]]
    found.sort(key=lambda each: parse_when(each["expected"], zone).start)
    return [(_.pick(each["title"]), _.pick(each["name"]), when(each["expected"], _, zone)) for each in found]


# -- sources, and what changed -----------------------------------------------------------------------------------------


def _sources(feed: Mapping[str, Any], _: Translator, zone: ZoneInfo) -> list[Source]:
    rows = sorted(feed["sources"], key=lambda row: SOURCES.index(row["state"]))
    return [_source(row, _, zone) for row in rows]


def _source(row: Mapping[str, Any], _: Translator, zone: ZoneInfo) -> Source:
    source = _.pick(row["source"]["name"])
    between = _("from {source}, as it promises", source=source)
    if row["receiver"]:
        between = _("from {source} at {receiver}", source=source, receiver=_.pick(row["receiver"]["name"]))
    words = {
        "stopped": _("stopped"),
        "silent": _("silent"),
        "behind": _("behind"),
        "never": _("no promise yet"),
        "current": _("up to date"),
    }[row["state"]]
    through = when(row["complete_through"], _, zone) if row["complete_through"] else Markup("–")
    note = ""
    if row["waiting"]:
        note = _.plural(
            "{count} act still has to be entered.", "{count} acts still have to be entered.", row["waiting"]
        )
    return Source(_.pick(row["title"]), between, through, row["state"], words, note)


def _told(change: Mapping[str, Any], _: Translator, zone: ZoneInfo) -> Told:
    title = f"{_.pick(change['title'])} ({_.pick(change['name'])})"
    said = {
        "up": _("works"),
        "read-only": _("consulting only"),
        "emergency": _("emergency procedure"),
        "down": _("does not work"),
    }[change["state"]]
    if change["procedure"]:
        said += f": {_.pick(change['procedure'])}"
    if change["undoes"]:
        said = _("taken back; as before: {state}", state=said)
    if change["expected"]:
        said = _("{said}; expected back {moment}", said=said, moment=_plain(change["expected"], _, zone))
    public = _.pick(change["public"]) if change["public"] else ""
    return Told(
        id=f"urn:keersluis:status:{change['kept_by']}:{change['number']}",
        at=change["at"],
        moment=when(change["at"], _, zone),
        title=title,
        sentence=said,
        public=public,
    )


def _plain(text: str, _: Translator, zone: ZoneInfo) -> str:
    return str(when(text, _, zone).striptags())


def newest(feed: Mapping[str, Any]) -> str:
    """When it last changed: for an Atom feed's own date."""
    changes = [parse_instant(each["at"]) for each in feed["history"]]
    return format_instant(max(changes, default=parse_instant(feed["made"])))
