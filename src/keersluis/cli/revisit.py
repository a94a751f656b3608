"""`keersluis revisit`: decisions that came out different, worst first; close one when it was dealt with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keersluis.cli.output import AsJson, emit
from keersluis.cli.target import Directory, Target, Whose

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command("list")
def list_(organisation: Whose, directory: Directory = Path(), as_json: AsJson = False) -> None:
    """The desk: worst first, each with its reason in one sentence."""
    told = Target(directory, organisation).call("/v0/herzieningen")["revisits"]
    lines = [
        f"{each['gravity']:4} {each['id']:28} {each['was']['en']} -> {each['now']['en']}: {each['because_en']}"
        for each in told
    ]
    emit(told, as_json, "\n".join(lines) or "Nothing lies on the desk.")


@app.command("close")
def close(
    decision: Annotated[str, typer.Argument(help="Id of the decision.")],
    organisation: Whose,
    who: Annotated[str, typer.Option(help="Who dealt with it.")],
    why: Annotated[str, typer.Option(help="What was done.")],
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> None:
    """Say that a revisit has been dealt with."""
    told = Target(directory, organisation).call(f"/v0/herzieningen/{decision}", {"wie": who, "waarom": why})
    emit(told, as_json, f"{decision} is off the desk.")
