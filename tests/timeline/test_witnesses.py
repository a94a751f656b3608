"""P5: what one log cannot tell of itself (a tail cut off, a history written anew by the holder of the key) the others'
copies of its heads do tell."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from keersluis.errors import Incorrect, Untrusted
from keersluis.identity import KeyRing
from keersluis.signing import sign_note
from keersluis.timeline import Contradiction, Finding, Report, log
from keersluis.timeline.heads import read_head
from keersluis.timeline.model import CONTRADICTED, WITNESSED
from keersluis.timeline.verify import verify_chain, verify_log, verify_path
from keersluis.times import HOUR
from timeline.logs import (
    ALPHA,
    BETA,
    GAMMA,
    SIGNERS,
    START,
    attack,
    exported,
    grow,
    head_sizes,
    keyring,
    newest_head,
    node,
    put_entry,
    rewrite,
    witness,
    write_chain,
)

LATER = START + 9 * log.KEEP_EVERY
NAMES = {ALPHA: "alpha", BETA: "beta", GAMMA: "gamma"}


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chain")
    write_chain(folder)
    return folder


@pytest.fixture
def chain(master: Path, tmp_path: Path) -> Path:
    """A working directory of a chain, to attack."""
    return Path(shutil.copytree(master, tmp_path / "chain"))


def database(chain: Path, oin: str) -> Path:
    return chain / NAMES[oin] / "node.db"


def told(report: Report, oin: str = ALPHA) -> list[Finding]:
    return [finding for finding in report.findings if finding.log == oin]


def codes(report: Report, oin: str = ALPHA) -> set[str]:
    return {finding.code.removeprefix("timeline.") for finding in told(report, oin)}


def cut(path: Path, keep: int) -> None:
    with attack(path) as db:
        db.execute("DELETE FROM timeline_entries WHERE n > ?", (keep,))
        db.execute("DELETE FROM timeline_heads WHERE n > ?", (keep,))


def test_untouched_logs_verify_against_each_other(chain: Path) -> None:
    report = verify_path(chain)
    assert report.good
    assert report.unseen == ()
    alpha = next(each for each in report.logs if each.log == ALPHA)
    assert alpha.witnessed == alpha.entries
    assert report.entries == sum(each.entries for each in report.logs) > alpha.entries > 16


def test_tail_cut_off_at_a_head(chain: Path) -> None:
    """By itself such a log is whole; the others saw more of it."""
    sizes = head_sizes(database(chain, ALPHA))
    cut(database(chain, ALPHA), sizes[-3])
    assert verify_log(database(chain, ALPHA), keyring()).good
    [finding] = told(verify_path(chain))
    assert (finding.code, finding.first, finding.last) == ("timeline.tail-cut", sizes[-3] + 1, sizes[-1])
    assert finding.facts["by"] == BETA


def test_tail_cut_off_in_an_exported_file(chain: Path, tmp_path: Path) -> None:
    sizes = head_sizes(database(chain, ALPHA))
    cut(database(chain, ALPHA), sizes[-2])
    file = tmp_path / "alpha.jsonl"
    file.write_bytes(exported(database(chain, ALPHA)))
    report = verify_chain([(ALPHA, file), (BETA, database(chain, BETA))], keyring())
    assert codes(report) == {"tail-cut"}


@pytest.mark.parametrize("more", [(1,), (2, 1), (4, 4, 4)], ids=["shorter", "as long", "longer"])
def test_history_written_anew_by_the_holder_of_the_key(chain: Path, more: tuple[int, ...]) -> None:
    path = database(chain, ALPHA)
    sizes = head_sizes(path)
    keep = sizes[3]
    rewrite(path, ALPHA, keep, more, LATER)
    assert verify_log(path, keyring()).good
    report = verify_path(chain)
    assert codes(report) & {"fork", "tail-cut"}
    assert codes(report) <= {"fork", "tail-cut", "head-removed"}
    assert min(finding.first for finding in told(report)) > keep


def test_history_written_anew_from_its_first_entry(chain: Path) -> None:
    rewrite(database(chain, ALPHA), ALPHA, 0, (3, 1, 4, 9, 9), LATER)
    forks = [finding for finding in told(verify_path(chain)) if finding.code == "timeline.fork"]
    assert {finding.facts["since"] for finding in forks} == {"0"}
    assert {finding.facts["by"] for finding in forks} == {BETA}


def test_history_written_anew_and_the_witness_robbed_of_its_newest_head(chain: Path) -> None:
    """Heads are kept as entries too; who takes the newest one away from its place leaves a trace himself."""
    rewrite(database(chain, ALPHA), ALPHA, 8, (9, 9), LATER)
    with attack(database(chain, BETA)) as db:
        db.execute("DELETE FROM timeline_witnessed")
    report = verify_path(chain)
    assert "fork" in codes(report)
    assert codes(report, BETA) == {"witnessed-removed"}


def test_log_emptied(chain: Path) -> None:
    path = database(chain, ALPHA)
    cut(path, 0)
    report = verify_path(chain)
    assert [(f.code, f.facts) for f in told(report, str(path))] == [("timeline.log-emptied", {"of": ALPHA})]
    named = verify_chain([(ALPHA, path), (BETA, database(chain, BETA))], keyring())
    assert codes(named) == {"tail-cut"}


def test_log_not_there_is_said_not_to_be_seen(chain: Path) -> None:
    database(chain, ALPHA).unlink()
    report = verify_path(chain)
    assert report.good
    assert report.unseen == (ALPHA,)


def test_two_heads_of_a_log_that_is_not_there(chain: Path) -> None:
    """Two others compare what they were told, without the one that told it."""
    rewrite(database(chain, ALPHA), ALPHA, 8, (1,), LATER)
    witness(database(chain, GAMMA), GAMMA, database(chain, ALPHA), LATER)
    grow(database(chain, ALPHA), ALPHA, (head_sizes(database(chain, BETA))[-1],), start=LATER)
    database(chain, ALPHA).unlink()
    [finding] = told(verify_path(chain))
    assert finding.code == "timeline.two-heads"
    assert set(finding.facts["by"].split(", ")) == {BETA, GAMMA}


def test_older_head_put_in_the_place_of_the_newest(chain: Path) -> None:
    path = database(chain, BETA)
    with node(path) as store, store.read() as tx:
        first = next(each.body["note"] for each in log.entries(tx) if each.kind == WITNESSED)
    with attack(path) as db:
        db.execute("UPDATE timeline_witnessed SET note = ?", (first,))
    assert codes(verify_path(chain), BETA) == {"witnessed-replaced"}


def test_witnessed_head_forged(chain: Path) -> None:
    """Who would accuse another needs that one's signature."""
    seen = read_head(newest_head(database(chain, ALPHA)))
    with attack(database(chain, BETA)) as db:
        db.execute("UPDATE timeline_witnessed SET note = ?", (sign_note(seen.text(), SIGNERS[BETA]),))
    report = verify_path(chain)
    assert codes(report) == set()
    assert codes(report, BETA) == {"witnessed-forged", "witnessed-removed"}


def test_entry_that_accuses_with_a_forged_head(chain: Path) -> None:
    path = database(chain, BETA)
    seen = read_head(newest_head(database(chain, ALPHA)))
    body = {"of": seen.origin, "size": seen.size, "note": sign_note(seen.text(), SIGNERS[BETA])}
    with node(path, BETA, LATER) as store:
        n = store.write(lambda tx: log.append(tx, at=LATER, room="timeline", kind=WITNESSED, body=body))
    report = verify_path(chain)
    assert codes(report) == set()
    assert [(f.code, f.place) for f in told(report, BETA)] == [("timeline.witnessed-forged", f"entry {n}")]


# --- at work: what a node does with a head that comes in ---------------------------------------------


def test_a_second_head_of_the_same_size_becomes_proof(tmp_path: Path) -> None:
    alpha, copy, beta = tmp_path / "alpha.db", tmp_path / "copy.db", tmp_path / "beta.db"
    grow(alpha, ALPHA, (3,))
    shutil.copy(alpha, copy)
    grow(alpha, ALPHA, (2,))
    grow(copy, ALPHA, (2,), label="other")
    witness(beta, BETA, alpha, LATER)
    note = newest_head(copy)
    with node(beta, BETA, LATER) as store:
        outcome = store.write(lambda tx: log.witness(tx, note, keyring(), LATER))
        assert outcome == Contradiction(newest_head(alpha), note, 2)
        with store.read() as tx:
            last = log.entries(tx)[-1]
            assert (last.kind, last.body["why"]) == (CONTRADICTED, "other-root")
            assert log.witnessed(tx)[f"{ALPHA}/timeline/1"].note == newest_head(alpha)
    report = verify_chain([(BETA, beta)], keyring())
    assert codes(report) == {"two-heads"}
    assert codes(verify_chain([(ALPHA, copy), (BETA, beta)], keyring())) == {"fork"}


def test_a_log_put_back_and_gone_on_from_there_becomes_proof(tmp_path: Path) -> None:
    """Fewer entries at a later time: no append-only log does that."""
    alpha, beta = tmp_path / "alpha.db", tmp_path / "beta.db"
    grow(alpha, ALPHA, (3, 5))
    witness(beta, BETA, alpha, START + HOUR)
    rewrite(alpha, ALPHA, 3, (1,), LATER)
    note = newest_head(alpha)
    with node(beta, BETA, LATER) as store:
        assert isinstance(store.write(lambda tx: log.witness(tx, note, keyring(), LATER)), Contradiction)


def test_a_head_that_comes_late_is_no_contradiction(tmp_path: Path) -> None:
    alpha, beta = tmp_path / "alpha.db", tmp_path / "beta.db"
    grow(alpha, ALPHA, (3,))
    early = newest_head(alpha)
    grow(alpha, ALPHA, (5,))
    witness(beta, BETA, alpha, START + HOUR)
    with node(beta, BETA, LATER) as store:
        assert store.write(lambda tx: log.witness(tx, early, keyring(), LATER)) is None
        assert store.write(lambda tx: log.witness(tx, newest_head(alpha), keyring(), LATER)) is None
        with store.read() as tx:
            assert log.size(tx) == 1
            assert log.witnessed(tx)[f"{ALPHA}/timeline/1"].checkpoint.size == 8


def test_a_head_that_is_not_signed_by_its_owner_is_refused_and_not_kept(tmp_path: Path) -> None:
    alpha, beta = tmp_path / "alpha.db", tmp_path / "beta.db"
    grow(alpha, ALPHA, (3,))
    text = read_head(newest_head(alpha)).text()
    stream = text.replace("/timeline/", "/judgment/")
    notes = [sign_note(text, SIGNERS[BETA]), sign_note(stream, SIGNERS[ALPHA]), "nonsense", newest_head(alpha)[:-9]]
    with node(beta, BETA, LATER) as store:
        for note in notes:
            with pytest.raises(Untrusted):
                store.write(lambda tx, note=note: log.witness(tx, note, keyring(), LATER))
        with store.read() as tx:
            assert log.size(tx) == 0
            assert log.witnessed(tx) == {}


def test_a_head_signed_with_a_stolen_key_that_had_ended_is_refused(tmp_path: Path) -> None:
    """Whatever date the thief writes."""
    alpha, beta = tmp_path / "alpha.db", tmp_path / "beta.db"
    grow(alpha, ALPHA, (3,))
    ring = KeyRing()
    ring.add(ALPHA, SIGNERS[ALPHA].public, until=START + HOUR)
    with node(beta, BETA, LATER) as store, pytest.raises(Untrusted):
        store.write(lambda tx: log.witness(tx, newest_head(alpha), ring, LATER))


def test_nobody_is_accused_with_a_head_that_somebody_else_put_in_our_table(tmp_path: Path) -> None:
    alpha, beta = tmp_path / "alpha.db", tmp_path / "beta.db"
    grow(alpha, ALPHA, (3,))
    witness(beta, BETA, alpha, START + HOUR)
    forged = read_head(newest_head(alpha)).text().replace("\n3\n", "\n5\n")
    for planted in (sign_note(forged, SIGNERS[BETA]), "nonsense"):
        with attack(beta) as db:
            db.execute("UPDATE timeline_witnessed SET note = ?, size = 5", (planted,))
        grow(alpha, ALPHA, (2,), start=LATER)
        with node(beta, BETA, LATER) as store:
            assert store.write(lambda tx: log.witness(tx, newest_head(alpha), keyring(), LATER)) is None
    with node(beta) as store, store.read() as tx:
        assert log.witnessed(tx)[f"{ALPHA}/timeline/1"].note == newest_head(alpha)
        assert {each.kind for each in log.entries(tx)} == {WITNESSED}


def test_two_logs_that_witness_each_other_grow_by_an_entry_a_day_at_most(tmp_path: Path) -> None:
    alpha, beta = tmp_path / "alpha.db", tmp_path / "beta.db"
    grow(alpha, ALPHA, (1,))
    grow(beta, BETA, (1,))
    for hour in range(1, 72, 3):
        witness(beta, BETA, alpha, START + hour * HOUR)
        witness(alpha, ALPHA, beta, START + hour * HOUR)
    with node(alpha) as store, store.read() as tx:
        assert log.size(tx) <= 1 + 3


# --- what lies at a path ------------------------------------------------------------------------------


def test_one_organisations_directory_file_or_export_is_verified_by_its_path(chain: Path) -> None:
    file = chain / "alpha" / "alpha.jsonl"
    file.write_bytes(exported(database(chain, ALPHA)))
    for path in (chain / "alpha", database(chain, ALPHA), file):
        report = verify_path(path)
        assert report.good
        assert [each.log for each in report.logs] == [ALPHA]
        assert report.unseen == (BETA, GAMMA)
    with attack(database(chain, ALPHA)) as db:
        put_entry(db, 2, b"{}")
    assert not verify_path(str(chain / "alpha")).good


def test_a_path_without_a_log_or_without_keys_is_an_error_that_says_so(chain: Path, tmp_path: Path) -> None:
    with pytest.raises(Incorrect, match=r"timeline\.nothing-to-verify"):
        verify_path(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Incorrect, match=r"timeline\.nothing-to-verify"):
        verify_path(tmp_path / "empty")
    (chain / "keys.json").unlink()
    with pytest.raises(Incorrect, match=r"timeline\.no-keys"):
        verify_path(chain)
