"""The command `keersluis`: which commands there are, and how their errors end.

Exit codes: 0 what was said is durable; 1 it could not be done; 2 the input or a flag is wrong, or at odds with
what is there; 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from keersluis.cli.output import fail
from keersluis.errors import Incorrect, KeersluisError
from keersluis.version import VERSION

COMMANDS = {
    "demo": "Run a whole chain on this machine: cut off, come back, settle.",
    "new": "Make a chain folder of your own to edit.",
    "up": "Run the organisations of a chain folder, on the real clock.",
    "status": "Until when each source is complete, what is open, what waits.",
    "service": "What the organisations work with, its state, and how to deliver meanwhile.",
    "gate": "Close, meter or open a gate, and see the orders in force.",
    "intake": "What waits to be entered: paper, mailboxes, systems that are down.",
    "keys": "Whose keys count, and the change of one: rotate, revoke, add; certificates.",
    "publish": "Feed events to a node, each exactly once.",
    "adaptor": "Deliver from a folder or a database outbox, by a mapping.",
    "paper": "Print events as letters, enter letters from scans.",
    "bundle": "Carry streams and receipts by hand: export, inspect, import, receipt.",
    "reconcile": "Compare what was published with the system of record, and mend what is missing.",
    "register": "Look up facts as they held, and as they were known.",
    "decide": "Take decisions on answers of the register.",
    "revisit": "Decisions that came out different, worst first.",
    "recover": "Get a node's past back after an old backup was put back.",
    "reserve": "Doubt what a source recorded, until it stands by it.",
    "timeline": "Verify and read the signed log, offline.",
    "plan": "Plans for coming back: stages, evidence, go and no-go, rollback.",
    "backlog": "When a backlog will be gone, and how good such forecasts were.",
    "record": "What was known, unknown, advised and decided, as of any day.",
    "replay": "Send a real event log through a chain with a cut, and compare.",
    "simulate": "Run seeded faults against the promises.",
    "bench": "Figures against peers measured in the same run, with their aims.",
}
"""Each is a file of this package: `app` (a group of commands) or `command` (a single one)."""


def build(wanted: Sequence[str]) -> typer.Typer:
    """The application with the commands in `wanted` loaded; of the others it knows name and purpose only."""
    app = typer.Typer(name="keersluis", add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback(help="A guard lock for a chain of organisations that live on each other's data.")(_options)
    for name, purpose in COMMANDS.items():
        if name not in wanted:
            app.command(name, help=purpose)(_not_loaded)
            continue
        module = import_module(f"keersluis.cli.{name}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name, help=purpose)
        else:
            app.command(name, short_help=purpose)(module.command)
    return app


def _not_loaded() -> None:
    """Stands for a command in the list of commands."""


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"keersluis {VERSION}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The options before the command."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    name = next((word for word in arguments if not word.startswith("-")), "")
    command = typer.main.get_command(build([name]))
    try:
        outcome = command.main(args=list(arguments) or ["--help"], prog_name="keersluis", standalone_mode=False)
    except KeersluisError as error:
        return fail(error, "--json" in arguments)
    except typer.TyperException as error:
        return fail(_usage(error, name), "--json" in arguments)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        return fail(_file(error), "--json" in arguments)
    except typer.Abort:
        return 130
    return outcome if isinstance(outcome, int) else 0


def _usage(error: typer.TyperException, name: str) -> Incorrect:
    """A wrong flag or argument, as our own kind of error."""
    command = f"keersluis {name}" if name in COMMANDS else "keersluis"
    got = error.format_message().rstrip(".").removeprefix("Got ")
    return Incorrect(
        "cli.usage",
        expected=f"a command line as `{command} --help` describes it",
        got=got[:1].lower() + got[1:],
        where=name if name in COMMANDS else "",
    )


def _file(error: OSError) -> Incorrect:
    """A file that is not there or may not be opened; readers of files say more where they can."""
    reason = (error.strerror or type(error).__name__).lower()
    return Incorrect("cli.file", expected="a file or folder to work with", got=reason, where=str(error.filename))


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
