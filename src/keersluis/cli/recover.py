"""`keersluis recover`: a node whose store came back from an old backup gets its past back, or goes on without it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from keersluis.cli.output import AsJson, emit
from keersluis.cli.target import Directory, Target, Whose

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)

Who = Annotated[str, typer.Option(help="Who orders it.")]
Why = Annotated[str, typer.Option(help="Why.")]
Kind = Annotated[str, typer.Option(help="Kind of facts, a leaf.")]


@app.command("show")
def show(organisation: Whose, directory: Directory = Path(), as_json: AsJson = False) -> None:
    """Which streams are behind what partners hold, what lies in conflict, what nobody confirmed yet."""
    target = Target(directory, organisation)
    from keersluis import restoring

    found = target.ask("/v0/herstel", None, restoring.state)
    emit(found, as_json, "\n".join(_lines(found)) or "Nothing of a restore is unfinished.")


@app.command("check")
def check(organisation: Whose, directory: Directory = Path(), as_json: AsJson = False) -> None:
    """Ask every receiver now what it holds of our streams. The node must run."""
    found = Target(directory, organisation).call("/v0/herstel/_controle", {})
    emit(found, as_json, "\n".join([*_answers(found), *_lines(found)]))


@app.command("take-back")
def take_back(organisation: Whose, who: Who, why: Why, directory: Directory = Path(), as_json: AsJson = False) -> None:
    """Take lost events back from the partners that hold them, verified by our own signatures. The node must run.

    Exit code 1 when something is still behind; what came back is durable all the same.
    """
    found = Target(directory, organisation).call("/v0/herstel/terughalingen", {"wie": who, "waarom": why})
    told = [
        f"{each['kind']}: events {each['first']} to {each['through']} came back from {each['peer']}; of those accepted "
        f"meanwhile {each['again']} numbered again, {each['duplicates']} here already, {each['conflicts']} in conflict."
        for each in found["taken"]
    ]
    told += [f"{each['kind']}: not from {each['peer']}: {each['detail']}" for each in found["refused"]]
    emit(found, as_json, "\n".join([*_answers(found), *told, *_lines(found)]))
    if found["behind"]:
        raise typer.Exit(1)


@app.command("new-epoch")
def new_epoch(
    organisation: Whose,
    kind: Kind,
    who: Who,
    why: Why,
    directory: Directory = Path(),
    even_so: Annotated[bool, typer.Option("--even-so", help="Also where no partner is known to hold more.")] = False,
    as_json: AsJson = False,
) -> None:
    """Go on in a new epoch of a stream whose lost events cannot be had back; receivers keep both. The node must run."""
    order = {"soort": kind, "wie": who, "waarom": why, "toch": even_so}
    found = Target(directory, organisation).call("/v0/herstel/tijdperken", order)
    emit(found, as_json, f"{found['origin']} is open; it says where it continues the old one.")


@app.command("confirm")
def confirm(
    organisation: Whose,
    who: Who,
    why: Why,
    directory: Directory = Path(),
    kind: Annotated[list[str] | None, typer.Option(help="Only these kinds; may be given more than once.")] = None,
    as_json: AsJson = False,
) -> None:
    """Somebody checked in the system of record that everything is here again: the streams promise again."""
    target, kinds = Target(directory, organisation), list(kind or [])
    from keersluis import restoring

    found = target.ask(
        "/v0/herstel/bevestigingen",
        {"soorten": kinds, "wie": who, "waarom": why},
        lambda node: restoring.confirm(node, kinds, who, why),
    )
    emit(found, as_json, f"Confirmed: {', '.join(found['confirmed']) or 'nothing was waiting for it'}.")


@app.command("solve")
def solve(
    organisation: Whose,
    kind: Kind,
    event: Annotated[str, typer.Option(help="The id of the event.")],
    who: Who,
    why: Why,
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> None:
    """An event whose key had been used before the restore for something else is dealt with."""
    target = Target(directory, organisation)
    from keersluis import restoring

    found = target.ask(
        "/v0/herstel/conflicten",
        {"soort": kind, "id": event, "wie": who, "waarom": why},
        lambda node: {"solved": restoring.solve_conflict(node, kind, event, who, why)},
    )
    emit(found, as_json, "Solved." if found["solved"] else "No such event lay in conflict.")


def _answers(found: dict[str, Any]) -> list[str]:
    return [f"{peer}: {code or 'answered'}" for peer, code in found["answers"].items()]


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [
        f"{each['kind']}: {each['peer']} holds {each['size']} events of {each['origin']} ({each['code']}); nothing of "
        "this stream is sent"
        for each in found["behind"]
    ]
    lines += [f"{each['kind']}: event {each['id']} has a key that was used before" for each in found["conflicts"]]
    lines += [f"{kind}: nobody confirmed yet that everything is here again" for kind in found["unconfirmed"]]
    lines += [
        f"{each['origin']} continues {each['continues']} after event {each['size']}"
        + (f"; {each['beyond']} events beyond that are kept" if each["beyond"] else "")
        for each in found["epochs"]
    ]
    return lines
