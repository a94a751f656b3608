"""`keersluis intake`: what is known to wait for entry: paper, mailboxes, systems that are down."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keersluis.cli.output import AsJson, emit
from keersluis.cli.target import Directory, Target, Whose
from keersluis.errors import Incorrect
from keersluis.words import translator

if TYPE_CHECKING:
    from keersluis.service import Node

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)

FIELDS = ("kind", "id", "occurred", "channel")
CHANNELS = "paper, mailbox or system-down."

KindPath = Annotated[str, typer.Option("--kind", help="Kind of facts, one of this organisation's own.")]
Id = Annotated[str, typer.Option(help="The id that the event will have; of a mailbag, a name for it.")]
Who = Annotated[str, typer.Option(help="Who says so.")]
Why = Annotated[str, typer.Option(help="Why.")]


@app.command("register")
def register(
    organisation: Whose,
    file: Annotated[
        Path | None, typer.Argument(help="CSV with a heading, or JSON lines: kind, id, occurred, channel.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Kind of facts, one of this organisation's own.")] = None,
    item: Annotated[str | None, typer.Option("--id", help="The id that the event will have.")] = None,
    occurred: Annotated[str | None, typer.Option(help="Date or time of the act; of a mailbag, of the oldest.")] = None,
    channel: Annotated[str, typer.Option(help=CHANNELS)] = "paper",
    count: Annotated[int | None, typer.Option(help="A mailbag of about so many acts, not known one by one.")] = None,
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> None:
    """Register acts that wait for entry: until they are entered, no promise passes them."""
    target = Target(directory, organisation)
    if count is not None:
        _mailbag(target, kind, item, count, occurred, channel, as_json)
        return
    rows = _read(file) if file else [_row(kind, item, occurred, channel)]
    body = [{"soort": k, "id": i, "gebeurd": o, "kanaal": c} for k, i, o, c in rows]
    done = target.ask("/v0/inname/wachtend", body, lambda node: {"registered": node.register_waiting(rows)})
    emit(done, as_json, f"{done['registered']:,} acts are registered as waiting for entry.")


def _row(kind: str | None, item: str | None, occurred: str | None, channel: str) -> tuple[str, str, str, str]:
    if not (kind and item and occurred):
        expected = "a file, or --kind, --id and --occurred"
        raise Incorrect("cli.usage", expected=expected, got="neither", where="intake register")
    return kind, item, occurred, channel


def _mailbag(
    target: Target, kind: str | None, item: str | None, count: int, occurred: str | None, channel: str, as_json: bool
) -> None:
    kind, item, occurred, channel = _row(kind, item, occurred, channel)
    body = {"soort": kind, "id": item, "aantal": count, "oudste": occurred, "kanaal": channel}

    def act(node: Node) -> dict[str, int]:
        from keersluis import completing

        completing.register_mailbag(node, kind, item, count, occurred, channel)
        return {"registered": count}

    done = target.ask("/v0/inname/postzakken", body, act)
    emit(done, as_json, f"About {count:,} acts wait unopened in {item}: no promise of {kind} passes {occurred}.")


def _read(file: Path) -> list[tuple[str, str, str, str]]:
    """Every row, or Incorrect `intake.faults` naming each faulty line."""
    rows: list[tuple[str, str, str, str]] = []
    faults: list[str] = []
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise Incorrect("intake.unreadable", expected="UTF-8 text", got=str(error), where=str(file)) from None
    for number, row in _json_rows(lines) if file.suffix in (".jsonl", ".ndjson", ".json") else _csv_rows(lines):
        told = row if isinstance(row, dict) else {}
        values = [told.get(name) or ("paper" if name == "channel" else "") for name in FIELDS]
        lacking = [name for name, value in zip(FIELDS, values, strict=True) if not isinstance(value, str) or not value]
        if lacking:
            faults.append(f"{file} line {number}: expected {', '.join(FIELDS)}, got no {', '.join(lacking)}")
        else:
            rows.append((values[0], values[1], values[2], values[3]))
    if faults:
        raise Incorrect("intake.faults", expected="rows that can all be registered", got=faults[0], faults=faults)
    return rows


def _json_rows(lines: list[str]) -> list[tuple[int, Any]]:
    found: list[tuple[int, Any]] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append((number, json.loads(line)))
            except ValueError:
                found.append((number, None))
    return found


def _csv_rows(lines: list[str]) -> list[tuple[int, Any]]:
    separator = ";" if lines and ";" in lines[0] else ","
    reader = csv.DictReader(lines, delimiter=separator)
    return [(reader.line_num, row) for row in reader]


@app.command("enter")
def enter(
    organisation: Whose,
    file: Annotated[Path | None, typer.Argument(help="CloudEvents, one JSON object a line.")] = None,
    kind: Annotated[str | None, typer.Option(help="Without a file: the kind of the one event.")] = None,
    item: Annotated[str | None, typer.Option("--id", help="Without a file: its id, as it was registered.")] = None,
    occurred: Annotated[str | None, typer.Option(help="Without a file: date or time of the act.")] = None,
    data: Annotated[str | None, typer.Option(help="Without a file: the payload, a JSON object.")] = None,
    system: Annotated[str, typer.Option(help="Without a file: the system it comes from.")] = "intake",
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> None:
    """Enter what waited: publish events. Those that were registered wait no longer."""
    from keersluis.cli import publish

    if file is not None:
        publish.command(file, organisation, directory, check=False, as_json=as_json)
        return
    target = Target(directory, organisation)
    (done,) = publish.accepted(target, [_event(target, kind, item, occurred, data, system)])
    emit(done, as_json, f"{done['id']} is entered as event {done['position']} of {done['kind']}.")


def _event(
    target: Target, kind: str | None, item: str | None, occurred: str | None, data: str | None, system: str
) -> bytes:
    """A CloudEvent of the fields given."""
    kind, item, occurred, payload = _row(kind, item, occurred, data or "")
    leaf, me = target.chain.kinds.get(kind), target.chain.organisations[target.organisation]
    if leaf is None:
        raise Incorrect("intake.foreign-kind", expected=f"a kind of which {me.key} is the source", got=repr(kind))
    try:
        read = json.loads(payload)
    except ValueError:
        raise Incorrect("cli.usage", expected="a JSON object", got=payload[:80] or "none", where="--data") from None
    event = {
        "specversion": "1.0",
        "id": item,
        "source": f"urn:nld:oin:{me.oin}:systeem:{system}",
        "type": target.chain.ce_type(leaf),
        "occurred": occurred,
        "datacontenttype": "application/json",
        "data": read,
    }
    return json.dumps(event, ensure_ascii=False).encode()


@app.command("opened")
def opened(
    organisation: Whose,
    kind: KindPath,
    item: Annotated[str, typer.Option("--id", help="The mailbag.")],
    count: Annotated[int, typer.Option(help="How many were opened.")],
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> None:
    """So many of a mailbag were opened: what was in them is entered, or registered by its own id."""

    def act(node: Node) -> dict[str, int]:
        from keersluis import completing

        return {"left": completing.open_mailbag(node, kind, item, count)}

    body = {"soort": kind, "id": item, "aantal": count}
    done = Target(directory, organisation).ask("/v0/inname/postzakken/_open", body, act)
    emit(done, as_json, f"{done['left']:,} are left. The bag holds promises back until it is closed.")


@app.command("close")
def close(
    organisation: Whose,
    kind: KindPath,
    item: Annotated[str, typer.Option("--id", help="The mailbag.")],
    who: Who,
    why: Why,
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> None:
    """Nothing of a mailbag waits any longer."""

    def act(node: Node) -> dict[str, str]:
        from keersluis import completing

        completing.close_mailbag(node, kind, item, who, why)
        return {"closed": item}

    body = {"soort": kind, "id": item, "wie": who, "waarom": why}
    done = Target(directory, organisation).ask("/v0/inname/postzakken/_sluit", body, act)
    emit(done, as_json, f"The mailbag {item} is closed.")


@app.command("withdraw")
def withdraw(
    organisation: Whose,
    kind: KindPath,
    ids: Annotated[list[str], typer.Option("--id", help="An act that was registered by mistake; may be repeated.")],
    who: Who,
    why: Why,
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> None:
    """Acts were registered by mistake. To undo this, register them again."""

    def act(node: Node) -> dict[str, int]:
        from keersluis import completing

        return {"withdrawn": completing.withdraw(node, [(kind, each) for each in ids], who, why)}

    body = {"soort": kind, "ids": ids, "wie": who, "waarom": why}
    done = Target(directory, organisation).ask("/v0/inname/_trek-in", body, act)
    emit(done, as_json, f"{done['withdrawn']:,} acts wait no longer.")


@app.command("list")
def list_(organisation: Whose, directory: Directory = Path(), as_json: AsJson = False) -> None:
    """What waits to be entered, with its age, oldest first."""

    def act(node: Node) -> dict[str, Any]:
        from keersluis import completing

        return completing.waiting(node)

    told = Target(directory, organisation).ask("/v0/inname/wachtend", None, act)
    lines = [f"{each['kind']:34} {each['channel']:12} {each['count']:>7,}  {_age(each)}" for each in told["groups"]]
    lines += [
        f"{each['kind']:34} {each['channel']:12} {each['count']:>7,}  {_age(each)}, mailbag {each['id']}"
        for each in told["mailbags"]
    ]
    lines += [f"  {each['oldest']}  {each['kind']}  {each['id']}" for each in told["items"]]
    emit(told, as_json, "\n".join(lines) or "Nothing is registered as waiting for entry.")


def _age(each: dict[str, Any]) -> str:
    return f"oldest {each['oldest']}, {translator('en').duration(each['age_seconds'] * 1_000_000)} ago"
