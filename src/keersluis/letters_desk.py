"""Letters of one node, out and in: for the page, the API and `keersluis paper`."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeAlias

from keersluis.chain import Chain
from keersluis.errors import Fault, Incorrect, KeersluisError
from keersluis.exchange import inbox, letterbox, outbox, posting
from keersluis.exchange.envelope import decode
from keersluis.exchange.letters import MOST_PACKED, letter_id, split, unpack
from keersluis.exchange.outbox import Promised
from keersluis.exchange.posting import Posted, TooLarge
from keersluis.paper.gathering import Readable, Unreadable, gather
from keersluis.paper.pages import parts, read_part
from keersluis.paper.sheets import Sheet, pdf
from keersluis.paper.wording import word
from keersluis.service import Node
from keersluis.times import Instant, format_instant
from keersluis.watermarks import Checkpoint
from keersluis.words import translator

SHOWN = 200


@dataclass(frozen=True, slots=True)
class Wish:
    """Which events to print: one by its `event` id; or of a `kind` the numbers `first` … `last` (all by default); or
    all that `waiting_for` (a peer) has not receipted. `to`: the receiver, where a kind has more than one."""

    event: str | None = None
    kind: str | None = None
    first: int | None = None
    last: int | None = None
    waiting_for: str | None = None
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Printed:
    """Letters that went out, and events that are too large for one."""

    letters: list[Posted]
    too_large: list[TooLarge]
    at: Instant


Chosen: TypeAlias = tuple[Promised, int, int, str]
"""A stream, the first and the last of its events, the receiver."""


def post(node: Node, wish: Wish) -> Printed:
    """Let letters go out past the gate for paper; returns when it is written down that they went.

    Raises Incorrect `letter.*`, Unavailable `gate.closed` or `gate.metered`: then no letter went.
    """
    _check(node.chain, wish)
    now = node.clock.now()
    promises = node.store.write(node.prepare)
    posted: list[tuple[Promised, list[Posted]]] = []
    too_large: list[TooLarge] = []
    with node.store.read() as tx:
        chosen = list(_chosen(tx, node.chain, promises, wish))
        _check_number(chosen)
        for promised, first, last, to in chosen:
            made, refused = posting.prepare(tx, node.ctx, promised, first, last, to)
            posted += [(promised, made)] if made else []
            too_large += refused
    if not posted and too_large:
        raise _too_large(too_large)

    def go(tx: Any) -> None:
        for promised, made in posted:
            posting.post(tx, node.ctx, promised, made, now)

    if posted:
        node.store.write(go)
    return Printed([letter for _promised, made in posted for letter in made], too_large, now)


def _check(chain: Chain, wish: Wish) -> None:
    ways = [wish.event is not None, wish.waiting_for is not None, wish.event is None and wish.kind is not None]
    if sum(ways) != 1:
        raise Incorrect("letter.wish", expected="an event, or a kind, or a peer that it waits for", got=f"{sum(ways)}")
    if wish.kind is not None and wish.kind not in chain.kinds:
        raise Incorrect("letter.kind", expected=f"a kind of {chain.name}", got=repr(wish.kind))
    if wish.waiting_for is not None and wish.waiting_for not in chain.organisations:
        expected = f"one of {', '.join(chain.organisations)}"
        raise Incorrect("letter.receiver", expected=expected, got=repr(wish.waiting_for))


def _chosen(tx: Any, chain: Chain, promises: Sequence[Promised], wish: Wish) -> Iterable[Chosen]:
    behind = outbox.behind(tx)
    if wish.waiting_for is not None:
        waiting = list(posting.waiting(tx, promises, wish.waiting_for))
        if not waiting:
            outbox.check_not_behind([kind for kind in behind if wish.waiting_for in chain.kinds[kind].receivers])
        yield from ((promised, first, last, wish.waiting_for) for promised, first, last in waiting)
        return
    outbox.check_not_behind([kind for kind in behind if kind == wish.kind])
    ours = [each for each in promises if wish.kind in (None, each.kind.path)]
    if not ours:
        raise Incorrect("letter.kind", expected="a kind of which we are the source", got=repr(wish.kind))
    if wish.event is not None:
        promised, position = _find(tx, ours, wish.event, behind)
        yield promised, position, position, posting.receiver(promised.kind, wish.to)
        return
    last = ours[0].size if wish.last is None else wish.last
    yield ours[0], 1 if wish.first is None else wish.first, last, posting.receiver(ours[0].kind, wish.to)


def _find(tx: Any, ours: Sequence[Promised], event: str, behind: Sequence[str]) -> tuple[Promised, int]:
    """Where a stream is behind, the event may be of that one."""
    try:
        return posting.find(tx, ours, event)
    except Incorrect:
        outbox.check_not_behind(behind)
        raise


def _check_number(chosen: Sequence[Chosen]) -> None:
    number = sum(last - first + 1 for _promised, first, last, _to in chosen)
    if number > posting.MOST:
        expected, mend = f"at most {posting.MOST:,} letters at once", "take a bundle, or a smaller range"
        raise Incorrect("letter.too-many", expected=expected, got=f"{number:,}", mend=mend)


def _too_large(events: Sequence[TooLarge]) -> Incorrect:
    named = "; ".join(f"{each.packed:,} bytes ({each.kind} event {each.position})" for each in events[:3])
    return Incorrect(
        "letter.too-large",
        expected=f"events of at most {MOST_PACKED:,} bytes packed, which is two pages",
        got=named,
        mend="send these in a bundle",
    )


# -- print -----------------------------------------------------------------------------------------------------


def sheet(chain: Chain, packed: bytes, to: str, language: str, at: Instant) -> Sheet:
    """A letter of ours, as it is printed at this instant in this language."""
    letter = unpack(packed)
    checkpoint = Checkpoint.parse(letter.checkpoint.split("\n\n")[0] + "\n")
    kind = chain.kinds[checkpoint.origin.split("/")[1]]
    name = letter_id(packed).hex()
    receiver = chain.organisations[to]
    told = word(
        translator(language), chain, kind, receiver, decode(letter.event), checkpoint, letter=name, printed_at=at
    )
    return Sheet(told, split(packed))


def stack(chain: Chain, printed: Printed, language: str) -> bytes:
    """One PDF with all these letters."""
    sheets = (sheet(chain, each.packed, each.to, language, printed.at) for each in printed.letters)
    return pdf(sheets, "Keersluis")


def document(printed: Printed) -> dict[str, Any]:
    """What was printed, as JSON; `packed` (base64) is what `sheet` prints."""
    letters = [
        {
            "letter": each.id,
            "kind": each.kind.path,
            "position": each.letter.position,
            "to": each.to,
            "packed": b64encode(each.packed).decode(),
        }
        for each in printed.letters
    ]
    too_large = [
        {"kind": e.kind, "position": e.position, "bytes": e.packed, "most": MOST_PACKED} for e in printed.too_large
    ]
    return {"letters": letters, "too_large": too_large, "at": format_instant(printed.at)}


# -- scan ------------------------------------------------------------------------------------------------------


def enter(node: Node, packed: Sequence[bytes]) -> list[dict[str, Any]]:
    """Enter letters that were read: for each, in order, what became of it. Returns when all that is durable."""
    futures: list[Future[Any] | KeersluisError] = []
    for each in packed:
        try:
            futures.append(node.enter_letter(unpack(each), letter_id(each).hex()))
        except KeersluisError as error:
            futures.append(error)
    return [_told(letter_id(raw).hex(), future) for raw, future in zip(packed, futures, strict=True)]


def _told(name: str, future: Future[Any] | KeersluisError) -> dict[str, Any]:
    try:
        if isinstance(future, KeersluisError):
            raise future
        result = future.result()
    except KeersluisError as error:
        return {"letter": name, "problem": error.problem()}
    except Exception as error:  # noqa: BLE001, one letter that nobody foresaw holds up no other
        fault = Fault("exchange.fault", expected="a letter that can be entered", got=type(error).__name__)
        return {"letter": name, "problem": fault.problem()}
    if isinstance(result, inbox.Refused):
        return {"letter": name, "problem": result.error.problem()}
    return _entered(result)


def _entered(result: letterbox.Entered) -> dict[str, Any]:
    found = {"letter": result.letter, "origin": result.origin, "kind": result.kind, "position": result.position}
    found |= {"outcome": result.outcome, "watermark": result.watermark}
    return found | ({"receipt": result.receipt.checkpoint} if result.receipt else {})


def report(
    read: Sequence[Readable], unread: Sequence[Unreadable], results: Sequence[dict[str, Any]], pages: int
) -> dict[str, Any]:
    """What a scan came to: what was entered, and what was not, where it lies and why."""
    entered, failed = [], [_failed(each.letter, each.pages, each.error.problem()) for each in unread]
    for letter, result in zip(read, results, strict=True):
        places = [{"file": file, "page": page} for file, page in letter.pages]
        if "problem" in result:
            failed.append(_failed(letter.letter, letter.pages, result["problem"]))
        else:
            entered.append({**result, "pages": places})
    return {"pages": pages, "letters": len(read), "entered": entered, "failed": failed}


def _failed(letter: str, pages: Sequence[tuple[str, int]], problem: dict[str, Any]) -> dict[str, Any]:
    return {"letter": letter, "pages": [{"file": file, "page": page} for file, page in pages], "problem": problem}


def scan(node: Node, name: str, body: bytes, most: int = 200) -> dict[str, Any]:
    """Read one uploaded file and enter what is in it. Raises Incorrect `scan.*` for what is no scan."""
    work = parts(name, body)
    if work and work[-1].last > most:
        mend = "use `keersluis paper scan` for a stack"
        raise Incorrect("scan.too-many-pages", expected=f"at most {most} pages", got=str(work[-1].last), mend=mend)
    pages = [page for part in work for page in read_part(part)]
    read, unread = gather(pages)
    return report(read, unread, enter(node, [each.packed for each in read]), len(pages))


def overview(node: Node) -> dict[str, Any]:
    """Letters out and in, the latest first, and how many there are."""
    with node.store.read() as tx:
        return letterbox.lists(tx, SHOWN)
