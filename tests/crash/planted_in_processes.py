"""Bugs that are planted in a node's process, so that the crash tests show that they would find them."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from keersluis.exchange import outbox


def acknowledges_before_the_commit(node: Any) -> None:
    """Step 6 before step 5: the publisher is told as soon as its events have a number."""

    def accept(events: Sequence[bytes]) -> list[outbox.Accepted]:
        told: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def job(tx: Any) -> None:
            told.put(outbox.accept(tx, node.ctx, events, node.clock.now(), node._check))

        node.store.submit(job)
        return list(told.get())

    node.accept = accept


def _apply(apply: Callable[..., None], events: Sequence[Any], now: int, tx: Any) -> None:
    apply(tx, events, now)


def applies_in_a_transaction_of_its_own(node: Any) -> None:
    """The position moves in one transaction, the register in the next: step 11 in two halves."""
    apply = node._apply
    later: list[tuple[Any, ...]] = []

    def put_off(_tx: Any, events: Sequence[Any], now: int) -> None:
        later.append((events, now))

    def catch_up() -> None:
        while later:
            node.store.submit(partial(_apply, apply, *later.pop(0)))

    node._apply = put_off
    node.store.after_commit.append(catch_up)


BUGS: dict[str, Callable[[Any], None]] = {
    each.__name__: each for each in (acknowledges_before_the_commit, applies_in_a_transaction_of_its_own)
}


def plant(node: Any, named: Path) -> None:
    """Plant the bug that the file names, if there is one."""
    if named.exists():
        BUGS[named.read_text()](node)
