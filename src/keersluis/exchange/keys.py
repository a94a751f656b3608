"""Keys that change while nodes run: each statement is kept, noted in the timeline, and told to every peer until it
answers (no attempt counters, P1)."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from keersluis.context import Context
from keersluis.errors import Incorrect
from keersluis.exchange import _store_keys
from keersluis.keystatements import PublicKey, said_of
from keersluis.signing import key_hash
from keersluis.storage import Migrations
from keersluis.timeline import log
from keersluis.times import Instant, format_instant

MIGRATIONS: Migrations = _store_keys.MIGRATIONS
STATEMENTS = "/v0/sleutels/verklaringen"
"""Where a peer takes a statement about a key."""


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request to `STATEMENTS`: a signed note (docs/formats.md, "Keys")."""

    verklaring: str


def read(body: bytes) -> str:
    """The statement in a request. Raises Incorrect `exchange.unreadable`."""
    try:
        return msgspec.json.decode(body, type=Told).verklaring
    except msgspec.MsgspecError as error:
        raise Incorrect("exchange.unreadable", expected="a statement about a key", got=str(error)) from None


def name_of(key: PublicKey) -> str:
    """The eight hex digits by which signature lines name a key."""
    return key_hash(key.oin, key.public).hex()


def keep(tx: Connection, statement: str, key: PublicKey, now: Instant, who: str = "", why: str = "") -> bool:
    """Keep a statement that the keyring took, with its entry in the timeline. False: it was kept before."""
    if _store_keys.known(tx, statement):
        return False
    said = said_of(statement)
    _store_keys.keep(tx, statement, said.oin, now)
    kind = "key.rotated" if said.rotates else "key.revoked"
    note(tx, kind, key, said.at, now, who, why)
    return True


def note(tx: Connection, kind: str, key: PublicKey, at: Instant, now: Instant, who: str, why: str) -> None:
    """The timeline's entry about a key: `key.rotated`, `key.revoked` or `key.added`."""
    body = {"oin": key.oin, "key": name_of(key), "from": format_instant(at)}
    body |= {name: text for name, text in (("who", who), ("why", why)) if text}
    log.append(tx, at=now, room="exchange", kind=kind, body=body)


def own(tx: Connection, ctx: Context) -> list[str]:
    """The statements of this organisation itself, oldest first."""
    return list(_store_keys.of(tx, ctx.me.oin))


def untold(tx: Connection, ctx: Context, peer: str) -> list[str]:
    """The statements of our own that a peer has not answered, oldest first."""
    told = _store_keys.told_to(tx, peer)
    return [statement for statement in own(tx, ctx) if statement not in told]


def answered(tx: Connection, statement: str, peer: str, now: Instant, code: str | None = None) -> None:
    """A peer took a statement, or refused it for good with `code`."""
    _store_keys.answered(tx, statement, peer, now, code)
