"""`keersluis backlog list|show|import|undo`: what waits at the organisations of a chain folder, and counts by file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keersluis.cli.backlog_input import Activity, Arrival, Case, Completion, Log, Time
from keersluis.cli.output import AsJson, emit, language
from keersluis.cli.target import Directory, Target
from keersluis.errors import Incorrect
from keersluis.words import Translator, translator

if TYPE_CHECKING:
    from keersluis.recovery.stock import Backlog
    from keersluis.service import Node

Whose = Annotated[
    str | None, typer.Option("--organisation", "-o", help="Only this organisation's; left out: of all in the folder.")
]
Key = Annotated[str, typer.Option("--backlog", help="Which backlog: its key in backlogs.toml.")]
Who = Annotated[str, typer.Option(help="Who says so.")]
Why = Annotated[str, typer.Option(help="Why.")]


def add(app: typer.Typer) -> None:
    """Put these commands in the group."""
    app.command("list")(list_)
    app.command("show")(show)
    app.command("import")(import_)
    app.command("undo")(undo)


def list_(organisation: Whose = None, directory: Directory = Path(), as_json: AsJson = False) -> None:
    """Every backlog that is counted, worst first: how much waits, until when it lasts, what holds the register back."""
    from keersluis import counting
    from keersluis.chain import load_chain
    from keersluis.recovery.backlogfiles import backlogs_of

    owners = {each.organisation for each in backlogs_of(load_chain(directory)).values()}
    found = [
        Target(directory, each).ask("/v0/achterstanden", None, counting.listed)
        for each in ([organisation] if organisation else sorted(owners))
    ]
    _ = translator(language())
    emit(found, as_json, "\n".join(line for each in found for line in _listed(each, _)) or _("No backlog is counted."))


def _listed(told: dict[str, Any], _: Translator) -> list[str]:
    lines = [f"{told['organisation']}:"]
    if told["holding"]:
        lines.append("  " + told["holding"][f"sentence_{_.language}"])
    for each in told["backlogs"]:
        lines.append(f"  {each['key']:<22} {_.number(each['stock']):>9}  {_.pick(each['title'])}")
        lines.append(f"  {'':<22} {'':>9}  {each[f'lasts_{_.language}']}")
    return lines


def show(key: Annotated[str, typer.Argument(metavar="BACKLOG", help="Its key in backlogs.toml.")],
         directory: Directory = Path(), as_json: AsJson = False) -> None:  # fmt: skip
    """One backlog: in and out step by step, ages, work, classes and terms, imports."""
    from keersluis import counting

    target, _ = _target(directory, key)[0], translator(language())
    found = target.ask(f"/v0/achterstanden/{key}", None, lambda node: counting.shown(node, key))
    emit(found, as_json, "\n".join(_shown(found, _)))


def _shown(it: dict[str, Any], _: Translator) -> list[str]:
    from keersluis.recovery.backlog_words import age_label

    week = it["per_week"]
    lines = [
        _.pick(it["title"]),
        it[f"lasts_{_.language}"],
        *filter(None, [it[f"terms_{_.language}"]]),
        _("{stock} wait; {came} came and {left} left in all.", stock=it["stock"], came=it["came"], left=it["left"]),
        _("A week: {came} come, {gone} go.", came=_.number(week["came"]), gone=_.number(week["gone"])),
    ]
    if it["hours"]:
        lines.append(_("The work in it: {hours} hours.", hours=_.number(it["hours"])))
    lines += [f"  {age_label((a['from'], a['to']), _):<22} {_.number(a['count']):>9}" for a in it["ages"]]
    lines += [f"  {_.pick(c['title']):<38} {_.number(c['stock']):>9}" for c in it["classes"] if len(it["classes"]) > 1]
    for each in it["steps"][-12:]:
        lines.append(f"  {each['from'][:10]}  +{each['came']:<7} -{each['gone']:<7} {each['stock']:>9}")
    lines += [f"  {each['at']}  {each['digest'][:12]}  {each['who']}: {each['why']}" for each in it["imports"]]
    return lines


def import_(
    log: Log,
    key: Key,
    who: Who,
    why: Why,
    directory: Directory = Path(),
    case: Case = "",
    activity: Activity = "",
    time: Time = "",
    arrival: Arrival = None,
    completion: Completion = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out what cannot be right, and say so.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what it would do.")] = False,
    as_json: AsJson = False,
) -> None:
    """Count a backlog by a file: an event log, or what came and went in each period. Numbers of cases stay out of it.

    The same file again changes nothing, a later one goes on from it, and one that says otherwise is refused whole.
    """
    from keersluis import counting
    from keersluis.recovery import imports
    from keersluis.recovery.accounts import Wanted

    target, backlog = _target(directory, key)
    zone = target.chain.timezone
    chosen = (tuple(arrival or backlog.arrival), tuple(completion or backlog.completion))
    said = imports.read(log, backlog, zone, Wanted(backlog.step, case, activity, time, *chosen, zone))
    digest = hashlib.sha256(log.read_bytes()).hexdigest()
    body = imports.packed(said) | {"achterstand": key, "digest": digest, "wie": who, "waarom": why}
    body |= {"onvolledig": skip_bad, "proef": dry_run}

    def on_store(node: Node) -> dict[str, Any]:
        return counting.take_in(node, key, said, digest, who, why, skip_bad=skip_bad, dry_run=dry_run)

    found = target.ask("/v0/achterstanden/_importeer", body, on_store)
    emit(found, as_json, _imported(found, translator(language())))


def _imported(found: dict[str, Any], _: Translator) -> str:
    if found["again"]:
        return _("This file was imported before; nothing changed.")
    text = (
        _("It would count {came} that came and {left} that left.", came=found["came"], left=found["left"])
        if found["dry_run"]
        else _("Counted: {came} came, {left} left.", came=found["came"], left=found["left"])
    )
    out = [f"{each['code']}: {each['number']} ({'; '.join(each['places'])})" for each in found["left_out"]]
    return "\n".join([text, *out])


def undo(key: Key, who: Who, why: Why, directory: Directory = Path(), as_json: AsJson = False) -> None:
    """Undo the last import of a backlog that stands; to undo that, import the file again."""
    from keersluis import counting

    target, _ = _target(directory, key)[0], translator(language())
    body = {"achterstand": key, "wie": who, "waarom": why}
    found = target.ask("/v0/achterstanden/_ongedaan", body, lambda node: counting.undo(node, key, who, why))
    emit(found, as_json, _("Undone: {came} came, {left} left.", came=found["came"], left=found["left"]))


def _target(directory: Path, key: str) -> tuple[Target, Backlog]:
    """The node that counts a backlog, which its key tells."""
    from keersluis.chain import load_chain
    from keersluis.recovery.backlogfiles import backlogs_of
    from keersluis.sections import nearest

    known = backlogs_of(load_chain(directory))
    if key not in known:
        expected = "a backlog of backlogs.toml: " + (", ".join(known) or "there are none")
        raise Incorrect("backlog.unknown", expected=expected, got=repr(key) + nearest(key, known))
    return Target(directory, known[key].organisation), known[key]
