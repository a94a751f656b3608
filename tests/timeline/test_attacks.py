"""P5: each attack on a stored log, made as an attacker with the database would, is found and its place is named.

The attacker has no private key, but computes anew all that needs none. `logs.COMMITS` gives heads at 3, 4, 8, 10,
15 and 16.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from keersluis.errors import Fault, Incorrect
from keersluis.identity import KeyRing
from keersluis.merkle import leaf_hash
from keersluis.signing import Signer, add_signature
from keersluis.timeline import LogReport, log
from keersluis.timeline.model import decode_entry, encode_entry
from keersluis.timeline.verify import verify_log
from keersluis.times import HOUR, SECOND
from timeline.logs import (
    ALPHA,
    BETA,
    HEADS,
    SIGNERS,
    SIZE,
    START,
    attack,
    entry,
    forge,
    forge_edges,
    grow,
    keyring,
    node,
    put_entry,
    write_log,
)


@pytest.fixture(scope="session")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("log"))


@pytest.fixture
def stored(master: Path, tmp_path: Path) -> Path:
    """A log of its own to attack."""
    return Path(shutil.copy(master, tmp_path / "node.db"))


def places(report: LogReport) -> dict[str, list[str]]:
    """code -> the places that it names."""
    found: dict[str, list[str]] = {}
    for finding in report.findings:
        found.setdefault(finding.code.removeprefix("timeline."), []).append(finding.place)
    return found


def found(path: Path, keys: KeyRing | None = None) -> dict[str, list[str]]:
    return places(verify_log(path, keys or keyring()))


def reworded(data: bytes) -> bytes:
    assert b"police" in data
    return data.replace(b"police", b"courts")


def test_an_untouched_log_verifies(stored: Path) -> None:
    report = verify_log(stored, keyring())
    assert report.good
    assert (report.log, report.entries, report.heads) == (ALPHA, SIZE, len(HEADS))


def test_an_untouched_log_on_a_medium_that_cannot_be_written_verifies(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is made beside it: no lock, no shared memory."""
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert verify_log(stored, keyring()).good
    assert [path.name for path in stored.parent.iterdir()] == ["node.db"]


@pytest.mark.parametrize("n", range(1, SIZE + 1))
def test_entry_altered(stored: Path, n: int) -> None:
    with attack(stored) as db:
        data, leaf = entry(db, n)
        put_entry(db, n, reworded(data), leaf)
    assert found(stored) == {"entry-altered": [f"entry {n}"]}


def test_leaf_hash_altered(stored: Path) -> None:
    with attack(stored) as db:
        put_entry(db, 6, entry(db, 6)[0], leaf_hash(b"another"))
    assert found(stored) == {"leaf-altered": ["entry 6"]}


@pytest.mark.parametrize(
    ("n", "place"),
    [
        (4, "entry 4"),
        (6, "entries 5-8"),
        (9, "entries 9-10"),
        (12, "entries 11-12"),
        (15, "entry 15"),
        (16, "entry 16"),
    ],
)
def test_entry_altered_together_with_its_leaf_hash(stored: Path, n: int, place: str) -> None:
    """Narrowed to the stretch between two heads, or to a subtree in it."""
    with attack(stored) as db:
        put_entry(db, n, reworded(entry(db, n)[0]))
    assert found(stored) == {"entries-replaced": [place]}


def test_entry_altered_with_its_leaf_hash_and_the_edges_of_the_tree(stored: Path) -> None:
    """The edges no longer bear the signed roots; what comes after the place hangs on nothing, and that is said."""
    with attack(stored) as db:
        put_entry(db, 6, reworded(entry(db, 6)[0]))
        forge_edges(db)
    assert found(stored) == {
        "entries-replaced": ["entries 5-8"],
        "entries-unproven": [f"entries 9-{SIZE}"],
        "edge-altered": ["head 8", "head 10", "heads 15-16"],
    }


def test_two_entries_altered_far_apart(stored: Path) -> None:
    with attack(stored) as db:
        for n in (2, 14):
            put_entry(db, n, reworded(entry(db, n)[0]))
    assert found(stored) == {"entries-replaced": ["entries 1-2", "entries 13-14"]}


def test_edge_of_the_tree_altered(stored: Path) -> None:
    with attack(stored) as db:
        db.execute("UPDATE timeline_heads SET frontier = zeroblob(40) WHERE n = 8")
    assert found(stored) == {"edge-altered": ["head 8"]}


@pytest.mark.parametrize("n", range(1, SIZE))
def test_entry_removed(stored: Path, n: int) -> None:
    with attack(stored) as db:
        db.execute("DELETE FROM timeline_entries WHERE n = ?", (n,))
    assert found(stored) == {"entry-removed": [f"entry {n}"]}


def test_entry_removed_and_those_after_it_renumbered(stored: Path) -> None:
    with attack(stored) as db:
        db.execute("DELETE FROM timeline_entries WHERE n = 6")
        for n in range(7, SIZE + 1):
            db.execute("UPDATE timeline_entries SET n = ? WHERE n = ?", (n - 1, n))
    assert found(stored) == {"entry-removed": ["entry 6"], "entry-moved": [f"entries 7-{SIZE}"]}


def test_entry_removed_and_those_after_it_written_anew(stored: Path) -> None:
    with attack(stored) as db:
        for n in range(6, SIZE):
            put_entry(db, n, encode_entry(decode_entry(entry(db, n + 1)[0])._replace(n=n)))
        db.execute("DELETE FROM timeline_entries WHERE n = ?", (SIZE,))
        forge_edges(db)
    assert found(stored)["entries-replaced"] == ["entries 5-8"]
    assert found(stored)["entry-removed"] == [f"entry {SIZE}"]


def test_entry_inserted(stored: Path) -> None:
    with attack(stored) as db:
        forged = encode_entry(decode_entry(entry(db, 7)[0])._replace(body={"peer": "nobody"}))
        for n in range(SIZE, 6, -1):
            db.execute("UPDATE timeline_entries SET n = ? WHERE n = ?", (n + 1, n))
        values = (7, START, "exchange", "batch.offered", forged, leaf_hash(forged))
        db.execute("INSERT INTO timeline_entries (n, at, room, kind, entry, leaf) VALUES (?, ?, ?, ?, ?, ?)", values)
    report = verify_log(stored, keyring())
    assert [f.place for f in report.findings if f.code == "timeline.entry-inserted"] == ["entry 7"]


def test_entry_added_at_the_end(stored: Path) -> None:
    with attack(stored) as db:
        forged = encode_entry(decode_entry(entry(db, SIZE)[0])._replace(n=SIZE + 1, head=SIZE))
        db.execute("CREATE TEMP TABLE copy AS SELECT * FROM timeline_entries WHERE n = ?", (SIZE,))
        db.execute("UPDATE copy SET n = 17, entry = ?, leaf = ?", (forged, leaf_hash(forged)))
        db.execute("INSERT INTO timeline_entries SELECT * FROM copy")
    assert found(stored) == {"entries-unsigned": ["entry 17"]}


@pytest.mark.parametrize(("one", "other"), [(5, 7), (7, 8), (2, 12), (16, 1)])
def test_two_entries_swapped(stored: Path, one: int, other: int) -> None:
    with attack(stored) as db:
        for n, to in ((one, -1), (other, one), (-1, other)):
            db.execute("UPDATE timeline_entries SET n = ? WHERE n = ?", (to, n))
    told = verify_log(stored, keyring()).findings
    assert {f.code for f in told} == {"timeline.entry-moved"}
    assert {n for n in range(SIZE + 1) if any(f.covers(n) for f in told)} == {one, other}


def test_two_entries_swapped_and_numbered_for_their_new_places(stored: Path) -> None:
    with attack(stored) as db:
        first, second = (decode_entry(entry(db, n)[0]) for n in (11, 14))
        put_entry(db, 11, encode_entry(second._replace(n=11)))
        put_entry(db, 14, encode_entry(first._replace(n=14)))
    assert found(stored)["entries-replaced"] == ["entries 11-14"]


def test_column_beside_an_entry_altered(stored: Path) -> None:
    """The page filters by these; they must say what the entry says."""
    with attack(stored) as db:
        db.execute("UPDATE timeline_entries SET kind = 'gate.moved' WHERE n = 9")
        db.execute("UPDATE timeline_entries SET at = at + 1 WHERE n = 11")
    assert found(stored) == {"columns-altered": ["entry 9", "entry 11"]}


@pytest.mark.parametrize("column", ["entry", "leaf", "kind", "n"])
@pytest.mark.parametrize("value", ["'text'", "X'FF'", "CAST(X'FF' AS TEXT)", "1.5"])
def test_value_of_another_type_planted(stored: Path, column: str, value: str) -> None:
    with attack(stored) as db:
        db.execute("ALTER TABLE timeline_entries RENAME TO old")
        db.execute("CREATE TABLE timeline_entries AS SELECT * FROM old")
        db.execute(f"UPDATE timeline_entries SET {column} = {value} WHERE n = 6")
    assert any(f.what == "entry" and f.covers(6) for f in verify_log(stored, keyring()).findings)


# --- heads --------------------------------------------------------------------------------------------


def test_head_forged_with_another_key_over_an_altered_entry(stored: Path) -> None:
    with attack(stored) as db:
        put_entry(db, 6, reworded(entry(db, 6)[0]))
        forge(db, 8, Signer.from_seed(ALPHA, b"\x07" * 32))
    assert found(stored) == {"head-forged": ["head 8"], "entries-replaced": ["entries 5-8"]}


def test_head_signed_by_another_organisation(stored: Path) -> None:
    with attack(stored) as db:
        put_entry(db, 6, reworded(entry(db, 6)[0]))
        forge(db, 8, SIGNERS[BETA])
    assert found(stored)["head-forged"] == ["head 8"]


def test_head_of_another_organisation_planted(stored: Path, tmp_path: Path) -> None:
    grow(tmp_path / "beta.db", BETA)
    with attack(tmp_path / "beta.db") as db:
        note, edge = db.execute("SELECT note, frontier FROM timeline_heads WHERE n = 8").fetchone()
    with attack(stored) as db:
        db.execute("UPDATE timeline_heads SET note = ?, frontier = ? WHERE n = 8", (note, edge))
    assert found(stored) == {"head-foreign": ["head 8"]}


def test_signature_removed(stored: Path) -> None:
    with attack(stored) as db:
        db.execute("UPDATE timeline_heads SET note = substr(note, 1, instr(note, char(10, 10))) WHERE n = 10")
    assert found(stored) == {"head-forged": ["head 10"]}


def test_signature_taken_from_another_head(stored: Path) -> None:
    with attack(stored) as db:
        notes = dict(db.execute("SELECT n, note FROM timeline_heads"))
        mixed = notes[10].split("\n\n")[0] + "\n\n" + notes[8].split("\n\n")[1]
        db.execute("UPDATE timeline_heads SET note = ? WHERE n = 10", (mixed,))
    assert found(stored) == {"head-forged": ["head 10"]}


@pytest.mark.parametrize("name", [BETA, "nobody"])
def test_another_signature_hung_under_a_head(stored: Path, name: str) -> None:
    """A signature by a stranger counts for nothing in a note; here nothing may hang that the owner did not sign."""
    with attack(stored) as db:
        (note,) = db.execute("SELECT note FROM timeline_heads WHERE n = 10").fetchone()
        more = add_signature(note, Signer.from_seed(name, b"\x02" * 32))
        db.execute("UPDATE timeline_heads SET note = ? WHERE n = 10", (more,))
    assert found(stored) == {"head-forged": ["head 10"]}


@pytest.mark.parametrize("n", HEADS[:-1])
def test_head_removed(stored: Path, n: int) -> None:
    with attack(stored) as db:
        db.execute("DELETE FROM timeline_heads WHERE n = ?", (n,))
    assert found(stored) == {"head-removed": [f"head {n}"]}


def test_last_head_removed(stored: Path) -> None:
    with attack(stored) as db:
        db.execute("DELETE FROM timeline_heads WHERE n = ?", (SIZE,))
    assert found(stored) == {"entries-unsigned": [f"entry {SIZE}"]}


def test_all_heads_removed(stored: Path) -> None:
    with attack(stored) as db:
        db.execute("DELETE FROM timeline_heads")
    report = verify_log(stored, keyring(), ALPHA)
    assert places(report)["entries-unsigned"] == [f"entries 1-{SIZE}"]
    assert places(report)["head-removed"] == ["heads 3-4", "head 8", "head 10", "head 15"]


def test_two_heads_swapped(stored: Path) -> None:
    with attack(stored) as db:
        rows = dict(db.execute("SELECT n, note FROM timeline_heads"))
        for n, other in ((8, 10), (10, 8)):
            db.execute("UPDATE timeline_heads SET note = ? WHERE n = ?", (rows[other], n))
    assert found(stored) == {"head-moved": ["head 8", "head 10"]}


def test_head_signed_anew_by_the_key_holder_over_an_altered_entry(stored: Path) -> None:
    """The heads after it still say what the entry was."""
    with attack(stored) as db:
        put_entry(db, 6, reworded(entry(db, 6)[0]))
        forge(db, 8, SIGNERS[ALPHA])
    assert found(stored) == {"heads-diverge": ["head 10"]}


def test_head_signed_after_its_key_had_ended(stored: Path) -> None:
    ring = KeyRing()
    ring.add(ALPHA, SIGNERS[ALPHA].public, until=START + 9 * SECOND)
    assert found(stored, ring)["head-forged"] == ["head 10", "heads 15-16"]


# --- the end, the clock -------------------------------------------------------------------------------


def test_last_entries_cut_off(stored: Path) -> None:
    with attack(stored) as db:
        db.execute("DELETE FROM timeline_entries WHERE n > 10")
    assert found(stored) == {"entry-removed": [f"entries 11-{SIZE}"]}


def test_entries_cut_off_in_the_middle_of_a_commit_with_the_heads_after(stored: Path) -> None:
    with attack(stored) as db:
        db.execute("DELETE FROM timeline_entries WHERE n > 13")
        db.execute("DELETE FROM timeline_heads WHERE n > 13")
    assert found(stored) == {"entries-unsigned": ["entries 11-13"]}


def test_clock_running_backwards(stored: Path) -> None:
    grow(stored, ALPHA, (2,), start=START - HOUR)
    assert found(stored) == {"clock-backwards": ["entry 17", "head 18"]}


def test_nothing_is_signed_on_top_of_an_altered_edge(stored: Path) -> None:
    with attack(stored) as db:
        edge = (SIZE).to_bytes(8, "big") + bytes(32)
        db.execute("UPDATE timeline_heads SET frontier = ? WHERE n = ?", (edge, SIZE))
    with pytest.raises(Fault, match=r"timeline\.frontier-altered"):
        grow(stored, ALPHA, (1,))


def test_nothing_is_signed_over_a_hole(stored: Path) -> None:
    with attack(stored) as db:
        db.execute("DELETE FROM timeline_heads WHERE n > 10")
        db.execute("DELETE FROM timeline_entries WHERE n = 12")
    with pytest.raises(Fault, match=r"timeline\.entries-missing"), node(stored) as store:
        store.write(lambda tx: log.append(tx, at=START, room="exchange", kind="clock.started", body={}))


def test_a_database_damaged_beyond_reading_is_said_to_be(stored: Path) -> None:
    data = bytearray(stored.read_bytes())
    data[100:4096] = bytes(3996)
    stored.write_bytes(data)
    with pytest.raises(Incorrect, match=r"timeline\.(unreadable-source|not-a-log)"):
        verify_log(stored, keyring())
