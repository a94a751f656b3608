"""`keersluis backlog forecast --plan` and `what-if`: forecasts by simulated paths, and what a change would do."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keersluis.cli.output import AsJson, emit, language
from keersluis.cli.target import Target
from keersluis.errors import Incorrect
from keersluis.words import Translator, translator

if TYPE_CHECKING:
    from keersluis.recovery.accounts import Account
    from keersluis.recovery.building import Built

PlanFile = Annotated[
    Path | None,
    typer.Option("--plan", help="Plan of arrivals, capacity and gates (TOML): then by simulated paths."),
]
Seed = Annotated[int | None, typer.Option(help="Seed of the paths; default that of the plan.")]
Paths = Annotated[int, typer.Option(help="How many paths; default as in the plan.")]


def add(app: typer.Typer) -> None:
    """Put these commands in the group."""
    app.command("what-if")(what_if)


def forecast(plan: Path, account: Account | None, by: str | None, seed: int | None, paths: int, as_json: bool) -> None:
    """Say it by simulated paths. `account` is that of the organisation that names none of its own."""
    from keersluis.recovery.path_answers import answer
    from keersluis.recovery.paths import simulate

    _ = translator(language())
    built = _built(plan, account, seed, paths)
    result = answer(built, simulate(built.world, progress=_progress(built.world.paths)), _day(by), _)
    emit(result, as_json, told(result, _))


def what_if(
    plan: Annotated[str, typer.Argument(help="A plan (TOML); with --organisation, the key of one of its backlogs.")],
    variant: Annotated[
        list[str] | None, typer.Option("--variant", help="Only these variants; may be given more than once.")
    ] = None,
    organisation: Annotated[
        str | None, typer.Option("--organisation", "-o", help="Ask this organisation's node, from its own counts.")
    ] = None,
    directory: Annotated[Path, typer.Option("--dir", "-d", help="The chain folder that `keersluis up` runs.")] = Path(),
    seed: Seed = None,
    paths: Paths = 0,
    as_json: AsJson = False,
) -> None:
    """What each variant of a plan changes: the date when it is gone, side by side, and the difference on each path."""
    from keersluis.recovery.path_answers import compared
    from keersluis.recovery.whatif import compare

    _ = translator(language())
    if organisation is not None:
        result = _of_node(directory, organisation, plan, variant or [])
    else:
        built = _built(Path(plan), None, seed, paths)
        chosen = [built.plan.variant(each) for each in variant] if variant else list(built.plan.variants)
        if not chosen:
            raise Incorrect("forecast.variant", expected="a plan with at least one [[variant]]", got=plan)
        result = compared(built, compare(built, chosen, progress=_progress(len(chosen) + 1)), _)
    emit(result, as_json, side_by_side(result, _))


def _of_node(directory: Path, organisation: str, key: str, variants: Sequence[str]) -> Any:
    from urllib.parse import quote, urlencode

    from keersluis import foreseeing

    asked = urlencode([("taal", language()), *(("variant", each) for each in variants)])
    path = f"/v0/achterstanden/{quote(key, safe='')}/wat-als?{asked}"
    return Target(directory, organisation).ask(
        path, None, lambda node: foreseeing.what_if(node, key, variants, language())
    )


def _built(path: Path, account: Account | None, seed: int | None, paths: int) -> Built:
    from keersluis.recovery.building import build
    from keersluis.recovery.world_files import read_plan

    plan = read_plan(path)
    if seed is not None and not 0 <= seed < 2**53:
        raise Incorrect("forecast.seed", expected="a --seed from 0 to 2**53", got=str(seed))
    if paths and not 100 <= paths <= 20_000:
        raise Incorrect("forecast.paths", expected="--paths from 100 to 20,000", got=str(paths))
    accounts = {each.key: _log(path.parent / each.log) for each in plan.organisations if each.log}
    open_ = [each.key for each in plan.organisations if each.backlog and each.key not in accounts]
    if account is not None:
        chosen = open_ or [each.key for each in plan.organisations if not each.log]
        if len(chosen) != 1:
            expected = "a plan with one organisation that the log can be of"
            raise Incorrect("forecast.account", expected=expected, got=", ".join(chosen) or "none", where=str(path))
        accounts[chosen[0]] = account
    return build(plan, accounts, seed, paths)


def _log(path: Path) -> Account:
    from keersluis.recovery.accounts import Wanted, read_account
    from keersluis.times import DAY

    return read_account(path, Wanted(step=DAY))


def _day(by: str | None) -> date | None:
    try:
        return None if by is None else date.fromisoformat(by)
    except ValueError:
        raise Incorrect("backlog.by", expected="--by with a date as 2026-03-31", got=repr(by)) from None


def _progress(number: int) -> Any:
    def told(done: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done} / {number}", end="" if done < number else "\n", file=sys.stderr, flush=True)

    return told


# -- for people


def told(result: dict[str, Any], _: Translator) -> str:
    """A forecast by paths, in lines."""
    lines: list[str] = []
    for each in result["organisations"]:
        gone = _gone_told(each, _) if each["gone"]["date"] != result["as_of"] else [_("It is not there now.")]
        lines += [*_sizes_told(result, each, _), *gone, *_capacity_told(each, _), ""]
    if "all" in result:
        lines += [_("All together:"), *_dates_told(result["all"], _), ""]
    return "\n".join([*lines, *result["assumptions"], *(each["sentence"] for each in result["left_out"])])


def _sizes_told(result: dict[str, Any], each: dict[str, Any], _: Translator) -> list[str]:
    lines = [_("{title}: on {day} there were {stock}.", title=each["title"], day=result["as_of"], stock=each["stock"])]
    for week in (4, 13, 26, 52):
        if week <= len(each["sizes"]):
            row = each["sizes"][week - 1]
            numbers = {"middle": round(row["q0.5"]), "low": round(row["q0.1"]), "high": round(row["q0.9"])}
            lines.append(
                _("On {day}: about {middle}, with probability 80 % from {low} to {high}.", day=row["date"], **numbers)
            )
    return lines


def _gone_told(each: dict[str, Any], _: Translator) -> list[str]:
    end = each["gone"]
    if end["never_at_this_rate"] and end["growth_per_week"] >= 0:
        lines = [_("Never gone at this rate: it grows by {growth} a week.", growth=end["growth_per_week"])]
    elif end["never_at_this_rate"]:
        lines = [_("Not gone as far as the forecast reaches, at this rate.")]
    else:
        lines = [_("Gone (at most {normal}) about {day}.", normal=end["normal"], day=end["date"])]
    lines += _intervals(end, _)
    if end["back"] >= 0.05:
        share = f"{100 * end['back']:.0f}"
        lines.append(_("With probability {level} % it is back above its normal level after that.", level=share))
    if each["done"]["date"]:
        lines.append(_("What waits today is done about {day}.", day=each["done"]["date"]))
    return lines


def _dates_told(end: dict[str, Any], _: Translator) -> list[str]:
    first = _("Gone about {day}.", day=end["date"]) if end["date"] else _("Not gone as far as the forecast reaches.")
    return [first, *_intervals(end, _)]


def _intervals(end: dict[str, Any], _: Translator) -> list[str]:
    return [
        _(
            "With probability {level} %: from {first} to {last}.",
            level=f"{100 * each['level']:.0f}",
            first=each["from"],
            last=each["to"] or _("never"),
        )
        for each in end["intervals"]
        if each["from"]
    ]


def _capacity_told(each: dict[str, Any], _: Translator) -> list[str]:
    if "capacity" not in each:
        return []
    need = each["capacity"]
    lines = [
        _(
            "{present} a week can be done; {still} a week are needed to stand still.",
            present=need["present_per_week"],
            still=need["to_stand_still_per_week"],
        )
    ]
    for row in need["needed"]:
        level = f"{100 * row['certainty']:.0f}"
        if row["per_week"] is None:
            lines.append(_("No capacity makes it gone by {day} with {level} % certainty.", day=need["by"], level=level))
        else:
            lines.append(
                _(
                    "To be gone by {day} with {level} % certainty: {week} a week, {times} times as many.",
                    day=need["by"],
                    level=level,
                    week=row["per_week"],
                    times=row["times_present"],
                )
            )
    return lines


def side_by_side(result: dict[str, Any], _: Translator) -> str:
    """The variants as a table for each organisation."""
    lines: list[str] = []
    for place, organisation in enumerate(result["organisations"]):
        rows = [(_("variant"), _("gone"), _("80 % between"), _("days"), _("80 % between"))]
        rows += [_row(each["title"], each["organisations"][place], _) for each in result["variants"]]
        widths = [max(len(row[n]) for row in rows) for n in range(5)]
        lines.append(organisation["title"])
        lines += ["  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]
        lines.append("")
    lines += [_("Days: the change against the plan as it is, on the same chances; less is sooner.")]
    return "\n".join([*lines, *result["assumptions"], *(each["sentence"] for each in result["left_out"])])


def _row(title: str, of: dict[str, Any], _: Translator) -> tuple[str, str, str, str, str]:
    gone = of["gone"]
    _level, first, last = gone["intervals"][1].values()
    between = f"{first or _('never')} - {last or _('never')}"
    if "change" not in of:
        return title, gone["date"] or _("never"), between, "", ""
    change = of["change"]
    _level, low, high = change["intervals"][1].values()
    mark = "*" if change["beyond"] > 0.1 else ""
    return title, gone["date"] or _("never"), between, f"{change['days']:+d}{mark}", f"{low:+d} - {high:+d}"
