"""What a letter says to people, in Dutch or English. Pure. What counts is in the codes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from keersluis.chain import Chain, Kind, Organisation
from keersluis.exchange.envelope import Envelope
from keersluis.times import parse_instant, parse_when
from keersluis.watermarks import Checkpoint
from keersluis.words import Translator

MOST_FIELDS, MOST_TEXT = 60, 160
"""Of the payload, in the text: fields, and characters of one. The codes hold all of it."""


@dataclass(frozen=True, slots=True)
class Wording:
    """The texts of one letter. `facts` and `about` are labels with their values; `steps` is what the receiver does."""

    language: str
    sender: str
    receiver: str
    chain: str
    subject: str
    introduction: str
    about: list[tuple[str, str]]
    facts: list[tuple[str, str]]
    to_do: str
    steps: list[str]
    reference: list[tuple[str, str]]
    labels: dict[str, str]


def word(
    _: Translator,
    chain: Chain,
    kind: Kind,
    receiver: Organisation,
    envelope: Envelope,
    checkpoint: Checkpoint,
    *,
    letter: str,
    printed_at: int,
) -> Wording:
    """The texts of the letter with this id, printed at this instant."""
    source = chain.organisations[kind.source]
    title, number = _.pick(kind.title), int(envelope.sequence)
    return Wording(
        _.language,
        _.pick(source.name),
        _.pick(receiver.name),
        _.pick(chain.title),
        _("{kind}: message number {number}", kind=title, number=number),
        _(
            "With this letter {sender} sends you one message of the chain “{chain}”. The text tells you what it is "
            "about; the codes hold the message itself, signed, with the proof of its place in our numbered series.",
            sender=_.pick(source.name),
            chain=_.pick(chain.title),
        ),
        _about(_, chain, title, envelope, checkpoint),
        list(_fields(_, bytes(envelope.data))),
        _("What we ask of you"),
        _steps(_),
        [(_("Date"), _.day(printed_at, chain.timezone)), (_("Our reference"), letter)],
        {
            "to": _("Addressed to"),
            "subject": _("Subject"),
            "message": _("The message"),
            "content": _("What it says"),
            "page": _("Page {page} of {pages}"),
            "code": _("code {index} of {total}"),
            "more": _("The rest is in the codes."),
            "keep": _("Do not write, stamp or fold on the codes."),
            "confidential": _("Confidential: personal data"),
        },
    )


def _about(
    _: Translator, chain: Chain, title: str, envelope: Envelope, checkpoint: Checkpoint
) -> list[tuple[str, str]]:
    zone, when = chain.timezone, parse_when(envelope.occurred, chain.timezone)
    happened = _.moment(when.start, zone) if when.start == when.end else _.day(when.start, zone)
    through = _(
        "{size} messages; with those you have all that happened up to {moment}",
        size=checkpoint.size,
        moment=_.moment(checkpoint.complete_through, zone),
    )
    return [
        (_("Kind"), title),
        (_("Number in the series"), _.number(int(envelope.sequence))),
        (_("Happened on"), happened),
        (_("Entered by us on"), _.moment(parse_instant(envelope.time), zone)),
        (_("Mark of the message"), envelope.id),
        *([(_("Series so far"), through)] if checkpoint.complete_through > 0 else []),
    ]


def _steps(_: Translator) -> list[str]:
    return [
        _("Scan all pages of this letter, whole and flat, at 150 to 300 dots per inch."),
        _("Enter the scan with “keersluis paper scan”, or on the page of letters. Nothing has to be typed over."),
        _("Keep the paper until your system says that the message was entered."),
        _("Can it not be read? Ask us for a new print, and give our reference."),
        _(
            "If the same message reaches you by another way as well, or twice, it is recognised and counts once. "
            "A change on the paper is found out and refused."
        ),
    ]


def _fields(_: Translator, data: bytes) -> Iterator[tuple[str, str]]:
    """The payload as label and value, whatever is in it."""
    names = {
        "subject": _("Person or case"),
        "valid_from": _("Holds from"),
        "valid_to": _("Holds until"),
        "refers_to": _("About message"),
    }
    told = msgspec.json.decode(data)
    if not isinstance(told, dict):
        yield names["subject"], str(told)
        return
    content = told.pop("content", {})
    for number, (path, value) in enumerate([*_flat("", told), *_flat("", content)]):
        if number == MOST_FIELDS:
            return
        yield names.get(path, path[:1].upper() + path[1:].replace("_", " ").replace("-", " ")), value


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value, 1)
        for name, item in items:
            yield from _flat(f"{path} {name}".strip(), item)
    elif value not in (None, {}, []):
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        yield path, text if len(text) <= MOST_TEXT else text[:MOST_TEXT] + "…"
