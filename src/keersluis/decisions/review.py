"""What people do with decisions: look at what must be revisited, worst first, close it, release a hold, look back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection

from keersluis.context import Context
from keersluis.decisions import _store
from keersluis.decisions.derivations import (
    Replay,
    group_of,
    issued_on,
    read_inputs,
    read_outcome,
    replay,
    reviewed,
    still_covered,
)
from keersluis.decisions.endings import View, open_view
from keersluis.decisions.model import Basis, Change, Decision, Kept, RevisitRow, state_of
from keersluis.decisions.policyfiles import policies_of
from keersluis.decisions.reasons import decode, revisit_sentence, waiting_sentence
from keersluis.decisions.settle import Weights, gravity, missing_of
from keersluis.errors import Conflict, Incorrect
from keersluis.times import Instant, format_instant
from keersluis.words import LANGUAGES


def revisit_list(tx: Connection, ctx: Context, limit: int = 50) -> list[dict[str, Any]]:
    """What is on the desk, worst first, with the reason in one sentence; the form of the status document."""
    policies = policies_of(ctx.chain)
    found = []
    for row in _store.worst_revisits(tx, limit):
        policy, reason = policies[row.policy], decode(row.reason)
        sentences = {f"because_{lang}": revisit_sentence(reason, ctx.chain, lang) for lang in LANGUAGES}
        found.append(
            {
                "id": row.decision,
                "policy": row.policy,
                "title": policy.title,
                "moment": format_instant(row.moment),
                "was": policy.levels[row.was],
                "now": policy.levels[row.now],
                "gravity": row.gravity,
                "harmful": row.harmful,
                "final": row.final,
                "at": format_instant(row.at),
            }
            | sentences
        )
    return found


def close_revisit(tx: Connection, ctx: Context, decision: str, who: str, why: str, now: Instant) -> Decision:
    """A person has seen to it: the decision stands, from now on, at the level that was found.

    Raises Incorrect `decisions.no-reason` and `decisions.unknown`, Conflict `decisions.nothing-to-revisit`.
    """
    view, kept = _for_person(tx, ctx, decision, who, why, now)
    row = _store.load_revisits(tx, [decision]).get(decision)
    if kept.state != "revisit" or row is None or kept.issued is None:
        raise Conflict(
            "decisions.nothing-to-revisit", expected="a decision to revisit", got=f"one that is {kept.state}"
        )
    _store.put_revisits(tx, [row._replace(closed_at=now, closed_by=who, closed_why=why)])
    _review(view, kept, kept.acting, "closed")
    said = {"decision": decision, "was": row.was, "now": kept.acting, "who": who, "why": why}
    view.entry("revisit.closed", said)
    return get_known(tx, ctx, decision)


def undo_close(tx: Connection, ctx: Context, decision: str, who: str, why: str, now: Instant) -> Decision:
    """A revisit was closed too soon: it is on the desk again, at the level that it was issued at before.

    Raises Incorrect `decisions.no-reason` and `decisions.unknown`, Conflict `decisions.not-closed`.
    """
    view, kept = _for_person(tx, ctx, decision, who, why, now)
    row = _store.load_revisits(tx, [decision]).get(decision)
    if row is None or row.closed_at is None or kept.acting == row.was or kept.state == "revisit":
        raise Conflict("decisions.not-closed", expected="a revisit that was closed", got=f"one that is {kept.state}")
    weight = gravity(view.policy(kept.policy), row.was, kept.acting)
    again = row._replace(
        now=kept.acting, gravity=weight, harmful=kept.acting > row.was, final=kept.open_group is None,
        closed_at=None, closed_by=None, closed_why=None,
    )  # fmt: skip
    _store.put_revisits(tx, [again])
    _review(view, kept, row.was, "reopened")
    view.entry("revisit.closed", {"decision": decision, "undone": True, "who": who, "why": why})
    return get_known(tx, ctx, decision)


def release_hold(tx: Connection, ctx: Context, decision: str, who: str, why: str, now: Instant) -> Decision:
    """A person takes it upon themselves to issue a decision that is held; it stays provisional.

    Raises Incorrect `decisions.no-reason` and `decisions.unknown`, Conflict `decisions.not-held`.
    """
    view, kept = _for_person(tx, ctx, decision, who, why, now)
    if kept.issued is not None:
        raise Conflict("decisions.not-held", expected="a decision on hold", got=f"one that is {kept.state}")
    _review(view, kept, kept.acting, "released")
    view.entry("hold.released", {"decisions": [decision], "who": who, "why": why})
    return get_known(tx, ctx, decision)


def holds(tx: Connection, ctx: Context, limit: int = 50) -> list[dict[str, Any]]:
    """Decisions on hold, the earliest moment first, with what they wait for in one sentence."""
    found = []
    for kept in _store.in_state(tx, "held", limit):
        decision = _decision(tx, ctx, kept)
        body = decision.document(policies_of(ctx.chain)[kept.policy])
        found.append(body | {f"waits_{lang}": waits(tx, ctx, decision, lang) for lang in LANGUAGES})
    return found


def waits(tx: Connection, ctx: Context, decision: Decision, language: str) -> str:
    """What a decision still waits for, in one sentence; empty for nothing."""
    heard = _store.heard(tx)
    basis = _store.basis(tx, decision.id, decision.basis)
    marks = issued_on(basis)
    missing = getattr(decision.state, "missing", ())
    known = {path: max(marks.get(path, 0), heard[path].through if path in heard else 0) for path in missing}
    return waiting_sentence(known, decision.moment, ctx.chain, language)


def counts(tx: Connection) -> dict[str, int]:
    """total, provisional (with those held), settled, revisit, held. Costs what is not settled, not what there is."""
    found = _store.counts(tx)
    held, revisit = found.get("held", 0), found.get("revisit", 0)
    provisional = found.get("provisional", 0) + held
    settled = found["total"] - provisional - revisit
    return {
        "total": found["total"],
        "provisional": provisional,
        "settled": settled,
        "revisit": revisit,
        "held": held,
    }


def get(tx: Connection, ctx: Context, decision: str) -> Decision | None:
    """One decision, with what is missing as of now; None when there is none of this id."""
    kept = _store.load(tx, [decision]).get(decision)
    return None if kept is None else _decision(tx, ctx, kept)


def get_known(tx: Connection, ctx: Context, decision: str) -> Decision:
    """As `get`. Raises Incorrect `decisions.unknown`."""
    return _decision(tx, ctx, _known(tx, decision))


def history(tx: Connection, decision: str) -> list[Change]:
    """What became of one decision, oldest first."""
    return _store.changes_of(tx, decision)


def basis_of(tx: Connection, decision: str) -> list[dict[str, Any]]:
    """What one decision rested on, each time that it was derived: answer, watermarks, policy version, outcome."""
    found = []
    for basis in _store.bases_of(tx, decision):
        inputs, outcome = read_inputs(basis), read_outcome(basis)
        body: dict[str, Any] = msgspec.to_builtins(outcome)
        body["watermarks"] = {kind: format_instant(at) for kind, at in inputs.watermarks.items()}
        body["policy"] = {"id": inputs.policy, "version": inputs.version, "rules": inputs.rules}
        body["answer"] = msgspec.json.decode(inputs.answer)
        found.append(body | {"n": basis.n, "at": format_instant(basis.at), "document": inputs.digest})
    return found


def all_outcomes(tx: Connection) -> Iterator[tuple[str, str, int, int | None, bool]]:
    """(id, state, level, issued, final) of every decision, ordered by id: for comparison with the uncut chain (P3).

    `level` is what the regular streams say; when final, nothing that a source still owes could change it.
    """
    return _store.outcomes(tx)


def ever_settled(tx: Connection) -> Iterator[Change]:
    """Every time that a level was called final, oldest first: none may differ from the truth while sources keep
    their promises (P2), also those that were reopened since."""
    return _store.final_changes(tx)


def replay_decision(tx: Connection, ctx: Context, decision: str) -> Replay:
    """Make a decision again from its stored basis and the policies as they are now: it must give the same bytes.

    Raises Incorrect `decisions.unknown`.
    """
    kept = _known(tx, decision)
    settled_by: dict[str, Instant] = {}
    if kept.settlement is not None:
        settled_by = msgspec.json.decode(_store.settlement(tx, kept.settlement)[1])
    return replay(kept, _store.bases_of(tx, decision), settled_by, policies_of(ctx.chain), ctx.chain)


def _for_person(tx: Connection, ctx: Context, decision: str, who: str, why: str, now: Instant) -> tuple[View, Kept]:
    if not who.strip() or not why.strip():
        raise Incorrect("decisions.no-reason", expected="who decides this, and why", got="nothing")
    return open_view(tx, ctx, now), _known(tx, decision)


def _known(tx: Connection, decision: str) -> Kept:
    kept = _store.load(tx, [decision]).get(decision)
    if kept is None:
        raise Incorrect("decisions.unknown", expected="the id of a decision that was taken here", got=repr(decision))
    return kept


def _review(view: View, kept: Kept, issued: int, reason: str) -> None:
    """Give the decision out at a level, by a person's word."""
    missing = _missing(view.tx, kept)
    changed, state = reviewed(view.policy(kept.policy), kept, issued, missing, view.now)
    key = group_of(changed, state, missing)
    number = _store.group_numbers(view.tx, [key])[key] if key else None
    _store.put(view.tx, [changed._replace(open_group=number)])
    change = Change(kept.id, view.now, changed.state, changed.acting, key is None, reason)
    _store.add_changes(view.tx, [change])


def _missing(tx: Connection, kept: Kept) -> tuple[str, ...]:
    return () if kept.open_group is None else _store.group_key(tx, kept.open_group).missing


def _decision(tx: Connection, ctx: Context, kept: Kept) -> Decision:
    """A group waits for all that was missing when its decisions were derived; some of that may have come since."""
    basis, told = _store.basis(tx, kept.id, kept.basis), _store.heard(tx)
    heard = {kind: each.through for kind, each in told.items()}
    missing = missing_of(_missing(tx, kept), heard, kept.moment, ctx.chain)
    outcome, policy = read_outcome(basis), policies_of(ctx.chain).get(kept.policy)
    covered, weights = outcome.covered, outcome.weights
    if covered and policy is not None:
        covered, weights = still_covered(basis, policy.purpose, ctx.chain, told, ctx.clock.now())
    return decision_of(kept, missing, covered, outcome.found, weights)


def decision_of(
    kept: Kept,
    missing: tuple[str, ...],
    covered: tuple[str, ...],
    found: tuple[str, ...],
    weights: Weights = (),
) -> Decision:
    """A stored decision as others see it."""
    state = state_of(kept, missing, covered, weights)
    return Decision(
        kept.id, kept.policy, kept.version, kept.subject, kept.moment, state, kept.level, kept.issued, found,
        kept.basis, kept.taken_at, kept.issued_at,
    )  # fmt: skip


__all__ = [
    "Basis",
    "RevisitRow",
    "all_outcomes",
    "basis_of",
    "close_revisit",
    "counts",
    "ever_settled",
    "get",
    "history",
    "holds",
    "release_hold",
    "replay_decision",
    "revisit_list",
    "undo_close",
    "waits",
]
