"""A receiver asks a source what it published in a period: signed both ways, and passing the gates like any question."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection

from keersluis.context import Context
from keersluis.errors import Forbidden, Incorrect, Untrusted
from keersluis.exchange import _store_reconciliation as store
from keersluis.exchange import gatekeeper, questions
from keersluis.exchange.reconciliation import Tally
from keersluis.exchange.tallying import Kept
from keersluis.times import MINUTE, Instant, format_instant, parse_instant

TALLIES = "/v0/uitwisseling/tellingen"
FRESH = 5 * MINUTE
"""How old a question may be, beside the chain's bound on clock differences."""

T = TypeVar("T", "Asked", "Told")


class Asked(msgspec.Struct, frozen=True):
    """What did `to` (an OIN) publish of `kind` with event time `since` <= t < `until`?"""

    to: str
    at: str
    kind: str
    since: str
    until: str


class Told(msgspec.Struct, frozen=True):
    """The answer to the question with SHA-256 `about` (hex): the tally, and how many events the stream has in all."""

    about: str
    count: int
    digest: str
    size: int

    @property
    def tally(self) -> Tally:
        return Tally.read(self.count, self.digest)


def ask(ctx: Context, peer: str, kind: str, since: Instant, until: Instant, now: Instant) -> bytes:
    """The signed question to `peer`."""
    oin = ctx.chain.organisations[peer].oin
    asked = Asked(oin, format_instant(now), kind, format_instant(since), format_instant(until))
    return questions.sign(asked, "tallies-asked", ctx.signer)


def opened(ctx: Context, message: bytes, now: Instant) -> tuple[str, Asked]:
    """(OIN of the asker, question). Raises Forbidden `tallies.not-for-us`, `tallies.stale`, Untrusted `note.*`."""
    oin, payload = questions.opened(message, "tallies-asked", ctx.keyring.at(now))
    asked = _read(payload, Asked)
    kind = ctx.chain.kinds.get(asked.kind)
    asker = ctx.chain.organisation_by_oin(oin).key
    if asked.to != ctx.me.oin or kind is None or kind.source != ctx.me.key or asker not in kind.receivers:
        expected = f"a question to {ctx.me.key} about a kind that it sends to {asker}"
        raise Forbidden("tallies.not-for-us", expected=expected, got=repr(asked.kind[:140]))
    if abs(now - parse_instant(asked.at)) > FRESH + ctx.chain.skew:
        raise Forbidden("tallies.stale", expected=f"a question of about {format_instant(now)}", got=asked.at[:40])
    return oin, asked


def admit(tx: Connection, ctx: Context, oin: str, kind: str, now: Instant) -> None:
    """Raises Unavailable `gate.closed`, `gate.metered` (P4)."""
    asker = ctx.chain.organisation_by_oin(oin).key
    gatekeeper.allowance(tx, asker, "out", kind, now)
    gatekeeper.admit(tx, asker, "in", "question", 1, now)
    gatekeeper.admit(tx, asker, "out", "answer", 1, now)


def asking(tx: Connection, peer: str, kind: str, now: Instant) -> None:
    """The same at the side that asks, before anything leaves (P4)."""
    gatekeeper.allowance(tx, peer, "in", kind, now)
    gatekeeper.admit(tx, peer, "out", "question", 1, now)
    gatekeeper.admit(tx, peer, "in", "answer", 1, now)


def tell(tx: Connection, ctx: Context, asked: Asked, message: bytes) -> bytes:
    """The signed answer. The kind must be caught up with (`tallying.catch_up`)."""
    found = Kept(tx, ctx).count_digest(asked.kind, parse_instant(asked.since), parse_instant(asked.until))
    size = sum(each for _stream, each in store.streams(tx, "out", asked.kind))
    told = Told(questions.digest(message), found.count, found.hex, size)
    return questions.sign(told, "tallies", ctx.signer)


def heard(ctx: Context, peer: str, question: bytes, answer: bytes, now: Instant) -> Told:
    """The peer's word. Raises Untrusted `tallies.other-answer` where it is another's, or about another question."""
    oin = ctx.chain.organisations[peer].oin
    signer, payload = questions.opened(answer, "tallies", ctx.keyring.at(now))
    told: Told = _read(payload, Told)
    if signer != oin or told.about != questions.digest(question):
        raise Untrusted("tallies.other-answer", expected=f"an answer of {oin} to this question", got=f"one of {signer}")
    return told


def size_here(tx: Connection, kind: str) -> int:
    """How many events of a kind were applied here."""
    return sum(size for _stream, size in store.streams(tx, "in", kind))


def _read(payload: bytes, what: type[T]) -> Any:
    try:
        return msgspec.json.decode(payload, type=what)
    except msgspec.MsgspecError as error:
        raise Incorrect("tallies.unreadable", expected=f"{what.__name__.lower()}", got=str(error)) from None
