"""A source stands by its stream: a signed statement, with a key that counts now, over the root of its first n events.

Made after the source's own check, for all at once: after a key was compromised from A to B, what was signed since A is
in doubt at its receivers, and nobody but the source can tell what it wrote itself.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from keersluis.chain import Kind
from keersluis.context import Context
from keersluis.errors import Conflict, Forbidden, Incorrect, Untrusted
from keersluis.exchange import _store, gatekeeper
from keersluis.exchange.succession import root_here
from keersluis.merkle import Frontier
from keersluis.signing import sign_note, verify_note
from keersluis.timeline import log
from keersluis.times import Instant, format_instant, parse_instant
from keersluis.watermarks import parse_origin

REAFFIRM = "/v0/uitwisseling/herbevestigingen"


@dataclass(frozen=True, slots=True)
class Reaffirmation:
    """The source checked the first `size` events of `origin`, with this root, and stands by them."""

    origin: str
    size: int
    root: bytes
    at: Instant
    who: str
    why: str

    def text(self) -> str:
        """The exact text that is signed."""
        root, who, why = b64encode(self.root).decode(), " ".join(self.who.split()), " ".join(self.why.split())
        return (
            f"{self.origin}/reaffirmed\nsize {self.size}\nroot {root}\nat {format_instant(self.at)}\n"
            f"who {who}\nwhy {why}\n"
        )

    @staticmethod
    def parse(text: str) -> Reaffirmation:
        """Raises Untrusted `reaffirmation.unreadable`."""
        try:
            origin, size, root, at, who, why, _end = text.split("\n")
            digest = b64decode(root.removeprefix("root "), validate=True)
            said = Reaffirmation(
                origin.removesuffix("/reaffirmed"),
                int(size.removeprefix("size ")),
                digest,
                parse_instant(at.removeprefix("at ")),
                who.removeprefix("who "),
                why.removeprefix("why "),
            )
            if said.text() == text:
                return said
        except (ValueError, Base64Error, Incorrect):
            pass
        raise Untrusted("reaffirmation.unreadable", expected="a reaffirmation", got=repr(text[:120]))


def state(tx: Connection, ctx: Context, kind: Kind, who: str, why: str, now: Instant) -> str:
    """The signed statement about all that our stream of this kind holds; an entry in the timeline."""
    row: Any = _store.out_stream(tx, kind.path)
    if row is None or not row.size:
        raise Incorrect("reaffirmation.nothing", expected=f"events of {kind.path} to stand by", got="none")
    said = Reaffirmation(row.origin, row.size, Frontier.from_bytes(row.frontier).root(), now, who, why)
    body = {"origin": row.origin, "size": row.size, "who": who, "why": why}
    log.append(tx, at=now, room="exchange", kind="reservation.reaffirmed", body=body)
    return sign_note(said.text(), ctx.signer)


def check(tx: Connection, ctx: Context, note: str, now: Instant) -> tuple[Kind, Reaffirmation]:
    """Verify a source's statement against what was received. The gate counts (P4).

    Raises Untrusted `note.*`, `reaffirmation.*`, Forbidden `exchange.not-for-us`, Conflict `reaffirmation.gap` when
    fewer events are here, Unavailable `gate.closed`.
    """
    verified = verify_note(note, ctx.keyring.at(now))
    said = Reaffirmation.parse(verified.text)
    name = parse_origin(said.origin)
    kind = ctx.chain.kinds.get(name.kind)
    source = ctx.chain.organisation_by_oin(name.oin)
    if kind is None or kind.source != source.key or ctx.me.key not in kind.receivers:
        raise Forbidden("exchange.not-for-us", expected=f"a stream of the chain for {ctx.me.key}", got=said.origin)
    if name.oin not in verified.signers:
        raise Untrusted("reaffirmation.not-by-source", expected=f"a signature of {name.oin}", got="another")
    gatekeeper.allowance(tx, kind.source, "in", kind.path, now)
    row: Any = _store.in_stream(tx, said.origin)
    have = 0 if row is None else int(row.size)
    if not 0 < said.size <= have:
        raise Conflict("reaffirmation.gap", expected=f"{said.size} events of {said.origin} here", got=str(have))
    if root_here(tx, row.stream, said.size) != said.root:
        raise Untrusted(
            "reaffirmation.other-root",
            expected=f"the root of {said.origin} at {said.size}, as it is here",
            got="another",
            mend="the source stands by something else than what came: keep the reservation, and ask it to explain",
        )
    return kind, said
