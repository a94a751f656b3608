"""`keersluis timeline`: verify, read and export the signed log of an organisation; offline, read-only."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from keersluis.chain import Chain, load_chain
from keersluis.cli.output import AsJson, emit, language
from keersluis.errors import Incorrect, KeersluisError
from keersluis.identity import KeyRing
from keersluis.timeline import Entry, Report
from keersluis.timeline.export import export_log
from keersluis.timeline.lines import EntryRow, Opening
from keersluis.timeline.model import decode_entry
from keersluis.timeline.sources import open_source
from keersluis.timeline.texts import sentence
from keersluis.timeline.verdicts import finding_sentence, report_sentence
from keersluis.timeline.verify import verify_chain, verify_path
from keersluis.times import format_instant

app = typer.Typer(no_args_is_help=True)

Log = Annotated[str, typer.Argument(help="A node's database, its URL, or an exported log.")]


@app.command()
def verify(
    path: Annotated[str, typer.Argument(help="A log, or the folder of a node or of a whole chain.")],
    keys: Annotated[
        Path | None, typer.Option(help="File with the public keys; else keys.json beside the log or one folder up.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find any change, omission or reordering, and name its place (P5). Exit code 1 when there is any."""
    report = verify_path(path) if keys is None else verify_chain([("", path)], KeyRing.load(keys))
    lines = [finding_sentence(finding, language()) for finding in report.findings]
    lines += [finding_sentence(finding, language()) for finding in report.restored]
    lines += [f"… +{log.more}" for log in report.logs if log.more]
    emit(_verdict(report), as_json, "\n".join([*lines, report_sentence(report, language())]))
    if not report.good:
        raise typer.Exit(1)


def _verdict(report: Report) -> dict[str, Any]:
    findings, restored = (
        [
            {"code": each.code, "log": each.log, "place": each.place, "sentence": finding_sentence(each, language())}
            for each in found
        ]
        for found in (report.findings, report.restored)
    )
    logs = [
        {"log": each.log, "source": each.source, "entries": each.entries, "heads": each.heads, "good": each.good}
        | {"witnessed": each.witnessed, "more": each.more}
        for each in report.logs
    ]
    return {
        "good": report.good,
        "findings": findings,
        "restored": restored,
        "logs": logs,
        "unseen": list(report.unseen),
    }


@app.command()
def show(
    log: Log,
    limit: Annotated[int, typer.Option(min=1, help="How many entries, the last ones.")] = 30,
    since: Annotated[int, typer.Option(min=0, help="Only entries after this number.")] = 0,
    chain: Annotated[str, typer.Option(help="A chain folder, or a shipped chain, for names and local times.")] = "",
    as_json: AsJson = False,
) -> None:
    """Read the log in words. This trusts what it reads; `verify` does not."""
    names = load_chain(chain) if chain else None
    entries = [_told(entry, names) for entry in deque(_entries(log, since), maxlen=limit)]
    emit(entries, as_json, "\n".join(f"{each['n']:>8}  {each['at']}  {each['text']}" for each in entries))


def _entries(where: str, since: int) -> Iterator[Entry]:
    """What can be read of the log, in order. Raises Incorrect when it is no log at all."""
    seen = False
    with open_source(where) as source:
        for row in source.rows():
            seen = seen or isinstance(row, EntryRow | Opening)
            if isinstance(row, EntryRow) and row.n > since:
                try:
                    yield decode_entry(row.data)
                except KeersluisError:
                    continue  # `verify` names its place
    if not seen:
        raise Incorrect("timeline.not-a-log", expected="a log with entries", got="none", where=where)


def _told(entry: Entry, chain: Chain | None) -> dict[str, Any]:
    return {
        "n": entry.n,
        "at": format_instant(entry.at),
        "room": entry.room,
        "kind": entry.kind,
        "text": sentence(entry, language(), chain),
        "body": entry.body,
    }


@app.command()
def export(
    log: Log,
    target: Annotated[Path, typer.Argument(help="The file to make.")],
    as_json: AsJson = False,
) -> None:
    """Write the whole log to a file, for somebody else to verify with the public keys alone."""
    count = export_log(log, target)
    emit({"file": str(target), "entries": count}, as_json, f"{target}: {count} entries.")
