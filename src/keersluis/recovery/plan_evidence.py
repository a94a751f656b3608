"""Evidence of a plan's criteria: references to entries of our own timeline, or of another organisation's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keersluis.errors import Conflict, Incorrect, Untrusted
from keersluis.recovery import _store_plans
from keersluis.recovery.plan_acts import Desk, fall, first_act, settle, write
from keersluis.recovery.plan_desk import By, Done, check_by, repeated, said_of, stage_of, standing, stop
from keersluis.recovery.plans import Criterion, Stage
from keersluis.recovery.standing import Record, person, voters
from keersluis.recovery.undoing import NOTED, UNDOING, WITHDRAWN, taken_back
from keersluis.sections import nearest
from keersluis.timeline import log
from keersluis.timeline.heads import check_head
from keersluis.timeline.model import Entry, owner
from keersluis.times import format_instant

LONGEST_NOTE = 2000


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown: `entry` of our own timeline, or of the log `origin`, of which `head` is a signed head (none: the
    newest that was seen); or a `note`, which becomes an entry. `older`: accepted, though its time does not lie after
    the adoption, or is not proven to."""

    criterion: str
    entry: int | None = None
    origin: str = ""
    head: str = ""
    note: str = ""
    document: str = ""
    result: str = ""
    partner: str = ""
    older: bool = False


def show(it: Desk, name: str, stage_key: str, shown: Shown, by: By) -> Done:
    """Record evidence of a criterion. Who does so gives no go of that stage (four eyes).

    Raises Conflict `plan.not-adopted`, `plan.four-eyes`, `plan.entry-undone`, `plan.entry-older`, `plan.shown-already`;
    Incorrect `plan.no-stage`, `plan.no-criterion`, `plan.no-entry`, `plan.act`; Untrusted for a head that is none.
    """
    record = standing(it, name)
    said = said_of(by, stage=stage_key, **{each: getattr(shown, each) for each in Shown.__slots__})
    if (number := repeated(it, name, "evidence", by, said)) is not None:
        return {"number": number, "repeated": True}
    stage = stage_of(record, stage_key)
    criterion = _criterion(stage, shown.criterion)
    check_by(by, record.plan, criterion.sign, "record this evidence")
    stop(_faults(criterion, shown), "evidence that this criterion asks for")
    if person(by.who) in voters(record, stage.key):
        expected = "somebody who did not give a go of this stage"
        raise Conflict("plan.four-eyes", expected=expected, got=by.who)
    body: dict[str, Any] = {
        "criterion": criterion.key,
        "role": by.role,
        "who": by.who,
        "why": by.why,
        "result": shown.result,
    }
    body |= {"partner": shown.partner, "document": shown.document, "older": shown.older}
    body |= _referred(it, record, criterion, shown, by)
    what = (body.get("origin", ""), body["entry"], shown.partner)
    if any(each.criterion == criterion.key and each.what == what for each in record.live(stage.key)):
        raise Conflict(
            "plan.shown-already", expected="an entry that is no evidence of this yet", got=str(body["entry"])
        )
    number = write(it, name, "evidence", stage.key, body | {"said": said}, key=by.key)
    return {"number": number, "entry": body["entry"]}


def _criterion(stage: Stage, key: str) -> Criterion:
    if key in stage.criteria:
        return stage.criteria[key]
    expected = f"a criterion of stage {stage.key}: {', '.join(stage.criteria) or 'it has none'}"
    raise Incorrect("plan.no-criterion", expected=expected, got=repr(key[:60]) + nearest(key, stage.criteria))


def _faults(criterion: Criterion, shown: Shown) -> list[str]:
    faults = []
    if (shown.entry is None) == (not shown.note.strip()):
        faults.append("entry: expected the number of an entry, or a note that becomes one, got both or neither")
    if (shown.origin or shown.head) and shown.entry is None:
        faults.append("origin: expected the number of an entry of that log, got none")
    if shown.head and not shown.origin:
        faults.append("head: expected the origin of the log too, got none")
    if criterion.sort == "investigated" and not shown.result.strip():
        faults.append("result: expected the result of the investigation, got nothing")
    if criterion.partners and shown.partner not in criterion.partners:
        expected = f"one of {', '.join(criterion.partners)}"
        faults.append(
            f"partner: expected {expected}, got {shown.partner[:60]!r}{nearest(shown.partner, criterion.partners)}"
        )
    if shown.partner and not criterion.partners:
        faults.append(f"partner: expected none for this criterion, got {shown.partner[:60]!r}")
    if shown.note and criterion.entries and NOTED not in criterion.entries:
        faults.append(f"entry: expected an entry of kind {', '.join(criterion.entries)}, got a note")
    texts = {each: len(getattr(shown, each)) for each in ("note", "document", "result")}
    faults += [
        f"{each}: expected at most {LONGEST_NOTE} characters, got {n}" for each, n in texts.items() if n > LONGEST_NOTE
    ]
    return faults


def _referred(it: Desk, record: Record, criterion: Criterion, shown: Shown, by: By) -> dict[str, Any]:
    """The entry, and who is behind it."""
    if shown.entry is None:
        text = {"note": shown.note, "who": by.who, "role": by.role, "document": shown.document, "result": shown.result}
        n = log.append(it.tx, at=it.now, room="recovery", kind=NOTED, body={k: v for k, v in text.items() if v})
        return {"entry": n, "by": [by.who], "older": False}
    if shown.origin and owner(shown.origin) != it.ctx.me.oin:
        return _of_another(it, shown) | {"by": [by.who]}
    return _own(it, record, criterion, shown.entry, older=shown.older, who=by.who)


def _own(it: Desk, record: Record, criterion: Criterion, n: int, *, older: bool, who: str) -> dict[str, Any]:
    entry = log.entry(it.tx, n)
    if entry is None:
        raise Incorrect("plan.no-entry", expected=f"an entry of our timeline, 1 to {log.size(it.tx)}", got=str(n))
    if (criterion.entries and entry.kind not in criterion.entries) or _says_itself(entry):
        kinds = ", ".join(criterion.entries) or "another kind than those of plans, notes apart"
        raise Incorrect("plan.no-entry", expected=f"an entry of {kinds}", got=f"entry {n}, of {entry.kind}")
    back = taken_back(entry, log.of_kinds(it.tx, UNDOING, n))
    if back is not None:
        got = f"entry {n}, which entry {back.n} takes back"
        raise Conflict("plan.entry-undone", expected="an entry that holds", got=got)
    adopted = _store_plans.acts(it.tx, record.plan.name, first_act(it.tx, record.plan.name))[0]
    if n < adopted.entry and not older:
        raise Conflict(
            "plan.entry-older",
            expected=f"an entry of after the adoption, which is entry {adopted.entry}",
            got=f"entry {n}, of {format_instant(entry.at)}",
            mend="accept it as older (--older), if it holds still",
        )
    writer = [str(entry.body["who"])] if entry.kind == NOTED and "who" in entry.body else []
    return {"entry": n, "by": [who, *writer], "kind": entry.kind, "older": n < adopted.entry}


def _says_itself(entry: Entry) -> bool:
    """What was done under a plan is no evidence for it."""
    return entry.kind.startswith("plan.") and entry.kind != NOTED


def _of_another(it: Desk, shown: Shown) -> dict[str, Any]:
    """An entry of another organisation's log: it exists, since a head that its owner signed covers it. When it was
    written, what it says and whether it holds still is not known here, so that somebody must say that he accepts it."""
    if all(each.oin != owner(shown.origin) for each in it.ctx.chain.organisations.values()):
        expected = "the origin of a log of the chain, <OIN>/timeline/<epoch>"
        raise Incorrect("plan.no-entry", expected=expected, got=repr(shown.origin[:120]))
    if shown.head:
        size, note = _given_head(it, shown), shown.head
    else:
        seen = log.witnessed(it.tx).get(shown.origin)
        size, note = (0, "") if seen is None else (seen.checkpoint.size, seen.note)
    if not 1 <= (shown.entry or 0) <= size:
        got = f"entry {shown.entry}, and a head over {size}" if note else "no head of it"
        raise Incorrect("plan.no-entry", expected=f"an entry that a signed head of {shown.origin} covers", got=got)
    if not shown.older:
        raise Conflict(
            "plan.entry-older",
            expected="an entry of our own timeline of after the adoption",
            got=f"entry {shown.entry} of {shown.origin}, whose time is not known here",
            mend="look it up there, and accept it (--older)",
        )
    return {"entry": shown.entry, "origin": shown.origin, "head": size, "head_note": note, "older": True}


def _given_head(it: Desk, shown: Shown) -> int:
    said = check_head(shown.head, it.ctx.keyring)
    if said.origin != shown.origin:
        raise Untrusted("plan.other-head", expected=f"a head of {shown.origin}", got=said.origin)
    log.witness(it.tx, shown.head, it.ctx.keyring, it.now)
    return said.size


def withdraw(it: Desk, name: str, number: int, by: By) -> Done:
    """Evidence counts no longer; a go that rests on it falls. Anybody with a role may say so.

    Raises Conflict `plan.not-adopted`, Incorrect `plan.no-such`, `plan.act`."""
    record = standing(it, name)
    said = said_of(by, of=number)
    if (done := repeated(it, name, "evidence-withdrawn", by, said)) is not None:
        return {"number": done, "repeated": True}
    found = record.evidence.get(number)
    if found is None or not found.counts:
        counting = ", ".join(str(each.n) for each in record.evidence.values() if each.counts)
        expected = f"the number of evidence that counts: {counting or 'there is none'}"
        raise Incorrect("plan.no-such", expected=expected, got=str(number))
    check_by(by, record.plan, tuple(record.plan.roles), "withdraw evidence")
    body = said | {"criterion": found.criterion, "entry": found.entry, "how": "withdrawn", "said": said}
    told = {each: value for each, value in body.items() if each != "how"}
    done = write(it, name, "evidence-withdrawn", found.stage, body, told=told, key=by.key)
    return {"number": done, "fell": fall(it)}


def note(it: Desk, text: str, document: str, who: str) -> Done:
    """An entry that only says something, for evidence to refer to. Raises Incorrect `plan.act`."""
    given = {"note": text, "document": document, "who": who}
    _check_texts(given, ("note", "who"))
    n = log.append(it.tx, at=it.now, room="recovery", kind=NOTED, body={k: v for k, v in given.items() if v})
    return {"entry": n}


def withdraw_note(it: Desk, n: int, who: str, why: str) -> Done:
    """What a note said does not hold: evidence that refers to it counts no longer. Raises Incorrect `plan.no-entry`,
    `plan.act`, Conflict `plan.entry-undone`."""
    _check_texts({"who": who, "why": why}, ("who", "why"))
    entry = log.entry(it.tx, n)
    if entry is None or entry.kind != NOTED:
        got = f"entry {n}" + (f", of {entry.kind}" if entry else ", which is not there")
        raise Incorrect("plan.no-entry", expected="the number of an entry that is a note", got=got)
    if (back := taken_back(entry, log.of_kinds(it.tx, UNDOING, n))) is not None:
        raise Conflict("plan.entry-undone", expected="a note that holds", got=f"entry {n}, withdrawn by entry {back.n}")
    body = {"withdraws": n, "who": who, "why": why}
    done = log.append(it.tx, at=it.now, room="recovery", kind=WITHDRAWN, body=body)
    settle(it)
    return {"entry": done}


def _check_texts(given: dict[str, str], needed: tuple[str, ...]) -> None:
    faults = [f"{each}: expected a text, got nothing" for each in needed if not given[each].strip()]
    faults += [
        f"{each}: expected at most {LONGEST_NOTE} characters" for each in given if len(given[each]) > LONGEST_NOTE
    ]
    stop(faults, "a note")
