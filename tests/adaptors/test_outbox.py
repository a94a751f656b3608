"""A database outbox: nothing that was committed is passed over, nothing is taken twice, whatever crashes or comes late.

On real PostgreSQL with several connections, and on SQLite.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from adaptor_harness import World

from keersluis.adaptors import files
from keersluis.adaptors.config import load_adaptor
from keersluis.adaptors.delivery import Delivery, OnStore
from keersluis.adaptors.outbox import Outbox, read_cursor
from keersluis.adaptors.running import preview, run
from keersluis.errors import Conflict, Incorrect, Unavailable
from keersluis.times import SystemClock

OUTBOX = """
organisation = "om"
system = "compas"
batch = {batch}
every = "1s"

[outbox]
url = "{url}"
table = "uitgaand"
key = "volgnummer"
mode = "{mode}"
{status}

[event]
id = "nummer"
occurred = "gepleegd"
kind_column = "soort"
subject = "onderwerp"
content = "inhoud"

[event.kinds]
E = "prosecution-decision.serious"
"""
MARKS = 'status = "stand"\nwaiting = "nieuw"\ntaken = "overgenomen"\nrefused = "geweigerd"'

TABLE = {
    "postgresql": "CREATE TABLE uitgaand (volgnummer bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, nummer text,"
    " gepleegd timestamptz, soort text, onderwerp text, inhoud jsonb, stand text NOT NULL DEFAULT 'nieuw')",
    "sqlite": "CREATE TABLE uitgaand (volgnummer INTEGER PRIMARY KEY AUTOINCREMENT, nummer text, gepleegd text,"
    " soort text, onderwerp text, inhoud text, stand text NOT NULL DEFAULT 'nieuw')",
}
INSERT = sa.text(
    "INSERT INTO uitgaand (nummer, gepleegd, soort, onderwerp, inhoud)"
    " VALUES (:nummer, '2025-06-01T10:30:00+02:00', :soort, 'skn:T0000001', '{\"offence\": \"geweld\"}')"
)


class Source(World):
    """The source system's database beside the node."""

    def __init__(self, folder: Path, url: str, mode: str, batch: int = 4) -> None:
        super().__init__(folder)
        self.engine = sa.create_engine(url)
        with self.engine.begin() as tx:
            tx.execute(sa.text(TABLE[self.engine.dialect.name]))
        self.configure(OUTBOX.format(url=url, mode=mode, batch=batch, status=MARKS if mode == "mark" else ""))

    def put(self, *numbers: int, soort: str = "E", tx: Any = None) -> None:
        """One transaction, or part of the caller's."""
        rows = [{"nummer": f"U-{n}", "soort": soort} for n in numbers]
        if tx is not None:
            tx.execute(INSERT, rows)
            return
        with self.engine.begin() as own:
            own.execute(INSERT, rows)

    def adaptor(self) -> Any:
        return load_adaptor(self.file, self.chain)

    def rounds(self, number: int = 10, delivery: Callable[[Delivery], Delivery] = lambda plain: plain) -> None:
        with self.node() as node:
            adaptor = self.adaptor()
            outbox = Outbox(adaptor, adaptor.source, delivery(OnStore(node)), SystemClock())
            try:
                for _ in range(number):
                    outbox.once()
            finally:
                outbox.close()

    def stands(self) -> dict[str, int]:
        with self.engine.connect() as tx:
            rows = tx.execute(sa.text("SELECT stand, count(*) AS number FROM uitgaand GROUP BY stand"))
            return {each.stand: each.number for each in rows}

    def expect(self, numbers: Sequence[int]) -> None:
        assert self.ids() == sorted(f"U-{n}" for n in numbers)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'source.db'}"
    server: str = request.getfixturevalue("empty_postgresql")
    return server


@pytest.fixture(params=["mark", "cursor"])
def source(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> Iterator[Source]:
    made = Source(tmp_path, url, request.param)
    yield made
    made.engine.dispose()


@pytest.fixture
def postgresql(empty_postgresql: str, tmp_path: Path) -> Iterator[Source]:
    made = Source(tmp_path, empty_postgresql, "cursor")
    yield made
    made.engine.dispose()


def test_rows_are_delivered_once_and_in_order(source: Source) -> None:
    source.put(*range(11))
    source.rounds()
    source.put(11, 12)
    source.rounds()
    assert [each["id"] for each in source.accepted()] == [f"U-{n}" for n in range(13)]
    assert source.accepted()[0]["data"]["content"] == {"offence": "geweld"}
    assert source.accepted()[0]["occurred"] == "2025-06-01T08:30:00Z"


def test_faulty_rows_hold_nothing_up_and_are_remembered_with_their_reason(source: Source) -> None:
    source.put(1, 2)
    source.put(3, soort="X")
    source.put(4)
    source.rounds()
    source.expect([1, 2, 4])
    adaptor = source.adaptor()
    assert read_cursor(adaptor.source).refused == {"3": ["soort: expected one of E, got another value"]}
    if adaptor.source.mode == "mark":
        assert source.stands() == {"overgenomen": 3, "geweigerd": 1}
    else:
        assert source.stands() == {"nieuw": 4}, "with a cursor nothing is written"


class Crash(BaseException):
    """The process ends here."""


class Crashes:
    """Ends the process before, or after, the node's word."""

    def __init__(self, inner: Delivery, *, after: bool) -> None:
        self._inner, self._after = inner, after

    def accept(self, events: Sequence[bytes]) -> Any:
        if self._after:
            self._inner.accept(events)
        raise Crash


@pytest.mark.parametrize("after", [False, True])
def test_P1_a_crash_around_the_nodes_word_leaves_each_act_once(source: Source, after: bool) -> None:
    source.put(*range(6))
    for _ in range(3):
        with pytest.raises(Crash):
            source.rounds(1, lambda plain: Crashes(plain, after=after))
        assert source.stands() == {"nieuw": 6}, "nothing is acknowledged that may not be durable"
    assert len(source.accepted()) == (4 if after else 0)
    source.rounds()
    source.expect(range(6))
    assert len(source.accepted()) == 6


def test_P1_a_cursor_that_could_not_be_written_moves_nothing(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    source.put(*range(3))
    source.put(3, soort="X")
    with monkeypatch.context() as patch:
        patch.setattr(files, "write", full)
        with pytest.raises(Unavailable, match="No space"):
            source.rounds(1)
    assert source.stands() == {"nieuw": 4}
    source.rounds()
    source.expect(range(3))


def test_a_cursor_passes_over_no_number_that_is_committed_late(postgresql: Source) -> None:
    """The trap: number 2 is taken first and committed last."""
    postgresql.put(1)
    late = postgresql.engine.connect()
    late.begin()
    postgresql.put(2, tx=late)
    postgresql.put(3, 4)
    postgresql.rounds()
    postgresql.expect([1])
    late.commit()
    late.close()
    postgresql.rounds()
    postgresql.expect([1, 2, 3, 4])


def test_a_number_taken_long_before_its_row_is_written_is_waited_for(postgresql: Source) -> None:
    """Without a transaction id yet: a look at the ids in the snapshot would not see it."""
    sequence = "pg_get_serial_sequence('uitgaand', 'volgnummer')"
    with postgresql.engine.connect() as late, late.begin():
        late.execute(sa.text(f"SELECT nextval({sequence})"))
        postgresql.put(2, 3)
        postgresql.rounds()
        postgresql.expect([])
        values = INSERT.text.replace("(nummer", "(volgnummer, nummer").replace(
            "VALUES (", "OVERRIDING SYSTEM VALUE VALUES (1, "
        )
        late.execute(sa.text(values), {"nummer": "U-1", "soort": "E"})
        postgresql.rounds()
        postgresql.expect([])
    postgresql.rounds()
    postgresql.expect([1, 2, 3])


def test_a_number_that_was_rolled_back_holds_up_nothing_for_ever(postgresql: Source) -> None:
    with postgresql.engine.connect() as lost, lost.begin() as ending:
        postgresql.put(1, tx=lost)
        ending.rollback()
    postgresql.put(2, 3)
    postgresql.rounds()
    postgresql.expect([2, 3])


def test_rows_that_were_cleared_away_hold_up_nothing(postgresql: Source) -> None:
    with postgresql.engine.connect() as other, other.begin():
        other.execute(sa.text("SELECT pg_current_xact_id()"))
        postgresql.put(*range(1, 4))
        with postgresql.engine.begin() as tx:
            tx.execute(sa.text("DELETE FROM uitgaand WHERE volgnummer = 1"))
        postgresql.rounds()
        with postgresql.engine.begin() as tx:
            tx.execute(sa.text("DELETE FROM uitgaand"))
    postgresql.rounds()
    postgresql.put(5)
    postgresql.rounds()
    postgresql.expect([5])


def test_a_sequence_that_keeps_numbers_for_later_is_refused(postgresql: Source) -> None:
    with postgresql.engine.begin() as tx:
        tx.execute(sa.text("ALTER TABLE uitgaand ALTER volgnummer SET CACHE 20"))
    with pytest.raises(Incorrect, match="CACHE 1"):
        preview(postgresql.adaptor(), SystemClock(), 1)


def test_a_table_that_is_not_as_the_file_says_is_told_whole(source: Source) -> None:
    text = source.file.read_text().replace('"nummer"', '"number"').replace('"onderwerp"', '"subject"')
    source.configure(text)
    with pytest.raises(Incorrect) as refused:
        preview(source.adaptor(), SystemClock(), 1)
    assert len(refused.value.faults) == 2


def test_a_user_who_may_only_read_needs_no_more_for_a_cursor(postgresql: Source) -> None:
    with postgresql.engine.begin() as tx:
        tx.execute(sa.text("CREATE ROLE reader LOGIN"))
        tx.execute(sa.text("GRANT SELECT ON uitgaand TO reader"))
    postgresql.configure(postgresql.file.read_text().replace("keersluis@", "reader@"))
    try:
        with postgresql.engine.connect() as late, late.begin():
            postgresql.put(1, tx=late)
            postgresql.put(2)
            postgresql.rounds()
            postgresql.expect([])
        postgresql.rounds()
        postgresql.expect([1, 2])
    finally:
        with postgresql.engine.begin() as tx:
            tx.execute(sa.text("DROP OWNED BY reader"))
            tx.execute(sa.text("DROP ROLE reader"))


@pytest.mark.parametrize("mode", ["mark", "cursor"])
def test_P1_many_writers_and_crashes_lose_and_double_nothing(empty_postgresql: str, tmp_path: Path, mode: str) -> None:
    """Writers that commit out of order, some that roll back, and an adaptor that crashes around the node's word."""
    source = Source(tmp_path, empty_postgresql, mode, batch=7)
    committed: list[int] = []
    chance = random.Random(11)

    def write(writer: int) -> None:
        own = random.Random(writer)
        for n in range(40):
            with source.engine.connect() as tx, tx.begin() as ending:
                numbers = [writer * 1000 + n * 3 + m for m in range(own.randint(1, 3))]
                source.put(*numbers, tx=tx)
                tx.execute(sa.text("SELECT pg_sleep(:s)"), {"s": own.random() * 0.02})
                if own.random() < 0.2:
                    ending.rollback()
                else:
                    ending.commit()
                    committed.extend(numbers)

    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for each in writers:
        each.start()
    while any(each.is_alive() for each in writers):
        try:
            source.rounds(3, lambda plain: Sometimes(plain, chance))
        except Crash:
            continue
    for each in writers:
        each.join()
    source.rounds(60)
    source.expect(committed)
    assert len(source.accepted()) == len(committed) > 100
    if mode == "mark":
        assert source.stands() == {"overgenomen": len(committed)}
    source.engine.dispose()


class Sometimes:
    def __init__(self, inner: Delivery, chance: random.Random) -> None:
        self._inner, self._chance = inner, chance

    def accept(self, events: Sequence[bytes]) -> Any:
        if self._chance.random() < 0.2:
            raise Crash
        accepted = self._inner.accept(events)
        if self._chance.random() < 0.2:
            raise Crash
        return accepted


def test_two_adaptors_share_a_table_and_wait_for_none_of_each_others_rows(
    empty_postgresql: str, tmp_path: Path
) -> None:
    source = Source(tmp_path, empty_postgresql, "mark", batch=3)
    source.put(*range(6))
    adaptor = source.adaptor()
    with source.node() as node:
        first, second = (Outbox(adaptor, adaptor.source, OnStore(node), SystemClock()) for _ in range(2))
        with first.table.taking(3) as (rows, _tx):
            assert [each.number for each in rows] == [1, 2, 3]
            assert second.once().accepted == 3
        source.expect([3, 4, 5])
        assert first.once().accepted == 3
        first.close()
        second.close()
    source.engine.dispose()


def test_one_adaptor_at_a_time_and_once_ends_when_nothing_waits(source: Source) -> None:
    source.put(*range(9))
    adaptor, stop = source.adaptor(), threading.Event()
    with source.node() as node:
        with files.alone(adaptor.source.state.with_suffix(".lock")), pytest.raises(Conflict, match="at work"):
            run(adaptor, OnStore(node), SystemClock(), stop, lambda *_: None, once=True)
        done = run(adaptor, OnStore(node), SystemClock(), stop, lambda *_: None, once=True)
    assert (done.accepted, done.refused) == (9, 0)
    source.expect(range(9))


def test_a_node_that_is_away_is_waited_for(source: Source) -> None:
    """When it comes back the run goes on by itself."""
    source.put(1)
    adaptor, stop, troubles = source.adaptor(), threading.Event(), []

    class Down:
        def __init__(self, inner: Delivery) -> None:
            self._inner, self._left = inner, 2

        def accept(self, events: Sequence[bytes]) -> Any:
            self._left -= 1
            if self._left > 0:
                raise Unavailable("link.unreachable", expected="an answer", got="none")
            return self._inner.accept(events)

    def report(progress: Any, _delivered: Any) -> None:
        troubles.append(progress.trouble)
        if progress.accepted:
            stop.set()

    with source.node() as node:
        run(adaptor, Down(OnStore(node)), SystemClock(), stop, report, once=False)
    assert "link.unreachable" in troubles[0]
    source.expect([1])
