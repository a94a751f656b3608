"""Decision records: as known on a day, as recorded on a day, and as others may see them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keersluis.chain import copy_template, load_chain
from keersluis.errors import Incorrect
from keersluis.recovery.recordfiles import load_record, load_records
from keersluis.recovery.records import KINDS, Dossier, Item, Recorded, check, from_json, to_json
from keersluis.recovery.recordviews import Looking, exists, overview, render
from keersluis.times import DAY, Instant, When, parse_when

CHAIN = load_chain("nl-justice")
TZ = CHAIN.timezone
SHIPPED = load_records(CHAIN)


def end_of(day: str) -> Instant:
    return parse_when(day, TZ).end


def as_known(name: str, day: str, **how: Any) -> dict[str, Any]:
    file = SHIPPED[name]
    return render(file.dossier, [Recorded(item) for item in file.items], Looking(end_of(day), **how), TZ)


def keys(told: list[dict[str, Any]]) -> list[str]:
    return [each["key"] for each in told]


# The shipped records


def test_on_23_july_nobody_knew_that_the_vulnerability_had_been_used() -> None:
    told = as_known("om-disconnect", "2025-07-23")
    assert keys(told["unknown"]) == ["was-it-used", "was-data-touched", "how-long"]
    assert (told["state"], told["chosen"], told["answered"]) == ("decided", "disconnect", [])
    assert keys(told["known"]) == ["notice", "investigate-everywhere"]
    words = json.dumps(told).lower()
    assert "forensic" not in words
    assert "august" not in words


def test_on_4_august_two_of_the_unknowns_were_answered_and_the_return_was_decided() -> None:
    told = as_known("om-disconnect", "2025-08-04")
    assert keys(told["unknown"]) == ["how-long"]
    assert {each["key"]: each["answered_by"] for each in told["answered"]} == {
        "was-it-used": "it-was-used",
        "was-data-touched": "no-sign",
    }
    assert as_known("om-return", "2025-08-03")["state"] == "open", "the decision shows from its moment on"
    assert as_known("om-return", "2025-08-04")["chosen"] == "phases"
    assert keys(as_known("om-return", "2025-11-30")["unknown"]) == ["backlogs-until"], "nobody could say"


def test_the_one_that_cut_and_the_one_that_did_not_stand_side_by_side() -> None:
    chosen = {name: as_known(name, "2025-07-23")["chosen"] for name in ("om-disconnect", "jio-stay-connected")}
    assert chosen == {"om-disconnect": "disconnect", "jio-stay-connected": "stay"}
    assert SHIPPED["jio-stay-connected"].dossier.organisation == "jio"


def test_consequences_are_told_for_each_partner_of_the_chain() -> None:
    (cut, _stay) = as_known("om-disconnect", "2025-08-31")["options"]
    told = {each["organisation"] for each in cut["consequences"]}
    assert {"justid", "politie", "justis", "rvdk", "ind", "rechtspraak", "advocatuur", "dtenv"} <= told
    assert told <= CHAIN.organisations.keys()


def test_what_may_not_be_made_public_is_left_out_and_counted() -> None:
    inside, outside = (as_known("om-disconnect", "2025-08-31", outside=outside) for outside in (False, True))
    assert "not-public" in keys(inside["known"])
    assert "not-public" not in json.dumps(outside)
    assert (inside["left_out"], outside["left_out"]) == (0, 1)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_item_has_a_source_or_says_that_it_is_inferred(name: str) -> None:
    assert [item.key for item in SHIPPED[name].items if not item.source and not item.inferred] == []


# Properties, on made-up records

DAYS = st.integers(0, 20)
START = parse_when("2025-07-01", TZ).start


def day(n: int) -> When:
    return When(START + n * DAY, START + n * DAY)


@st.composite
def records(draw: st.DrawFn) -> list[Recorded]:
    """Items of all kinds that `check` accepts, some corrections and answers, recorded when known or later."""
    option = Item("o", "option", day(0), {"en": "o"})
    rows = [Recorded(option, day(0).end, "w", "", 1)]
    for n in range(draw(st.integers(0, 12))):
        kind, since = draw(st.sampled_from(KINDS)), draw(DAYS)
        item = Item(
            key=f"k{n}",
            kind=kind,
            since=day(since),
            text={"en": f"text-{n}-"},
            option="o" if kind in ("argument", "consequence", "advice", "decision") else "",
            weighs="for" if kind == "argument" else "",
            organisation="om" if kind == "consequence" else "",
            by={"en": "w"} if kind in ("advice", "decision", "review") else {},
            review=draw(st.none() | st.integers(since + 1, 25).map(day)) if kind in ("decision", "review") else None,
            public=draw(st.booleans()),
        )
        before = [row.item for row in rows]
        taken = {key for each in before for key in each.replaces}
        old = [each.key for each in before if each.kind == kind and each.since <= item.since and each.key not in taken]
        asked = [each.key for each in before if each.kind == "unknown" and each.since <= item.since]
        if old and draw(st.booleans()):
            item = Item(**(vars(item) | {"replaces": (draw(st.sampled_from(old)),)}))
        if kind == "known" and asked and draw(st.booleans()):
            item = Item(**(vars(item) | {"answers": (draw(st.sampled_from(asked)),)}))
        if not check(item, before, ["om"]):
            rows.append(Recorded(item, day(since + draw(st.integers(0, 5))).end, "w", "y", n + 2))
    return rows


DOSSIER = Dossier("r", "om", {"en": "t"}, {"en": "q"}, day(0))


def shown(told: dict[str, Any]) -> list[str]:
    """The keys of all items in a rendering, as often as they are there."""
    lists = [told[name] for name in ("known", "unknown", "answered", "decisions", "corrected", "options")]
    lists += [each["reviews"] for each in told["decisions"]]
    lists += [option[name] for option in told["options"] for name in ("arguments", "consequences", "advice")]
    return sorted(key for each in lists for key in keys(each))


@given(records(), DAYS)
def test_what_became_known_later_changes_nothing_that_is_said_of_an_earlier_day(rows: list[Recorded], n: int) -> None:
    until = [row for row in rows if row.item.since.start <= day(n).start]
    for outside in (False, True):
        look = Looking(day(n).end, outside=outside)
        assert render(DOSSIER, rows, look, TZ) == render(DOSSIER, until, look, TZ)


@given(records(), DAYS, DAYS)
def test_what_was_written_down_later_changes_nothing_that_was_on_record_before(
    rows: list[Recorded], n: int, m: int
) -> None:
    until = [row for row in rows if (row.recorded or 0) <= day(m).end]
    look = Looking(day(n).end, day(m).end)
    assert render(DOSSIER, rows, look, TZ) == render(DOSSIER, until, look, TZ)


@given(records(), DAYS)
def test_whatever_was_known_is_shown_once_and_whatever_is_not_public_never_outside(
    rows: list[Recorded], n: int
) -> None:
    known = [row.item for row in rows if row.item.since.start <= day(n).start]
    inside = render(DOSSIER, rows, Looking(day(n).end), TZ)
    gone = {key for item in known for key in item.replaces}
    options = {item.key for item in known if item.kind == "option" and item.key not in gone}
    # A review is shown with the decision that stood when it was made, which may have been corrected since.
    reviews = {item.key for item in known if item.kind == "review" and item.key not in gone}
    assert options, "a corrected option is shown as it is now"
    assert set(shown(inside)) | reviews == {item.key for item in known}
    assert len(set(shown(inside))) == len(shown(inside))
    outside = render(DOSSIER, rows, Looking(day(n).end, outside=True), TZ)
    hidden = [item for item in known if not item.public]
    words = json.dumps(outside)
    assert [item.key for item in hidden if item.text["en"] in words] == []
    assert outside["left_out"] == len(hidden)


@given(records(), DAYS)
def test_a_day_to_look_again_that_passed_without_a_review_is_overdue(rows: list[Recorded], n: int) -> None:
    known = sorted((row.item for row in rows if row.item.since.start <= day(n).start), key=lambda it: it.since.start)
    gone = {key for item in known for key in item.replaces}
    made = [item for item in known if item.kind == "decision" and item.key not in gone]
    told = overview(DOSSIER, rows, Looking(day(n).end), TZ)
    assert told["state"] == ("decided" if made else "open")
    last = max((item.since.start for item in made), default=0)
    reviews = [item for item in known if item.kind == "review" and item.key not in gone and item.since.start >= last]
    days = {item.review.end if item.review else None for item in (reviews or made) if made}
    if len(made) == 1 and len(reviews) < 2:
        (due,) = days
        assert told["overdue"] == (due is not None and due < day(n).end)


@given(records())
def test_an_item_comes_back_from_its_stored_form_as_it_was(rows: list[Recorded]) -> None:
    for row in rows:
        assert from_json(json.loads(json.dumps(to_json(row.item, TZ))), TZ) == row.item


def test_a_correction_shows_from_the_day_it_became_known_and_both_are_kept() -> None:
    first = Item("first", "known", day(1), {"en": "none was broken into"})
    second = Item("second", "known", day(5), {"en": "some were"}, replaces=("first",))
    rows = [Recorded(first), Recorded(second)]
    before, after = (render(DOSSIER, rows, Looking(day(n).end), TZ) for n in (4, 5))
    assert (keys(before["known"]), before["corrected"]) == (["first"], [])
    assert keys(after["known"]) == ["second"]
    assert [(each["key"], each["replaced_by"]) for each in after["corrected"]] == [("first", "second")]


def test_what_replaced_something_is_not_told_outside_when_it_is_not_public() -> None:
    first = Item("first", "known", day(1), {"en": "none was broken into"})
    second = Item("second", "known", day(5), {"en": "some were"}, replaces=("first",), public=False)
    told = render(DOSSIER, [Recorded(first), Recorded(second)], Looking(day(6).end, outside=True), TZ)
    assert (told["known"], keys(told["corrected"]), told["corrected"][0]["replaced_by"]) == ([], ["first"], None)


def test_a_decision_that_is_not_public_is_no_open_question_outside() -> None:
    option = Item("o", "option", day(0), {"en": "o"})
    decided = Item("d", "decision", day(2), {"en": "so"}, option="o", by={"en": "w"}, public=False)
    told = render(DOSSIER, [Recorded(option), Recorded(decided)], Looking(day(3).end, outside=True), TZ)
    assert (told["state"], told["chosen"], told["decisions"]) == ("withheld", None, [])


def test_a_question_is_not_there_before_it_was_asked_nor_for_those_who_may_not_know_of_it() -> None:
    secret = Dossier("r", "om", {"en": "t"}, {"en": "q"}, day(3), public=False)
    assert not exists(secret, None, Looking(day(2).end))
    assert exists(secret, None, Looking(day(3).end))
    assert not exists(secret, None, Looking(day(3).end, outside=True))
    assert not exists(secret, day(9).end, Looking(day(5).end, day(8).end))


# Bad files


def broken(tmp_path: Path, *edits: tuple[str, str]) -> list[str]:
    text = SHIPPED["om-disconnect"].path.read_text(encoding="utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Incorrect) as caught:
        load_record(str(path), CHAIN)
    assert caught.value.code == "records.broken"
    return caught.value.faults


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('organisation = "justid"', 'organisation = "justit"', "did you mean 'justi"),
        ('option = "disconnect"', 'option = "disconect"', "did you mean 'disconnect'?"),
        ('kind = "unknown"', 'kind = "unknwon"', "did you mean 'unknown'?"),
        ('weighs = "for"', 'weighs = "fore"', "weighs: expected one of for, against"),
        ('weighs = "for"\n', "", "weighs: expected a value, as every argument has"),
        ('since = "2025-07-23"', 'since = "23 July"', "items[13].since: expected RFC 3339"),
        ('answers = ["was-it-used"]', 'answers = ["notice"]', "an item of the kind unknown, known by then"),
        ('key = "stay"', 'key = "disconnect"', "key: expected a key of its own"),
        ('key = "notice"', 'key = "notice"\nwhom = "x"', "a known key"),
        ('key = "notice"', 'key = "notice"\nreview = "2025-09-01"', "as no known has it"),
        ('key = "decided"', 'key = "decided"\nreview = "2025-07-01"', "review: expected a day after the item's own"),
        ('opened = "2025-07-17"\n', "", "opened: expected a text, got nothing"),
        ('organisation = "om"\ntitle', 'organisation = "omm"\ntitle', "did you mean 'om'?"),
    ],
)
def test_a_bad_record_names_the_place(tmp_path: Path, old: str, new: str, says: str) -> None:
    found = broken(tmp_path, (old, new))
    assert [each for each in found if says in each], found


def test_all_faults_of_all_records_are_reported_at_once(tmp_path: Path) -> None:
    copy_template("nl-justice", tmp_path / "chain")
    for name in ("om-disconnect", "om-return"):
        path = tmp_path / "chain" / "records" / f"{name}.toml"
        text = path.read_text(encoding="utf-8").replace('weighs = "for"', 'weighs = "maybe"')
        path.write_text(text.replace("[[items]]", "[[items]]\nextra = 1", 1), encoding="utf-8")
    with pytest.raises(Incorrect) as caught:
        load_records(load_chain(tmp_path / "chain"))
    assert {fault.split(":")[0] for fault in caught.value.faults} == {
        "records/om-disconnect.toml",
        "records/om-return.toml",
    }
    assert len(caught.value.faults) >= 5


def test_an_unknown_record_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(Incorrect) as caught:
        load_record("om-disconect", CHAIN)
    assert "did you mean 'om-disconnect'?" in caught.value.got
