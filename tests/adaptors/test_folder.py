"""A watched folder: every row once, whatever crashes; what is acknowledged is durable; what is refused is named."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from adaptor_harness import FOLDER, HEADER, World, row, table

from keersluis.adaptors import files
from keersluis.adaptors.config import load_adaptor
from keersluis.adaptors.delivery import Delivery, OnStore
from keersluis.adaptors.folder import Folder
from keersluis.errors import Unavailable
from keersluis.times import SystemClock


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.configure(FOLDER)
    return made


def test_rows_become_events_and_the_receipt_says_so(world: World) -> None:
    text = table(row(n) for n in range(10))
    world.write("a.csv", text)
    (receipt,) = world.deliver()
    assert world.ids() == sorted(f"Z-{n}" for n in range(10))
    assert (receipt["accepted"], receipt["before"], receipt["refused"]) == (10, 0, 0)
    assert receipt["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert receipt["numbers"]["prosecution-decision.serious"] == {"first": 1, "last": 5, "count": 5}
    assert world.in_folder("") == set()
    assert world.in_folder("done") == {"a.csv", "a.csv.receipt.json"}
    assert msgspec.json.decode((world.incoming / "done" / "a.csv.receipt.json").read_bytes()) == receipt
    event = next(each for each in world.accepted() if each["id"] == "Z-3")
    assert event["occurred"] == "2025-06-04T08:30:00Z"
    assert event["source"].endswith(":systeem:compas")
    assert event["type"].endswith("prosecution-decision.sexual")
    assert event["data"] == {"subject": "skn:T0000003", "content": {"offence": "geweld", "maximum_months": 96}}


def test_faulty_rows_are_handed_back_with_reasons_and_the_rest_is_accepted(world: World) -> None:
    rows = [row(1), row(2, maanden="veel", skn=""), row(3), "a;b", row(4, gepleegd="gisteren"), row(5, soort="X")]
    world.write("a.csv", table(rows))
    (receipt,) = world.deliver()
    assert world.ids() == ["Z-1", "Z-3"]
    assert (receipt["accepted"], receipt["refused"]) == (2, 4)
    reasons = world.reasons("a.csv")
    assert [each["row"] for each in reasons] == [3, 5, 6, 7]
    assert len(reasons[0]["reasons"]) == 2, "all that is wrong with a row"
    assert (world.incoming / "refused" / "a.csv").read_text() == "\n".join([HEADER, rows[1], *rows[3:]]) + "\n"


def test_no_reason_shows_what_stands_in_a_row(world: World) -> None:
    world.write("a.csv", table([row(1, skn="999 99 0019", gepleegd="999990019", maanden="999990019")]))
    world.deliver()
    assert "99" not in str([each["reasons"] for each in world.reasons("a.csv")])


def test_the_same_id_with_other_content_is_refused_alone(world: World) -> None:
    world.write("a.csv", table(row(n) for n in range(8)))
    world.deliver()
    world.write("b.csv", table([*(row(n) for n in range(8, 12)), row(3, feit="anders"), row(12)]))
    (receipt,) = world.deliver()
    assert (receipt["accepted"], receipt["refused"]) == (5, 1)
    assert world.reasons("b.csv") == [
        {"row": 6, "reasons": ["expected the same content under the same source and id [exchange.key-reused]"]}
    ]


def test_P1_a_file_delivered_again_changes_nothing(world: World) -> None:
    for _ in range(3):
        world.write("a.csv", table(row(n) for n in range(10)))
        (receipt,) = world.deliver()
    assert (receipt["accepted"], receipt["before"]) == (0, 10)
    assert len(world.accepted()) == 10
    assert {"a.csv", "a.csv~2", "a.csv~3"} < world.in_folder("done")


@pytest.mark.parametrize("fault", [row(99, maanden="veel"), row(3, feit="anders")])
def test_whole_takes_a_file_as_one_or_not_at_all(world: World, fault: str) -> None:
    world.configure(FOLDER.replace("[folder]", "[folder]\nwhole = true"))
    world.write("a.csv", table(row(n) for n in range(5)))
    assert world.deliver()[0]["accepted"] == 5
    world.write("b.csv", table([*(row(n) for n in range(10, 20)), fault]))
    assert world.deliver()[0]["accepted"] == 0
    assert len(world.accepted()) == 5
    assert "b.csv" in world.in_folder("refused")


@pytest.mark.parametrize(
    ("name", "text", "encoding", "words"),
    [
        ("a.csv", table([row(1, feit="één")]), "latin-1", "byte"),
        ("a.csv", "zaak;skn\n1;2\n", "utf-8", "'gepleegd' missing"),
        ("a.csv", "", "utf-8", "missing"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(
    world: World, name: str, text: str, encoding: str, words: str
) -> None:
    world.write(name, text, encoding)
    world.deliver()
    assert world.in_folder("") == set()
    assert words in str(world.reasons(name))
    assert world.in_folder("refused") == {name, f"{name}.reasons.json"}


def test_a_table_that_breaks_off_within_quotes_is_told_from_where(world: World) -> None:
    world.write("a.csv", table([row(1), row(2, feit='"geweld')]) + row(3))
    (receipt,) = world.deliver()
    assert world.ids() == ["Z-1"]
    assert (receipt["refused"], world.reasons("a.csv")[0]["row"]) == (1, 3)


def test_lines_of_json_with_inner_names_and_another_encoding(world: World) -> None:
    mapping = FOLDER.replace('"zaak"', '"case.number"').replace("[folder]", '[folder]\nencoding = "cp1252"')
    world.configure(mapping.replace('delimiter = ";"', ""))
    lines = [
        {"case": {"number": f"J-{n}"}, "gepleegd": "01-06-2025 10:30", "soort": "E", "skn": "T0000001", "maanden": n}
        | {"feit": "één"}
        for n in range(3)
    ]
    encoded = "\n".join(msgspec.json.encode(line).decode() for line in lines) + "\n[1]\n{\n"
    world.write("a.jsonl", encoded, "cp1252")
    (receipt,) = world.deliver()
    assert (receipt["accepted"], receipt["refused"]) == (3, 2)
    assert [each["data"]["content"] for each in world.accepted()] == [
        {"offence": "één", "maximum_months": n} for n in range(3)
    ]


def test_lines_that_are_cloudevents_need_no_mapping(world: World) -> None:
    world.write("a.csv", table([row(1), row(2)]))
    world.deliver()
    events = [{k: v for k, v in each.items() if k not in ("time", "salt", "sequence")} for each in world.accepted()]
    world.configure('organisation = "om"\n[folder]\npath = "in"\nformat = "cloudevents"\n')
    more = [*events, events[0] | {"id": "Z-3"}, events[0] | {"specversion": "0.3"}]
    world.write("b.jsonl", "\n".join(msgspec.json.encode(each).decode() for each in more))
    (receipt,) = world.deliver()
    assert (receipt["accepted"], receipt["before"], receipt["refused"]) == (1, 2, 1)


@pytest.mark.parametrize("digest", ["row", "file"])
def test_without_an_id_the_digest_of_the_row_is_stable(world: World, digest: str) -> None:
    world.configure(FOLDER.replace('id = "zaak"', f'digest = "{digest}"'))
    twice = table([row(1), row(2), row(1)])
    for _ in range(2):
        world.write("a.csv", twice)
        world.deliver()
    assert len(world.accepted()) == (2 if digest == "row" else 3)
    world.write("b.csv", twice)
    world.deliver()
    assert len(world.accepted()) == (2 if digest == "row" else 6)


def test_a_file_counts_as_complete_only_when_its_writer_says_so(world: World) -> None:
    world.configure(FOLDER.replace("[folder]", '[folder]\ncomplete = "marker"'))
    world.write("a.csv", table([row(1)]))
    (world.incoming / "b.csv.part").write_text("half")
    assert world.deliver() == []
    (world.incoming / "a.csv.done").touch()
    assert len(world.deliver()) == 1
    assert world.in_folder("") == {"b.csv.part"}


class Crash(BaseException):
    """The process ends here."""


class Breaks:
    """Ends the process before, or after, the n-th thing that is made durable."""

    def __init__(self, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left, self.reached = at, False
        for name in ("write", "move"):
            monkeypatch.setattr(files, name, self.around(getattr(files, name)))

    def around(self, act: Any) -> Any:
        def acts(*arguments: Any) -> Any:
            self.step()
            done = act(*arguments)
            self.step()
            return done

        return acts

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.reached = True
            raise Crash


def test_P1_a_crash_between_any_two_steps_leaves_each_row_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every point in turn, in a folder of its own; after it an adaptor starts anew and goes on."""
    with world.node() as node:
        for at in itertools.count(1):
            reached = crash_at(at, world, OnStore(node), monkeypatch)
            assert world.ids() == sorted(f"Z-{10 * n + m}" for n in range(1, at + 1) for m in (1, 3, 4)), at
            assert world.in_folder("") == set(), at
            assert world.in_folder("done") == {"a.csv", "a.csv.receipt.json"}, at
            assert world.in_folder("refused") == {f"{n}.csv{end}" for n in "ab" for end in ("", ".reasons.json")}, at
            if not reached:
                assert at > 16
                break


def crash_at(at: int, world: World, on_store: OnStore, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether there was such a point. Each second folder has markers."""
    marker = 'complete = "marker"' if at % 2 else ""
    world.configure(FOLDER.replace('"in"', f'"in-{at}"\n{marker}').replace("[folder]", "batch = 2\n[folder]"))
    world.incoming = world.file.with_name(f"in-{at}")
    world.incoming.mkdir()
    good, bad = (row(10 * at + m) for m in (3, 4)), row(10 * at + 2, maanden="veel")
    world.write("a.csv", table([row(10 * at + 1), bad, *good]))
    world.write("b.csv", "no;columns\n")
    for name in ("a.csv", "b.csv") if marker else ():
        (world.incoming / f"{name}.done").touch()
    with monkeypatch.context() as patch, suppress(Crash):
        breaks = Breaks(at, patch)
        round_of(world, Around(breaks.around(on_store.accept)))
    round_of(world, on_store)
    return breaks.reached


def round_of(world: World, delivery: Delivery) -> None:
    adaptor = load_adaptor(world.file, world.chain)
    Folder(adaptor, adaptor.source, delivery, SystemClock()).once()  # type: ignore[arg-type]


class Around:
    def __init__(self, accept: Any) -> None:
        self.accept = accept


def test_a_node_that_does_not_answer_leaves_the_file_where_it_is(world: World) -> None:
    class Down:
        def accept(self, events: Sequence[bytes]) -> Any:
            raise Unavailable("link.unreachable", expected="an answer", got="none")

    world.write("a.csv", table([row(1)]))
    with pytest.raises(Unavailable):
        world.deliver(Down())
    assert world.in_folder("") == {"a.csv"}
    assert world.in_folder("done") == set()
    assert len(world.deliver()) == 1


def test_a_file_that_is_still_written_is_left(world: World) -> None:
    """A writer that does not keep to the agreement: no receipt is given for what it has not finished."""
    path = world.incoming / "a.csv"

    class Slow:
        def accept(self, events: Sequence[bytes]) -> Any:
            with path.open("a") as file:
                file.write(row(2) + "\n")
            return []

    world.write("a.csv", table([row(1)]))
    assert world.deliver(Slow()) == []
    assert world.in_folder("") == {"a.csv"}
    assert world.deliver()[0]["accepted"] == 2


def test_a_disk_that_cannot_be_written_is_unavailable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    world.write("a.csv", table([row(1)]))
    with monkeypatch.context() as patch:
        patch.setattr(files, "write", full)
        with pytest.raises(Unavailable, match="No space"):
            world.deliver()
    assert world.in_folder("") == {"a.csv"}
    assert world.deliver()[0]["before"] == 1
