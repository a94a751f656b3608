"""Bundles on a node: make, keep, take in, confirm. Every function returns when what it says is durable."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import msgspec
from sqlalchemy import Connection

from keersluis.errors import Conflict, Fault, Forbidden, Incorrect, KeersluisError, Unavailable, Untrusted
from keersluis.exchange import bundles, gatekeeper, inbox, ledger, packing, stands, unpacking
from keersluis.exchange.batches import Batch, Receipt
from keersluis.exchange.bundles import Manifest, Part, Range, Run
from keersluis.exchange.packing import Packed, Wanted
from keersluis.service import Node
from keersluis.signing import unverified_text
from keersluis.watermarks import parse_origin

Progress = Callable[[int, int], None]
"""Told how many events of how many were gone through."""

SLICE = 10.0
"""Seconds of taking in within one request; the caller asks on."""

AT_ONCE = 4
"""Batches of one transaction: a gate must be able to close in between, within a second (P4)."""

# --- Out ------------------------------------------------------------------------------------------


def make(node: Node, wanted: Wanted, *, part_size: int | None = None, plain: bool = False) -> Packed:
    """A bundle for a peer, kept here to be fetched part by part, sealed to it unless `plain`.

    Of exactly the same numbers as an earlier one it is the same bundle, byte for byte before sealing. Raises Incorrect
    `bundle.*`, `sealing.no-recipient`, Unavailable `gate.*`.
    """
    room, seal = bundles.body_room(part_size or bundles.USUAL_PART), _seal_to(node, wanted.peer, plain)
    with node.store.read() as tx:
        again = packing.made_again(tx, node.ctx, wanted)
    refused: dict[str, str] = {}
    if again is None:
        promises = node.store.write(node.prepare)
        with node.store.read() as tx:
            ranges, refused = packing.plan(tx, node.ctx, wanted, promises)
            again = packing.manifest_for(tx, node.ctx, wanted.peer, ranges)
    return replace(_packed(node, wanted.peer, *again, room, seal), refused=refused)


def confirm(node: Node, peer: str, *, part_size: int | None = None, plain: bool = False) -> Packed:
    """Step 12, carried: a bundle of our receipts for the streams of `peer` that are applied here."""
    room, seal = bundles.body_room(part_size or bundles.USUAL_PART), _seal_to(node, peer, plain)
    with node.store.read() as tx:
        manifest = packing.receipts_for(tx, node.ctx, peer)
    return _packed(node, peer, manifest, bundles.manifest_record(manifest, node.ctx.signer), room, seal)


def _packed(node: Node, peer: str, manifest: Manifest, record: bytes, room: int, seal: packing.Seal | None) -> Packed:
    n, notes = packing.write_parts(node.store, node.ctx, peer, manifest, record, room, seal)
    return node.store.write(lambda tx: packing.finish(tx, node.ctx, peer, n, manifest, notes))


def _seal_to(node: Node, peer: str, plain: bool) -> packing.Seal | None:
    known = [each.key for each in node.chain.nodes if each.key != node.me.key]
    if peer not in known:
        raise Incorrect("bundle.peer", expected=f"one of {', '.join(known)}", got=repr(peer))
    oin = node.chain.organisations[peer].oin
    if plain:
        return None
    node.seals.seal(b"", oin)  # who cannot be sealed to is told before the work begins
    return partial(node.seals.seal, oin=oin)


def part(node: Node, n: int, number: int) -> bytes:
    """One part of a bundle that was made here, as it lies in a file. A gate that closed meanwhile keeps it here (P4).

    Raises Incorrect `bundle.unknown`, Unavailable `gate.closed`.
    """
    with node.store.read() as tx:
        row, kept = ledger.made(tx, n, number)
        for kind in packing.kinds_of(row):
            gatekeeper.allowance(tx, row.peer, "out", kind, node.clock.now(), "bundle")
    return Part(bundles.Header.parse(unverified_text(kept.note)), kept.note, bytes(kept.body)).to_bytes()


def write_files(path: Path, parts: int, fetch: Callable[[int], bytes], *, split: bool) -> list[Path]:
    """The parts in one file, or each in a file of its own (`NAME.part-3-of-7`); durable on return.

    Raises Conflict `bundle.file-exists`: nothing is overwritten.
    """
    names = [path.with_name(f"{path.name}.part-{k}-of-{parts}") for k in range(1, parts + 1)] if split else [path]
    check_new(names)
    for first, name in enumerate(names, 1):
        beside = name.with_name(f".{name.name}.making")
        try:
            with beside.open("wb") as file:
                for number in [first] if split else range(1, parts + 1):
                    file.write(fetch(number))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(name)
        finally:
            beside.unlink(missing_ok=True)
    _sync(path.parent)
    return names


def check_new(names: Iterable[Path]) -> None:
    """Raises Conflict `bundle.file-exists`."""
    if there := [str(name) for name in names if name.exists()]:
        raise Conflict("bundle.file-exists", expected="no such file", got="one", where=", ".join(there[:3]))


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def export_bundle(
    node: Node, peer: str, path: Path, *, part_size: int | None = None, plain: bool = False, **wanted: Any
) -> tuple[Packed, list[Path]]:
    """Make a bundle and write its files; with `part_size`, one file for each part. `wanted`: as of `Wanted`."""
    packed = make(node, Wanted(peer, **wanted), part_size=part_size, plain=plain)
    return packed, write_files(path, packed.parts, partial(part, node, packed.n), split=part_size is not None)


# --- In -------------------------------------------------------------------------------------------


@dataclass
class Taken:
    """What taking in a bundle came to so far. `events` went into the register, `passed` were here already; `refused`
    says per kind why it was not taken. `left` events are still to be gone through."""

    n: int
    bundle: str
    peer: str
    holds: str
    state: str
    missing: list[int] = field(default_factory=list)
    events: int = 0
    passed: int = 0
    carried: int = 0
    left: int = 0
    receipts: int = 0
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        return self.state == unpacking.APPLIED


def keep(node: Node, file: BinaryIO, name: str = "") -> list[int]:
    """Keep the parts of one file, each verified by itself; the numbers here of the bundles that they belong to.

    Raises Untrusted `bundle.*` or `note.*`, Forbidden `bundle.not-for-us`, naming the part; those before it are kept.
    """
    return list(dict.fromkeys(keep_part(node, each, name) for each in bundles.read_parts(file, name)))


def keep_part(node: Node, each: Part, name: str = "") -> int:
    """Keep one part, durably."""
    now = node.clock.now()
    try:
        unpacking.check_part(node.ctx, each, now)
        return node.store.write(lambda tx: unpacking.keep(tx, node.ctx, each, now))
    except (Untrusted, Forbidden) as error:
        error.where = f"{name} {error.where}".strip()
        raise


def take_in(node: Node, n: int, *, seconds: float | None = None, progress: Progress | None = None) -> Taken:
    """Verify a kept bundle whole, then apply it batch by batch, at most for so many `seconds` (ask again for the rest).

    Idempotent, with itself and with the wire, in any order. Raises Incorrect `bundle.unknown`, Untrusted and Forbidden
    naming the place, Unavailable `bundle.gap`: then nothing of it is applied.
    """
    with node.store.read() as tx:
        row = ledger.came(tx, n)
        lacks = unpacking.missing(tx, row)
    taken = Taken(n, row.bundle, row.peer, row.holds, row.state, lacks, carried=row.events)
    if lacks or taken.done:
        return taken
    if row.state != unpacking.WHOLE:
        _verify(node, n)
    manifest, _run, following = _opened(node, n)
    taken.state, taken.carried = unpacking.WHOLE, manifest.events
    if manifest.holds == "receipts":
        try:
            taken.receipts = node.store.write(partial(_take_receipts, node, manifest))
        except Untrusted:
            node.store.write(partial(_hear_receipts, node, manifest))
            raise
    else:
        _apply(node, manifest, following, taken, seconds, progress)
    if not taken.left and not taken.refused:
        node.store.write(lambda tx: unpacking.imported(tx, n, taken.events, node.clock.now()))
        taken.state = unpacking.APPLIED
    elif taken.events:
        node.store.write(lambda tx: unpacking.progressed(tx, n, taken.events))
    return taken


def _opened(node: Node, n: int) -> tuple[Manifest, Run, Iterator[bytes]]:
    header, run = unpacking.kept_run(node.store, n, node.seals.unseal)
    following = bundles.records(run)
    keys = node.ctx.keyring.at(node.clock.now())
    return bundles.open_manifest(next(following, b""), header, keys), run, following


def _verify(node: Node, n: int) -> None:
    """Steps 10 for the whole of it; what is wrong with it is kept as evidence against its maker."""
    run: Run | None = None
    try:
        manifest, run, following = _opened(node, n)
        have = partial(unpacking.standing, node.store)
        unpacking.verify(node.ctx, manifest, following, have, node.clock.now())
    except (Untrusted, Forbidden) as error:
        if run is not None and "part " not in error.where:
            error.where = f"{run.place}, {error.where}"
        node.store.write(partial(_refuse, n, error, node.clock.now()))
        raise
    node.store.write(partial(ledger.verified, n, manifest))


def _refuse(n: int, error: KeersluisError, now: int, tx: Connection) -> None:
    unpacking.refuse(tx, n, error, now)


def _take_receipts(node: Node, manifest: Manifest, tx: Connection) -> int:
    promises = node.prepare(tx)
    inbox.witness(tx, node.ctx, manifest.timeline, node.clock.now())
    return packing.take_receipts(tx, node.ctx, manifest, promises)


def _hear_receipts(node: Node, manifest: Manifest, tx: Connection) -> None:
    """They do not fit: perhaps because this node came back from an old backup. Then it sends nothing more of those."""
    peer = node.chain.organisation_by_oin(manifest.source).key
    stands.hear_receipts(tx, node.ctx, peer, [each.checkpoint for each in manifest.receipts], node.clock.now())


@dataclass(frozen=True, slots=True)
class _Group:
    """Batches of one stream for one transaction; `new` are those of which not everything is here."""

    kind: str
    have: int
    batches: list[Batch]
    new: list[Batch]

    @property
    def events(self) -> int:
        return sum(len(batch.events) for batch in self.batches)


def _apply(
    node: Node,
    manifest: Manifest,
    following: Iterator[bytes],
    taken: Taken,
    seconds: float | None,
    progress: Progress | None,
) -> None:
    """Steps 10-12 through the same door as the wire, a few batches a transaction: a gate that closes meanwhile stops
    it (P4). While the writer works on one group, the next is unpacked."""
    until = time.monotonic() + seconds if seconds is not None else None
    node.store.write(lambda tx: inbox.witness(tx, node.ctx, manifest.timeline, node.clock.now()))
    taken.left = taken.carried
    under_way: tuple[_Group, Future[_Reached] | None] | None = None
    for group in _groups(node, manifest, following):
        if under_way:
            _settle(*under_way, taken, progress)
            if until is not None and under_way[1] and time.monotonic() > until:
                return
        wanted = group.new and group.kind not in taken.refused
        under_way = (group, node.store.submit(partial(_receive, node, group.new)) if wanted else None)
    if under_way:
        _settle(*under_way, taken, progress)


def _groups(node: Node, manifest: Manifest, following: Iterator[bytes]) -> Iterator[_Group]:
    for each in manifest.streams:
        have = unpacking.standing(node.store, each.origin).tree.size
        batches = _batches_of(each, following)
        while group := list(islice(batches, AT_ONCE)):
            new = [batch for batch in group if _end(batch) > have or _end(batch) == have == each.size]
            yield _Group(parse_origin(each.origin).kind, have, group, new)


def _settle(group: _Group, future: Future[_Reached] | None, taken: Taken, progress: Progress | None) -> None:
    """Wait until what was submitted of a group is durable, and count it."""
    new = 0
    if future is not None:
        reached, refusal = future.result()
        new = max(0, reached - max(group.have, group.new[0].first - 1))
        if refusal is not None:
            taken.refused[group.kind] = str(refusal)
    count = group.events
    taken.events, taken.passed, taken.left = taken.events + new, taken.passed + count - new, taken.left - count
    if progress:
        progress(taken.carried - taken.left, taken.carried)


_Reached: TypeAlias = "tuple[int, KeersluisError | None]"
"""Up to which event a group was taken, and why not further."""


def _end(batch: Batch) -> int:
    return batch.first - 1 + len(batch.events)


def _batches_of(each: Range, following: Iterator[bytes]) -> Iterator[Batch]:
    """The batches of one range, which was verified: they end where it ends."""
    while True:
        batch = msgspec.json.decode(next(following), type=Batch)
        yield batch
        if _end(batch) == each.size:
            return


def _receive(node: Node, batches: Sequence[Batch], tx: Connection) -> _Reached:
    reached = 0
    for batch in batches:
        try:
            result = node.take(batch, "bundle", tx)
        except (Unavailable, Conflict, Untrusted, Forbidden) as error:
            return reached, error
        if not isinstance(result, Receipt):
            return reached, result.error
        reached = _end(batch)
    return reached, None


def import_bundle(node: Node, *paths: Path, progress: Progress | None = None) -> list[Taken]:
    """Keep the parts in these files, then take in every bundle that is whole."""
    numbers: dict[int, None] = {}
    for path in paths:
        with path.open("rb") as file:
            numbers |= dict.fromkeys(keep(node, file, path.name))
    return [take_in(node, n, progress=progress) for n in numbers]


# --- To be seen -----------------------------------------------------------------------------------


def listing(node: Node, limit: int = 100) -> dict[str, list[dict[str, Any]]]:
    """The latest bundles `out` and `in`, newest first."""
    with node.store.read() as tx:
        return {"out": ledger.out(tx, limit), "in": ledger.came_in(tx, limit)}


def summary(taken: Taken) -> str:
    """One sentence on what became of a bundle, for people who work with the command line."""
    head = f"bundle {taken.bundle[:16]} of {taken.peer}"
    if taken.missing:
        return f"{head}: kept, and not applied; missing {_numbers(taken.missing)}."
    if taken.refused:
        reasons = "; ".join(f"{kind}: {why}" for kind, why in taken.refused.items())
        return f"{head}: {taken.events:,} events applied; not taken: {reasons}"
    if taken.holds == "receipts":
        return f"{head}: {taken.receipts:,} receipts taken." if taken.receipts else f"{head}: nothing new."
    if not taken.events:
        return f"{head}: nothing new."
    return f"{head}: {taken.events:,} events applied, {taken.passed:,} were here already."


def _numbers(numbers: Iterable[int]) -> str:
    listed = list(numbers)
    shown = ", ".join(map(str, listed[:20]))
    return f"part {shown}" + (f" and {len(listed) - 20} more" if len(listed) > 20 else "")


def check_done(all_taken: Sequence[Taken]) -> None:
    """Raises Unavailable `bundle.incomplete` or `bundle.not-taken` where a bundle is not taken in whole."""
    for taken in all_taken:
        if taken.missing:
            expected, got = "all parts", f"all but {_numbers(taken.missing)}"
            mend = "what came is kept: import the missing parts, in any order"
            raise Unavailable(
                "bundle.incomplete", expected=expected, got=got, mend=mend, where=f"bundle {taken.bundle[:16]}"
            )
        if taken.refused:
            raise Unavailable("bundle.not-taken", expected="a bundle that can be taken in whole", got=summary(taken))
        if not taken.done:
            raise Fault("bundle.unfinished", expected="all batches", got=f"{taken.left} events left")
