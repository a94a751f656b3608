"""The HTTP binding of CloudEvents 1.0: how events stand in a request. Pure.

Structured (one event, `application/cloudevents+json`), batched (`application/cloudevents-batch+json`) and binary (the
attributes in `ce-` headers, the body is the data). Plain `application/json`, or no type at all, is one event or a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

import msgspec

from keersluis.errors import Incorrect
from keersluis.exchange.envelope import MAX_EVENT

SINGLE, BATCH, JSON = "application/cloudevents+json", "application/cloudevents-batch+json", "application/json"

_ATTRIBUTE = re.compile(r"[a-z0-9]{1,20}")


def events_of(headers: Iterable[tuple[str, str]], body: bytes) -> list[bytes]:
    """The events of a request, each as structured JSON. `headers` have names in small letters.

    Raises Incorrect `api.media-type`, `api.unreadable`, `event.too-large`, or `event.headers` with every fault.
    """
    headers = list(headers)
    media = _media_type(headers)
    attributes = [(name[3:], value) for name, value in headers if name.startswith("ce-")]
    if media not in (SINGLE, BATCH) and any(name == "specversion" for name, _value in attributes):
        return [_small(_binary(attributes, media, body))]
    if media not in (SINGLE, BATCH, JSON, ""):
        expected = f"{SINGLE}, {BATCH}, or the attributes in ce- headers"
        raise Incorrect("api.media-type", expected=expected, got=repr(media[:100]), where="Content-Type")
    body = body.lstrip()
    if media == BATCH or (media != SINGLE and body.startswith(b"[")):
        return _batch(body)
    return [_small(body)]


def _media_type(headers: Sequence[tuple[str, str]]) -> str:
    """Without parameters; only UTF-8 is read, which is JSON's own."""
    value = next((value for name, value in headers if name == "content-type"), "")
    media, _, rest = value.partition(";")
    charset = next((each.partition("=")[2] for each in rest.split(";") if each.strip().startswith("charset")), "utf-8")
    if charset.strip().strip('"').lower() not in ("utf-8", "utf8", "us-ascii"):
        raise Incorrect("api.media-type", expected="charset=utf-8", got=repr(charset[:100]), where="Content-Type")
    return media.strip().lower()


def _batch(body: bytes) -> list[bytes]:
    try:
        return [bytes(raw) for raw in msgspec.json.decode(body, type=list[msgspec.Raw])]
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Incorrect("api.unreadable", expected="a JSON array of events", got=str(error)) from None


def _small(event: bytes) -> bytes:
    if len(event) > MAX_EVENT:
        expected, got = f"at most {MAX_EVENT} bytes in an event", f"{len(event)} bytes"
        raise Incorrect("event.too-large", expected=expected, got=got)
    return event


def _binary(attributes: Sequence[tuple[str, str]], media: str, body: bytes) -> bytes:
    faults = []
    event: dict[str, str | msgspec.Raw] = {}
    for name, value in attributes:
        try:
            text = unquote(value, errors="strict")
        except UnicodeDecodeError:
            faults.append(f"ce-{name[:40]}: expected percent-encoded UTF-8, got other bytes")
            continue
        if not _ATTRIBUTE.fullmatch(name) or name in ("data", "datacontenttype"):
            faults.append(f"ce-{name[:40]}: expected the name of an attribute, got another")
        elif name in event:
            faults.append(f"ce-{name}: expected it once, got it twice")
        event[name] = text
    try:
        msgspec.json.decode(body)  # before it becomes part of other JSON: so it cannot bring attributes of its own
    except (msgspec.MsgspecError, RecursionError) as error:
        faults.append(f"body: expected data in JSON, got {error}")
    if media not in ("", JSON) and not media.endswith("+json"):
        faults.append(f"Content-Type: expected {JSON}, got {media[:100]!r}")
    if faults:
        raise Incorrect("event.headers", expected="an event in binary mode", got=faults[0], faults=faults)
    return msgspec.json.encode(event | {"datacontenttype": media or JSON, "data": msgspec.Raw(body)})
