"""The deciders' desk: what `service.py` calls. Every function works within the caller's transaction.

`questions_for` what is asked of the register, `take` decisions on its answers, `apply` what the register says later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from keersluis.chain import Chain
from keersluis.context import Context
from keersluis.decisions import _store
from keersluis.decisions.derivations import Draft, Given, begin
from keersluis.decisions.endings import Ended, Owed, View, apply, open_view, read_early, store_new, supplement
from keersluis.decisions.evidence import answer_bytes, decode_answer
from keersluis.decisions.model import Decision, Kept
from keersluis.decisions.policies import Policies
from keersluis.decisions.policyfiles import load_policies, policies_for, policies_of
from keersluis.decisions.review import (
    all_outcomes,
    basis_of,
    close_revisit,
    counts,
    decision_of,
    ever_settled,
    get,
    get_known,
    history,
    holds,
    release_hold,
    replay_decision,
    revisit_list,
    undo_close,
    waits,
)
from keersluis.errors import Conflict, Forbidden, Incorrect
from keersluis.register.answers import Answer, Question
from keersluis.sections import nearest
from keersluis.storage import Migrations
from keersluis.times import Instant, format_instant, parse_instant

MIGRATIONS: Migrations = _store.MIGRATIONS
"""The decisions' tables, for `storage.open_store`."""

Request = Mapping[str, Any]
"""{"id", "policy", "subject", "moment"?}; `moment` is RFC 3339, by default now."""

__all__ = [
    "MIGRATIONS",
    "Decision",
    "Ended",
    "Request",
    "all_outcomes",
    "apply",
    "basis_of",
    "close_revisit",
    "counts",
    "ever_settled",
    "get",
    "get_known",
    "history",
    "holds",
    "load_policies",
    "policies_for",
    "policies_of",
    "questions_for",
    "release_hold",
    "replay_decision",
    "revisit_list",
    "take",
    "undo_close",
    "waits",
]


def questions_for(
    chain: Chain, policies: Policies, requests: Sequence[Request], now: Instant | None = None
) -> list[Question]:
    """What must be asked of the register to decide on these requests, in their order.

    Raises Incorrect `decisions.wrong-requests` whose `.faults` names every fault of every request.
    """
    faults: list[str] = []
    questions = []
    for n, request in enumerate(requests, 1):
        found = _request_faults(request, policies, now)
        faults += [f"request {request.get('id', n)}: {fault}" for fault in found]
        if not found:
            questions.append(_question(request, policies, now))
    if faults:
        expected = "requests with id, policy, subject and moment"
        raise Incorrect("decisions.wrong-requests", expected=expected, got=faults[0], faults=faults)
    return questions


def take(
    tx: Connection,
    ctx: Context,
    requests: Sequence[Request],
    answers: Sequence[Answer | msgspec.Raw | Mapping[str, Any]],
    document_digest: str | bytes,
    now: Instant,
) -> list[Decision]:
    """Take decisions on the answers of one signed document; in the order of the requests.

    A request whose id was decided on before gives the decision that is here. Where a supplement overtook the answer,
    the decision rests on that. Raises Incorrect `decisions.unanswered` and `decisions.unknown-policy`, Forbidden
    `decisions.foreign-policy`, Conflict `decisions.id-reused`.
    """
    view = open_view(tx, ctx, now)
    names = [str(request["id"]) for request in requests]
    known = _store.load(tx, names)
    _check_reuse(requests, known)
    new = {str(request["id"]): request for request in requests if str(request["id"]) not in known}
    given = _given(new, answers, document_digest)
    early = [read_early(row) for row in _store.take_early(tx, list(new))] if new else []
    newest = _newest(given, early)
    drafts = {name: _begin(view, request, newest[name]) for name, request in new.items()}
    store_new(view, list(drafts.values()))
    supplement(view, [each for each in early if each.supplement.anchor])
    return [_seen(drafts[name]) if name in drafts else get_known(tx, ctx, name) for name in names]


def _request_faults(request: Request, policies: Policies, now: Instant | None) -> list[str]:
    found = [
        f"{key}: expected a text, got {request.get(key)!r}"
        for key in ("id", "policy")
        if not isinstance(request.get(key), str) or not request[key]
    ]
    if not isinstance(request.get("subject"), str) or ":" not in request["subject"]:
        found.append("subject: expected <scheme>:<number>, got another form")  # never the number: this goes into logs
    name = request.get("policy")
    if isinstance(name, str) and name and name not in policies:
        found.append(f"policy: expected one of {', '.join(sorted(policies))}, got {name!r}{nearest(name, policies)}")
    found += [f"{key}: expected a known field, got {key!r}" for key in request if key not in _FIELDS]
    return found or _moment_faults(request, policies, now)


_FIELDS = ("id", "policy", "subject", "moment")


def _moment_faults(request: Request, policies: Policies, now: Instant | None) -> list[str]:
    if "moment" not in request and now is None:
        return ["moment: expected a time, got nothing"]
    try:
        policies[request["policy"]].at(_moment(request, now))
    except Incorrect as error:
        return [f"moment: expected {error.expected}, got {error.got}"]
    return []


def _moment(request: Request, now: Instant | None) -> Instant:
    return parse_instant(request["moment"]) if "moment" in request else now or 0


def _question(request: Request, policies: Policies, now: Instant | None) -> Question:
    policy, moment = policies[request["policy"]], _moment(request, now)
    return Question(
        id=request["id"],
        purpose=policy.purpose,
        policy=policy.id,
        subject=request["subject"],
        moment=format_instant(moment),
        needs=policy.at(moment).needs,
        standing=policy.standing,
    )


def _check_reuse(requests: Sequence[Request], known: Mapping[str, Kept]) -> None:
    for request in requests:
        kept = known.get(str(request["id"]))
        if kept is None:
            continue
        same = (kept.policy, kept.subject) == (request["policy"], request["subject"])
        if not same or ("moment" in request and parse_instant(request["moment"]) != kept.moment):
            expected = "the request that was decided on under this id"
            raise Conflict("decisions.id-reused", expected=expected, got="another", where=f"request {kept.id}")


def _given(
    new: Mapping[str, Request], answers: Sequence[Answer | msgspec.Raw | Mapping[str, Any]], digest: str | bytes
) -> dict[str, Given]:
    """The answer to each request that is new."""
    text = digest.hex() if isinstance(digest, bytes) else digest
    given = {}
    for answer in answers:
        raw = answer_bytes(answer)
        read = answer if isinstance(answer, Answer) else decode_answer(raw)
        given[read.id] = Given(read, raw, text)
    for name, request in new.items():
        if name not in given or given[name].answer.subject != request["subject"]:
            expected = "an answer about the subject of each request"
            raise Incorrect("decisions.unanswered", expected=expected, got="none", where=f"request {name}")
    return given


def _newest(given: Mapping[str, Given], early: Sequence[Owed]) -> dict[str, Given]:
    """What to decide on: the answer, or the last supplement that overtook it."""
    newest = dict(given)
    for each in early:
        if not each.supplement.anchor and each.given.age > newest[each.decision].age:
            newest[each.decision] = each.given
    return newest


def _begin(view: View, request: Request, given: Given) -> Draft:
    policy = view.policy(str(request["policy"]))
    if policy.decider != view.ctx.me.key:
        expected = f"a policy by which {view.ctx.me.key} decides"
        raise Forbidden("decisions.foreign-policy", expected=expected, got=f"{policy.id}, of {policy.decider}")
    return begin(policy, str(request["id"]), given, view.ctx.chain, view.heard, view.now)


def _seen(draft: Draft) -> Decision:
    return decision_of(draft.kept, draft.found.missing, draft.found.covered, draft.found.found, draft.found.weights)
