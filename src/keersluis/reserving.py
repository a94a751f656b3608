"""Reservations on what a source recorded: set and lifted at a register, reaffirmed by the source itself.

On top of the service, as functions that take the Node. After a key was compromised from A to B: revoke the key as of A,
`reserve` at every register, let the source check, and let it `reaffirm`.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import Connection

from keersluis.chain import Kind
from keersluis.errors import Incorrect, KeersluisError
from keersluis.exchange import gatekeeper, reaffirmation
from keersluis.exchange.batches import own_word
from keersluis.exchange.reaffirmation import REAFFIRM
from keersluis.register import doubts
from keersluis.register.answers import held
from keersluis.service import Node
from keersluis.times import Instant


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A source's signed statement that it stands by its stream."""

    verklaring: str


def reserve(
    node: Node, source: str, kinds: Collection[str], since: Instant, until: Instant | None, who: str, why: str
) -> dict[str, Any]:
    """Doubt what `source` (a key of the chain) recorded of `kinds` (none: all) from `since` until `until` (None: now).

    What was settled on it is provisional again, and its askers are told. Twice is as once.
    Returns {"n", "facts", "answers"}. Raises Incorrect `reservation.refused`.
    """
    return node.store.write(
        lambda tx: doubts.reserve(tx, node.ctx, source, kinds, since, until, who, why, node.clock.now())
    )


def on_revocation(node: Node, oin: str, at: Instant, who: str, why: str) -> dict[str, Any] | None:
    """A key of `oin` was revoked as of `at`: at a register, all that came of that organisation since is put in doubt.

    None where there is nothing to doubt: no register, or a key that ends now or later. Twice is as once.
    """
    source = node.chain.organisation_by_oin(oin).key
    sends = any(kind.source == source and held(kind, node.me.key) for kind in node.chain.kinds.values())
    if "register" not in node.me.roles or not sends or at >= node.clock.now():
        return None
    return reserve(node, source, [], at, None, who, why)


def lift(node: Node, n: int, who: str, why: str) -> dict[str, Any]:
    """The doubt is over, by somebody's word. Returns {"answers"}: how many rest on no doubt any more."""
    return {"answers": node.store.write(lambda tx: doubts.lift(tx, node.ctx, n, who, why, node.clock.now()))}


def listed(node: Node) -> list[dict[str, Any]]:
    """All reservations, newest first."""
    with node.store.read() as tx:
        return doubts.listed(tx, node.ctx)


def reaffirmed(node: Node, statement: str, by: str | None = None) -> dict[str, Any]:
    """Take a source's statement, by whichever way it came. Returns {"reservations", "ended", "answers"}."""
    own_word(statement.partition("/")[0], by)

    def take(tx: Connection) -> dict[str, Any]:
        now = node.clock.now()
        kind, said = reaffirmation.check(tx, node.ctx, statement, now)
        return doubts.reaffirm(tx, node.ctx, said.origin, kind.path, said.size, said.at, statement, now)

    return node.store.write(take)


def reaffirm(node: Node, kinds: Collection[str], who: str, why: str) -> dict[str, Any]:
    """The source checked its own streams and stands by them: says so to every receiver of `kinds` (none: all).

    Done again it is as once; who could not be reached is told the next time. Returns {"statements": kind -> note,
    "told": [{"kind", "peer", "code", …}]}; the statements can also be carried by hand. Raises Incorrect
    `reaffirmation.refused`.
    """
    mine = {kind.path: kind for kind in node.chain.kinds.values() if kind.source == node.me.key}
    wrong = set(kinds) - mine.keys()
    if wrong or not (who.strip() and why.strip()):
        got = ", ".join(sorted(wrong)) or "no name or no reason"
        expected = f"kinds of {node.me.key}, who checked and why"
        raise Incorrect("reaffirmation.refused", expected=expected, got=got)
    statements: dict[str, str] = {}
    told = []
    for path in sorted(kinds or mine):
        try:
            statements[path] = node.store.write(partial(_state, node, mine[path], who, why))
        except Incorrect:
            continue  # nothing to stand by
        told += [
            {"kind": path, "peer": peer} | _tell(node, peer, path, statements[path]) for peer in mine[path].receivers
        ]
    return {"statements": statements, "told": told}


def _state(node: Node, kind: Kind, who: str, why: str, tx: Connection) -> str:
    return reaffirmation.state(tx, node.ctx, kind, who, why, node.clock.now())


def _tell(node: Node, peer: str, kind: str, statement: str) -> dict[str, Any]:
    try:
        with node.store.read() as tx:
            gatekeeper.allowance(tx, peer, "out", kind, node.clock.now())
        answer = node.link.send(peer, REAFFIRM, msgspec.json.encode(Statement(statement)))
    except KeersluisError as error:
        return {"code": error.code}
    return {"code": ""} | dict(msgspec.json.decode(answer))
