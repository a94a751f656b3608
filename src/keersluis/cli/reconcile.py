"""`keersluis reconcile`: compare what was published with the system of record, and mend what is missing."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keersluis.cli.output import AsJson, emit
from keersluis.cli.target import Directory, Target, Whose, is_down
from keersluis.errors import Incorrect, Unavailable

if TYPE_CHECKING:
    from keersluis.exchange.reconciliation import Ledger
    from keersluis.reconciling import Holder
    from keersluis.service import Node

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)

FIELDS = {"kind": "soort", "since": "van", "until": "tot", "count": "aantal", "digest": "digest"}


@contextmanager
def _holder(target: Target) -> Iterator[Holder]:
    """The node over its API, or on its store where it does not run."""
    from keersluis.reconciling import OnStore, OverApi

    try:
        target.call("/v0/afstemmingen")
    except Unavailable as error:
        if not is_down(error):
            raise
        with target.node() as node:
            yield OnStore(node)
    else:
        yield OverApi(target.call)


@app.command("run")
def run(
    organisation: Whose,
    record: Annotated[
        Path | None,
        typer.Argument(help="What it holds: JSON lines, CloudEvents or kind, id, occurred."),
    ] = None,
    url: Annotated[str | None, typer.Option(help="Or its database: an SQLAlchemy URL.")] = None,
    query: Annotated[
        Path | None, typer.Option(help="A file with the SELECT of id, occurred and, where it can be had, event.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="One kind; default all of this organisation.")] = None,
    since: Annotated[str | None, typer.Option(help="From this hour of event time on.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to this hour; default the present one.")] = None,
    peer: Annotated[
        str | None,
        typer.Option("--with", help="Instead: compare what was applied here with what this source sent."),
    ] = None,
    only_declare: Annotated[
        bool, typer.Option("--only-declare", help="Declare the gap; publish nothing of what is missing.")
    ] = False,
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> None:
    """Compare, name the first period that differs, declare the gap, publish what is missing, say that it is filled."""
    from keersluis.exchange.reconciliation import FIRST, whole_hour
    from keersluis.reconciling import reconcile
    from keersluis.times import SystemClock, parse_instant

    target = Target(directory, organisation)
    if peer is not None:
        _with(target, peer, kind, since, until, as_json)
        return
    ledger = _ledger(target, record, url, query)
    first = parse_instant(since) if since else FIRST
    last = parse_instant(until) if until else whole_hour(SystemClock().now())
    with _holder(target) as node:
        told = [
            reconcile(ledger, node, path, first, last, publish=not only_declare).document()
            for path in _kinds(target, kind)
        ]
    emit(told, as_json, "\n".join(_line(each) for each in told))
    if not all(each["agrees"] for each in told):
        raise typer.Exit(1)


def _with(target: Target, peer: str, kind: str | None, since: str | None, until: str | None, as_json: bool) -> None:
    """A receiver asks the source itself, by signed questions of its own running node."""
    from keersluis.exchange.reconciliation import FIRST, whole_hour
    from keersluis.times import SystemClock, format_instant

    body = {
        "peer": peer,
        "van": since or format_instant(FIRST),
        "tot": until or format_instant(whole_hour(SystemClock().now())),
    }
    ours = [k.path for k in target.chain.kinds.values() if k.source == peer and target.organisation in k.receivers]
    kinds = [kind] if kind else ours
    told = [target.call("/v0/afstemmingen/_met", body | {"soort": path}) for path in kinds]
    lines = [
        f"{each['kind']:34} "
        + (
            f"as {peer} published it ({each['questions']} questions)"
            if each["agrees"]
            else f"differs first from {each['first']['since']}; {each['under_way']:,} events are under way"
        )
        for each in told
    ]
    emit(told, as_json, "\n".join(lines) or f"Nothing comes here from {peer}.")
    if not all(each["agrees"] for each in told):
        raise typer.Exit(1)


def _kinds(target: Target, kind: str | None) -> list[str]:
    own = [k.path for k in target.chain.kinds.values() if k.source == target.organisation and k.action != "answer"]
    if kind is not None and kind not in own:
        raise Incorrect("reconcile.kind", expected=f"one of {', '.join(own)}", got=repr(kind))
    return [kind] if kind else own


def _ledger(target: Target, record: Path | None, url: str | None, query: Path | None) -> Ledger:
    from keersluis.exchange.ledgers import Queried, read_file

    if record is not None and url is None and query is None:
        return read_file(record, target.chain)
    if record is None and url is not None and query is not None:
        return Queried(url, query.read_text(encoding="utf-8"), target.chain.timezone)
    expected = "a file of what the system of record holds, or --url with --query"
    raise Incorrect("cli.usage", expected=expected, got="neither or both", where="reconcile run")


def _line(told: dict[str, Any]) -> str:
    head = f"{told['kind']:34} "
    if told["agreed_before"]:
        filled = ", the gap is filled" if told["filled"] else ""
        return f"{head}agrees ({told['questions']} questions){filled}"
    first = told["first"]
    lines = [
        f"{head}differs first from {first['since']} to {first['until']}: the system of record has "
        f"{first['stated']['count']:,}, published are {first['held']['count']:,} ({told['questions']} questions)",
        f"  missing {len(told['missing']):,}, not in the record {len(told['extra']):,}, "
        f"under another time {len(told['moved']):,}; published now {told['published']:,}",
    ]
    if told["declared"]:
        lines.append(f"  a gap is declared from {told['declared']['since']} to {told['declared']['until']}")
    state = "it is filled: both agree" if told["agrees"] else "they still differ"
    return "\n".join([*lines, f"  {state}"])


@app.command("state")
def state(
    file: Annotated[Path, typer.Argument(help="CSV with a heading, or JSON lines: kind, since, until, count, digest.")],
    organisation: Whose,
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> None:
    """State counts and digests of the system of record per period; say where what was published differs."""
    target = Target(directory, organisation)
    rows = _read(file)

    def act(node: Node) -> Any:
        from keersluis import reconciling
        from keersluis.exchange.reconciliation import Statement, Tally
        from keersluis.times import parse_instant

        stated = [
            Statement(r["soort"], parse_instant(r["van"]), parse_instant(r["tot"]),
                      Tally.read(r["aantal"], r["digest"]), node.clock.now())
            for r in rows
        ]  # fmt: skip
        return reconciling.state(node, stated)

    told = target.ask("/v0/afstemmingen", rows, act)
    differ = [each for each in told["periods"] if not each["agrees"]]
    lines = [
        f"{each['kind']} {each['since']} to {each['until']}: stated {each['stated']['count']:,}, "
        f"published {each['held']['count']:,}"
        for each in differ[:20]
    ]
    emit(told, as_json, "\n".join([f"{told['stated']:,} periods stated, {told['differ']:,} differ.", *lines]))
    if told["differ"]:
        raise typer.Exit(1)


def _read(file: Path) -> list[dict[str, Any]]:
    """Every row, or Incorrect `ledger.faults` naming each faulty line."""
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    rows: list[tuple[int, Any]] = []
    if file.suffix in (".jsonl", ".ndjson", ".json"):
        rows = [(number, _json(line)) for number, line in enumerate(lines, 1) if line.strip()]
    else:
        reader = csv.DictReader(lines, delimiter=";" if lines and ";" in lines[0] else ",")
        rows = [(reader.line_num, row) for row in reader]
    faults = [f"{file} line {number}: expected {', '.join(FIELDS)}" for number, row in rows if _row(row) is None]
    if faults:
        raise Incorrect("ledger.faults", expected="rows that can all be read", got=faults[0], faults=faults)
    return [found for _number, row in rows if (found := _row(row)) is not None]


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _row(row: Any) -> dict[str, Any] | None:
    if not isinstance(row, dict) or any(row.get(name) in (None, "") for name in FIELDS):
        return None
    try:
        return {ours: int(row[name]) if name == "count" else str(row[name]) for name, ours in FIELDS.items()}
    except ValueError:
        return None


@app.command("show")
def show(organisation: Whose, directory: Directory = Path(), as_json: AsJson = False) -> None:
    """What was stated and how it compares, and the gaps that were declared, here and by others."""

    def act(node: Node) -> Any:
        from keersluis import reconciling

        return reconciling.overview(node)

    told = Target(directory, organisation).ask("/v0/afstemmingen", None, act)
    lines = [
        f"{each['kind']:34} {each['since']} to {each['until']}: "
        + ("agrees" if each["agrees"] else f"stated {each['stated']['count']:,}, published {each['held']['count']:,}")
        for each in told["statements"]
    ]
    for each in [*told["gaps"], *told["heard"]]:
        ended = f"filled {each['filled_at']}" if each["filled_at"] else "open"
        lines.append(f"{each['kind']:34} gap {each['since']} to {each['until']}, {ended}")
    emit(told, as_json, "\n".join(lines) or "Nothing was stated, and no gap declared.")
