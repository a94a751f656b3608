"""The timeline of a node that came back from an old backup: declared, it is no rewriting; undeclared, it is (P5)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from keersluis import restoring
from keersluis.timeline import log
from keersluis.timeline.verify import verify_path
from restore.test_old_backup import entries, lose
from restore.town import Town, make_town


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = make_town(tmp_path)
    yield town
    town.close()


def oin(town: Town) -> str:
    return town.chain.organisations["om"].oin


def test_an_undeclared_restore_is_a_finding(town: Town) -> None:
    lose(town)
    town.publish([100])
    town.pump()
    report = verify_path(town.home)
    assert not report.good
    assert {each.log for each in report.findings} == {oin(town)}
    assert {each.code for each in report.findings} <= {"timeline.fork", "timeline.tail-cut", "timeline.head-removed"}


def test_a_declared_restore_is_told_apart_and_is_no_finding(town: Town) -> None:
    lose(town)
    town.pump()
    restoring.take_back(town.nodes["om"], "operator", "disk broke")
    for _ in range(4):
        town.pump()
    report = verify_path(town.home)
    assert report.findings == ()
    assert {each.code for each in report.restored} == {"timeline.restored"}
    assert {each.log for each in report.restored} == {oin(town)}
    assert entries(town)["timeline.restored"] == 1
    for partner in ("justid", "politie"):
        assert entries(town, partner)["head.contradicted"] == 0


def test_it_is_declared_once_and_its_heads_are_of_the_next_epoch(town: Town) -> None:
    lose(town)
    for _ in range(2):
        restoring.take_back(town.nodes["om"], "operator", "disk broke")
        town.pump()
    assert entries(town)["timeline.restored"] == 1
    with town.nodes["om"].store.read() as tx:
        head = log.head(tx)
    assert head is not None
    assert head.checkpoint.origin == f"{oin(town)}/timeline/2"
    with town.nodes["justid"].store.read() as tx:
        assert {f"{oin(town)}/timeline/{n}" for n in (1, 2)} <= log.witnessed(tx).keys()


def test_a_healthy_node_declares_nothing(town: Town) -> None:
    town.publish([1])
    town.pump()
    restoring.take_back(town.nodes["om"], "operator", "just to be sure")
    assert entries(town)["timeline.restored"] == 0
    assert verify_path(town.home).good


def test_attack_what_was_altered_after_a_declared_restore_is_found(town: Town) -> None:
    lose(town)
    restoring.take_back(town.nodes["om"], "operator", "disk broke")
    town.pump()
    with town.nodes["om"].store.read() as tx:
        last = log.entries(tx, log.size(tx) - 1, 1)[0]
    town.nodes.pop("om").close()
    with sqlite3.connect(town.database("om")) as connection:
        (data,) = connection.execute("SELECT entry FROM timeline_entries WHERE n = ?", (last.n,)).fetchone()
        told = msgspec.json.decode(data)
        told["at"] = "2001-01-01T00:00:00Z"
        altered = msgspec.json.encode(told)
        connection.execute("UPDATE timeline_entries SET entry = ? WHERE n = ?", (altered, last.n))
    connection.close()
    assert not verify_path(town.home).good


def test_attack_a_log_rewritten_once_more_after_its_declared_restore_is_found(town: Town) -> None:
    """The declaration covers the heads that it names, not what others saw since."""
    lose(town)
    restoring.take_back(town.nodes["om"], "operator", "disk broke")
    copy = town.back_up("om")
    for _ in range(3):
        town.publish([200 + _])
        town.pump()
    assert verify_path(town.home).good
    town.put_back("om", copy)
    report = verify_path(town.home)
    assert not report.good
    assert {each.log for each in report.findings} == {oin(town)}
