"""Intake: what a payload may be, and that a wrong one is refused whole with its place and without a person's number."""

from __future__ import annotations

import msgspec
import pytest

from keersluis.errors import Incorrect
from keersluis.register import intake
from keersluis.times import DAY, parse_instant
from register.harness import CHAIN, CORRECTION, DISPOSAL, JUDGMENT, SERIOUS, TZ, event, open_desk

NOW = parse_instant("2025-08-01T00:00:00Z")


def test_a_day_act_counts_for_the_whole_local_day() -> None:
    fact = intake.fact(event(JUDGMENT, "j", "skn:1", "2025-07-21"), NOW, TZ)
    assert fact.when.start == parse_instant("2025-07-21T00:00:00+02:00")
    assert fact.when.end == fact.when.start + DAY - 1
    assert (fact.valid_from, fact.valid_to, fact.system_time) == (fact.when.start, None, NOW)


def test_a_correction_may_reach_back_or_keep_the_period() -> None:
    back = event(CORRECTION, "c", "skn:1", "2025-07-21T10:00:00Z", refers_to="x", valid_from="2025-01-01")
    assert intake.fact(back, NOW, TZ).valid_from == parse_instant("2025-01-01T00:00:00+01:00")
    keep = event(CORRECTION, "c", "skn:1", "2025-07-21T10:00:00Z", refers_to="x")
    assert intake.fact(keep, NOW, TZ).valid_from is None


def test_content_is_kept_byte_for_byte() -> None:
    data = b'{"subject":"skn:1","content":{ "b": 1,  "a":1.0 },"later":"unknown field"}'
    assert bytes(intake.check(data, CHAIN.kinds[SERIOUS], TZ).content) == b'{ "b": 1,  "a":1.0 }'


@pytest.mark.parametrize(
    ("kind", "data", "code", "where"),
    [
        (SERIOUS, b'{"content":{}}', "register.payload", ""),
        (SERIOUS, b"[]", "register.payload", ""),
        (SERIOUS, b'{"subject":"12345 678","content":{}}', "register.subject", "data.subject"),
        (SERIOUS, b'{"subject":"skn:1","content":[1]}', "register.payload", "data.content"),
        (SERIOUS, b'{"subject":"skn:1","valid_from":"soon"}', "register.period", "data.valid_from"),
        (SERIOUS, b'{"subject":"skn:1","valid_to":"2025-13-01"}', "register.period", "data.valid_to"),
        (DISPOSAL, b'{"subject":"skn:1","content":{}}', "register.refers-to", "data.refers_to"),
    ],
)
def test_a_wrong_payload_is_refused(kind: str, data: bytes, code: str, where: str) -> None:
    with pytest.raises(Incorrect) as caught:
        intake.check(data, CHAIN.kinds[kind], TZ)
    assert (caught.value.code, caught.value.where) == (code, where)
    assert "12345" not in str(caught.value)


def test_a_wrong_event_names_its_place_and_nothing_of_its_batch_stays() -> None:
    desk = open_desk()
    good = event(SERIOUS, "a", "skn:1", "2025-07-02T10:00:00Z", position=7)
    bad = event(DISPOSAL, "b", "skn:1", "2025-07-02", position=8)
    with pytest.raises(Incorrect, match=r"disposal/1 event 8: data\.refers_to"):
        desk.apply(good, bad)
    assert desk.counts()["facts"] == 0


def test_unreadable_data_names_the_event() -> None:
    received = event(SERIOUS, "a", "skn:1", "2025-07-02T10:00:00Z", position=3)
    broken = msgspec.structs.replace(received.envelope, data=msgspec.Raw(b'{"subject":1}'))
    with pytest.raises(Incorrect, match="event 3"):
        intake.fact(type(received)(received.origin, received.kind, 3, b"", broken, received.when, 0), NOW, TZ)
