"""`keersluis reserve`: doubt about what a source recorded, set and lifted at the register, reaffirmed by the source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from keersluis.cli.output import AsJson, emit
from keersluis.cli.target import Directory, Target, Whose

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)

Who = Annotated[str, typer.Option(help="Who orders it.")]
Why = Annotated[str, typer.Option(help="Why.")]
Kinds = Annotated[list[str] | None, typer.Option("--kind", help="Only these kinds; may be given more than once.")]


@app.command("set")
def set_(
    organisation: Whose,
    source: Annotated[str, typer.Option(help="The organisation whose facts are in doubt.")],
    since: Annotated[str, typer.Option(help="From when on (RFC 3339): what was entered or came in since then.")],
    who: Who,
    why: Why,
    directory: Directory = Path(),
    until: Annotated[str | None, typer.Option(help="Until when; left out: until now.")] = None,
    kind: Kinds = None,
    as_json: AsJson = False,
) -> None:
    """Make a reservation: what was settled on these facts is provisional again, and askers are told."""
    from keersluis import reserving
    from keersluis.times import parse_instant

    kinds = list(kind or [])
    order: dict[str, Any] = {"bron": source, "van": since, "wie": who, "waarom": why, "soorten": kinds, "tot": until}
    first, last = parse_instant(since), None if until is None else parse_instant(until)
    found = Target(directory, organisation).ask(
        "/v0/voorbehouden",
        order,
        lambda node: reserving.reserve(node, source, kinds, first, last, who, why),
    )
    emit(found, as_json, f"Reservation {found['n']}: {found['facts']} facts, {found['answers']} answers given again.")


@app.command("lift")
def lift(
    organisation: Whose,
    number: Annotated[int, typer.Argument(help="The number of the reservation.")],
    who: Who,
    why: Why,
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> None:
    """Lift a reservation by somebody's word."""
    from keersluis import reserving

    order = {"nummer": number, "wie": who, "waarom": why}
    found = Target(directory, organisation).ask(
        "/v0/voorbehouden/_opheffen",
        order,
        lambda node: reserving.lift(node, number, who, why),
    )
    emit(found, as_json, f"Lifted; {found['answers']} answers rest on no doubt any more.")


@app.command("list")
def list_(organisation: Whose, directory: Directory = Path(), as_json: AsJson = False) -> None:
    """All reservations, newest first."""
    from keersluis import reserving

    found = Target(directory, organisation).ask(
        "/v0/voorbehouden",
        None,
        lambda node: {"reservations": reserving.listed(node)},
    )["reservations"]
    lines = [
        f"{each['n']:>4}  {each['source']:10} {each['since']} to {each['until']}  {each['facts']} facts in doubt  "
        f"{each['who']}: {each['why']}" + (f"; lifted {each['lifted_at']}" if each["lifted_at"] else "")
        for each in found
    ]
    emit(found, as_json, "\n".join(lines) or "No reservation was ever made.")


@app.command("reaffirm")
def reaffirm(
    organisation: Whose, who: Who, why: Why, directory: Directory = Path(), kind: Kinds = None, as_json: AsJson = False
) -> None:
    """As the source: we checked our streams and stand by them, signed with the key of now. The node must run.

    Exit code 1 when a receiver could not be told; run it again then.
    """
    order = {"soorten": list(kind or []), "wie": who, "waarom": why}
    found = Target(directory, organisation).call("/v0/herbevestigingen", order)
    lines = [f"{each['kind']}: {each['peer']} {each['code'] or 'was told'}" for each in found["told"]]
    emit(found, as_json, "\n".join(lines) or "There is nothing to stand by.")
    if any(each["code"] for each in found["told"]):
        raise typer.Exit(1)


@app.command("statement")
def statement(
    organisation: Whose,
    file: Annotated[Path, typer.Argument(help="A source's signed statement, carried by hand.")],
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> None:
    """As the register: take a source's statement from a file."""
    from keersluis import reserving

    note = file.read_text(encoding="utf-8")
    found = Target(directory, organisation).ask(
        "/v0/voorbehouden/_herbevestigd",
        {"verklaring": note},
        lambda node: reserving.reaffirmed(node, note),
    )
    emit(found, as_json, f"Reaffirmed; {len(found['ended'])} reservations ended.")
