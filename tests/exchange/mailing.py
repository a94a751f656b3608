"""Letters between the two sides of a pair, without paper: as `posting` makes them and `letterbox` takes them."""

from __future__ import annotations

from exchange.exchange_harness import KIND, Pair, Side
from keersluis.errors import KeersluisError
from keersluis.exchange import inbox, letterbox, outbox, posting
from keersluis.exchange.letters import Letter, unpack
from keersluis.exchange.posting import Posted


def letters(pair: Pair, first: int, last: int, *, kind: str = KIND, to: str = "justid") -> list[Posted]:
    """Events `first` … `last` of the source, each as a letter under one checkpoint over `last` events."""
    source = pair.source
    now = source.clock.now()
    promises = source.store.write(lambda tx: outbox.make_promises(tx, source.ctx, now))
    promised = next(each for each in promises if each.kind.path == kind)
    with source.store.read() as tx:
        posted, too_large = posting.prepare(tx, source.ctx, promised, first, last, to)
    assert not too_large
    source.store.write(lambda tx: posting.post(tx, source.ctx, promised, posted, now))
    return posted


def enter(side: Side, letter: Letter | Posted, name: str = "00") -> letterbox.Entered | KeersluisError:
    """What became of a letter, or for what it was refused."""
    opened = unpack(letter.packed) if isinstance(letter, Posted) else letter
    name = letter.id if isinstance(letter, Posted) else name
    try:
        result = side.store.write(lambda tx: letterbox.enter(tx, side.ctx, opened, name, side.handle, side.clock.now()))
    except KeersluisError as error:
        return error
    return result.error if isinstance(result, inbox.Refused) else result


def outcome(result: letterbox.Entered | KeersluisError) -> str:
    return result.outcome if isinstance(result, letterbox.Entered) else result.code
