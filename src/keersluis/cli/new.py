"""`keersluis new`: a chain folder of one's own, from one that is shipped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keersluis.chain import copy_template, load_chain
from keersluis.cli.output import AsJson, emit


def command(
    directory: Annotated[Path, typer.Argument(help="Where to make it: a new or empty folder.")],
    chain: Annotated[str, typer.Option(help="The shipped chain to start from.")] = "nl-justice",
    as_json: AsJson = False,
) -> None:
    """Make a chain folder of your own to edit: organisations, kinds of facts, routes, policies."""
    folder = copy_template(chain, directory)
    made = load_chain(folder)
    told = {
        "folder": str(folder),
        "chain": made.name,
        "organisations": len(made.organisations),
        "kinds": len(made.kinds),
    }
    sentence = (
        f"{folder}: the chain {made.name}, with {told['organisations']} organisations "
        f"and {told['kinds']} kinds of facts, is yours to edit."
    )
    emit(told, as_json, sentence)
