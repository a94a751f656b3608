#!/usr/bin/env python3
"""Writes `docs/commands.md` from what each command says of itself; the tests compare the two.

.venv/bin/python tools/commands_page.py > docs/commands.md
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib import import_module
from io import StringIO

import typer

os.environ["COLUMNS"] = "100"
os.environ["TERM"] = "dumb"

from keersluis.cli.main import COMMANDS, run

HEAD = """# Commands

What `--help` says, of every command. Made by `tools/commands_page.py`; the tests compare it with the program.
Exit codes: 0, what was said is durable; 1, it could not be done; 2, the input or a flag is wrong.
"""


def command_lines() -> Iterator[list[str]]:
    """Every command and command within a group, as the words after `keersluis`."""
    yield []
    for name in COMMANDS:
        yield [name]
        module = import_module(f"keersluis.cli.{name}")
        group = typer.main.get_command(module.app) if hasattr(module, "app") else None
        yield from ([name, inner] for inner in getattr(group, "commands", ()))


def help_of(words: list[str]) -> str:
    with redirect_stdout(StringIO()) as said:
        run([*words, "--help"])
    return "\n".join(line.rstrip() for line in said.getvalue().strip().splitlines())


def page() -> str:
    parts = [HEAD]
    for words in command_lines():
        title = " ".join(["keersluis", *words])
        parts.append(f"{'##' if len(words) < 2 else '###'} {title}\n\n```text\n{help_of(words)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
