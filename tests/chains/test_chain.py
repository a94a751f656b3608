"""A chain folder is read whole, and a broken one is reported whole."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from keersluis.chain import Chain, chain_folder, copy_template, load_chain
from keersluis.errors import Conflict, Incorrect
from keersluis.times import DAY, HOUR, SECOND, parse_instant

CHAIN = """
name = "two-banks"
title = { nl = "Twee oevers", en = "Two banks" }
type_prefix = "org.example"
timezone = "Europe/Amsterdam"
skew = "1s"
heartbeat = "1h"
[purposes]
crossing = { nl = "Oversteek", en = "Crossing" }
"""
ORGANISATIONS = """
[ferry]
oin = "00000099000000002001"
name = { nl = "Veer", en = "Ferry" }
roles = ["source"]
[harbour]
oin = "00000099000000002002"
name = { nl = "Haven", en = "Harbour" }
roles = ["register"]
[pilot]
oin = "00000099000000002003"
name = { nl = "Loods", en = "Pilot" }
roles = ["decider"]
[baker]
oin = "00000099000000002004"
name = { nl = "Bakker", en = "Baker" }
roles = ["partner"]
node = false
"""
KINDS = """
[trip]
title = { nl = "Overtocht", en = "Trip" }
source = "ferry"
receivers = ["harbour"]
resolution = "instant"
action = "record"
effect = "adds"
lag = "2h"
drain = 3
["trip.late"]
title = { nl = "Late overtocht", en = "Late trip" }
lag = "1d"
drain = 1
["trip.early"]
title = { nl = "Vroege overtocht", en = "Early trip" }
purposes = ["crossing"]
[toll]
title = { nl = "Tol", en = "Toll" }
source = "ferry"
receivers = ["harbour"]
resolution = "day"
action = "record"
effect = "either"
lag = "2h"
drain = 2
"""
ROUTES = """
[by-bridge]
kind = "toll"
covers = "trip"
permitted_by = { nl = "Havenmeester", en = "Harbour master" }
ground = { nl = "Storm", en = "Gale" }
start = "2025-07-24"
until = "2025-07-25"
purposes = ["crossing"]
"""
FILES = {"chain.toml": CHAIN, "organisations.toml": ORGANISATIONS, "kinds.toml": KINDS, "routes.toml": ROUTES}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def edit(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    assert text.count(old) >= 1, old
    (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")


def faults(folder: Path) -> list[str]:
    with pytest.raises(Incorrect) as caught:
        load_chain(folder)
    assert caught.value.code == "chain.broken"
    return caught.value.faults


def test_a_sound_folder_is_read(folder: Path) -> None:
    chain = load_chain(folder)
    assert (chain.name, chain.skew, chain.heartbeat) == ("two-banks", SECOND, HOUR)
    assert chain.timezone.key == "Europe/Amsterdam"
    assert [each.key for each in chain.nodes] == ["ferry", "harbour", "pilot"]
    assert chain.register.key == "harbour"
    assert chain.organisation_by_oin("00000099000000002003").key == "pilot"


def test_a_leaf_inherits_what_it_does_not_say_itself(folder: Path) -> None:
    chain = load_chain(folder)
    late, early = chain.kinds["trip.late"], chain.kinds["trip.early"]
    assert (late.lag, late.drain, late.source, late.purposes) == (DAY, 1, "ferry", ())
    assert (early.lag, early.drain, early.purposes) == (2 * HOUR, 3, ("crossing",))
    assert "trip" not in chain.kinds
    assert chain.groups["trip"]["en"] == "Trip"


def test_each_decider_is_owed_the_end_of_its_answers(folder: Path) -> None:
    kind = load_chain(folder).kinds["answer-end.pilot"]
    assert (kind.source, kind.receivers, kind.action) == ("harbour", ("pilot",), "answer")


def test_under_gives_the_leaves_of_a_branch_and_not_its_namesakes(folder: Path) -> None:
    edit(folder, "kinds.toml", "[toll]", "[trip-tax]")
    edit(folder, "routes.toml", '"toll"', '"trip-tax"')
    chain = load_chain(folder)
    assert [kind.path for kind in chain.under("trip")] == ["trip.late", "trip.early"]
    assert [kind.path for kind in chain.under("trip.late")] == ["trip.late"]
    assert len(chain.under("")) == 4
    assert chain.under("tri") == ()


def test_a_route_holds_from_the_start_of_its_first_day_to_the_end_of_its_last(folder: Path) -> None:
    route = load_chain(folder).routes["by-bridge"]
    assert route.start == parse_instant("2025-07-24T00:00:00+02:00")
    assert route.until == parse_instant("2025-07-26T00:00:00+02:00") - 1


def test_an_event_type_names_its_kind(folder: Path) -> None:
    chain = load_chain(folder)
    kind = chain.kinds["trip.late"]
    assert chain.kind_of_type(chain.ce_type(kind)) is kind
    for wrong in ("org.example.trip", "org.examples.trip.late", "trip.late", "org.exampletrip.late", ""):
        with pytest.raises(Incorrect, match=re.escape("chain.unknown-kind")):
            chain.kind_of_type(wrong)


def test_an_unknown_oin_is_refused(folder: Path) -> None:
    with pytest.raises(Incorrect, match=re.escape("chain.unknown-organisation")):
        load_chain(folder).organisation_by_oin("00000099000000009999")


BROKEN = {
    "bad timezone": ("chain.toml", "Europe/Amsterdam", "Europe/Amsterdan", "timezone", "Europe/Amsterdan"),
    "timezone that is a path": ("chain.toml", "Europe/Amsterdam", "../etc", "timezone", "IANA"),
    "bad duration": ("chain.toml", '"1h"', '"1 hour"', "heartbeat", "a duration"),
    "no heartbeat at all": ("chain.toml", '"1h"', '"0s"', "heartbeat", "more than nothing"),
    "no English title": ("chain.toml", ', en = "Two banks"', "", "title.en", "a text"),
    "unknown key": ("chain.toml", "skew", "skw", "skw", "did you mean 'skew'?"),
    "missing key": ("chain.toml", 'skew = "1s"', "", "skew", "nothing"),
    "bad type prefix": ("chain.toml", "org.example", "org example", "type_prefix", "reversed domain"),
    "not TOML": ("chain.toml", "[purposes]", "[purposes", "chain.toml", "TOML"),
    "OIN twice": ("organisations.toml", "2002", "2001", "harbour.oin", "that of ferry"),
    "OIN too short": ("organisations.toml", "00000099000000002001", "99", "ferry.oin", "20 digits"),
    "unknown role": ("organisations.toml", '"decider"', '"decidor"', "pilot.roles", "did you mean 'decider'?"),
    "no register": ("organisations.toml", '"register"', '"partner"', "organisations.toml", "register"),
    "two registers": ("organisations.toml", '"decider"', '"register"', "organisations.toml", "harbour, pilot"),
    "a source without a node": ("organisations.toml", '["partner"]', '["source"]', "baker.node", "true"),
    "key with a capital": ("organisations.toml", "[baker]", "[Baker]", "Baker", "small letters"),
    "unknown source": ("kinds.toml", '"ferry"', '"fery"', "trip.late.source", "did you mean 'ferry'?"),
    "source that is none": ("kinds.toml", '"ferry"', '"pilot"', "trip.late.source", "a source"),
    "unknown receiver": ("kinds.toml", '["harbour"]', '["harbor"]', "trip.late.receivers", "'harbour'"),
    "receiver without a node": ("kinds.toml", '["harbour"]', '["baker"]', "trip.late.receivers", "a node"),
    "source receives itself": ("kinds.toml", '["harbour"]', '["harbour", "ferry"]', "trip.late", "others than"),
    "unknown parent": ("kinds.toml", '["trip.late"]', '["trp.late"]', "trp.late", "did you mean 'trip'?"),
    "reserved name": ("kinds.toml", "[toll]", "[question]", "question", "the system's own"),
    "unknown resolution": ("kinds.toml", '"day"', '"days"', "toll.resolution", "did you mean 'day'?"),
    "unknown purpose": ("kinds.toml", '["crossing"]', '["cruising"]', "trip.early.purposes", "crossing"),
    "lag is a number": ("kinds.toml", 'lag = "1d"', "lag = 1", "trip.late.lag", "a text"),
    "drain is true": ("kinds.toml", "drain = 2", "drain = true", "toll.drain", "a whole number"),
    "misspelt setting": ("kinds.toml", "effect", "efect", "trip.efect", "did you mean 'effect'?"),
    "route covers nothing": ("routes.toml", '"trip"', '"trips"', "by-bridge.covers", "did you mean 'trip'?"),
    "route of nothing": ("routes.toml", '"toll"', '"tol"', "by-bridge.kind", "did you mean 'toll'?"),
    "route covers itself": ("routes.toml", 'kind = "toll"', 'kind = "trip.late"', "by-bridge", "a cycle"),
    "route ends before it starts": ("routes.toml", "2025-07-25", "2025-07-01", "by-bridge.until", "after start"),
    "route with a bad day": ("routes.toml", "2025-07-24", "2025-07-32", "by-bridge.start", "2025-07-32"),
    "route without ground": ("routes.toml", "ground", "grond", "by-bridge.ground", "a text in nl and en"),
}


@pytest.mark.parametrize(("file", "old", "new", "place", "says"), BROKEN.values(), ids=BROKEN.keys())
def test_fault(folder: Path, file: str, old: str, new: str, place: str, says: str) -> None:
    edit(folder, file, old, new)
    found = faults(folder)
    assert [each for each in found if place in each and says in each], found
    assert all(re.match(r"[a-z]+\.toml(: .+)?: expected .+, got .+", each) for each in found), found


def test_routes_that_cover_one_another_are_a_cycle(folder: Path) -> None:
    back = ROUTES.replace("by-bridge", "by-tunnel").replace('"toll"', '"trip.late"').replace('"trip"', '"toll"')
    (folder / "routes.toml").write_text(ROUTES + back, encoding="utf-8")
    assert len([each for each in faults(folder) if "cycle" in each]) == 2


@pytest.mark.parametrize("name", ["chain.toml", "organisations.toml", "kinds.toml"])
def test_a_missing_file_is_one_fault_that_names_it(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert [each for each in faults(folder) if each.startswith(f"{name}: expected a file")]


def test_a_folder_without_routes_is_sound(folder: Path) -> None:
    (folder / "routes.toml").unlink()
    assert load_chain(folder).routes == {}


def test_all_faults_are_reported_at_once(folder: Path) -> None:
    picked = ("bad timezone", "OIN twice", "unknown parent", "unknown purpose", "route covers nothing", "unknown key")
    for name in picked:
        file, old, new, _, _ = BROKEN[name]
        edit(folder, file, old, new)
    found = faults(folder)
    for name in picked:
        _, _, _, place, says = BROKEN[name]
        assert [each for each in found if place in each and says in each], (name, found)


def test_the_sentence_of_a_broken_folder_counts_its_faults(folder: Path) -> None:
    edit(folder, "chain.toml", "Europe/Amsterdam", "Mars/Base")
    edit(folder, "chain.toml", '"1h"', '"soon"')
    with pytest.raises(Incorrect) as caught:
        load_chain(folder)
    assert "2 faults" in str(caught.value)
    assert str(folder) in str(caught.value)


def test_an_unknown_chain_names_the_shipped_ones_and_the_nearest() -> None:
    with pytest.raises(Incorrect) as caught:
        chain_folder("nl-justise")
    assert "did you mean 'nl-justice'?" in str(caught.value)


def test_a_new_folder_is_a_chain_that_loads(tmp_path: Path) -> None:
    copy_template("nl-justice", tmp_path / "a" / "mine")
    mine, shipped = load_chain(tmp_path / "a" / "mine"), load_chain("nl-justice")
    assert _without_folder(mine) == _without_folder(shipped)
    assert not [path for path in (tmp_path / "a" / "mine").iterdir() if path.name.startswith(".")]


def test_an_empty_directory_may_become_a_chain(tmp_path: Path) -> None:
    copy_template("nl-justice", tmp_path)
    assert load_chain(tmp_path).name == "nl-justice"


def test_a_directory_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(Conflict) as caught:
        copy_template("nl-justice", tmp_path)
    assert caught.value.code == "chain.directory-not-empty"
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_file_is_no_directory_for_a_chain(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("", encoding="utf-8")
    with pytest.raises(Conflict):
        copy_template("nl-justice", tmp_path / "x")


def test_a_copied_chain_may_be_edited_when_the_shipped_one_is_read_only(tmp_path: Path, folder: Path) -> None:
    target = tmp_path / "copy"
    source = tmp_path / "source"
    source.mkdir()
    for name in FILES:
        shutil.copy(folder / name, source / name)
        (source / name).chmod(0o444)
    copy_template(str(source), target)
    edit(target, "chain.toml", "Two banks", "Three banks")
    assert load_chain(target).title["en"] == "Three banks"


def _without_folder(chain: Chain) -> dict[str, object]:
    return {key: value for key, value in vars(chain).items() if key != "folder"}
