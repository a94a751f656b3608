"""P2 and P3 with the real register and the real decider, in random worlds; and that planted mistakes are found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from decisions.chain_in_a_test import Run
from keersluis.decisions import _store, desk, endings, evidence
from keersluis.decisions.evidence import Heard
from keersluis.times import parse_instant

SEEDS = range(8)
MANY = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_p2_p3_every_decision_ends_at_the_truth_and_none_was_ever_settled_at_another_level(seed: int) -> None:
    run = Run(seed).go()
    assert run.falsely_settled() == []
    assert run.outcomes() == {name: (level, True) for name, level in run.truth().items()}
    assert run.decider.counts()["provisional"] == 0
    revisits = {row["id"] for row in run.decider.desk()}
    assert len(revisits) == run.decider.counts()["revisit"]
    for request in run.asked[:10]:
        assert run.decider.replay(request["id"]) == ()


def test_the_worlds_are_not_idle() -> None:
    """Worlds in which nothing comes late would prove nothing."""
    runs = [Run(seed).go() for seed in range(4)]
    assert sum(run.decider.counts()["revisit"] for run in runs) > 5
    assert all(run.decider.counts()["total"] > 80 for run in runs)


def _wrong(seeds: range) -> bool:
    for seed in seeds:
        run = Run(seed).go()
        if run.falsely_settled() or run.outcomes() != {name: (level, True) for name, level in run.truth().items()}:
            return True
    return False


def test_p2_finds_that_supplements_which_overtake_their_answer_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_store, "add_early", lambda tx, rows: None)
    assert _wrong(MANY)


def test_p2_finds_that_the_watermarks_of_one_answer_are_taken_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = desk.take

    def take(tx: Any, ctx: Any, requests: Any, answers: Any, digest: Any, now: Any) -> Any:
        heard = _store.heard(tx)
        for answer in answers:
            for mark in answer.watermarks:
                through = max(parse_instant(mark.complete_through), heard.get(mark.kind, Heard(0)).through)
                heard[mark.kind] = Heard(through)
        _store.put_heard(tx, heard)
        taken = honest(tx, ctx, requests, answers, digest, now)
        endings.settle_groups(endings.open_view(tx, ctx, now))
        return taken

    monkeypatch.setattr(desk, "take", take)
    assert _wrong(MANY)


def test_p2_finds_that_a_completeness_statement_is_applied_before_what_was_owed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = desk.apply

    def apply(tx: Any, ctx: Any, received: Any, now: Any) -> Any:
        def statement(event: Any) -> bool:
            return not isinstance(evidence.decode_end(event.envelope.data), evidence.Supplement)

        return honest(tx, ctx, sorted(received, key=lambda event: not statement(event)), now)

    monkeypatch.setattr(desk, "apply", apply)
    assert _wrong(MANY)


def test_p2_finds_that_the_newest_watermark_is_taken_for_every_needed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def newest(missing: Any, marks: Mapping[str, int], chain: Any) -> int:
        return max((endings.settled_through(chain, path, marks.get(path, 0)) for path in missing), default=2**62)

    monkeypatch.setattr(endings, "threshold", newest)
    assert _wrong(MANY)
