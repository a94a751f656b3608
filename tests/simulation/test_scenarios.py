"""The shipped scenarios, small, to their end: against the chain that was never cut, and what people see meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from local_nodes import LocalNodes, played

from keersluis import reconciling
from keersluis.chain import load_chain
from keersluis.simulation.compare import compare, look
from keersluis.simulation.conductor import Player
from keersluis.simulation.scenario import load_scenario
from keersluis.timeline import log
from keersluis.timeline.verify import verify_path
from keersluis.times import DAY, HOUR, Instant, parse_instant

PERSONS = 1500


def rows(nodes: LocalNodes, state: str | None = None) -> dict[str, dict[str, Any]]:
    return {row["kind"]: row for row in nodes.status("justid")["watermarks"] if state in (None, row["state"])}


def entries_of(nodes: LocalNodes, key: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    with nodes.nodes[key].store.read() as tx:
        for entry in log.entries(tx, 0, 1_000_000):
            if entry.kind.startswith("gap."):
                found.setdefault(entry.kind, []).append(dict(entry.body))
    return found


@pytest.mark.xdist_group("scenario-om")
def test_P1_P2_P3_om_2025_ends_as_if_it_had_never_been_cut(tmp_path: Path) -> None:
    feed = load_scenario("om-2025", load_chain("nl-justice"), persons=PERSONS)
    cut_at, back_at = parse_instant("2025-07-17T06:00:00+02:00"), parse_instant("2025-08-04T00:00:00+02:00")
    provisional: list[int] = []
    through: set[str] = set()

    def watch(nodes: LocalNodes, at: Instant) -> None:
        if cut_at + 24 * HOUR < at < back_at:
            serious = rows(nodes)["prosecution-decision.serious"]
            through.add(serious["complete_through"])
            assert serious["state"] == "silent", "P7: nobody had to declare the outage"
            provisional.append(nodes.nodes["justis"].decision_counts()["provisional"])

    uncut = played(feed, tmp_path / "uncut", cut=False)
    cut = played(feed, tmp_path / "cut", cut=True, watch=watch)
    verdict = compare(cut, uncut)
    assert (verdict.lost, verdict.duplicated, verdict.falsely_settled) == (0, 0, 0)
    assert verdict.converged, verdict.differences
    assert cut.applied.total() == feed.total_events
    assert cut.counts["provisional"] == cut.counts["held"] == 0
    assert len(through) == 1, "a watermark stands still while nothing is promised"
    assert provisional[-1] > provisional[0], "decisions pile up as provisional while the source is silent"
    assert verify_path(tmp_path / "cut").good


@pytest.mark.xdist_group("scenario-gap")
def test_P2_a_link_that_is_alive_but_lossy_is_found_within_one_heartbeat(tmp_path: Path) -> None:
    feed = load_scenario("silent-gap", load_chain("nl-justice"), persons=5 * PERSONS)
    loss = feed.scenario.loss
    assert loss is not None
    first_lost = min(act.entered for act in feed.acts if act.id in feed._lost())
    lost = set(feed._lost())
    found: list[Instant] = []
    freed: list[Instant] = []
    gaps: list[tuple[int, int]] = []
    nodes_seen: list[dict[str, list[dict[str, Any]]]] = []

    def watch(nodes: LocalNodes, at: Instant) -> None:
        told = reconciling.overview(nodes.nodes["justid"])["heard"]
        gaps.append((len(told), sum(each["filled_at"] is None for each in told)))
        logged = {key: entries_of(nodes, key) for key in ("om", "justid")} if at >= feed.end else {}
        nodes_seen[:] = [logged] if logged else nodes_seen
        stopped = rows(nodes, "stopped")
        if stopped and not found:
            found.append(at)
            (row,) = stopped.values()
            assert row["reason"]["code"] == "counts.differ"
            assert parse_instant(row["complete_through"]) < first_lost
        if found and not stopped and not freed:
            freed.append(at)

    uncut = played(feed, tmp_path / "uncut", cut=False)
    cut = played(feed, tmp_path / "cut", cut=True, watch=watch)
    assert 0 <= found[0] - first_lost <= feed.tick, "within one heartbeat"
    assert freed, "when the lost acts are entered after all, the counts agree again"
    assert sorted(set(gaps)) == [(0, 0), (1, 0), (1, 1)], "the gap is declared, and then it is filled"
    (logged,) = nodes_seen
    assert [len(logged["om"][kind]) for kind in ("gap.stated", "gap.mended")] == [2, 1]
    assert [len(logged["justid"][kind]) for kind in ("gap.declared", "gap.filled")] == [1, 1]
    assert logged["om"]["gap.stated"][0]["count"] == len(lost)
    assert parse_instant(logged["justid"]["gap.declared"][0]["since"]) >= first_lost - 2 * DAY
    verdict = compare(cut, uncut)
    assert (verdict.lost, verdict.duplicated, verdict.falsely_settled) == (0, 0, 0)
    assert verdict.converged, verdict.differences


def test_what_each_source_was_told_is_counted_once_whichever_answers_first(tmp_path: Path) -> None:
    feed = load_scenario("om-2025", load_chain("nl-justice"), persons=200)
    nodes = LocalNodes(feed.chain, tmp_path, feed.start)
    player = Player(nodes, feed, cut=False)  # type: ignore[arg-type]
    player.step()
    nodes.stop()
    seen = look(feed.chain, tmp_path)
    assert player.played.accepted == player.played.published == seen.accepted > 0
