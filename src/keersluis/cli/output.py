"""What every command says, and how: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from keersluis.errors import Conflict, Incorrect, KeersluisError
from keersluis.words import translator

MOST_FAULTS = 100
"""So many at once on standard error; the rest is counted."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value for programs.")]


def language() -> str:
    """The reader's language, from the environment as other programs have it: nl, or else en."""
    asked = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return "nl" if asked.lower().startswith("nl") else "en"


def emit(value: Any, as_json: bool, text: str = "") -> None:
    """Print `value` as one line of JSON, or `text` for people (when empty: `value` line by line)."""
    if as_json:
        typer.echo(json.dumps(value, ensure_ascii=False, default=str))
    else:
        typer.echo(text or "\n".join(_lines(value)))


def _lines(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        width = max((len(str(name)) for name in value), default=0)
        return [f"{name!s:<{width}}  {_cell(item)}" for name, item in value.items()]
    return [_cell(item) for item in value] if isinstance(value, list | tuple) else [str(value)]


def _cell(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else str(value)


def fail(error: KeersluisError, as_json: bool) -> int:
    """Say on standard error what is wrong, with `as_json` also on standard output; return the exit code."""
    if as_json:
        told = error.problem()
        told["title"] = translator(language()).problem(error.code) or told["title"]
        typer.echo(json.dumps(told, ensure_ascii=False, default=str))
    _ = translator(language())
    sentences = error.faults if isinstance(error, Incorrect) and error.faults else [str(error)]
    if len(sentences) > MOST_FAULTS:
        sentences = [*sentences[:MOST_FAULTS], f"and {len(sentences) - MOST_FAULTS} more"]
    plain = _.problem(error.code)
    if len(sentences) == 1:
        plain, sentences = "", [f"{plain} {sentences[0]}".strip()]
    for sentence in filter(None, [plain, *sentences]):
        print(f"keersluis: {sentence}", file=sys.stderr)
    return 2 if isinstance(error, Incorrect | Conflict) else 1
