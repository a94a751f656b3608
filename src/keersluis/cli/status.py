"""`keersluis status`: until when each source is complete here, what is open, what waits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from keersluis.cli.output import AsJson, emit, language
from keersluis.cli.target import Target, is_down
from keersluis.errors import Unavailable
from keersluis.times import SECOND
from keersluis.words import Translator, translator


class _Shows(TyperGroup):
    """`keersluis status DIR` shows; only what is the name of a command is taken for one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = next((each for each in args if not each.startswith("-")), None)
        if named not in self.commands and not (args and args[0] == "--help"):
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_Shows, no_args_is_help=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command("show")
def command(
    directory: Annotated[Path, typer.Argument(help="The chain folder that `keersluis up` runs.")] = Path(),
    organisation: Annotated[str | None, typer.Option("--organisation", "-o", help="One node; default all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Until when each source is complete, what is open, what waits."""
    from keersluis.chain import load_chain

    keys = [organisation] if organisation else [each.key for each in load_chain(directory).nodes]
    told = [stand(Target(directory, key)) for key in keys]
    emit(told, as_json, "\n".join(line for each in told for line in _lines(each)))


@app.command("export")
def export(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write; a former export there is replaced.")],
    directory: Annotated[Path, typer.Option("--dir", "-d", help="The chain folder that `keersluis up` runs.")] = Path(),
    organisation: Annotated[str | None, typer.Option("--organisation", "-o", help="One node; default all.")] = None,
    valid: Annotated[str, typer.Option(help="For how long it may be relied on, as 24h or 2d.")] = "24h",
    theme_css: Annotated[Path | None, typer.Option(help="A style sheet of your own, loaded after ours.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write what partners and the public may know as static files: pages (nl, en), JSON, Atom; no script, no server.

    Of a node that does not run its store is read, and gates do not matter. Whole or not at all.
    """
    from keersluis.cli import public

    public.export(out, directory, organisation, valid, theme_css, as_json)


def stand(target: Target) -> dict[str, Any]:
    """The node's status: from itself, or from its store when it does not run."""
    try:
        told: dict[str, Any] = target.call("/v0/stand")
    except Unavailable as error:
        if not is_down(error):
            raise
        from keersluis import status

        with target.node() as node:
            told = status.of(node) | {"running": False}
    return told


def _lines(told: dict[str, Any]) -> list[str]:
    head = f"{told['name']['en']} ({told['organisation']}), {told['now']}"
    lines = [head if told.get("running", True) else f"{head}: the node does not run, this is its store"]
    lines += [
        f"  {each['kind']:34} complete through {each['complete_through']:27} {each['state']}"
        for each in told["watermarks"]
    ]
    _ = translator(language())
    lines += [_stream(_, stream, peer) for stream in told["streams"] for peer in stream["peers"]]
    lines += _completeness(told)
    counts = told["decisions"]
    if counts["total"]:
        lines.append("  decisions: " + ", ".join(f"{counts[name]:,} {name}" for name in counts))
    return lines


def _completeness(told: dict[str, Any]) -> list[str]:
    """What is wrong with the promises: entry that takes too long, and promises that were broken."""
    lines = [
        f"  {each['kind']:34} entry takes {_span(each['lag']['measured_seconds'])} "
        f"({each['lag']['samples']:,} acts), declared {_span(each['lag']['declared_seconds'])}: promises wait for it"
        for each in told["streams"]
        if each["lag"]["exceeded"]
    ]
    lines += [
        f"  {each['kind']:34} {each['source']} broke its promise for {each['count']:,} acts, "
        f"delays up to {_span(each['longest_delay_seconds'])}, the last at {each['last']}"
        for each in told["breach_summary"]
    ]
    for whose, word in (("own", "was never published"), ("heard", "is missing, says its source")):
        lines += [
            f"  {each['kind']:34} from {each['since']} to {each['until']} something {word}"
            for each in told["gaps"][whose]
            if each["filled_at"] is None
        ]
    return lines


def _span(seconds: int) -> str:
    return translator("en").duration(seconds * 1_000_000)


def _stream(_: Translator, stream: dict[str, Any], peer: dict[str, Any]) -> str:
    """What waits of one stream for one peer: how much, how old, how fast, until when."""
    parts = [_.plural("{count} waits", "{count} wait", peer["backlog"]) if peer["backlog"] else _("nothing waits")]
    if peer["backlog"]:
        parts.append(_("the oldest of {moment}", moment=peer["oldest"]))
    if peer.get("rate"):
        parts.append(_("{rate} a second", rate=f"{peer['rate']:g}"))
    if peer["backlog"]:
        parts.append(_caught_up(_, peer["catch_up"]))
    if stream["waiting"]:
        parts.append(_("{count} not entered", count=stream["waiting"]))
    to, said = _("to"), ", ".join(part for part in parts if part)
    return f"  {stream['kind']:34} {to} {peer['peer']:10} {peer['state']:8} {said}"


def _caught_up(_: Translator, told: dict[str, Any]) -> str:
    if told["state"] == "expected":
        after = _.duration(told["seconds"] * SECOND)
        return _("caught up at about {moment}, in {after}", moment=told["at"], after=after)
    return {
        "gate-closed": _("until the gate opens"),
        "not-at-this-rate": _("not caught up at this rate"),
        "not-known": _("caught up when is not known yet"),
    }.get(told["state"], "")
