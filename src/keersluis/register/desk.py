"""The register's desk: what `service.py` calls. Every function works within the caller's transaction.

Call `apply` with the facts of a batch, then `watermarks_moved`, in one transaction: the order of the events in each
asker's stream is what makes a completeness event true (P2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from keersluis.chain import ANSWER_END, Kind
from keersluis.context import Context
from keersluis.errors import Conflict, Forbidden, Incorrect
from keersluis.exchange.envelope import Received
from keersluis.register import _schema, _store, _store_reservations, ends, intake, routes
from keersluis.register.answers import (
    Answer,
    Owed,
    Question,
    emergency,
    faults,
    folded,
    held,
    marks,
    may_see,
    needed_leaves,
    needs_faults,
    permitted,
    settles,
)
from keersluis.register.ends import Breach, Due
from keersluis.register.facts import Fact, by_subject, in_force
from keersluis.register.lookups import Lookup, pseudonym, records
from keersluis.register.reservations import touching
from keersluis.register.views import View, counted, keep_doubts, open_view
from keersluis.storage import Migrations
from keersluis.timeline import log
from keersluis.times import Instant, When, format_instant, parse_instant
from keersluis.watermarks import NOTHING_PROMISED

MIGRATIONS: Migrations = _schema.MIGRATIONS
"""The register's tables, for `storage.open_store`."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a batch did: new facts, supplements put in the askers' streams, settled answers that it reopened."""

    facts: int
    supplements: int
    breaches: tuple[Breach, ...]


def apply(tx: Connection, ctx: Context, received: Sequence[Received], now: Instant) -> Applied:
    """Step 11: store the facts of a batch, and supplement every answer that they touch, open or settled.

    Costs one query on the subjects of the batch, and then what the touched answers ask for (P6).
    Raises Incorrect `register.*` for a wrong payload: then nothing of the batch may stay.
    """
    new = [intake.fact(event, now, ctx.chain.timezone) for event in received]
    added = _store.add_facts(tx, new, now)
    if not new or not _store.any_answers(tx):
        return Applied(added, 0, ())
    late = by_subject(new)
    touched = _store.touched(tx, late, min(fact.when.start for fact in new))
    if not touched:
        return Applied(added, 0, ())
    view = open_view(tx, ctx, now)
    due = ends.due(touched, late, view.scope)
    _supplement(view, due)
    return Applied(added, len(due), tuple(ends.breach(each) for each in due if each.breach))


def watermarks_moved(tx: Connection, ctx: Context, watermarks: Mapping[str, Instant], now: Instant) -> int:
    """Settle what the watermarks (kind path -> complete_through) now settle, and tell each asker that is owed it.

    `watermarks` may leave out kinds that did not move. Costs one indexed query, and one more for each group of
    answers of which some settle (P6). Returns how many answers settled.
    """
    known = _store.watermarks(tx)
    moved = {kind: at for kind, at in watermarks.items() if kind not in known or at > known[kind]}
    _store.put_watermarks(tx, moved, now)
    states = _store.asker_states(tx)
    closed = routes.closed(tx, ctx, now)
    told = _store.all_told(tx) if states and (moved or closed) else {}
    ended = any(through.get(kind) for through in told.values() for kind in closed)
    if not states or not (moved or ended or any(state.owed for state in states.values())):
        return 0
    view = open_view(tx, ctx, now)
    told = told or _store.all_told(tx)
    groups = _store.groups(tx)
    return sum(_complete(view, asker, groups[asker], states[asker], told.get(asker, {})) for asker in groups)


def answer(
    tx: Connection,
    ctx: Context,
    asker: str,
    questions: Sequence[Question],
    watermarks: Mapping[str, Instant],
    now: Instant,
) -> list[Answer]:
    """Answer an asker (its key), in the order of the questions; each look-up is recorded before it is made.

    A question may be asked again under its id: it is looked up and answered anew. Raises Incorrect
    `register.wrong-questions` with all faults, Forbidden `register.not-a-decider` or `register.purpose`, Conflict
    `register.question-reused` for another question under a known id.
    """
    _check(ctx, asker, questions)
    looked = [(question.subject, question.purpose) for question in questions]
    _record(tx, ctx, ctx.chain.organisations[asker].oin, "register.answer", looked, now)
    view = open_view(tx, ctx, now, watermarks)
    before = _store.known_answers(tx, asker, [question.id for question in questions])
    owed = _owed(view, asker, questions, {each.id: each for each in before if not each.anchor})
    facts = _store.facts_of(tx, (each.subject for each in owed))
    answers = [view.answer(each, facts.get(each.subject, ())) for each in owed]
    _store.put_answers(tx, owed)
    keep_doubts(view, owed, facts)
    body = {"asker": asker, "answers": [each.id for each in owed]}
    log.append(tx, at=now, room="register", kind="answer.given", body=body)
    known = {(each.asker, each.id, each.anchor) for each in before}
    standing = [each for each in owed if each.standing]
    # Acts of after the moment of a standing question that are here already count like those that come later (P3).
    _supplement(
        view,
        [d for o in standing for d in ends.given_anew(o, facts.get(o.subject, ()), view.scope(o), known)],
        facts,
    )
    return answers


def look_up(
    tx: Connection,
    ctx: Context,
    subject: str,
    who: str,
    purpose: str,
    valid_at: Instant | None,
    known_at: Instant | None,
    now: Instant,
) -> Answer:
    """What the register shows a user of its own about one subject, recorded before it is read.

    `valid_at` (`geldigOp`) None: whatever its validity; `known_at` (`beschikbaarOp`) None: now. The watermarks are
    those of `known_at`. Raises Incorrect `register.subject` or `register.purpose`, Forbidden `register.purpose`.
    """
    chain = ctx.chain
    kinds = _visible(ctx, subject, purpose)
    _record(tx, ctx, who, "register.look-up", [(subject, purpose)], now)
    shown = {kind.path for kind in kinds}
    facts = [fact for fact in _store.facts_of(tx, [subject]).get(subject, ()) if fact.kind in shown]
    watermarks = counted(tx, _store.watermarks(tx, known_at))
    moment = valid_at if valid_at is not None else now if known_at is None else min(known_at, now)
    regular = [kind for kind in kinds if kind.path not in emergency(chain)] or kinds
    doubts = touching(_store_reservations.in_force(tx), facts, shown, max(moment, now))
    complete = settles(chain, regular, watermarks) >= moment and not doubts
    return Answer(
        id=f"lookup/{_store.last_lookup(tx)}",
        register=ctx.me.oin,
        asker=ctx.me.oin,
        purpose=purpose,
        subject=subject,
        moment=format_instant(moment),
        answered_at=format_instant(now),
        state="settled" if complete else "provisional",
        facts=folded(chain, kinds, facts, in_force(facts, valid_at=valid_at, known_at=known_at), known_at),
        watermarks=marks(chain, kinds, watermarks),
        alternatives=[],
        valid_at=None if valid_at is None else format_instant(valid_at),
        known_at=None if known_at is None else format_instant(known_at),
        reservations=doubts,
    )


def reopen(tx: Connection, ctx: Context, kind: str, since: Instant, until: Instant, now: Instant | None = None) -> int:
    """A gap was found in what came of `kind`: acts of `since`..`until` are missing. Until `fill`, no answer that needs
    the kind settles for a moment from `since` on, also after `until`; those that had are open again, and their askers
    are told. Returns how many."""
    now = ctx.clock.now() if now is None else now
    _store.declare_gap(tx, kind, since, until, now)
    reopened = _store.reopen(tx, kind, since)
    _store_reservations.shut(tx)
    view = open_view(tx, ctx, now)
    for asker, groups in _store.groups(tx).items():
        if any(kind in view.needs[needs] for needs in groups):
            _tell(view, asker, list(groups), reopened=[_name(*key) for key in reopened.get(asker, ())])
    body = {"kind": kind, "since": format_instant(since), "until": format_instant(until)}
    count = sum(len(keys) for keys in reopened.values())
    log.append(tx, at=now, room="register", kind="gap.declared", body=body | {"answers": count})
    return count


def fill(tx: Connection, ctx: Context, kind: str, since: Instant, until: Instant, now: Instant) -> bool:
    """What was missing of `kind` in this period is here: the next `watermarks_moved` settles again. False: no such
    gap was open."""
    filled = _store.fill_gap(tx, kind, since, until, now)
    if filled:
        _store.owe_all(tx)
        body = {"kind": kind, "since": format_instant(since), "until": format_instant(until)}
        log.append(tx, at=now, room="register", kind="gap.filled", body=body)
    return filled


def resume(tx: Connection, kind: str, sent: int) -> None:
    """The stream `answer-end.<asker>` holds `sent` events after a restore: the next end gets a number of its own."""
    _store.resume_sent(tx, kind.removeprefix(f"{ANSWER_END}."), sent)


def counts(tx: Connection) -> dict[str, int]:
    """facts, subjects, answers_open and lookups, for the status page."""
    return _store.counts(tx)


def lookups_about(tx: Connection, ctx: Context, subject: str) -> list[Lookup]:
    """Who looked at the data of this subject, oldest first."""
    return _store.lookups_of(tx, pseudonym(ctx.secret, subject))


def contents(
    tx: Connection,
) -> Iterator[tuple[str, str, str, When, Instant | None, Instant | None, str | None, bytes]]:
    """(id, kind, subject, occurred, valid_from, valid_to, refers_to, content) of every fact, ordered by subject: what
    must equal the register of the chain that was never cut (P3). No system time, which does differ."""
    return _store.contents(tx)


def _check(ctx: Context, asker: str, questions: Sequence[Question]) -> None:
    if f"{ANSWER_END}.{asker}" not in ctx.chain.kinds:
        raise Forbidden("register.not-a-decider", expected="an organisation of the chain that decides", got=asker)
    found: list[str] = []
    taken: set[str] = set()
    wrong = {needs: needs_faults(needs, ctx.chain, ctx.me.key) for needs in {q.needs for q in questions}}
    for question in questions:
        found += faults(question, ctx.chain, taken)
        found += [f"question {question.id[:128]}: {fault}" for fault in wrong[question.needs]]
        taken.add(question.id)
    if found:
        raise Incorrect("register.wrong-questions", expected="questions without faults", got=found[0], faults=found)
    for needs, purpose in {(question.needs, question.purpose) for question in questions}:
        for path in needs:
            if not needed_leaves(ctx.chain, [path], purpose):
                expected = f"kinds that may be shown for {purpose}"
                raise Forbidden("register.purpose", expected=expected, got=path, where="needs")


def _record(tx: Connection, ctx: Context, who: str, name: str, looked: Sequence[tuple[str, str]], now: Instant) -> None:
    """The look-up records, one per data subject per look-up, in the transaction that makes the answer."""
    last = _store.last_lookup(tx)
    made = records(ctx.secret, ctx.me.oin, name=name, who=who, looked=looked, last=last, at=now)
    if made:
        _store.add_lookups(tx, made)
        body: dict[str, Any] = {"who": who, "name": name, "trace_id": made[0].trace_id}
        body["records"] = [[each.span_id, each.processing_activity_id, each.data_subject_id] for each in made]
        log.append(tx, at=now, room="register", kind="lookup", body=body)


def _owed(view: View, asker: str, questions: Sequence[Question], before: Mapping[str, Owed]) -> list[Owed]:
    """The answers to give: settled where every needed stream is complete through the moment, else open."""
    numbers = {key: view.number(*key) for key in {(question.needs, question.purpose) for question in questions}}
    found = []
    for question in questions:
        needs = numbers[question.needs, question.purpose]
        moment = parse_instant(question.moment)
        fresh = Owed(
            asker,
            question.id,
            "",
            question.subject,
            question.purpose,
            question.policy,
            moment,
            question.standing,
            needs,
            view.settles(needs) < moment,
            view.now,
        )
        found.append(_again(fresh, before[question.id]) if question.id in before else fresh)
    return found


def _again(fresh: Owed, before: Owed) -> Owed:
    """The same question again: a later answer, whose state may have moved on."""
    if fresh._replace(open=before.open, answered_at=before.answered_at) != before:
        raise Conflict(
            "register.question-reused",
            expected="the question that was asked under this id before",
            got="another",
            where=f"question {fresh.id}",
        )
    return fresh._replace(answered_at=max(fresh.answered_at, before.answered_at))


def _supplement(view: View, due: Sequence[Due], facts: Mapping[str, Sequence[Fact]] | None = None) -> None:
    """Give answers again, and put them in the askers' streams."""
    if not due:
        return
    if facts is None:
        facts = _store.facts_of(view.tx, (each.owed.subject for each in due))
    streams: dict[str, list[dict[str, Any]]] = {}
    given = []
    for each in due:
        owed = each.owed._replace(open=True, answered_at=max(view.now, each.owed.answered_at))
        given.append(owed)
        anew = view.answer(owed, facts.get(owed.subject, ()))
        data = ends.supplement(each, anew, view.scope(owed), view.ctx.chain)
        streams.setdefault(owed.asker, []).append(data)
    _store.put_answers(view.tx, given)
    keep_doubts(view, given, facts)
    for asker, events in streams.items():
        _send(view.tx, view.ctx, asker, events, view.now)


def answer_again(view: View, owed: Sequence[Owed], facts: Mapping[str, Sequence[Fact]]) -> None:
    """Give these answers again, open, though no late fact touched them: what they rest on came into doubt, or out."""
    _supplement(view, [Due(each, (), False) for each in owed], facts)


def _complete(
    view: View,
    asker: str,
    groups: Mapping[int, Instant | None],
    state: _store.AskerState,
    told: Mapping[str, Instant],
) -> int:
    """Settle this asker's groups; tell it the watermarks that matter to it, if any of them is news."""
    alive = [needs for needs, earliest in groups.items() if earliest is not None]
    matter = list(groups) if state.owed else alive
    due = [needs for needs in alive if (groups[needs] or 0) <= view.settles(needs)]
    news = _news(view, matter)
    if not due and all(told.get(kind) == at for kind, at in news.items()):
        return 0
    settled = [_name(*key) for needs in due for key in _store.settle(view.tx, asker, needs, view.settles(needs))]
    _tell(view, asker, matter, settled=settled)
    _store.owe_nothing(view.tx, asker)
    return len(settled)


def _tell(
    view: View, asker: str, groups: Sequence[int], *, settled: Sequence[str] = (), reopened: Sequence[str] = ()
) -> None:
    """One completeness event (more where many answers end at once), and remember what it says."""
    news = _news(view, groups)
    kinds = [view.ctx.chain.kinds[path] for path in news]
    events = ends.completeness(view.ctx.chain, kinds, news, settled=settled, reopened=reopened)
    _send(view.tx, view.ctx, asker, events, view.now)
    _store.put_told(view.tx, asker, news)


def _news(view: View, groups: Sequence[int]) -> dict[str, Instant]:
    """The watermarks that matter: of the kinds that are needed, and of those that may stand in for them for whatever
    purpose. A route whose gate was closed promises nothing any more, so that it covers nothing at the asker either."""
    chain = view.ctx.chain
    needed = {path for needs in groups for path in view.needs[needs]}
    stand_ins = {
        kind.path
        for needs in groups
        for purpose in (chain.purposes or [""])
        for route, kind in view.scope_of(needs, purpose).routes
        if permitted(route, view.now)
    }
    ended = (view.closed & stand_ins) - needed
    return {
        path: NOTHING_PROMISED if path in ended else view.watermarks.get(path, NOTHING_PROMISED)
        for path in sorted(needed | stand_ins)
    }


def _send(
    tx: Connection, ctx: Context, asker: str, events: Sequence[dict[str, Any]] | Iterator[dict[str, Any]], now: Instant
) -> None:
    """Put events in the asker's stream, numbered, so that each has an id of its own."""
    bodies = list(events)
    first = _store.number_sent(tx, asker, len(bodies))
    kind = f"{ANSWER_END}.{asker}"
    for n, data in enumerate(bodies, first):
        ctx.publish(tx, kind, f"{kind}/{n}", now, data)


def _visible(ctx: Context, subject: str, purpose: str) -> list[Kind]:
    chain = ctx.chain
    if not intake.SUBJECT.fullmatch(subject):
        raise Incorrect("register.subject", expected="<scheme>:<number>", got="another form", where="subject")
    if chain.purposes and purpose not in chain.purposes:
        expected = f"one of {', '.join(chain.purposes)}"
        raise Incorrect("register.purpose", expected=expected, got=repr(purpose), where="purpose")
    kinds = [kind for kind in chain.kinds.values() if held(kind, ctx.me.key) and may_see(kind, purpose)]
    if not kinds:
        raise Forbidden("register.purpose", expected="a purpose for which something may be shown", got=purpose)
    return kinds


def _name(answer: str, anchor: str) -> str:
    return f"{answer}/{anchor}" if anchor else answer
