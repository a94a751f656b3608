"""`keersluis bundle`: streams and receipts in files that are carried. Works on the store when the node does not run."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keersluis.cli.output import AsJson, emit
from keersluis.cli.target import Directory, Target, Whose, is_down
from keersluis.errors import Incorrect, Unavailable

if TYPE_CHECKING:
    from keersluis.carrying import Taken
    from keersluis.exchange.bundles import Part
    from keersluis.service import Node

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)

To = Annotated[str, typer.Option("--to", help="For which organisation.")]
File = Annotated[Path, typer.Argument(help="The file to make; with --part-size, the beginning of their names.")]
Files = Annotated[list[Path], typer.Argument(help="Files of bundles: any parts, in any order.")]
PartSize = Annotated[str | None, typer.Option(help="Files of at most so many bytes (64K to 32M), one for each part.")]
Plain = Annotated[bool, typer.Option("--plain", help="Do not seal it to the receiver: whoever finds it can read it.")]
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


class Remote:
    """The node over its API."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def make(self, asked: dict[str, Any]) -> Any:
        return self.target.call("/v0/bundels/_maak", asked)

    def confirm(self, asked: dict[str, Any]) -> Any:
        return self.target.call("/v0/bundels/_bevestig", asked)

    def part(self, n: int, number: int) -> bytes:
        return self.target.fetch(f"/v0/bundels/{n}/delen/{number}")

    def keep(self, part: Part) -> list[int]:
        kept: list[int] = self.target.call("/v0/bundels", part.to_bytes())["kept"]
        return kept

    def take_in(self, n: int) -> Taken:
        import msgspec

        from keersluis.carrying import Taken

        while True:
            taken = msgspec.convert(self.target.call("/v0/bundels/_verwerk", {"nummer": n}), Taken)
            if taken.missing or taken.refused or not taken.left:
                return taken
            _progress(taken.carried - taken.left, taken.carried)

    def listing(self) -> Any:
        return self.target.call("/v0/bundels")


class Local:
    """The node's own parts on its store."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def make(self, asked: dict[str, Any]) -> Any:
        import msgspec

        from keersluis import carrying
        from keersluis.web.api_bundles import MakeBundle, wanted

        request = msgspec.convert(asked, MakeBundle)
        made = carrying.make(self.node, wanted(request), part_size=request.deelgrootte, plain=request.onverzegeld)
        return msgspec.to_builtins(made)

    def confirm(self, asked: dict[str, Any]) -> Any:
        import msgspec

        from keersluis import carrying

        sealing = {"part_size": asked.get("deelgrootte"), "plain": asked.get("onverzegeld", False)}
        return msgspec.to_builtins(carrying.confirm(self.node, asked["peer"], **sealing))

    def part(self, n: int, number: int) -> bytes:
        from keersluis import carrying

        return carrying.part(self.node, n, number)

    def keep(self, part: Part) -> list[int]:
        from keersluis import carrying

        return [carrying.keep_part(self.node, part)]

    def take_in(self, n: int) -> Taken:
        from keersluis import carrying

        return carrying.take_in(self.node, n, progress=_progress)

    def listing(self) -> Any:
        from keersluis import carrying

        return carrying.listing(self.node)


@contextmanager
def door(target: Target) -> Iterator[Remote | Local]:
    """To the node when it runs, to its store when it does not."""
    try:
        target.call("/v0/bundels")
        runs = True
    except Unavailable as error:
        if not is_down(error):
            raise
        runs = False
    if runs:
        yield Remote(target)
        return
    with target.node() as node:
        yield Local(node)


def _progress(done: int, whole: int) -> None:
    live = sys.stderr.isatty()
    if live or done == whole:
        print(
            f"\r{done:,} of {whole:,} events" if live else f"{done:,} of {whole:,} events", file=sys.stderr, flush=True
        )


def bytes_of(text: str | None) -> int | None:
    """``4M`` as a number of bytes. Raises Incorrect `bundle.part-size`."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,12})([KMG]?)", text.upper())
    if match is None:
        raise Incorrect("bundle.part-size", expected="a size such as 700K or 4M", got=repr(text))
    return int(match[1]) * _UNITS[match[2]]


def _write(to: Remote | Local, made: dict[str, Any], file: Path, split: bool) -> list[str]:
    from keersluis.carrying import write_files

    paths = write_files(file, made["parts"], lambda number: to.part(made["n"], number), split=split)
    return [str(path) for path in paths]


def _check_new(file: Path, part_size: str | None) -> None:
    """Before a bundle is made for it."""
    from keersluis.carrying import check_new

    check_new([file] if part_size is None else sorted(file.parent.glob(f"{file.name}.part-*")))


def _asked(peer: str, part_size: str | None, plain: bool, **rest: Any) -> dict[str, Any]:
    asked = {"peer": peer, "deelgrootte": bytes_of(part_size), "onverzegeld": plain, **rest}
    return {name: value for name, value in asked.items() if value is not None}


@app.command("export")
def export(
    file: File,
    organisation: Whose,
    to: To,
    directory: Directory = Path(),
    kind: Annotated[list[str] | None, typer.Option(help="Only these kinds; default all that it receives.")] = None,
    first: Annotated[int | None, typer.Option("--from", min=1, help="From which event; needs one --kind.")] = None,
    through: Annotated[int | None, typer.Option(min=0, help="Through which event; needs one --kind.")] = None,
    part_size: PartSize = None,
    plain: Plain = False,
    as_json: AsJson = False,
) -> None:
    """Write what a peer has not confirmed, or a range, to a file; nothing is noted as having arrived."""
    target = Target(directory, organisation)
    asked = _asked(to, part_size, plain, soorten=kind or [], van=first, tot=through)
    _check_new(file, part_size)
    with door(target) as node:
        made = node.make(asked)
        files = _write(node, made, file, part_size is not None)
    kept = "".join(f"\nLeft out: {kind} ({code})." for kind, code in made["refused"].items())
    said = f"{made['events']:,} events of {len(made['streams'])} streams for {to} in {len(files)} files{_sealed(made)}."
    emit(made | {"files": files}, as_json, "\n".join([said, *files]) + kept)


def _sealed(made: dict[str, Any]) -> str:
    return ", sealed to it" if made["sealed"] else ", NOT sealed: whoever finds them can read them"


@app.command("receipt")
def receipt(
    file: File,
    organisation: Whose,
    to: To,
    directory: Directory = Path(),
    part_size: PartSize = None,
    plain: Plain = False,
    as_json: AsJson = False,
) -> None:
    """Write what is applied here of a source's streams, signed, for it to import."""
    target = Target(directory, organisation)
    _check_new(file, part_size)
    with door(target) as node:
        made = node.confirm(_asked(to, part_size, plain))
        files = _write(node, made, file, part_size is not None)
    emit(made | {"files": files}, as_json, "\n".join([f"Receipts for {to}{_sealed(made)}.", *files]))


@app.command("import")
def import_(files: Files, organisation: Whose, directory: Directory = Path(), as_json: AsJson = False) -> None:
    """Keep parts, and take in what is whole: verified whole before anything is applied, each event once."""
    import msgspec

    from keersluis.carrying import check_done, summary
    from keersluis.exchange.bundles import read_parts

    target = Target(directory, organisation)
    numbers: dict[int, None] = {}
    with door(target) as node:
        for path in files:
            with path.open("rb") as file:
                for part in read_parts(file, path.name):
                    numbers |= dict.fromkeys(node.keep(part))
        taken = [node.take_in(n) for n in numbers]
    emit(msgspec.to_builtins(taken), as_json, "\n".join(map(summary, taken)))
    _end(check_done, taken, as_json)


def _end(check: Any, taken: list[Taken], as_json: bool) -> None:
    """Exit code 1 when not all is taken in; the values were printed already."""
    from keersluis.errors import KeersluisError

    try:
        check(taken)
    except KeersluisError as error:
        if not as_json:
            print(f"keersluis: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


@app.command("inspect")
def inspect(files: Files, organisation: Whose, directory: Directory = Path(), as_json: AsJson = False) -> None:
    """Say what files hold and whether it is whole, and change nothing."""
    from keersluis.context import Context
    from keersluis.exchange import inspection
    from keersluis.identity import KeyRing, load_key
    from keersluis.sealing import Seals
    from keersluis.times import SystemClock

    target = Target(directory, organisation)
    me, clock = target.chain.organisations[organisation], SystemClock()
    folder = target.home / organisation
    ring = KeyRing.load(target.home / "keys.json")
    ctx = Context(target.chain, me, load_key(folder, me.oin), ring, clock, lambda *_: None, b"")
    told = inspection.inspect(ctx, Seals.load(target.home, folder, me.oin).unseal, files, clock.now())
    emit(told, as_json, "\n".join(line for each in told for line in _lines(each)))
    if any(each["fault"] or each["missing"] for each in told):
        raise typer.Exit(1)


def _lines(told: dict[str, Any]) -> list[str]:
    sealed = "sealed" if told["sealed"] else "not sealed"
    lines = [f"bundle {told['bundle'][:16]} of {told['source']} for {told['receiver']}, {told['made']}, {sealed}"]
    if told["missing"]:
        lines.append(f"  of {told['parts']} parts, missing: {', '.join(map(str, told['missing'][:20]))}")
    for each in told.get("streams", ()):
        numbers = f"{each['from']:,} to {each['through']:,}" if each["from"] <= each["through"] else "nothing new"
        lines.append(f"  {each['kind']:34} {numbers:20} complete through {each['complete_through']}")
    if told["fault"]:
        return [*lines, f"  wrong: {told['fault']['detail']}"]
    return [*lines, "  verified whole" if told["verified"] else "  what it holds can be verified by its receiver only"]


@app.command("list")
def list_(organisation: Whose, directory: Directory = Path(), as_json: AsJson = False) -> None:
    """Bundles made here and bundles that came, newest first."""
    with door(Target(directory, organisation)) as node:
        told = node.listing()
    lines = [
        f"{way:3} {each['made']:27} {each['peer']:10} {each['holds']:8} {each['events']:>9,} events  {each['state']}"
        for way in ("out", "in")
        for each in told[way]
    ]
    emit(told, as_json, "\n".join(lines) or "No bundle was made here, and none came.")
