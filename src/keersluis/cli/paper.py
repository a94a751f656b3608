"""`keersluis paper`: print events as letters, and enter letters from scans. Works on the store when the node does not
run; pages are read here, on all processors."""

from __future__ import annotations

import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keersluis.cli.output import AsJson, emit, language
from keersluis.cli.target import Directory, Target, Whose, is_down
from keersluis.errors import Incorrect, Unavailable

if TYPE_CHECKING:
    from keersluis.paper.gathering import Page
    from keersluis.paper.pages import Part

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)

EVERY = 0.2
SHOWN = 50

Event = Annotated[str | None, typer.Option("--event", help="One event, by its id.")]
KindPath = Annotated[str | None, typer.Option("--kind", help="All events of one kind, or those of --from … --through.")]
First = Annotated[int | None, typer.Option("--from", help="The first number in the stream.")]
Last = Annotated[int | None, typer.Option("--through", help="The last number in the stream.")]
WaitingFor = Annotated[str | None, typer.Option("--waiting-for", help="All that this receiver has not confirmed.")]
Receiver = Annotated[str | None, typer.Option("--to", help="The receiver, where a kind has more than one.")]
Folder = Annotated[Path, typer.Option("--out", help="Where the PDFs go: a folder; with --stack a file.")]
Language = Annotated[str | None, typer.Option("--language", help="nl or en; else that of the terminal.")]
Scans = Annotated[list[Path], typer.Argument(help="Scans: PDF, PNG, JPEG or TIFF, with any letters in any order.")]


@app.command("print")
def print_(
    organisation: Whose,
    directory: Directory = Path(),
    event: Event = None,
    kind: KindPath = None,
    first: First = None,
    last: Last = None,
    waiting_for: WaitingFor = None,
    to: Receiver = None,
    out: Folder = Path("letters"),
    stack: Annotated[bool, typer.Option("--stack", help="One PDF for all letters.")] = False,
    tongue: Language = None,
    as_json: AsJson = False,
) -> int:
    """Print events as letters, one or two pages each, for a receiver that cannot be reached otherwise."""
    target = Target(directory, organisation)
    body: dict[str, Any] = {
        "gebeurtenis": event,
        "soort": kind,
        "van": first,
        "tot": last,
        "wachtOp": waiting_for,
        "aan": to,
    }
    body = {name: value for name, value in body.items() if value is not None} | {"taal": tongue or language()}
    answer = _posted(target, body)
    files = _written(target, answer, out, stack, str(body["taal"]))
    result = {**answer, "letters": [_without_content(each) for each in answer["letters"]], "files": files}
    lines = [f"{len(answer['letters'])} letters printed to {out}."]
    for each in answer["too_large"]:
        size = f"{each['bytes']:,} bytes packed, a letter holds {each['most']:,}"
        lines.append(
            f"Too large for a letter: event {each['position']} of {each['kind']} ({size}). Send it in a bundle."
        )
    emit(result, as_json, "\n".join(lines))
    return 1 if answer["too_large"] else 0


def _posted(target: Target, body: dict[str, Any]) -> dict[str, Any]:
    """The letters, written down as gone out: by the node where it runs, else on its store."""
    try:
        answer: dict[str, Any] = target.call("/v0/brieven", body)
    except Unavailable as error:
        if not is_down(error):
            raise
        import msgspec

        from keersluis import letters_desk
        from keersluis.web.api_letters import PrintRequest, wish

        with target.node() as node:
            answer = letters_desk.document(letters_desk.post(node, wish(msgspec.convert(body, PrintRequest))))
    return answer


def _written(target: Target, answer: dict[str, Any], out: Path, stack: bool, tongue: str) -> list[str]:
    """The PDFs on disk. Their names hold the kind and the number, nothing of a person."""
    from keersluis.letters_desk import sheet
    from keersluis.paper.sheets import pdf
    from keersluis.times import parse_instant

    at = parse_instant(answer["at"])
    made = (
        (each, sheet(target.chain, b64decode(each["packed"]), each["to"], tongue, at)) for each in answer["letters"]
    )
    if not answer["letters"]:
        return []
    if stack:
        out = out if out.suffix == ".pdf" else out.with_suffix(".pdf")
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(pdf((each for _letter, each in made), "Keersluis"))
        return [str(out)]
    out.mkdir(parents=True, exist_ok=True)
    files = []
    for letter, each in made:
        path = out / f"{letter['kind']}-{letter['position']:06d}-{letter['to']}.pdf"
        path.write_bytes(pdf([each], each.wording.subject))
        files.append(str(path))
    return files


def _without_content(letter: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in letter.items() if name != "packed"}


@app.command("scan")
def scan(scans: Scans, organisation: Whose, directory: Directory = Path(), as_json: AsJson = False) -> int:
    """Enter letters from scans. What can be read is entered; exit 1 when anything could not be."""
    from keersluis.letters_desk import report
    from keersluis.paper.gathering import gather

    target = Target(directory, organisation)
    pages = list(_read(scans))
    read, unread = gather(pages)
    told = report(read, unread, _entered(target, [each.packed for each in read]), len(pages))
    emit(told, as_json, "\n".join(_lines(told)))
    return 1 if told["failed"] else 0


def _entered(target: Target, letters: list[bytes]) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    try:
        for at in range(0, len(letters), 500):
            body = {"brieven": [b64encode(each).decode() for each in letters[at : at + 500]]}
            results += target.call("/v0/brieven/_inkomend", body)["results"]
    except Unavailable as error:
        if not is_down(error):
            raise
        from keersluis import letters_desk

        with target.node() as node:
            results += letters_desk.enter(node, letters[len(results) :])
    return results


def _read(scans: list[Path]) -> Iterator[Page]:
    """All pages; of a file that is no scan, one that says so."""
    from keersluis.paper.gathering import Page
    from keersluis.paper.pages import parts, read

    work: list[Part] = []
    for path in scans:
        try:
            work += parts(str(path), path)
        except Incorrect as error:
            yield Page(str(path), 1, (), wrong=error)
    progress = _Progress(sum(part.last - part.first for part in work))
    for pages in read(work):
        yield from pages
        progress.report(pages)
    progress.end()


class _Progress:
    """A bar on standard error: pages read, how fast, on how many nothing was found."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.empty = total, 0, 0
        self.started, self.last = time.monotonic(), 0.0
        self.live = sys.stderr.isatty()

    def report(self, pages: list[Page]) -> None:
        self.done += len(pages)
        self.empty += sum(not page.codes for page in pages)
        now = time.monotonic()
        if now - self.last >= (EVERY if self.live else 50 * EVERY):
            self.last = now
            self._write()

    def _write(self) -> None:
        rate = self.done / max(0.001, time.monotonic() - self.started)
        filled = round(30 * self.done / max(1, self.total))
        read = f"{self.done:,} of {self.total:,} pages, {rate:.1f} a second, {self.empty} without a code"
        line = f"[{'#' * filled:<30}] {read}"
        print(f"\r{line:<100}" if self.live else line, end="" if self.live else "\n", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self.total:
            self._write()
        if self.live:
            print(file=sys.stderr)


def _lines(told: dict[str, Any]) -> Iterator[str]:
    outcomes = [each["outcome"] for each in told["entered"]]
    parts = {"applied": "applied", "known": "known already", "kept": "kept until their turn"}
    counted = [f"{outcomes.count(name)} {said}" for name, said in parts.items() if name in outcomes]
    yield f"{told['pages']} pages, {len(outcomes)} letters entered" + (f": {', '.join(counted)}." if counted else ".")
    for receipt in (each for each in told["entered"] if "receipt" in each):
        yield f"Receipt of {receipt['origin']}, complete through {receipt['watermark']}:\n{receipt['receipt']}"
    for failure in told["failed"][:SHOWN]:
        places = ", ".join(f"{place['file']} page {place['page']}" for place in failure["pages"])
        problem = failure["problem"]
        yield f"Not entered: {places}: {problem.get('detail') or problem.get('title')}"
    if len(told["failed"]) > SHOWN:
        yield f"and {len(told['failed']) - SHOWN} more (--json names all)"


@app.command("list")
def list_(organisation: Whose, directory: Directory = Path(), as_json: AsJson = False) -> None:
    """The letters that went out and came in, the latest first."""
    target = Target(directory, organisation)
    from keersluis import letters_desk

    found = target.ask("/v0/brieven", None, letters_desk.overview)
    lines = [
        f"{each['at']}  out  {each['letter']}  {each['kind']} {each['position']} to {each['peer']}"
        for each in found["out"]
    ]
    lines += [
        f"{each['at']}  in   {each['letter']}  {each['origin']} {each['position']}: {each['outcome']}"
        for each in found["in"]
    ]
    emit(found, as_json, "\n".join(lines) or "No letters yet.")
