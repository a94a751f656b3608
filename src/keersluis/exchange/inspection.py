"""Looks at carried files without a node: who made them, for whom, what they hold, and whether it is whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keersluis.context import Context
from keersluis.errors import KeersluisError
from keersluis.exchange import bundles, packing, unpacking
from keersluis.exchange.bundles import Header, Manifest, Run, tree_before
from keersluis.merkle import Frontier
from keersluis.times import Instant

Unseal = Callable[[bytes, str], bytes]


@dataclass
class _Found:
    """The parts of one packing among the files: part -> file, place of its body, length."""

    header: Header
    parts: dict[int, tuple[Path, int, int]] = field(default_factory=dict)

    def body(self, number: int) -> bytes:
        path, at, length = self.parts[number]
        with path.open("rb") as file:
            file.seek(at)
            return file.read(length)

    @property
    def missing(self) -> list[int]:
        return [number for number in range(1, self.header.parts + 1) if number not in self.parts]


def inspect(ctx: Context, unseal: Unseal, paths: Sequence[Path], now: Instant) -> list[dict[str, Any]]:
    """One value for each bundle that these files hold (a part of); `fault` says what is wrong with it, if anything.

    The batches are verified where it is for us and whole. Raises Untrusted `bundle.*`, naming file and part.
    """
    found: dict[str, _Found] = {}
    faults: dict[str, KeersluisError] = {}
    for path in paths:
        with path.open("rb") as file:
            for part in bundles.read_parts(file, path.name):
                header = part.header
                each = found.setdefault(header.content, _Found(header))
                each.parts[header.part] = (path, file.tell() - header.length, header.length)
                try:
                    bundles.check_signed(part, ctx.keyring.at(now))
                except KeersluisError as error:
                    error.where = f"{path.name} {error.where}"
                    faults.setdefault(header.content, error)
    return [_told(ctx, unseal, each, faults.get(content), now) for content, each in found.items()]


def _told(ctx: Context, unseal: Unseal, found: _Found, fault: KeersluisError | None, now: Instant) -> dict[str, Any]:
    header = found.header
    told: dict[str, Any] = {
        "bundle": header.bundle,
        "source": header.source,
        "receiver": header.receiver,
        "made": header.made,
        "holds": header.holds,
        "sealed": header.sealed,
        "parts": header.parts,
        "missing": found.missing,
        "verified": False,
    }
    readable = not found.missing and (not header.sealed or header.receiver == ctx.me.oin)
    if fault is None and readable:
        try:
            manifest, verified = _opened(ctx, unseal, found, now)
            told |= {"events": manifest.events, "receipts": len(manifest.receipts), "verified": verified}
            told["streams"] = packing.told_ranges(manifest)
        except KeersluisError as error:
            fault = error
    return told | {"fault": fault.problem() if fault else None}


def _opened(ctx: Context, unseal: Unseal, found: _Found, now: Instant) -> tuple[Manifest, bool]:
    """The manifest, and whether everything under it was verified: only the receiver can tell what is for it."""
    header = found.header

    def body(number: int) -> bytes:
        raw = found.body(number)
        return unseal(raw, header.place) if header.sealed else raw

    following = bundles.records(Run(header.parts, body))
    manifest = bundles.open_manifest(next(following, b""), header, ctx.keyring.at(now))
    if header.receiver != ctx.me.oin:
        return manifest, False
    trees = {each.origin: tree_before(each) for each in manifest.streams}
    unpacking.verify(ctx, manifest, following, lambda origin: _alone(trees[origin]), now)
    return manifest, True


def _alone(tree: Frontier) -> unpacking.Standing:
    """As if all before the bundle were here: it is held against itself alone."""
    return unpacking.Standing(tree, 0, lambda _size: b"")
