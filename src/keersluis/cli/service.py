"""`keersluis service`: what the organisations work with, in what state it is, and how to deliver meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keersluis.cli.output import AsJson, emit, language
from keersluis.cli.target import Directory, Target
from keersluis.errors import Incorrect, KeersluisError
from keersluis.words import Translator, translator

if TYPE_CHECKING:
    from keersluis.chain import Chain
    from keersluis.recovery.services import Inventory, Service

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)

Key = Annotated[str, typer.Argument(help="The key of the service, as `service list` tells.")]
Who = Annotated[str, typer.Option(help="Who says so: a function, not a name.")]
Why = Annotated[str, typer.Option(help="Why.")]
Once = Annotated[str | None, typer.Option("--key", help="The same key is the same change, however often it comes.")]
OfOne = Annotated[str | None, typer.Option("--organisation", "-o", help="Only the services of one organisation.")]


def read(directory: Path) -> tuple[Chain, Inventory]:
    """The chain of a folder, and its services."""
    from keersluis.chain import load_chain
    from keersluis.recovery.servicefiles import load_services

    chain = load_chain(directory)
    return chain, load_services(chain)


def told_by(directory: Path, organisation: str) -> Any:
    """What one node says of its services: from itself, or from its store when it does not run."""
    from keersluis import serving

    return Target(directory, organisation).ask("/v0/diensten", None, serving.listed)


def everywhere(directory: Path, keys: list[str]) -> tuple[dict[str, Any], list[str]]:
    """(node -> what it says, sentences about those that said nothing)."""
    told, silent = {}, []
    for key in keys:
        try:
            told[key] = told_by(directory, key)
        except KeersluisError as error:
            silent.append(f"{key}: {error}")
    return told, silent


# -- what there is -----------------------------------------------------------------------------------------------------


@app.command("list")
def list_(directory: Directory = Path(), organisation: OfOne = None, as_json: AsJson = False) -> None:
    """Every service with its state, and what it is due to where it can be used less than that."""
    from keersluis.recovery.service_view import across

    chain, inventory = read(directory)
    if organisation is not None and organisation not in chain.organisations:
        got = repr(organisation)
        raise Incorrect("cli.organisation", expected=f"one of {', '.join(chain.organisations)}", got=got)
    told, silent = everywhere(directory, sorted({each.keeper for each in inventory.values()}))
    services = [each for each in across(inventory, told) if organisation in (None, each["organisation"])]
    _ = translator(language())
    lines = [_line(_, inventory, each) for each in services]
    for sentence in silent:
        typer.echo(_("No word from {sentence}", sentence=sentence), err=True)
    emit(services, as_json, "\n".join(lines) or _("This chain has no services; see keersluis service import."))


def _line(_: Translator, inventory: Inventory, each: Mapping[str, Any]) -> str:
    parts = [_.pick(each["title"])]
    if each["due_to"]:
        causes = _.join(_.pick(inventory[key].title) for key in each["due_to"])
        parts.append(_("rests on what does not work: {services}", services=causes))
    if each["expected"]:
        parts.append(_("expected back {moment}", moment=each["expected"]))
    state = each["procedure"] if each["procedure"] else each["state"] or _("no word")
    return f"{each['organisation']:12} {each['key']:22} {state:10} {_usable(_, each['usable']):16} {'; '.join(parts)}"


def _usable(_: Translator, usable: str) -> str:
    return {
        "yes": _("usable"),
        "partly": _("partly usable"),
        "procedure": _("by a procedure"),
        "no": _("not usable"),
    }[usable]


@app.command("show")
def show(service: Key, directory: Directory = Path(), as_json: AsJson = False) -> None:
    """One service: owner, what it rests on, emergency procedures, state and history."""
    from keersluis.recovery.service_view import across

    _chain, inventory = read(directory)
    _known(inventory, service)
    told, silent = everywhere(directory, sorted({each.keeper for each in inventory.values()}))
    found = next(each for each in across(inventory, told) if each["key"] == service)
    _ = translator(language())
    for sentence in silent:
        typer.echo(_("No word from {sentence}", sentence=sentence), err=True)
    emit(found, as_json, "\n".join(_shown(_, inventory, found)))


def _shown(_: Translator, inventory: Inventory, each: Mapping[str, Any]) -> list[str]:
    lines = [_line(_, inventory, each), "  " + _("owner: {owner}", owner=_.pick(each["owner"]))]
    lines += ["  " + _("rests on {service}", service=_.pick(inventory[key].title)) for key in each["depends_on"]]
    for procedure in each["procedures"]:
        ways = [f"{way}: {_.pick(procedure[way])}" for way in ("post", "hand", "telephone") if way in procedure]
        ways += [_("through {name}", name=procedure["through"])] if procedure["through"] else []
        lines.append(f"  {procedure['key']}: {_.pick(procedure['title'])}. {' '.join(ways)}")
    for change in each["history"]:
        undoes = f" (undoes {change['undoes']})" if change["undoes"] else ""
        state = f"{change['state']} {change['procedure'] or ''}".strip()
        lines.append(
            f"  {change['number']:>4}  {change['since']}  {state}{undoes}  {change['who']}: {change['why']}"
            + (f" [{change['evidence']}]" if change["evidence"] else "")
        )
    return lines


def _known(inventory: Inventory, key: str) -> Service:
    from keersluis.recovery.service_states import known

    return known(inventory, key)


@app.command("check")
def check(directory: Directory = Path(), as_json: AsJson = False) -> None:
    """Whether services.toml is right: every fault at once, unknown names and loops of dependencies whole."""
    chain, inventory = read(directory)
    found = {
        "chain": chain.name,
        "services": len(inventory),
        "dependencies": sum(len(each.depends_on) for each in inventory.values()),
        "public": sum(each.public for each in inventory.values()),
    }
    _ = translator(language())
    said = _(
        "{chain}: {services} services without faults, {public} of them public, {dependencies} dependencies.", **found
    )
    emit(found, as_json, said)


# -- states ------------------------------------------------------------------------------------------------------------


@app.command("state")
def state(
    service: Key,
    stand: Annotated[str, typer.Argument(metavar="STATE", help="up, read-only, emergency or down.")],
    who: Who,
    why: Why,
    directory: Directory = Path(),
    procedure: Annotated[str | None, typer.Option(help="With emergency: which procedure is in force.")] = None,
    since: Annotated[str | None, typer.Option(help="Since when (RFC 3339, or a day); left out: now.")] = None,
    expected: Annotated[str | None, typer.Option(help="Expected return, a day or RFC 3339.")] = None,
    evidence: Annotated[str | None, typer.Option(help="Reference to what it rests on.")] = None,
    public_nl: Annotated[str | None, typer.Option(help="A sentence for outsiders, in Dutch; with --public-en.")] = None,
    public_en: Annotated[str | None, typer.Option(help="The same in English.")] = None,
    key: Once = None,
    as_json: AsJson = False,
) -> None:
    """Tell the state of a service, at the node that keeps it."""
    _chain, inventory = read(directory)
    kept_by = _known(inventory, service).keeper
    order: dict[str, Any] = {
        "stand": stand, "wie": who, "waarom": why, "noodprocedure": procedure, "sinds": since, "verwacht": expected,
        "bewijs": evidence, "sleutel": key,
        "publiek": None if public_nl is public_en is None else {"nl": public_nl or "", "en": public_en or ""},
    }  # fmt: skip

    def on_store(node: Any) -> Any:
        import msgspec

        from keersluis import serving
        from keersluis.web.api_services import NewState, told_of

        return serving.change(node, service, told_of(msgspec.convert(order, NewState)))

    done = Target(directory, kept_by).ask(f"/v0/diensten/{service}/standen", order, on_store)
    _ = translator(language())
    facts = {"service": service, "state": done["stands"]["state"], "since": done["stands"]["since"]}
    said = _("{service} is {state} since {since}.", **facts)
    if not done["changed"]:
        said = _("{service} was {state} already since {since}; nothing changed.", **facts)
    emit(done, as_json, said)


@app.command("undo")
def undo(
    service: Key, who: Who, why: Why, directory: Directory = Path(), key: Once = None, as_json: AsJson = False
) -> None:
    """Take the last change of a service back: what stood before it stands again."""
    _chain, inventory = read(directory)
    order = {"wie": who, "waarom": why, "sleutel": key}

    def on_store(node: Any) -> Any:
        from keersluis import serving

        return serving.undo(node, service, who, why, key)

    target = Target(directory, _known(inventory, service).keeper)
    done = target.ask(f"/v0/diensten/{service}/standen/_herstel", order, on_store)
    _ = translator(language())
    now = done["stands"]["state"] if done["stands"] else "up"
    said = _("Change {number} is taken back; {service} is {state}.", number=done["undone"], service=service, state=now)
    emit(done, as_json, said)


# -- the inventory as a table ------------------------------------------------------------------------------------------


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV with a heading; `service export` shows the columns.")],
    directory: Directory = Path(),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Services that the file lacks go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take services from a CSV into services.toml: new ones are added, known ones changed, the others stay.

    With a fault nothing is written, and every fault is told with its line.
    """
    from keersluis.files import write_whole
    from keersluis.recovery.servicefiles import FILE, load_tables
    from keersluis.recovery.servicerows import read_rows
    from keersluis.recovery.servicetext import differences, rewritten

    chain, inventory = read(directory)
    becomes = read_rows(_text(file), str(file), chain, {} if replace else load_tables(chain))
    found = differences(inventory, becomes)
    path = chain.folder / FILE
    if found and not dry_run:
        was = path.read_text(encoding="utf-8") if path.exists() else ""
        write_whole(path, rewritten(was, inventory, becomes).encode())
    told = {"services": len(becomes), "written": bool(found) and not dry_run, "differences": found}
    emit(told, as_json, "\n".join(_said(translator(language()), told)))


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = f"{file}, byte {error.start}"
        raise Incorrect("services.broken", expected="text in UTF-8", got="other bytes", where=place) from None


def _said(_: Translator, told: Mapping[str, Any]) -> list[str]:
    lines = []
    for each in told["differences"]:
        lines.append(f"{each['change']:8} {each['service']}")
        fields = [(field["field"], _plain(field["was"]), _plain(field["becomes"])) for field in each["fields"]]
        lines += [f"         {name}: {was} -> {becomes}" for name, was, becomes in fields]
    if not told["differences"]:
        return [_("Nothing changes: the chain has these services as they are.")]
    count = len(told["differences"])
    if told["written"]:
        return [*lines, _.plural("{count} service is written.", "{count} services are written.", count)]
    return [*lines, _.plural("{count} service would change.", "{count} services would change.", count)]


def _plain(value: Any) -> str:
    import json

    return "-" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="The CSV to write.")],
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> None:
    """Write the services as a CSV for a spreadsheet; `service import` takes it back."""
    from keersluis.files import write_whole
    from keersluis.recovery.servicerows import written

    _chain, inventory = read(directory)
    write_whole(file, written(inventory).encode("utf-8"))
    _ = translator(language())
    emit(
        {"file": str(file), "services": len(inventory)},
        as_json,
        _.plural("{count} service is in {file}.", "{count} services are in {file}.", len(inventory), file=str(file)),
    )
