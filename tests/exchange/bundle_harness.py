"""Makes bundles, whole or spoilt, and sees what becomes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import msgspec
import pytest
from exchange_harness import KIND
from links import Ends, ends, fetched

from keersluis import carrying
from keersluis.errors import KeersluisError
from keersluis.exchange import bundles
from keersluis.exchange.batches import Batch
from keersluis.exchange.bundles import Manifest, Part, Run
from keersluis.exchange.packing import Wanted
from keersluis.service import Node
from keersluis.signing import Signer
from keersluis.timeline import log
from keersluis.times import HOUR


def made(
    between: Ends, first: int = 1, through: int | None = None, *, kind: str = KIND, plain: bool = True, **more: Any
) -> bytes:
    """The bytes of a bundle of one kind."""
    with between.source.store.read() as tx:
        sizes = {row["kind"]: row["size"] for row in own_streams(between, tx)}
    wanted = Wanted("justid", (kind,), first, sizes[kind] if through is None else through)
    return fetched(between.source, carrying.make(between.source, wanted, plain=plain, **more))


def own_streams(between: Ends, tx: Any) -> list[dict[str, Any]]:
    from keersluis.exchange import overview

    return overview.own_streams(tx, between.source.ctx)


def parts_of(data: bytes) -> list[Part]:
    return list(bundles.read_parts(BytesIO(data)))


def refused(between: Ends, data: bytes) -> KeersluisError:
    """Import it; the error with which it was refused. Nothing was applied, no watermark moved."""
    before = (between.stored(), between.facts(), between.watermark())
    with pytest.raises(KeersluisError) as caught:
        taken_in(between.register, data)
    assert (between.stored(), between.facts(), between.watermark()) == before
    return caught.value


def taken_in(node: Node, data: bytes) -> None:
    """Import it at a node; raises where it is not taken in whole."""
    for n in carrying.keep(node, BytesIO(data)):
        carrying.check_done([carrying.take_in(node, n)])


def applied(between: Ends, data: bytes) -> carrying.Taken:
    (n,) = carrying.keep(between.register, BytesIO(data))
    taken = carrying.take_in(between.register, n)
    assert taken.done
    return taken


def kinds_of_entries(node: Node) -> list[str]:
    with node.store.read() as tx:
        return [entry.kind for entry in log.entries(tx, 0, 1000)]


@lru_cache
def parted(number: int) -> tuple[bytes, ...]:
    """A bundle in several parts, as they lie on as many media. All sources of `ends` have the same key: made once, it
    is as good for each."""
    with TemporaryDirectory() as folder, ends(Path(folder) / "home") as between:
        accept_thick(between, number)
        return tuple(part.to_bytes() for part in parts_of(made(between, part_size=bundles.SMALLEST_PART)))


def accept_thick(between: Ends, number: int) -> None:
    """Events that do not compress well."""
    for first in range(1, number, 500):
        between.source.accept([_thick(between, i) for i in range(first, min(first + 500, number + 1))])


def _thick(between: Ends, number: int) -> bytes:
    import random

    from exchange_harness import event

    told = msgspec.json.decode(event(number, between.clock.now() - HOUR, chain=between.chain))
    told["data"]["content"]["text"] = random.Random(number).randbytes(100).hex()
    return msgspec.json.encode(told)


Change: TypeAlias = Callable[[list[Batch], Manifest], tuple[list[Batch], Manifest]]


def opened(data: bytes) -> tuple[Manifest, list[Batch]]:
    """What a bundle that is not sealed holds."""
    kept = parts_of(data)
    following = bundles.records(Run(len(kept), lambda number: kept[number - 1].body))
    payload = msgspec.json.decode(next(following), type=dict[str, msgspec.Raw])["payload"]
    return msgspec.json.decode(payload, type=Manifest), [msgspec.json.decode(each, type=Batch) for each in following]


def remade(between: Ends, data: bytes, change: Change) -> bytes:
    """The bundle with other content, under the maker's own signatures: as somebody does who has its key."""
    manifest, batches = opened(data)
    batches, manifest = change(batches, manifest)
    return signed(manifest, batches, between.source.ctx.signer)


def signed(manifest: Manifest, batches: Sequence[Batch], signer: Signer) -> bytes:
    """A bundle of one part that holds what its maker wants it to hold."""
    record = bundles.manifest_record(manifest, signer)
    (body,) = bundles.pack([record, *map(msgspec.json.encode, batches)], 1 << 24, None)
    sums = [(len(body), hashlib.sha256(body).digest())]
    ((header, note),) = bundles.headers(manifest, bundles.digest_of(record), sums, signer, sealed=False)
    return Part(header, note, body).to_bytes()
