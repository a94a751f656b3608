"""`keersluis plan weigh` and `plan schedule`: what waits for which stage, and the best order of a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keersluis.cli.output import AsJson, emit, language
from keersluis.cli.target import Directory, Target
from keersluis.errors import Incorrect, KeersluisError
from keersluis.words import Translator, translator

if TYPE_CHECKING:
    from keersluis.chain import Chain
    from keersluis.recovery.weights import Tally

Plan = Annotated[str | None, typer.Argument(help="The plan, by its name; may be left out where there is one.")]
At = Annotated[
    list[str] | None,
    typer.Option("--at", help="Count the decisions of this organisation; may be given more than once [all deciders]."),
]
Files = Annotated[
    list[Path] | None,
    typer.Option("--file", help="Add counts that `plan weigh --json` wrote elsewhere; may be given more than once."),
]


def add(app: typer.Typer) -> None:
    """Put the two commands into the group."""
    app.command("weigh")(weigh)
    app.command("schedule")(schedule)


def weigh(
    plan: Plan = None, directory: Directory = Path(), at: At = None, file: Files = None, as_json: AsJson = False
) -> None:
    """Count the decisions that wait, by missing stream and by stage, with their gravity."""
    from keersluis import ordering

    chain, name = _plan(directory, plan, needed=False)
    tallies, silent = _tallies(directory, chain, at, file or [])
    if name is None:
        from keersluis.recovery.plan_order import Standing

        told = ordering.weighed(tallies, chain, None, Standing())
    else:
        told = _asked(
            directory, chain, name, "_wegen", _body(tallies), lambda node: ordering.weigh(node, name, tallies),
            lambda plan, standing: ordering.weighed(tallies, chain, plan, standing),
        )  # fmt: skip
    _tell_silent(silent)
    emit(told, as_json, "\n".join(_weighed(translator(language()), told)))


def schedule(
    plan: Plan = None,
    directory: Directory = Path(),
    at: At = None,
    file: Files = None,
    branches: Annotated[int, typer.Option(help="How many branches the search for a proof looks at, at most.")] = 5000,
    as_json: AsJson = False,
) -> None:
    """Propose the order in which what waits waits least, with dates, and what the planned order costs more."""
    from keersluis import ordering

    if not 0 <= branches <= ordering.MOST_BRANCHES:
        expected = f"--branches from 0 to {ordering.MOST_BRANCHES}"
        raise Incorrect("plan.branches", expected=expected, got=str(branches))
    chain, name = _plan(directory, plan)
    assert name is not None
    tallies, silent = _tallies(directory, chain, at, file or [])
    told = _asked(
        directory, chain, name, "_volgorde", _body(tallies) | {"takken": branches},
        lambda node: ordering.order(node, name, tallies, branches),
        lambda plan, standing: ordering.scheduled(plan, tallies, chain, standing, branches),
    )  # fmt: skip
    _tell_silent(silent)
    emit(told, as_json, "\n".join(_scheduled(translator(language()), told, chain)))


# -- asking ------------------------------------------------------------------------------------------------------------


def _plan(directory: Path, name: str | None, *, needed: bool = True) -> tuple[Chain, str | None]:
    from keersluis.chain import load_chain
    from keersluis.recovery.planfiles import plans

    chain = load_chain(directory)
    if name is not None:
        return chain, name
    known = plans(chain)
    if len(known) == 1:
        return chain, known[0]
    if not needed:
        return chain, None
    expected = "the name of a plan: " + (", ".join(known) or "this chain has none")
    raise Incorrect("plan.not-found", expected=expected, got="none")


def _tallies(directory: Path, chain: Chain, at: list[str] | None, files: list[Path]) -> tuple[list[Tally], list[str]]:
    """(tallies, sentences about nodes that gave none). With files and without --at only the files count."""
    import msgspec

    from keersluis import ordering
    from keersluis.recovery.weights import Tally, deciders, read_tallies

    found = [each for path in files for each in read_tallies(_read(path), str(path))]
    silent = []
    for key in at if at is not None else ([] if files else deciders(chain)):
        try:
            told = Target(directory, key).ask("/v0/herstelplannen/_telling", None, ordering.tally)
            found.append(msgspec.convert(msgspec.to_builtins(told), Tally))
        except KeersluisError as error:
            if at is not None and error.code == "cli.organisation":
                raise
            silent.append(f"{key}: {error}")
    return found, silent


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Incorrect(
            "weights.unreadable", expected="a file that can be read", got=error.strerror or "none", where=str(path)
        ) from None


def _body(tallies: list[Tally]) -> dict[str, Any]:
    import msgspec

    return {"tellingen": msgspec.to_builtins(tallies)}


def _asked(
    directory: Path,
    chain: Chain,
    name: str,
    what: str,
    body: Mapping[str, Any],
    on_store: Callable[[Any], Any],
    on_file: Callable[[Any, Any], dict[str, Any]],
) -> dict[str, Any]:
    """Of the node that keeps the plan, which knows what is done; of a chain folder that was never started, its file."""
    from keersluis.recovery.plan_order import Standing
    from keersluis.recovery.planfiles import find_plan, load_plan

    plan = load_plan(find_plan(name, chain), chain)
    try:
        found: dict[str, Any] = Target(directory, plan.organisation).ask(
            f"/v0/herstelplannen/{plan.name}/{what}", dict(body), on_store
        )
    except Incorrect as error:
        if error.code != "cli.no-home":
            raise
        return on_file(plan, Standing())
    return found


def _tell_silent(silent: list[str]) -> None:
    _ = translator(language())
    for sentence in silent:
        typer.echo(_("No word from {sentence}", sentence=sentence), err=True)


# -- telling -----------------------------------------------------------------------------------------------------------


def _weighed(_: Translator, told: Mapping[str, Any]) -> list[str]:
    from keersluis.recovery.order_words import counted, reservations

    lines = [counted(_, told), *reservations(_, told)]
    if told["streams"]:
        lines += ["", _("By missing stream: decisions that wait for it; for it alone; held; weight")]
        names: tuple[str, ...] = ("decisions", "alone", "held", "weight")
        lines += [f"  {row['source'] or '-':8} {row['kind']:30} {_figures(_, row, names)}" for row in told["streams"]]
    if told["stages"]:
        lines += ["", _("By stage, as planned: decisions that it settles; if done alone; that wait for it; weight")]
        names = ("settles", "alone", "holds_up", "settles_weight")
        lines += [f"  {row['stage']:39} {_figures(_, row, names)}" for row in told["stages"]]
    return lines


def _figures(_: Translator, row: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return "  ".join(f"{_.number(row[name]):>9}" for name in names)


def _scheduled(_: Translator, told: Mapping[str, Any], chain: Chain) -> list[str]:
    from keersluis.recovery.order_words import certainty, compared, counted, headline, reservations
    from keersluis.times import parse_instant

    lines = [headline(_, told), certainty(_, told), counted(_, told), *reservations(_, told), ""]
    for row in told["stages"]:
        start, end, planned = (
            _.short_moment(parse_instant(row[name]), chain.timezone) for name in ("start", "end", "planned_end")
        )
        parts = [_.pick(row["title"]), _("planned until {moment}", moment=planned)]
        if told["decisions"]:
            parts.append(_.plural("settles {count} decision", "settles {count} decisions", row["settles"]))
        lines.append(f"  {start:>19} - {end:<19} {'; '.join(parts)}")
    return [*lines, "", *compared(_, told, chain.timezone)]
