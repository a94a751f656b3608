"""Intake: a received event becomes a fact. The only place that knows payloads. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from keersluis.chain import Kind
from keersluis.errors import Incorrect
from keersluis.exchange.envelope import Received
from keersluis.register.facts import Fact
from keersluis.times import Instant, When, parse_when

SUBJECT = re.compile(r"[a-z][a-z0-9-]{0,31}:[!-~]{1,96}")
"""`<scheme>:<number>`, such as ``skn:…`` or ``bsn:…``."""


class Payload(msgspec.Struct, frozen=True, gc=False):
    """The `data` of an event. Unknown fields are left alone: the event's bytes keep them."""

    subject: str
    content: msgspec.Raw = msgspec.Raw(b"{}")
    valid_from: str | None = None
    valid_to: str | None = None
    refers_to: str | None = None


_decode = msgspec.json.Decoder(Payload).decode


def check(data: bytes | msgspec.Raw, kind: Kind, tz: ZoneInfo) -> Payload:
    """Read the `data` of an event of `kind`; a source does this before it accepts (step 2), a register at step 11.

    Raises Incorrect `register.payload`, `register.subject`, `register.refers-to` or `register.period`.
    """
    try:
        payload = _decode(data)
    except msgspec.MsgspecError as error:
        raise Incorrect("register.payload", expected="data with subject and content", got=str(error)) from None
    if not SUBJECT.fullmatch(payload.subject):
        got = "another form"  # never the number itself: this text goes into logs
        raise Incorrect("register.subject", expected="<scheme>:<number>", got=got, where="data.subject")
    if bytes(payload.content)[:1] != b"{":
        raise Incorrect("register.payload", expected="an object", got="another value", where="data.content")
    if kind.action != "record" and payload.refers_to is None:
        expected = f"the id of the event that this {kind.action} is about"
        raise Incorrect("register.refers-to", expected=expected, got="none", where="data.refers_to")
    _check_period(payload, tz)
    return payload


def fact(event: Received, now: Instant, tz: ZoneInfo) -> Fact:
    """The fact that an event states, recorded here at system time `now`. Raises Incorrect like `check`."""
    kind = event.kind
    try:
        payload = check(event.envelope.data, kind, tz)
    except Incorrect as error:
        error.where = f"{event.origin} event {event.position}: {error.where}".removesuffix(": ")
        raise
    return Fact(
        event.envelope.id,
        payload.subject,
        event.origin,
        event.position,
        kind.path,
        kind.action,
        event.when,
        event.source_time,
        now,
        _valid_from(payload, kind, event.when, tz),
        None if payload.valid_to is None else _start(payload.valid_to, tz),
        payload.refers_to,
        bytes(payload.content),
    )


def _check_period(payload: Payload, tz: ZoneInfo) -> None:
    for name, text in (("valid_from", payload.valid_from), ("valid_to", payload.valid_to)):
        if text is not None:
            try:
                _start(text, tz)
            except Incorrect as error:
                raise Incorrect(
                    "register.period", expected=error.expected, got=error.got, where=f"data.{name}"
                ) from None


def _valid_from(payload: Payload, kind: Kind, when: When, tz: ZoneInfo) -> Instant | None:
    """From the act on, unless it says otherwise; a correction that does not say keeps the period it corrects."""
    if payload.valid_from is not None:
        return _start(payload.valid_from, tz)
    return None if kind.action == "correct" else when.start


@lru_cache(maxsize=65536)
def _start(text: str, tz: ZoneInfo) -> Instant:
    """A day begins, as a bound of validity, with its first microsecond: `valid_to` is up to, not including."""
    return parse_when(text, tz).start
