"""A gate that closes while a batch is being made or applied: found by the simulator (P4)."""

from __future__ import annotations

import pytest
from exchange_harness import START, Pair, event, make_pair

from keersluis.exchange import gatekeeper
from keersluis.exchange.gates import GateOrder
from keersluis.times import HOUR, SECOND


@pytest.fixture
def pair() -> Pair:
    return make_pair()


def close_once_at(pair: Pair, step: int) -> None:
    """The crisis team closes the source's gate while its sender is at this step; two seconds pass."""
    context = pair.source.ctx

    def hook(reached: int) -> None:
        if reached == step:
            context.step = lambda _step: None
            order = GateOrder(pair.source.clock.now(), "*", "out", "*", "closed", "crisis team", "test")
            pair.source.store.write(lambda tx: gatekeeper.move(tx, context, order))
            pair.go_on(2 * SECOND)

    context.step = hook


@pytest.mark.parametrize("step", [7, 8, 9])
@pytest.mark.parametrize("waiting", [True, False], ids=["events", "heartbeat"])
def test_P4_a_gate_that_closes_after_a_batch_was_made_keeps_it_here(pair: Pair, step: int, waiting: bool) -> None:
    if waiting:
        pair.source.accept([event(1, START - HOUR)])
    close_once_at(pair, step)
    sent = pair.pump()
    assert pair.link.sent == []
    assert set(sent.refused.values()) == {"gate.closed"}
    reopen = GateOrder(pair.source.clock.now(), "*", "out", "*", "open", "link manager", "test")
    pair.source.store.write(lambda tx: gatekeeper.move(tx, pair.source.ctx, reopen))
    pair.pump()
    assert len(pair.register.applied) == waiting
