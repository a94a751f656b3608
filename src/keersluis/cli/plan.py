"""`keersluis plan`: plans for coming back. What stands, evidence, go and no-go, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from keersluis.cli import plan_order
from keersluis.cli.output import AsJson, emit, language
from keersluis.cli.target import Directory, Target, Whose
from keersluis.errors import Incorrect
from keersluis.words import translator

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)

Name = Annotated[str, typer.Argument(help="The plan: the name of its file in `plans`, without .toml.")]
Stage = Annotated[str, typer.Argument(help="The stage, by its key.")]
Who = Annotated[str, typer.Option(help="Who: a function.")]
Role = Annotated[str, typer.Option(help="In which role of the plan.")]
Why = Annotated[str, typer.Option(help="Why.")]
Key = Annotated[str | None, typer.Option(help="The same key is the same act, however often it is asked.")]
Second = Annotated[str | None, typer.Option(help="Another person, where four eyes are needed at once.")]
SecondRole = Annotated[str | None, typer.Option(help="The role of that other person.")]


def _ask(directory: Path, organisation: str, path: str, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Over the API, or on the store; `what` names the function of `plan_requests` and the body it takes."""

    def on_store(node: Any) -> Any:
        import msgspec

        from keersluis.web import plan_requests

        act, shape = getattr(plan_requests, what), getattr(plan_requests, _SHAPES[what])
        names = () if what in ("note", "withdraw_note") else (path.split("/")[3],)
        return msgspec.to_builtins(act(node, *names, msgspec.convert(dict(body), shape)))

    found: dict[str, Any] = Target(directory, organisation).ask(path, dict(body), on_store)
    return found


_SHAPES = {
    "adopt": "Adopting",
    "show": "Showing",
    "withdraw": "TakingBack",
    "vote": "Deciding",
    "withdraw_no_go": "TakingBack",
    "roll_back": "RollingBack",
    "end": "Ending",
    "note": "Noting",
    "withdraw_note": "NoteBack",
}


def _by(who: str, role: str, why: str, key: str | None = None, **rest: Any) -> dict[str, Any]:
    body = {"wie": who, "rol": role, "waarom": why, **rest, "sleutel": key}
    return {name: value for name, value in body.items() if value is not None}


def _path(name: str, act: str = "") -> str:
    from urllib.parse import quote

    return "/".join(filter(None, ("/v0/herstelplannen", quote(name, safe=""), act)))


# -- reading -------------------------------------------------------------------------------------------------------


@app.command("check")
def check(
    plan: Annotated[str | None, typer.Argument(help="A plan, by its name or its file; left out: every one.")] = None,
    directory: Annotated[
        str, typer.Option("--dir", "-d", help="The chain folder, or the name of a shipped one.")
    ] = ".",
    as_json: AsJson = False,
) -> None:
    """Read plans and tell everything that is wrong with them; needs no node. Exit code 2 when something is."""
    from keersluis.chain import load_chain
    from keersluis.recovery import planfiles

    chain = load_chain(directory)
    names = [plan] if plan is not None else list(planfiles.plans(chain))
    found, faults = [], []
    for name in names:
        try:
            read = planfiles.load_plan(planfiles.find_plan(name, chain), chain)
            found.append({"name": read.name, "digest": read.digest, "stages": list(read.stages), "faults": []})
        except Incorrect as error:
            if plan is not None:
                raise
            faults += error.faults
    if faults:
        got = f"{len(faults)} faults, the first is {faults[0]}"
        raise Incorrect("plan.broken", expected="plans without faults", got=got, faults=faults)
    lines = [f"{each['name']}: {len(each['stages'])} stages, no faults" for each in found]
    emit(found, as_json, "\n".join(lines) or "There are no plans.")


@app.command("list")
def list_(organisation: Whose, directory: Directory = Path(), as_json: AsJson = False) -> None:
    """The plans of the chain folder, and which of them stand at this node."""
    from keersluis import planning
    from keersluis.recovery import plan_words

    target, _ = Target(directory, organisation), translator(language())
    found = target.ask("/v0/herstelplannen", None, lambda node: {"plans": planning.listed(node)})["plans"]
    lines = [
        f"{each['name']}: " + (_("has faults") if "faults" in each else plan_words.adoption(_, each)) for each in found
    ]
    emit(found, as_json, "\n".join(lines) or _("There are no plans."))


@app.command("show")
def show(organisation: Whose, plan: Name, directory: Directory = Path(), as_json: AsJson = False) -> None:
    """One plan: each stage planned and actual, and what waits for what."""
    from keersluis import planning

    target = Target(directory, organisation)
    found = target.ask(_path(plan), None, lambda node: planning.shown(node, plan))
    emit(found, as_json, "\n".join(_lines(target, found)))


def _lines(target: Target, plan: Mapping[str, Any]) -> list[str]:
    from keersluis.recovery import plan_words as words

    _ = translator(language())

    def name(key: str) -> str:
        known = target.chain.organisations
        return _.pick(known[key].name) if key in known else key

    lines = [f"{_.pick(plan['title'])} ({plan['name']}): {words.adoption(_, plan)}"]
    for stage in plan["stages"]:
        marks = [words.phase(_, stage["phase"]), words.state(_, stage)]
        marks += [_("critical path")] if stage["critical"] else []
        marks += [words.late(_, stage["late"])] if stage["late"] else []
        lines.append(f"  {stage['key']}: {_.pick(stage['title'])} ({', '.join(marks)})")
        lines.append("    " + _moments(target, stage))
        if (said := words.waits(_, plan, stage, name)) and plan["state"] == "adopted":
            lines.append(f"    {said}")
    return lines


def _moments(target: Target, stage: Mapping[str, Any]) -> str:
    from keersluis.times import parse_instant

    _ = translator(language())

    def moment(text: str | None) -> str:
        return "–" if text is None else _.short_moment(parse_instant(text), target.chain.timezone)

    planned, go = stage["planned"], stage["actual"]["go"]
    return _("planned {start} to {end}; go {go}", **{n: moment(planned[n]) for n in ("start", "end")}, go=moment(go))


# -- doing ---------------------------------------------------------------------------------------------------------


def _done(as_json: bool, found: dict[str, Any], text: str) -> None:
    if found.get("repeated"):
        text = "That was done before; nothing changed."
    more = [f"The go stands now of: {', '.join(found['stood'])}."] if found.get("stood") else []
    more += [f"The go fell of: {', '.join(found['fell'])}."] if found.get("fell") else []
    emit(found, as_json, "\n".join([text, *more]))


@app.command("adopt")
def adopt(
    organisation: Whose,
    plan: Name,
    who: Who,
    role: Role,
    why: Why,
    directory: Directory = Path(),
    second: Second = None,
    second_role: SecondRole = None,
    call_off: Annotated[bool, typer.Option(help="Call off orders to come for gates that they would open.")] = False,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Adopt the version of the file that is there now: from here on the gates that it lists open only with a go."""
    body = _by(who, role, why, key, tweede=second, tweede_rol=second_role, afgelasten=call_off)
    found = _ask(directory, organisation, _path(plan, "_vaststellen"), "adopt", body)
    _done(as_json, found, f"Plan {plan} stands; its gates open only with a go.")


@app.command("evidence")
def evidence(
    organisation: Whose,
    plan: Name,
    stage: Stage,
    criterion: Annotated[str, typer.Argument(help="The criterion, by its key.")],
    who: Who,
    role: Role,
    why: Why,
    directory: Directory = Path(),
    entry: Annotated[int | None, typer.Option(help="The number of an entry of the timeline.")] = None,
    log: Annotated[str, typer.Option(help="Of another organisation's timeline: its origin line.")] = "",
    head: Annotated[Path | None, typer.Option(help="A file with a signed head of that log.")] = None,
    note: Annotated[str, typer.Option(help="Instead of an entry: what was found; it becomes one.")] = "",
    document: Annotated[str, typer.Option(help="Where it can be found.")] = "",
    result: Annotated[str, typer.Option(help="The result, where something was investigated.")] = "",
    partner: Annotated[str, typer.Option(help="The partner that was consulted.")] = "",
    older: Annotated[bool, typer.Option(help="Accept it though it is, or may be, of before the adoption.")] = False,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Record evidence: a reference to an entry. Who records it gives no go of that stage."""
    texts = {"tijdlijn": log, "notitie": note, "document": document, "uitslag": result, "partner": partner}
    body = _by(who, role, why, key, fase=stage, criterium=criterion, regel=entry, ouder=older, **texts)
    body |= {} if head is None else {"kop": head.read_text(encoding="utf-8")}
    found = _ask(directory, organisation, _path(plan, "_bewijs"), "show", body)
    _done(as_json, found, f"Evidence {found['number']} of {criterion} is recorded.")


Number = Annotated[int, typer.Argument(help="Its number, as `plan show --json` tells it.", min=1)]


@app.command("withdraw-evidence")
def withdraw_evidence(
    organisation: Whose,
    plan: Name,
    number: Number,
    who: Who,
    role: Role,
    why: Why,
    directory: Directory = Path(),
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Evidence counts no longer; a go that rests on it falls."""
    body = _by(who, role, why, key, nummer=number)
    found = _ask(directory, organisation, _path(plan, "_bewijs-intrekken"), "withdraw", body)
    _done(as_json, found, f"Evidence {number} is withdrawn.")


def _vote(go: bool) -> Callable[..., None]:
    def command(
        organisation: Whose,
        plan: Name,
        stage: Stage,
        who: Who,
        role: Role,
        why: Why,
        directory: Directory = Path(),
        key: Key = None,
        as_json: AsJson = False,
    ) -> None:
        body = _by(who, role, why, key, fase=stage, go=go)
        found = _ask(directory, organisation, _path(plan, "_besluit"), "vote", body)
        _done(as_json, found, f"{'Go' if go else 'No-go'} {found['number']} of stage {stage} is recorded.")

    return command


app.command("go", help="Give a go for a stage of which nothing is missing but votes.")(_vote(True))
app.command("no-go", help="Give a no-go: it blocks the stage until it is withdrawn.")(_vote(False))


@app.command("withdraw-no-go")
def withdraw_no_go(
    organisation: Whose,
    plan: Name,
    number: Number,
    who: Who,
    role: Role,
    why: Why,
    directory: Directory = Path(),
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Take a no-go back, in the role in which it was given."""
    body = _by(who, role, why, key, nummer=number)
    found = _ask(directory, organisation, _path(plan, "_no-go-intrekken"), "withdraw_no_go", body)
    _done(as_json, found, f"No-go {number} is withdrawn.")


@app.command("rollback")
def rollback(
    organisation: Whose,
    plan: Name,
    stage: Stage,
    who: Who,
    role: Role,
    why: Why,
    directory: Directory = Path(),
    dependents: Annotated[bool, typer.Option(help="Close the gates of the stages that depend on it too.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Only tell what would happen.")] = False,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Close the gates of a stage again; its go falls, and so do those of the stages that depend on it."""
    body = _by(who, role, why, key, fase=stage, ook_afhankelijke=dependents, proef=dry_run)
    found = _ask(directory, organisation, _path(plan, "_terugdraaien"), "roll_back", body)
    if found.get("repeated"):
        _done(as_json, found, "")
        return
    said = "Would be rolled back" if dry_run else "Rolled back"
    lines = [f"{said}: {', '.join(found['stages'])}."]
    lines += [f"  closes {each['gate']}" for each in found["closes"]]
    lines += [f"Depend on it: {', '.join(found['dependents'])}."] if found["dependents"] else []
    falls = f"The go of {', '.join(found['falls'])} {'would fall' if dry_run else 'fell'}."
    emit(found, as_json, "\n".join([*lines, *([falls] if found["falls"] else [])]))


@app.command("end")
def end(
    organisation: Whose,
    plan: Name,
    how: Annotated[str, typer.Argument(help="completed, when every go stands; or withdrawn, by two persons.")],
    who: Who,
    role: Role,
    why: Why,
    directory: Directory = Path(),
    second: Second = None,
    second_role: SecondRole = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """The plan stands no longer, and guards nothing."""
    body = _by(who, role, why, key, hoe=how, tweede=second, tweede_rol=second_role)
    found = _ask(directory, organisation, _path(plan, "_beeindigen"), "end", body)
    _done(as_json, found, f"Plan {plan} is {how}; its gates are not guarded any more.")


@app.command("note")
def note(
    organisation: Whose,
    text: Annotated[str, typer.Argument(help="What was found.")],
    who: Who,
    directory: Directory = Path(),
    document: Annotated[str, typer.Option(help="Where it can be found.")] = "",
    as_json: AsJson = False,
) -> None:
    """Note what was found, as an entry of the timeline that evidence can refer to."""
    body = {"notitie": text, "document": document, "wie": who}
    found = _ask(directory, organisation, "/v0/notities", "note", body)
    emit(found, as_json, f"Noted, as entry {found['entry']}.")


@app.command("withdraw-note")
def withdraw_note(
    organisation: Whose,
    entry: Annotated[int, typer.Argument(help="The entry that is the note.", min=1)],
    who: Who,
    why: Why,
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> None:
    """What a note said does not hold: it is evidence of nothing any more."""
    body = {"regel": entry, "wie": who, "waarom": why}
    found = _ask(directory, organisation, "/v0/notities/_intrekken", "withdraw_note", body)
    emit(found, as_json, f"Withdrawn, by entry {found['entry']}.")


# More commands of the group, a file each.
plan_order.add(app)
