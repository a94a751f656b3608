"""What the room keeps of a decision, its bases and its history, and the decision as others see it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from keersluis.decisions.policies import Policy
from keersluis.decisions.settle import Held, Provisional, Revisit, Settled, State, Weights
from keersluis.times import Instant, format_instant


class Kept(NamedTuple):
    """A decision as it is stored. `issued` None: held; `open_group` None: nothing is missing; `settlement` numbers the
    watermarks that settled it, None where those of its answer did."""

    id: str
    answer: str
    policy: str
    version: int
    subject: str
    moment: Instant
    state: str
    issued: int | None
    acting: int
    level: int
    open_group: int | None
    settlement: int | None
    answered_at: Instant
    position: int
    basis: int
    issued_basis: int | None
    issued_at: Instant | None
    taken_at: Instant
    changed_at: Instant


class Basis(NamedTuple):
    """What a decision rested on at its `n`-th derivation (from 0), and what followed from it. Both JSON."""

    decision: str
    n: int
    at: Instant
    inputs: bytes
    outcome: bytes


class Change(NamedTuple):
    """One line of a decision's history; `final` when nothing that a source still owed could change the level."""

    decision: str
    at: Instant
    state: str
    level: int
    final: bool
    reason: str


class GroupKey(NamedTuple):
    """What decisions of one group have in common; `missing` is never empty."""

    policy: str
    version: int
    level: int
    held: bool
    missing: tuple[str, ...]


class Group(NamedTuple):
    """A group that has decisions; `earliest` is the earliest moment of them."""

    n: int
    key: GroupKey
    earliest: Instant


class RevisitRow(NamedTuple):
    """One decision on the desk. `reason` is the JSON of a `reasons.Reason`."""

    decision: str
    policy: str
    moment: Instant
    was: int
    now: int
    gravity: int
    harmful: bool
    final: bool
    reason: bytes
    at: Instant
    closed_at: Instant | None = None
    closed_by: str | None = None
    closed_why: str | None = None


class EarlyRow(NamedTuple):
    """A supplement for a decision that is not stored yet: its answer is still under way."""

    answer: str
    position: int
    told_at: Instant
    leaf: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision as others see it. `level` is what the regular streams say now, `issued` what went out (None: held).

    `found` are the ids of the facts that make the level; `basis` counts how often it was derived, from 0.
    """

    id: str
    policy: str
    version: int
    subject: str
    moment: Instant
    state: State
    level: int
    issued: int | None
    found: tuple[str, ...]
    basis: int
    taken_at: Instant
    issued_at: Instant | None

    def document(self, policy: Policy) -> dict[str, Any]:
        """The decision as JSON values, with its levels in words."""
        return {
            "id": self.id,
            "policy": self.policy,
            "version": self.version,
            "subject": self.subject,
            "moment": format_instant(self.moment),
            "state": state_name(self.state),
            "level": self.level,
            "level_words": policy.levels[self.level],
            "issued": self.issued,
            "issued_words": None if self.issued is None else policy.levels[self.issued],
            "found": list(self.found),
            "missing": list(missing_in(self.state)),
            "covered": list(self.state.covered) if isinstance(self.state, Provisional) else [],
            "covered_by": dict(self.state.weights) if isinstance(self.state, Provisional) else {},
            "on_provisional": policy.on_provisional,
            "taken_at": format_instant(self.taken_at),
            "issued_at": None if self.issued_at is None else format_instant(self.issued_at),
        }


def state_name(state: State) -> str:
    """held, provisional, settled or revisit."""
    return type(state).__name__.lower()


def missing_in(state: State) -> tuple[str, ...]:
    """The kinds that could still change it."""
    return () if isinstance(state, Settled) else state.missing


def state_of(kept: Kept, missing: tuple[str, ...], covered: tuple[str, ...], weights: Weights = ()) -> State:
    """The state of a stored decision; `missing` by its group, `covered` and its `weights` by its newest basis."""
    if kept.issued is None:
        return Held(missing)
    if kept.state == "revisit":
        return Revisit(kept.issued, kept.acting, missing)
    if missing:
        mine = tuple(path for path in covered if path in missing)
        return Provisional(missing, mine, tuple(each for each in weights if each[0] in mine))
    return Settled()
