"""From an answer to a decision, its basis and its history. Pure: what the desk stores is made here.

A basis holds all that a derivation used, the answer's own bytes among it, so that it can be made again years later and
must give the same bytes (`replay`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from keersluis.chain import Chain
from keersluis.decisions.evidence import Evidence, Heard, decode_answer, evidence
from keersluis.decisions.model import Basis, Change, GroupKey, Kept, missing_in, state_name
from keersluis.decisions.policies import Policies, Policy, PolicyVersion
from keersluis.decisions.settle import (
    Derivation,
    Held,
    Judgement,
    State,
    Weights,
    cover_of,
    derive,
    judge,
    missing_of,
    permitted,
)
from keersluis.register.answers import RESERVED, Answer
from keersluis.times import Instant, parse_instant

Watermarks = dict[str, Instant]


class Inputs(msgspec.Struct, frozen=True):
    """All that a derivation used. `rules` is the digest of the policy version; `watermarks` are those that counted.

    `digest` is that of the signed document, or the leaf hash of the event, in which `answer` came (hex).
    """

    policy: str
    version: int
    rules: str
    moment: Instant
    watermarks: Watermarks
    digest: str
    position: int
    answer: msgspec.Raw


class Derived(msgspec.Struct, frozen=True, omit_defaults=True):
    """A `Derivation` as a basis keeps it."""

    level: int
    acting: int
    found: tuple[str, ...]
    rules: tuple[int, ...]
    waits: tuple[str, ...]
    missing: tuple[str, ...]
    covered: tuple[str, ...]
    weights: Weights = ()


class Given(NamedTuple):
    """An answer as it came: with the document that was asked for (position 0), or on the stream."""

    answer: Answer
    raw: bytes
    digest: str
    position: int = 0

    @property
    def age(self) -> tuple[Instant, int]:
        """Greater is newer."""
        return parse_instant(self.answer.answered_at), self.position


class Draft(NamedTuple):
    """A decision on its way into the store. `key` is the group that it waits in, None when nothing is missing.

    `moved` when its state or level is another than before.
    """

    kept: Kept
    key: GroupKey | None
    basis: Basis
    state: State
    found: Derivation
    moved: bool

    def change(self, reason: str) -> Change:
        k = self.kept
        return Change(k.id, k.changed_at, k.state, k.acting, self.key is None, reason)


_encode = msgspec.json.Encoder().encode
_decode_inputs = msgspec.json.Decoder(Inputs).decode
_decode_derived = msgspec.json.Decoder(Derived).decode


def begin(policy: Policy, decision: str, given: Given, chain: Chain, heard: Mapping[str, Heard], now: Instant) -> Draft:
    """A new decision on an answer. Raises Incorrect `policy.no-version` for a moment before the policy's first."""
    moment = parse_instant(given.answer.moment)
    version = policy.at(moment)
    found, basis = _derive(version, moment, decision, 0, given, chain, heard, now)
    kept = Kept(
        decision, given.answer.id, policy.id, version.number, given.answer.subject, moment, "", None, 0, 0, None,
        None, parse_instant(given.answer.answered_at), given.position, 0, None, None, now, now,
    )  # fmt: skip
    return _judged(policy, kept, found, basis, now)


def again(policy: Policy, kept: Kept, given: Given, chain: Chain, heard: Mapping[str, Heard], now: Instant) -> Draft:
    """The decision derived again, on a newer answer, by the policy version that it was taken by."""
    version, n = policy.version(kept.version), kept.basis + 1
    found, basis = _derive(version, kept.moment, kept.id, n, given, chain, heard, now)
    kept = kept._replace(
        basis=n, answered_at=parse_instant(given.answer.answered_at), position=given.position, settlement=None
    )
    return _judged(policy, kept, found, basis, now)


def is_newer(given: Given, kept: Kept) -> bool:
    """The register gives each answer to a question a later time than the one before; a stream has its own order."""
    return given.age > (kept.answered_at, kept.position)


def _derive(
    version: PolicyVersion,
    moment: Instant,
    decision: str,
    n: int,
    given: Given,
    chain: Chain,
    heard: Mapping[str, Heard],
    now: Instant,
) -> tuple[Derivation, Basis]:
    seen = evidence(given.answer, chain, heard)
    found = derive(version, moment, seen, chain)
    inputs = Inputs(
        version.policy, version.number, version.digest, moment, dict(seen.marks), given.digest, given.position,
        msgspec.Raw(given.raw),
    )  # fmt: skip
    return found, Basis(decision, n, now, _encode(inputs), _encode(Derived(*found)))


def _judged(policy: Policy, before: Kept, found: Derivation, basis: Basis, now: Instant) -> Draft:
    """Give the decision the state that follows; it goes out when it is not held (any more)."""
    state, issued = judge(policy, before.issued, found)
    kept = before._replace(
        state=state_name(state), issued=issued, acting=found.acting, level=found.level, changed_at=now
    )
    if before.issued is None and issued is not None:
        kept = kept._replace(issued_at=now, issued_basis=basis.n)
    moved = (kept.state, kept.acting, kept.issued) != (before.state, before.acting, before.issued)
    return Draft(kept, group_of(kept, state, found.missing), basis, state, found, moved)


def group_of(kept: Kept, state: State, missing: tuple[str, ...]) -> GroupKey | None:
    """The group that a decision waits in."""
    if not missing:
        return None
    return GroupKey(kept.policy, kept.version, kept.level, isinstance(state, Held), missing)


def reviewed(policy: Policy, kept: Kept, issued: int, missing: tuple[str, ...], now: Instant) -> tuple[Kept, State]:
    """The decision after a person gave it out at level `issued`: a hold released, a revisit closed or reopened."""
    found = Derivation(kept.level, kept.acting, (), (), (), missing, ())
    state = judge(policy, issued, found).state
    changed = kept._replace(
        state=state_name(state), issued=issued, issued_at=now, issued_basis=kept.basis, changed_at=now
    )
    return changed, state


def read_inputs(basis: Basis) -> Inputs:
    return _decode_inputs(basis.inputs)


def read_outcome(basis: Basis) -> Derived:
    return _decode_derived(basis.outcome)


def issued_on(basis: Basis) -> Watermarks:
    """The watermarks of the kinds that were missing when the decision went out on this basis."""
    marks = read_inputs(basis).watermarks
    return {path: marks.get(path, 0) for path in read_outcome(basis).missing if path != RESERVED}


def still_covered(
    basis: Basis, purpose: str, chain: Chain, heard: Mapping[str, Heard], now: Instant
) -> tuple[tuple[str, ...], Weights]:
    """What a decision was covered for by emergency routes that are in use still: permitted now, and not ended by the
    register, which takes back what such a route had promised."""
    inputs = read_inputs(basis)
    seen = evidence(decode_answer(inputs.answer), chain, heard)
    in_use = [
        each
        for each in seen.alternatives
        if each.route not in chain.routes or permitted(chain.routes[each.route], purpose, now)
    ]
    return cover_of(read_outcome(basis).covered, in_use, seen.marks, inputs.moment, chain)


def covered_by(basis: Basis) -> dict[str, str]:
    """What the emergency routes proved that covered what was missing: covered kind -> weight."""
    return dict(read_outcome(basis).weights)


def told(drafts: Sequence[Draft]) -> list[list[object]]:
    """Decisions as a timeline entry names them: id, policy, version, level, state, digest of the basis. No subjects."""
    return [
        [d.kept.id, d.kept.policy, d.kept.version, d.kept.acting, d.kept.state, basis_digest(d.basis)] for d in drafts
    ]


def basis_digest(basis: Basis) -> str:
    """BLAKE2b-128 (hex) of what the basis holds: outcome, a zero byte, inputs."""
    return blake2b(basis.outcome + b"\0" + basis.inputs, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Replay:
    """Whether a decision, made again from what is stored, is the same; `differences` says where it is not."""

    decision: str
    derivations: int
    differences: tuple[str, ...]

    @property
    def same(self) -> bool:
        return not self.differences


def replay(
    kept: Kept, bases: Sequence[Basis], settled_by: Mapping[str, Instant], policies: Policies, chain: Chain
) -> Replay:
    """Make the decision again from its bases, and its settlement from the watermarks of `settled_by`."""
    differences: list[str] = []
    if kept.policy not in policies:
        return Replay(kept.id, 0, (f"policy {kept.policy} is not here",))
    policy = policies[kept.policy]
    issued: int | None = None
    judgement: Judgement | None = None
    for basis in bases:
        inputs = read_inputs(basis)
        version = policy.version(inputs.version)
        if version.digest != inputs.rules:
            differences.append(f"basis {basis.n}: version {inputs.version} of {kept.policy} has other rules now")
        found = derive(version, inputs.moment, _seen(inputs, chain), chain)
        if _encode(Derived(*found)) != basis.outcome:
            differences.append(f"basis {basis.n}: the outcome is another")
        judgement = judge(policy, issued, found)
        issued = judgement.issued if issued is None else issued
    differences += _final_differences(kept, bases, settled_by, judgement, chain)
    return Replay(kept.id, len(bases), tuple(differences))


def _seen(inputs: Inputs, chain: Chain) -> Evidence:
    seen = evidence(decode_answer(inputs.answer), chain)
    return Evidence(seen.facts, inputs.watermarks, seen.alternatives, seen.reserved)


def _final_differences(
    kept: Kept,
    bases: Sequence[Basis],
    settled_by: Mapping[str, Instant],
    judgement: Judgement | None,
    chain: Chain,
) -> list[str]:
    if judgement is None:
        return ["it has no basis"]
    last = read_outcome(bases[-1])
    found = [] if last.level == kept.level else [f"level {kept.level} is stored, {last.level} follows"]
    if kept.settlement is not None:
        short = missing_of(last.missing, settled_by, kept.moment, chain)
        found += [f"{path} was not complete when it settled" for path in short]
    elif kept.open_group is None and missing_in(judgement.state):
        found.append("it is stored as complete, and something is missing")
    return found
