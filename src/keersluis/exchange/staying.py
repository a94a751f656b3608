"""What waits in the exchange, and what waited, as stays: acts for entry, events for receipt, batches in quarantine.

For the backlogs: by kind, and by where it waits. Within the caller's transaction.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

from sqlalchemy import Connection

from keersluis.errors import Fault
from keersluis.exchange import _store_epochs, _store_intake, _store_stays
from keersluis.exchange.channels import CHANNELS as CHANNELS
from keersluis.stays import Stay, totals
from keersluis.times import HOUR, Instant


def entry(tx: Connection, kinds: Sequence[str], channels: Sequence[str] = ()) -> list[Stay]:
    """Acts of these kinds (and channels; none: all) that were registered as waiting for entry, one by one or in bags.

    In with their registration, out when they are entered, withdrawn, or taken from their bag. Raises Fault
    `backlog.unbalanced` where what came less what went is not what waits.
    """
    stays = defaultdict(list)
    for channel, born, since, ended in _store_stays.entry_rows(tx, kinds):
        stays[channel].append(Stay(1, born, since, None if ended is None else max(ended, since)))
    for channel, found in _bags(_store_stays.bag_rows(tx, kinds)):
        stays[channel] += found
    _check(stays, _waiting(tx, kinds))
    return [stay for channel in stays if not channels or channel in channels for stay in stays[channel]]


def channels_of(tx: Connection, kinds: Sequence[str]) -> list[str]:
    """The channels by which acts of these kinds wait now."""
    return sorted(channel for channel, number in _waiting(tx, kinds).items() if number)


def _waiting(tx: Connection, kinds: Sequence[str]) -> dict[str, int]:
    waiting = defaultdict(int, _store_stays.entry_stock(tx, kinds))
    for bag in _store_intake.all_mailbags(tx):
        if bag.kind in kinds:
            waiting[bag.channel] += int(bag.acts)
    return waiting


def _check(stays: dict[str, list[Stay]], waiting: dict[str, int]) -> None:
    """In - out = stock, counted apart."""
    for channel in stays.keys() | waiting.keys():
        found = totals(stays.get(channel, ()))
        if found.stock != waiting.get(channel, 0):
            expected = f"{waiting.get(channel, 0)} acts that wait ({channel})"
            raise Fault("backlog.unbalanced", expected=expected, got=f"{found.came} in, {found.left} out")


def _bags(moves: Iterable[Any]) -> Iterable[tuple[str, list[Stay]]]:
    """The stays of each bag: what came first goes first; a bag is as old as was last said of it."""
    bags: dict[tuple[str, str, str], list[Any]] = defaultdict(list)
    for move in moves:
        bags[move.kind, move.bag, move.channel].append(move)
    for (_kind, _bag, channel), own in bags.items():
        yield channel, _bag_stays(own)


def _bag_stays(moves: Sequence[Any]) -> list[Stay]:
    here: deque[tuple[int, Instant]] = deque()
    stays, born = [], moves[-1].born
    for move in moves:
        born, left = move.born, -int(move.acts)
        if move.acts > 0:
            here.append((int(move.acts), move.at))
        while left > 0 and here:
            number, since = here.popleft()
            taken = min(number, left)
            stays.append(Stay(taken, born, since, max(since, move.at)))
            left -= taken
            if number > taken:
                here.appendleft((number - taken, since))
    return stays + [Stay(number, born, since, None) for number, since in here]


def delivery(tx: Connection, kinds: Sequence[str], peers: Sequence[str], edges: Sequence[Instant]) -> list[Stay]:
    """Events of our own of these kinds that were accepted, until each of `peers` gave its receipt.

    In with their acceptance. When those that are gone came and went is told between `edges` (ascending; the last is
    now): as of the beginning of that step; what came before the first is of the moment before it. How old those were
    is not told: `born` is when they came.
    """
    own = {row.stream for row in _store_epochs.out_archive(tx) if row.leaf in kinds}
    stays: list[Stay] = []
    for stream in _store_stays.streams_of(tx, kinds, sorted(own)):
        entered = _store_stays.entered_by(tx, stream.stream, stream.size, edges)
        at = _store_stays.peers_of(tx, stream.stream)
        for peer in peers:
            size = min(at.get(peer, 0), stream.size)
            receipts = _store_stays.receipts_of(tx, stream.stream, peer)
            gone = [min(each, size) for each in _reached(receipts, edges[:-1])]
            stays += _passed([*entered[:-1], stream.size], [*gone, size], edges)
            stays += _undelivered(tx, stream.stream, size)
    return stays


def _reached(receipts: Sequence[tuple[Instant, int]], edges: Sequence[Instant]) -> list[int]:
    """How far a peer was by each edge; where it asked again for older events, it had not got them."""
    hours, sizes = [hour for hour, _size in receipts], [size for _hour, size in receipts]
    least = list(accumulate(reversed(sizes), min))[::-1]  # of what is said from there on
    found = []
    for edge in edges:
        before = bisect_right(hours, edge - HOUR)
        found.append(min([sizes[before - 1] if before else 0, *least[before : before + 1]]))
    return found


def _passed(entered: Sequence[int], gone: Sequence[int], edges: Sequence[Instant]) -> list[Stay]:
    """What left: its positions [came, went) between the edges, first come first gone."""
    stays = []
    i = j = position = 0
    while position < gone[-1]:
        while entered[i] <= position:
            i += 1
        while gone[j] <= position:
            j += 1
        upto = min(entered[i], gone[j])
        since, ended = (edges[n - 1] if n else edges[0] - 1 for n in (i, j))
        stays.append(Stay(upto - position, since, since, max(since, ended)))
        position = upto
    return stays


def _undelivered(tx: Connection, stream: int, after: int) -> list[Stay]:
    rows = _store_stays.undelivered(tx, stream, after)
    return [Stay(int(number), born * HOUR, came * HOUR, None) for came, born, number in rows]


def quarantine(tx: Connection, sources: Sequence[str]) -> list[Stay]:
    """Batches of these organisations that were set apart, until their stream goes on."""
    rows = _store_stays.quarantine_rows(tx, sources)
    return [Stay(1, at, at, None if solved is None else max(at, solved)) for at, solved in rows]
