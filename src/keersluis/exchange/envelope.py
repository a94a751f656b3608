"""The envelope of an event: CloudEvents 1.0 in structured JSON, NL GOV profile. Knows no payload.

Pure. The bytes that `stamp` makes are the event from then on: stored, sent, hashed and verified verbatim.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from keersluis.chain import Chain, Kind, Organisation
from keersluis.errors import Incorrect
from keersluis.times import Instant, When, format_instant, parse_instant, parse_when

MAX_EVENT = 64 * 1024
"""Bytes; NL GOV profile: an event is at most 64 KB."""

_STAMPED = ("time", "sequence", "salt")
_ID = re.compile(r"[!-~]{1,128}")


class Envelope(msgspec.Struct, frozen=True):
    """The attributes of a stored event; `data` is left as its bytes for the room that knows the payload."""

    specversion: str
    id: str
    source: str
    type: str
    occurred: str
    data: msgspec.Raw
    time: str = ""
    sequence: str = ""
    salt: str = ""
    datacontenttype: str = "application/json"


class Submitted(msgspec.Struct, frozen=True, gc=False):
    """An event as its publisher gave it, validated (step 2), not yet numbered."""

    key: bytes
    digest: bytes
    kind: Kind
    id: str
    when: When
    attributes: dict[str, msgspec.Raw]


class Received(msgspec.Struct, frozen=True, gc=False):
    """An event of a verified batch, on its way into the register."""

    origin: str
    kind: Kind
    position: int
    bytes: bytes
    envelope: Envelope
    when: When
    source_time: Instant


_decoder = msgspec.json.Decoder(Envelope)
_attributes = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder = msgspec.json.Encoder()


def decode(event: bytes) -> Envelope:
    """Bytes of one event -> its envelope. Raises Incorrect `event.unreadable`."""
    try:
        return _decoder.decode(event)
    except msgspec.MsgspecError as error:
        raise Incorrect("event.unreadable", expected="a CloudEvent 1.0 in JSON", got=str(error)) from None


def idempotency_key(source: str, event_id: str) -> bytes:
    """16 bytes that stand for CloudEvents `source` + `id`."""
    return hashlib.blake2b(f"{source}\0{event_id}".encode(), digest_size=16).digest()


def submitted(event: bytes, chain: Chain, me: Organisation, now: Instant) -> Submitted:
    """Step 2: validate what a publisher hands in. Raises Incorrect `event.*`, naming the attribute."""
    if len(event) > MAX_EVENT - 256:
        raise Incorrect("event.too-large", expected=f"at most {MAX_EVENT - 256} bytes", got=f"{len(event)} bytes")
    envelope = decode(event)
    attributes = _attributes.decode(event)
    if envelope.specversion != "1.0":
        raise Incorrect("event.specversion", expected="1.0", got=repr(envelope.specversion), where="specversion")
    if not _ID.fullmatch(envelope.id):
        raise Incorrect("event.id", expected="1 to 128 printable characters", got=repr(envelope.id[:140]), where="id")
    if not envelope.source.startswith(f"urn:nld:oin:{me.oin}:"):
        raise Incorrect(
            "event.source",
            expected=f"urn:nld:oin:{me.oin}:systeem:…",
            got=repr(envelope.source),
            where="source",
        )
    kind = _own_kind(envelope.type, chain, me)
    when = _when(envelope.occurred, chain.timezone)
    if when.start > now + chain.skew:
        raise Incorrect(
            "event.in-the-future",
            expected=f"an act of the past (now is {format_instant(now)})",
            got=envelope.occurred,
            where="occurred",
        )
    if kind.resolution == "instant" and when.start != when.end:
        # A promise settles moments within a day for this kind; an act known by day counts before all of them (P2).
        raise Incorrect(
            "event.time-needed",
            expected=f"a time, not a day: acts of {kind.path} are known to the moment",
            got=repr(envelope.occurred),
            where="occurred",
        )
    for name in _STAMPED:
        attributes.pop(name, None)  # the node's own clock, numbering and salt replace the publisher's
    return Submitted(
        idempotency_key(envelope.source, envelope.id),
        content_digest(attributes),
        kind,
        envelope.id,
        when,
        attributes,
    )


def accepted_before(event: bytes, chain: Chain, event_id: str | None = None) -> Submitted:
    """A stored event of our own as it was submitted, to be numbered again (under `event_id`, where that is given)."""
    envelope, attributes = decode(event), _attributes.decode(event)
    for name in _STAMPED:
        attributes.pop(name, None)
    if event_id is not None:
        attributes["id"] = msgspec.Raw(_encoder.encode(event_id))
    known_as = envelope.id if event_id is None else event_id
    key, when = idempotency_key(envelope.source, known_as), _when(envelope.occurred, chain.timezone)
    return Submitted(key, content_digest(attributes), chain.kind_of_type(envelope.type), known_as, when, attributes)


def content_digest(attributes: Mapping[str, msgspec.Raw]) -> bytes:
    """16 bytes that stand for what the publisher said: each attribute's exact bytes, whatever their order."""
    parts: list[bytes | msgspec.Raw] = []
    for name in sorted(attributes):
        parts += (_named(name), attributes[name])
    return hashlib.sha256(b"".join(parts)[1:]).digest()[:16]


@lru_cache(maxsize=4096)
def _named(name: str) -> bytes:
    return b"\0" + name.encode() + b"="


def _own_kind(event_type: str, chain: Chain, me: Organisation) -> Kind:
    kind = chain.kind_of_type(event_type)
    if kind.source != me.key:
        raise Incorrect(
            "event.foreign-kind",
            expected=f"a kind of which {me.key} is the source",
            got=kind.path,
            where="type",
        )
    return kind


def stamp(event: Submitted, *, position: int, source_time: Instant, salt: bytes) -> bytes:
    """Steps 3-4: the event's exact bytes, with its number in the stream, its source time and its salt inside."""
    return _encoder.encode(
        event.attributes | {"time": format_instant(source_time), "sequence": f"{position:020d}", "salt": salt.hex()}
    )


_instant = lru_cache(maxsize=4096)(parse_instant)
"""Many events are entered at the same moment."""


@lru_cache(maxsize=65536)
def _when(occurred: str, tz: ZoneInfo) -> When:
    return parse_when(occurred, tz)


def received(event: bytes, origin: str, kind: Kind, position: int, tz: ZoneInfo) -> Received:
    """Open one event of a verified batch. Raises Incorrect `event.unreadable` or `times.not-a-time`."""
    if len(event) > MAX_EVENT:
        where = f"{origin} event {position}"
        raise Incorrect(
            "event.too-large", expected=f"at most {MAX_EVENT} bytes", got=f"{len(event)} bytes", where=where
        )
    envelope = decode(event)
    when = _when(envelope.occurred, tz)
    return Received(origin, kind, position, event, envelope, when, _instant(envelope.time))
