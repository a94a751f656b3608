"""How answers end, at the decider: supplements, completeness statements and gaps, as they come over the stream.

All of a batch is one transaction with its position in the stream (step 11). Events are applied in the stream's order:
what was owed before a completeness statement stands before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from keersluis.context import Context
from keersluis.decisions import _store
from keersluis.decisions.derivations import Draft, Given, again, begin, covered_by, is_newer, issued_on, told
from keersluis.decisions.evidence import (
    Completeness,
    End,
    Gap,
    Heard,
    Marks,
    Supplement,
    decode_answer,
    decode_end,
    marks_of,
)
from keersluis.decisions.model import Change, EarlyRow, Group, GroupKey, Kept, RevisitRow
from keersluis.decisions.policies import Policies, Policy, waits_for
from keersluis.decisions.policyfiles import policies_of
from keersluis.decisions.reasons import Arrived, Reason, decode, encode
from keersluis.decisions.settle import Revisit, cover_threshold, gravity, settled_through, threshold
from keersluis.errors import Fault, Incorrect
from keersluis.exchange.envelope import Received
from keersluis.merkle import leaf_hash
from keersluis.sections import nearest
from keersluis.timeline import log
from keersluis.times import Instant, format_instant, parse_instant

MOST_IDS = 1000
"""Ids in one timeline entry."""

_encode = msgspec.json.Encoder().encode


class Ended(NamedTuple):
    """What a batch did: decisions derived again or anew, supplements kept until their decision is stored, decisions
    settled, decisions newly to be revisited, decisions that a gap made provisional again."""

    derived: int
    early: int
    settled: int
    revisits: int
    reopened: int


@dataclass
class View:
    """What one call works with."""

    tx: Connection
    ctx: Context
    now: Instant
    policies: Policies
    heard: dict[str, Heard]
    revisits: int = field(default=0)

    @property
    def marks(self) -> Marks:
        return {kind: heard.through for kind, heard in self.heard.items()}

    def policy(self, name: str) -> Policy:
        """Raises Incorrect `decisions.unknown-policy`, also when a policy was taken out of the folder."""
        if name in self.policies:
            return self.policies[name]
        expected = f"a policy of {self.ctx.chain.name}: {', '.join(sorted(self.policies))}"
        raise Incorrect("decisions.unknown-policy", expected=expected, got=repr(name) + nearest(name, self.policies))

    def entry(self, kind: str, body: dict[str, Any]) -> None:
        log.append(self.tx, at=self.now, room="decisions", kind=kind, body=body)


class Owed(NamedTuple):
    """One supplement with where it came from."""

    supplement: Supplement
    given: Given
    told_at: Instant

    @property
    def decision(self) -> str:
        """The decision on a standing answer that is given anew is called `<answer id>/<anchor>`."""
        answer, anchor = self.given.answer.id, self.supplement.anchor
        return f"{answer}/{anchor}" if anchor else answer

    @property
    def late(self) -> list[Arrived]:
        return [Arrived(each, self.told_at) for each in self.supplement.because]


class Again(NamedTuple):
    """A decision that was derived again: before, after, and by which late facts."""

    before: Kept
    draft: Draft
    late: list[Arrived]


def open_view(tx: Connection, ctx: Context, now: Instant) -> View:
    return View(tx, ctx, now, policies_of(ctx.chain), _store.heard(tx))


def apply(tx: Connection, ctx: Context, received: Sequence[Received], now: Instant) -> Ended:
    """Step 11 for a batch of `answer-end.<me>`. Raises Incorrect `decisions.answer-end` or `decisions.answer`."""
    view = open_view(tx, ctx, now)
    ends = [(event, decode_end(event.envelope.data)) for event in received]
    total = Ended(0, 0, 0, 0, 0)
    for is_supplement, run in groupby(ends, lambda each: isinstance(each[1], Supplement)):
        part = list(run)
        done = _supplements(view, part) if is_supplement else _statements(view, part)
        total = Ended(*map(sum, zip(total, done, strict=True)))
    return total._replace(revisits=view.revisits)


def _supplements(view: View, run: Iterable[tuple[Received, End]]) -> Ended:
    owed = []
    for event, end in run:
        if isinstance(end, Supplement):
            given = Given(decode_answer(end.answer), bytes(end.answer), leaf_hash(event.bytes).hex(), event.position)
            owed.append(Owed(end, given, event.source_time))
    derived, early = supplement(view, owed)
    return Ended(derived, early, 0, 0, 0)


def _statements(view: View, run: Iterable[tuple[Received, End]]) -> Ended:
    reopened = _hear(view, ((end, event.source_time) for event, end in run))
    return Ended(0, 0, settle_groups(view), 0, reopened)


def read_early(row: EarlyRow) -> Owed:
    """A supplement that was kept until its decision was stored. Raises Fault `decisions.early-altered`."""
    end = decode_end(row.data)
    if not isinstance(end, Supplement):
        raise Fault("decisions.early-altered", expected="a supplement", got=type(end).__name__, where=row.answer)
    return Owed(end, Given(decode_answer(end.answer), bytes(end.answer), row.leaf.hex(), row.position), row.told_at)


def supplement(view: View, owed: Sequence[Owed]) -> tuple[int, int]:
    """Derive what the supplements touch, and begin what they begin. Returns (derived, kept early).

    A supplement older than what a decision rests on is left; one whose decision is not stored yet, because the answer
    is still under way, is kept for it: dropping it would settle that decision falsely (P2).
    """
    if not owed:
        return 0, 0
    stored = _store.load(view.tx, [name for each in owed for name in (each.decision, each.given.answer.id)])
    fresh: dict[str, list[Owed]] = {}
    changed: dict[str, list[Owed]] = {}
    early: list[EarlyRow] = []
    for each in owed:
        parent = stored.get(each.given.answer.id)
        if each.decision in stored:
            changed.setdefault(each.decision, []).append(each)
        elif parent is not None:
            fresh.setdefault(each.decision, []).append(each)
        else:
            data = _encode(each.supplement)
            leaf = bytes.fromhex(each.given.digest)
            early.append(EarlyRow(each.given.answer.id, each.given.position, each.told_at, leaf, data))
    _store.add_early(view.tx, early)
    begun = [_begin(view, stored[group[0].given.answer.id], name, group) for name, group in fresh.items()]
    store_new(view, begun)
    redone = [found for name, group in changed.items() if (found := _again(view, stored[name], group))]
    _store_again(view, redone)
    return len(begun) + len(redone), len(early)


def _begin(view: View, parent: Kept, name: str, group: Sequence[Owed]) -> Draft:
    newest = max(group, key=lambda each: each.given.age)
    return begin(view.policy(parent.policy), name, newest.given, view.ctx.chain, view.heard, view.now)


def _again(view: View, kept: Kept, group: Sequence[Owed]) -> Again | None:
    newer = [each for each in group if is_newer(each.given, kept)]
    if not newer:
        return None
    newest = max(newer, key=lambda each: each.given.age)
    draft = again(view.policy(kept.policy), kept, newest.given, view.ctx.chain, view.heard, view.now)
    return Again(kept, draft, [late for each in newer for late in each.late])


def store_new(view: View, drafts: Sequence[Draft]) -> None:
    """Keep new decisions, with one entry for every thousand."""
    if not drafts:
        return
    _store.add(view.tx, _grouped(view, drafts))
    _store.add_bases(view.tx, [draft.basis for draft in drafts])
    _store.add_changes(view.tx, [draft.change("taken") for draft in drafts])
    for start in range(0, len(drafts), MOST_IDS):
        view.entry("decision.taken", {"decisions": told(drafts[start : start + MOST_IDS])})


def _store_again(view: View, redone: Sequence[Again]) -> None:
    if not redone:
        return
    drafts = [each.draft for each in redone]
    _store.put(view.tx, _grouped(view, drafts))
    _store.add_bases(view.tx, [draft.basis for draft in drafts])
    was_final = {each.before.id for each in redone if each.before.open_group is None}
    news = [d for d in drafts if d.moved or (d.key is None) != (d.kept.id in was_final)]
    _store.add_changes(view.tx, [draft.change("supplement") for draft in news])
    settled = [d.kept.id for d in news if d.kept.state == "settled"]
    _say_settled(view, settled)
    _desk(view, [(each.draft.kept, each.draft.key is None, each.late) for each in redone])
    off = [each.before.id for each in redone if each.before.state == "revisit" and each.draft.kept.state != "revisit"]
    _store.drop_revisits(view.tx, off)


def _grouped(view: View, drafts: Sequence[Draft]) -> list[Kept]:
    keys = [draft.key for draft in drafts if draft.key is not None]
    numbers = _store.group_numbers(view.tx, keys) if keys else {}
    return [draft.kept._replace(open_group=numbers[draft.key] if draft.key else None) for draft in drafts]


def _desk(view: View, found: Iterable[tuple[Kept, bool, list[Arrived]]]) -> None:
    """Put what must be revisited on the desk; (decision, final, late facts)."""
    to_see = [(kept, final, late) for kept, final, late in found if kept.state == "revisit"]
    known = _store.load_revisits(view.tx, [kept.id for kept, _final, _late in to_see])
    rows = [_revisit(view, kept, final, late, known.get(kept.id)) for kept, final, late in to_see]
    _store.put_revisits(view.tx, rows)


def _revisit(view: View, kept: Kept, final: bool, late: list[Arrived], known: RevisitRow | None) -> RevisitRow:
    if known is not None and known.closed_at is None:
        reason, at = decode(known.reason).with_late(late), known.at
    else:
        basis = _store.basis(view.tx, kept.id, kept.issued_basis or 0)
        reason = Reason(kept.issued_at or kept.taken_at, issued_on(basis), covered=covered_by(basis)).with_late(late)
        at = view.now
    was = kept.issued or 0
    row = RevisitRow(
        kept.id, kept.policy, kept.moment, was, kept.acting, gravity(view.policy(kept.policy), was, kept.acting),
        Revisit(was, kept.acting, ()).harmful, final, encode(reason), at,
    )  # fmt: skip
    if known is None or known.closed_at is not None or known.now != row.now:
        view.revisits += 1
        because = [[each.fact.id, each.fact.kind, each.fact.occurred] for each in late]
        said = {"decision": kept.id, "policy": kept.policy, "was": was, "now": kept.acting}
        view.entry("decision.revisit", said | {"final": final, "because": because})
    return row


def _hear(view: View, said: Iterable[tuple[End, Instant]]) -> int:
    """Take in the register's word on its streams, in order. Returns how many decisions a gap reopened."""
    before = dict(view.heard)
    taken_back: dict[str, Instant] = {}
    for end, at in said:
        if isinstance(end, Gap):
            _take_back(view, end.kind, parse_instant(end.since) - 1, at, taken_back)
        elif isinstance(end, Completeness):
            for kind, through in marks_of(end.watermarks).items():
                _promise(view, kind, through, at, taken_back)
    _store.put_heard(view.tx, {kind: heard for kind, heard in view.heard.items() if before.get(kind) != heard})
    return _reopen(view, taken_back) if taken_back else 0


def _promise(view: View, kind: str, through: Instant, at: Instant, taken_back: dict[str, Instant]) -> None:
    if through < view.heard.get(kind, Heard(0)).through:
        _take_back(view, kind, through, at, taken_back)
    known = view.heard.get(kind, Heard(0))
    view.heard[kind] = known._replace(through=through)
    if taken_back.get(kind, through) < through:
        del taken_back[kind]  # found and filled within one batch


def _take_back(view: View, kind: str, through: Instant, at: Instant, taken_back: dict[str, Instant]) -> None:
    """Also where nothing was heard of the kind yet: answers may have stated more than what is left of the promise."""
    known = view.heard.get(kind, Heard(0))
    view.heard[kind] = Heard(min(known.through, through), at)
    taken_back[kind] = min(through, taken_back.get(kind, through))


def _reopen(view: View, taken_back: Mapping[str, Instant]) -> int:
    """A gap was found: what waited for its kind, for moments that it leaves open, waits again.

    Also what the register never called settled: a decision may settle before all that was asked is complete.
    """
    chain = view.ctx.chain
    since = min(settled_through(chain, kind, through) for kind, through in taken_back.items())
    count = 0
    for shape in _store.final_shapes(view.tx, since):
        policy, version, level = shape
        waits = waits_for(view.policy(policy).version(version), level)
        missing = tuple(kind for kind in waits if kind in taken_back)
        if missing:
            key = GroupKey(policy, version, level, False, missing)
            group = _store.group_numbers(view.tx, [key])[key]
            again = _store.reopen(view.tx, shape, threshold(missing, taken_back, chain), group, view.now, "gap")
            count += len(again)
            on_desk = [decision for decision, state in again if state == "revisit"]
            _desk(view, [(kept, False, []) for kept in _store.load(view.tx, on_desk).values()])
    return count


def settle_groups(view: View) -> int:
    """Settle every group as far as the watermarks heard allow: one update for each (P6). Returns how many settled."""
    marks = view.marks
    settlement: int | None = None
    done: list[tuple[str, str]] = []
    for group in _store.waiting_groups(view.tx):
        upto = threshold(group.key.missing, marks, view.ctx.chain)
        if upto >= group.earliest:
            settlement = settlement or _store.add_settlement(view.tx, view.now, _encode(marks))
            done += _store.settle(view.tx, group.n, upto, settlement, view.now)
        if group.key.held:
            _cover(view, group, marks)
    settled = [decision for decision, state in done if state == "settled"]
    found = [decision for decision, state in done if state == "revisit"]
    _say_settled(view, settled, found)
    _desk(view, [(kept, True, []) for kept in _store.load(view.tx, found).values()])
    return len(settled)


def _say_settled(view: View, settled: Sequence[str], found: Sequence[str] = ()) -> None:
    """Entries with what settled, and with what is now finally `found` to be at another level than it was issued."""
    marks = {kind: format_instant(at) for kind, at in view.marks.items()}
    for start in range(0, max(len(settled), len(found)), MOST_IDS):
        part = slice(start, start + MOST_IDS)
        view.entry("decision.settled", {"decisions": settled[part], "revisit": found[part], "watermarks": marks})


def _cover(view: View, group: Group, marks: Marks) -> None:
    """What is held goes out as soon as an emergency route covers all that is missing; it stays provisional."""
    key = group.key
    upto = cover_threshold(key.missing, marks, view.policy(key.policy), view.ctx.chain, view.now)
    if upto < group.earliest:
        return
    going = key._replace(held=False)
    to_group = _store.group_numbers(view.tx, [going])[going]
    released = _store.release(view.tx, group.n, upto, to_group, view.now)
    changes = [Change(each, view.now, "provisional", level, False, "covered") for each, level in released]
    _store.add_changes(view.tx, changes)
    if released:
        view.entry("hold.released", {"decisions": [each for each, _level in released], "why": "covered"})
