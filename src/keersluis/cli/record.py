"""`keersluis record`: decision records, as known and as recorded on a day; opened, added to, decided, reviewed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import typer

from keersluis.cli.output import AsJson, emit, language
from keersluis.cli.target import Directory, Target, Whose
from keersluis.errors import Incorrect

if TYPE_CHECKING:
    from keersluis.service import Node

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)

RECORDS = "/v0/besluitdossiers"

Name = Annotated[str, typer.Argument(help="Name of the record.")]
Who = Annotated[str, typer.Option(help="Who writes it down: a function, no name.")]
Why = Annotated[str, typer.Option(help="Why; a correction needs it.")]
Text = Annotated[str, typer.Option(help="What is to be recorded, in a sentence or more.")]
By = Annotated[str, typer.Option(help="Who advised, decided or reviewed: a function, no name.")]
Since = Annotated[str | None, typer.Option(help="Since when it is known: a day or RFC 3339; left out: now.")]
Source = Annotated[str, typer.Option(help="Where it stands: a letter, a memo.")]
Evidence = Annotated[int | None, typer.Option(help="The entry of the timeline that shows it.")]
Replaces = Annotated[list[str] | None, typer.Option(help="Key of what it corrects; both are kept.")]
Hidden = Annotated[bool, typer.Option("--not-public", help="It may not be made public.")]
Key = Annotated[str, typer.Option(help="A key of its own; given again, it is as once.")]
From = Annotated[str | None, typer.Option("--organisation", "-o", help="A node's records; left out: the folder's own.")]
KnownOn = Annotated[str | None, typer.Option(help="As known on this day or at this time.")]
RecordedOn = Annotated[str | None, typer.Option(help="As written down by this day or time.")]
Public = Annotated[bool, typer.Option("--public", help="Only what is public, and how much is not.")]


@app.command("list")
def list_(
    organisation: From = None,
    directory: Directory = Path(),
    known_on: KnownOn = None,
    recorded_on: RecordedOn = None,
    public: Public = False,
    as_json: AsJson = False,
) -> None:
    """Decision records and how they stood, the newest question first."""
    from keersluis.cli.record_text import listed

    if organisation is None:
        from keersluis.cli.record_files import overviews

        found = overviews(directory, known_on, public)
    else:
        found = _read(Target(directory, organisation), "", known_on, recorded_on, public)
    emit(found, as_json, listed(found, language()))


@app.command("show")
def show(
    name: Name,
    organisation: From = None,
    directory: Directory = Path(),
    known_on: KnownOn = None,
    recorded_on: RecordedOn = None,
    public: Public = False,
    as_json: AsJson = False,
) -> None:
    """One decision record as it was known on a day: nothing that became known later is in it."""
    from keersluis.chain import load_chain
    from keersluis.cli.record_text import shown

    if organisation is None:
        from keersluis.cli.record_files import rendered

        found = rendered(directory, name, known_on, public)
    else:
        found = _read(Target(directory, organisation), f"/{name}", known_on, recorded_on, public)
    emit(found, as_json, shown(found, load_chain(str(directory)), language()))


@app.command("open")
def open_(
    name: Name,
    organisation: Whose,
    title: Annotated[str, typer.Option(help="A few words.")],
    question: Annotated[str, typer.Option(help="What has to be decided.")],
    who: Who,
    option: Annotated[list[str] | None, typer.Option(help="KEY=TEXT; may be given more than once.")] = None,
    decider: Annotated[str, typer.Option(help="Whose decision it is; left out: of the node itself.")] = "",
    since: Since = None,
    why: Why = "",
    not_public: Hidden = False,
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> None:
    """Open a record of a question that has to be decided."""
    options = dict(_option(each) for each in option or ())
    body = {
        "naam": name, "titel": title, "vraag": question, "wie": who, "waarom": why, "organisatie": decider,
        "opties": options, "openbaar": not not_public,
    } | ({"sinds": since} if since else {})  # fmt: skip
    found = Target(directory, organisation).ask(RECORDS, body, lambda node: _opened(node, body))
    emit(found, as_json, f"{name} is open, entry {found['entry']}.")


@app.command("note")
def note(
    name: Name,
    organisation: Whose,
    kind: Annotated[str, typer.Option(help="option, argument, known, unknown, consequence or advice.")],
    text: Text,
    who: Who,
    option: Annotated[str, typer.Option(help="Key of the option that it is about.")] = "",
    weighs: Annotated[str, typer.Option(help="Of an argument: for or against.")] = "",
    partner: Annotated[str, typer.Option(help="Of a consequence: for which organisation.")] = "",
    by: By = "",
    answers: Annotated[list[str] | None, typer.Option(help="Key of the unknown that it answers.")] = None,
    since: Since = None,
    source: Source = "",
    evidence: Evidence = None,
    replaces: Replaces = None,
    inferred: Annotated[bool, typer.Option("--inferred", help="No source says it in so many words.")] = False,
    not_public: Hidden = False,
    key: Key = "",
    why: Why = "",
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> None:
    """Add what was known or not, an option, an argument, a consequence or an advice. Nothing is overwritten."""
    body = _known(text, who, why, since, source, evidence, replaces, not_public, key) | {
        "soort": kind, "optie": option, "weegt": weighs, "organisatie": partner, "door": by, "afgeleid": inferred,
        "beantwoordt": list(answers or ()),
    }  # fmt: skip
    _add(Target(directory, organisation), name, "aantekeningen", "Note", body, as_json)


@app.command("decide")
def decide(
    name: Name,
    organisation: Whose,
    option: Annotated[str, typer.Option(help="Key of the option that was chosen.")],
    by: By,
    text: Text,
    who: Who,
    review: Annotated[str | None, typer.Option(help="The day on which to look again.")] = None,
    since: Since = None,
    source: Source = "",
    evidence: Evidence = None,
    replaces: Replaces = None,
    not_public: Hidden = False,
    key: Key = "",
    why: Why = "",
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> None:
    """Record who decided what, and when to look again."""
    body = _known(text, who, why, since, source, evidence, replaces, not_public, key)
    body |= {"optie": option, "door": by} | ({"herzien": review} if review else {})
    _add(Target(directory, organisation), name, "besluiten", "Decision", body, as_json)


@app.command("review")
def review(
    name: Name,
    organisation: Whose,
    by: By,
    text: Text,
    who: Who,
    next_: Annotated[str | None, typer.Option("--next", help="The day on which to look again.")] = None,
    since: Since = None,
    source: Source = "",
    evidence: Evidence = None,
    replaces: Replaces = None,
    not_public: Hidden = False,
    key: Key = "",
    why: Why = "",
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> None:
    """Record that a decision was looked at again, and what was said. Without --next it is not due again."""
    body = _known(text, who, why, since, source, evidence, replaces, not_public, key)
    body |= {"door": by} | ({"herzien": next_} if next_ else {})
    _add(Target(directory, organisation), name, "herzieningen", "Review", body, as_json)


@app.command("import")
def import_(
    name: Annotated[str, typer.Argument(help="A record of the chain folder.")],
    organisation: Whose,
    who: Who,
    why: Why = "",
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> None:
    """Write down a record of the chain folder at a node, as far as it is known by now; again it adds what is new."""

    def on_store(node: Node) -> dict[str, Any]:
        from keersluis import dossiers

        return dossiers.brought(node, name, who, why)

    body = {"naam": name, "wie": who, "waarom": why}
    found = Target(directory, organisation).ask(f"{RECORDS}/_invoer", body, on_store)
    text = f"{name}: {found['added']} added, {found['there']} were there, {found['later']} will be known later only."
    emit(found, as_json, text)


@app.command("check")
def check(
    name: Annotated[str | None, typer.Argument(help="A record, by name or file; left out: all of the folder.")] = None,
    organisation: From = None,
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> int:
    """Whether the folder's records are without faults; of a node: whether they are as its timeline tells (exit 1)."""
    if organisation is None:
        from keersluis.cli.record_files import counted

        found = counted(directory, name)
        emit(found, as_json, f"{found['records']} decision records with {found['items']} items, without faults.")
        return 0

    def on_store(node: Node) -> dict[str, Any]:
        from keersluis import dossiers

        return dossiers.verified(node)

    found = Target(directory, organisation).ask(f"{RECORDS}/_controle", None, on_store)
    said = f"{found['records']} decision records with {found['items']} items"
    emit(found, as_json, "\n".join([*found["faults"], f"{said}: " + ("ALTERED" if found["faults"] else "unaltered")]))
    return 1 if found["faults"] else 0


def _read(target: Target, path: str, known_on: str | None, recorded_on: str | None, public: bool) -> Any:
    def on_store(node: Node) -> dict[str, Any]:
        from keersluis import dossiers

        look = dossiers.looking(node, known_on, recorded_on, outside=public)
        return dossiers.shown(node, path[1:], look) if path else dossiers.listed(node, look)

    query = {"geldigOp": known_on, "beschikbaarOp": recorded_on, "openbaar": "true" if public else None}
    asked = urlencode({name: value for name, value in query.items() if value})
    return target.ask(RECORDS + path + (f"?{asked}" if asked else ""), None, on_store)


def _known(
    text: str,
    who: str,
    why: str,
    since: str | None,
    source: str,
    evidence: int | None,
    replaces: list[str] | None,
    hidden: bool,
    key: str,
) -> dict[str, Any]:
    """What every addition can have."""
    body = {
        "tekst": text, "wie": who, "waarom": why, "bron": source, "vervangt": list(replaces or ()),
        "openbaar": not hidden, "sleutel": key,
    }  # fmt: skip
    given = {"sinds": since, "bewijs": evidence}
    return body | {field: value for field, value in given.items() if value is not None}


def _add(target: Target, name: str, what: str, struct: str, body: dict[str, Any], as_json: bool) -> None:
    def on_store(node: Node) -> dict[str, Any]:
        from keersluis import dossiers
        from keersluis.web import api_records
        from keersluis.web.bodies import read_as

        told = read_as(json.dumps(body).encode(), getattr(api_records, struct))
        return dossiers.added(node, name, api_records.item_of(node, told), told.wie, told.waarom)

    found = target.ask(f"{RECORDS}/{name}/{what}", body, on_store)
    emit(found, as_json, f"{name}: {found['key']}, entry {found['entry']}.")


def _opened(node: Node, body: dict[str, Any]) -> dict[str, Any]:
    from keersluis import dossiers
    from keersluis.web.api_records import NewRecord, dossier_of
    from keersluis.web.bodies import read_as

    told = read_as(json.dumps(body).encode(), NewRecord)
    dossier, options = dossier_of(node, told)
    return dossiers.opened(node, dossier, options, told.wie, told.waarom)


def _option(text: str) -> tuple[str, str]:
    key, _, said = text.partition("=")
    if not (key.strip() and said.strip()):
        raise Incorrect("cli.usage", expected="KEY=TEXT", got=repr(text), where="--option")
    return key.strip(), said.strip()
