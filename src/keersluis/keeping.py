"""What an organisation does about keys while its node runs: see them, rotate its own, revoke, add, tell its peers."""

from __future__ import annotations

import logging
from base64 import b64decode, b64encode
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from keersluis import reserving
from keersluis.certificates import credentials_of, describe
from keersluis.errors import Forbidden, Incorrect, KeersluisError, Unavailable
from keersluis.exchange import keys
from keersluis.exchange.batches import own_word
from keersluis.identity import finish_rotation, load_key_file, next_key_path, prepare_rotation
from keersluis.keystatements import PublicKey, revocation, said_of
from keersluis.repeating import Repeating
from keersluis.service import Node
from keersluis.times import Instant, format_instant

logger = logging.getLogger(__name__)

TELL_EVERY = 2.0
"""Seconds between two tries to tell peers of a changed key."""


def overview(node: Node) -> dict[str, Any]:
    """The keys, and the certificate that this node shows."""
    return {"keys": listing(node), "certificate": certificate(node)}


def listing(node: Node) -> list[dict[str, Any]]:
    """Every key that this node knows: whose, from when until when, and how it stands now."""
    now = node.clock.now()
    names = {each.oin: each.key for each in node.chain.organisations.values()}
    return [
        {
            "organisation": names.get(key.oin),
            "oin": key.oin,
            "key": keys.name_of(key),
            "public": b64encode(key.public).decode(),
            "from": format_instant(key.start),
            "until": None if key.until is None else format_instant(key.until),
            "state": _state(key, now),
        }
        for key in node.ctx.keyring.entries()
    ]


def _state(key: PublicKey, now: Instant) -> str:
    if key.valid_at(now):
        return "in force" if key.until is None else "ends"
    return "to come" if now < key.start else "ended"


def rotate(node: Node, at: Instant, who: str, why: str) -> str:
    """Make the next key and say that it takes over at `at`; returns the statement, which peers are told by themselves.

    Until then the old key signs, from then on the new one. Called again before that moment, it goes on with what was
    begun. Raises Conflict `identity.no-home` where the node keeps no files.
    """
    _finish(node)
    statement = _begun(node) or prepare_rotation(_folder(node), node.me.oin, at).statement
    node.store.write(lambda tx: keys.keep(tx, statement, _next_of(statement), node.clock.now(), who, why))
    node.ctx.keyring.change(lambda ring: ring.apply_rotation(statement))
    return statement


def _finish(node: Node) -> None:
    """A key that took over already takes the place of the one before it."""
    path = next_key_path(_folder(node), node.me.oin)
    if path.exists():
        following = load_key_file(path, node.me.oin).public
        if following in node.ctx.keyring.keys(node.me.oin, node.clock.now()):
            finish_rotation(_folder(node), node.me.oin)


def _begun(node: Node) -> str | None:
    """The statement of a rotation of which the moment is yet to come, or that the keyring does not have."""
    with node.store.read() as tx:
        statements = [each for each in keys.own(tx, node.ctx) if said_of(each).rotates]
    known = {key.public for key in node.ctx.keyring.entries() if key.start <= node.clock.now()}
    return next((each for each in statements if said_of(each).key not in known), None)


def _next_of(statement: str) -> PublicKey:
    said = said_of(statement)
    return PublicKey(said.oin, said.key, said.at)


def _folder(node: Node) -> Path:
    path = node.ctx.keyring.path
    if path is None:
        raise Incorrect("identity.no-home", expected="a node that keeps its keys in files", got="one in memory")
    return path.parent / node.me.key


def revoke(node: Node, oin: str, name: str, at: Instant, who: str, why: str) -> str | None:
    """End a key at `at`, at once and without a restart. Of our own: returns the statement that peers are told.

    `name` is the key's eight hex digits or its base64. Raises Incorrect `identity.key-unknown`; Conflict for our only
    key: rotate first, so that the end of the old one can be signed.
    """
    key, now = _find(node, oin, name), node.clock.now()
    if oin != node.me.oin:
        node.ctx.keyring.change(lambda ring: ring.revoke(oin, key.public, at))
        node.store.write(lambda tx: keys.note(tx, "key.revoked", key, at, now, who, why))
        reserving.on_revocation(node, oin, at, who, why)
        return None
    statement = revocation(node.ctx.signer.at(now), key.public, at)
    node.ctx.keyring.change(lambda ring: ring.apply_revocation(statement, now))
    node.store.write(lambda tx: keys.keep(tx, statement, key, now, who, why))
    return statement


def _find(node: Node, oin: str, name: str) -> PublicKey:
    known = [key for key in node.ctx.keyring.entries() if key.oin == oin]
    for key in known:
        if name in (keys.name_of(key), b64encode(key.public).decode()):
            return key
    expected = ", ".join(keys.name_of(key) for key in known) or f"a known key of {oin}"
    raise Incorrect("identity.key-unknown", expected=f"one of {expected}", got=repr(name))


def add(node: Node, oin: str, public: str, start: Instant, who: str, why: str) -> None:
    """Trust a key (base64) that its organisation showed in another way. Twice is as once."""
    node.chain.organisation_by_oin(oin)
    try:
        key = PublicKey(oin, b64decode(public, validate=True), start)
    except ValueError:
        raise Incorrect("identity.bad-public-key", expected="32 bytes in base64", got=repr(public[:60])) from None
    if key in node.ctx.keyring.entries():
        return
    node.ctx.keyring.change(lambda ring: ring.add(key.oin, key.public, key.start))
    node.store.write(lambda tx: keys.note(tx, "key.added", key, start, node.clock.now(), who, why))


def take(node: Node, statement: str, by: str | None = None) -> bool:
    """Take a statement of a peer about its own keys, signed by a key that we know. False: it was known.

    `by`: the OIN of the connection that it came over. Raises Untrusted `identity.rotation-refused`, Forbidden.
    """
    said = said_of(statement)
    own_word(said.oin, by)
    if said.oin == node.me.oin and by is not None:
        raise Forbidden("link.not-its-own", expected="a statement of a peer", got="one of our own")
    node.chain.organisation_by_oin(said.oin)
    now = node.clock.now()
    key = node.ctx.keyring.change(lambda ring: ring.apply(statement, now))
    new = node.store.write(lambda tx: keys.keep(tx, statement, key, now))
    if not said.rotates:  # also where it was known: the node may have stopped between the two
        reserving.on_revocation(node, said.oin, said.at, said.oin, "its key was revoked as of then")
    return new


def tell(node: Node) -> int:
    """Tell each peer what it has not heard of our keys. Returns how many statements are still untold."""
    left = 0
    for peer in (each.key for each in node.chain.nodes if each.key != node.me.key):
        with node.store.read() as tx:
            statements = keys.untold(tx, node.ctx, peer)
        for number, statement in enumerate(statements):
            if not _told(node, peer, statement):
                left += len(statements) - number
                break
    return left


def _told(node: Node, peer: str, statement: str) -> bool:
    code = None
    try:
        node.link.send(peer, keys.STATEMENTS, msgspec.json.encode(keys.Told(statement)))
    except Unavailable:
        return False
    except KeersluisError as error:
        logger.warning("%s does not take our statement about a key: %s", peer, error)
        code = error.code
    node.store.write(lambda tx: keys.answered(tx, statement, peer, node.clock.now(), code))
    return True


def teller(node: Node) -> Repeating:
    """Tells peers of changed keys as long as the node runs."""
    return Repeating("telling peers of our keys", TELL_EVERY, partial(tell, node))


def certificate(node: Node) -> dict[str, Any] | None:
    """The certificate that this node shows: subject, issuer, OIN, from when until when; None: it has none."""
    path = node.ctx.keyring.path
    credentials = credentials_of(path.parent, node.me.key) if path else None
    return describe(credentials.certificate)._asdict() if credentials else None
