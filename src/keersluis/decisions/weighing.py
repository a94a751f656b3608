"""How many decisions wait for what, and how grave that is: counted in the decisions as they stand, without persons.

Decisions that wait for the same kinds are a group, and within a group those for later moments may wait for more. So a
group is cut at the moments that watermarks settle, and counted by one query (P6).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sqlalchemy import Connection

from keersluis.chain import Chain
from keersluis.context import Context
from keersluis.decisions import _store, _store_weighing
from keersluis.decisions.evidence import Marks, through
from keersluis.decisions.model import GroupKey
from keersluis.decisions.policies import Policies, PolicyVersion, rule_kinds
from keersluis.decisions.policyfiles import policies_of
from keersluis.decisions.settle import FOREVER, settled_through
from keersluis.times import Instant


class Waiting(NamedTuple):
    """`decisions` of one policy that wait for the same kinds. `gravity`: of one of them, if the worst comes of it: the
    policy's weight x the greatest change of level that what is missing could make. `held`: they did not go out."""

    missing: tuple[str, ...]
    policy: str
    gravity: int
    held: bool
    decisions: int


def waiting(tx: Connection, ctx: Context) -> list[Waiting]:
    """Every decision that is not settled for want of a stream, counted; those that differ in nothing together."""
    policies = policies_of(ctx.chain)
    heard = {kind: each.through for kind, each in _store.heard(tx).items()}
    found: dict[tuple[tuple[str, ...], str, int, bool], int] = {}
    for group in _store.waiting_groups(tx):
        for missing, number in _parts(tx, group.n, group.key, heard, ctx.chain):
            key = (missing, group.key.policy, stake(policies, group.key, missing), group.key.held)
            found[key] = found.get(key, 0) + number
    return [Waiting(*key, number) for key, number in found.items()]


def _parts(
    tx: Connection, group: int, key: GroupKey, heard: Marks, chain: Chain
) -> Iterator[tuple[tuple[str, ...], int]]:
    """(what they still wait for, how many). A kind is waited for by the decisions for later moments than it settles."""
    settled = {kind: _through(chain, kind, heard) for kind in key.missing}
    steps = sorted(set(settled.values()))
    later = [*_store_weighing.after(tx, group, steps), 0]
    for n, step in enumerate(steps):
        number = later[n] - later[n + 1]
        if number:
            yield tuple(kind for kind in key.missing if settled[kind] <= step), number


def _through(chain: Chain, kind: str, heard: Marks) -> Instant:
    """No watermark settles what the chain does not know any more."""
    return settled_through(chain, kind, through(heard, kind)) if kind in chain.kinds else -FOREVER


def stake(policies: Policies, key: GroupKey, missing: Iterable[str]) -> int:
    """The gravity of one decision of a group that waits for these kinds (1 for a policy that is no longer there)."""
    policy = policies.get(key.policy)
    if policy is None:
        return 1
    version = next((each for each in policy.versions if each.number == key.version), None)
    if version is None:
        return policy.weight
    return policy.weight * _change(version, key.level, set(missing))


def _change(version: PolicyVersion, level: int, missing: set[str]) -> int:
    """The greatest change of level that facts of these kinds could make."""
    kinds = {kind.path: kind for kind in version.kinds}
    undo = any(
        path not in kinds or kinds[path].effect == "either" or kinds[path].action != "record" for path in missing
    )
    tops = [rule.level for rule in version.rules if undo or rule_kinds(rule) & missing]
    falls = level if undo or any(kinds[path].effect == "takes-away" for path in missing) else 0
    return max([falls, *(top - level for top in tops), 1])
