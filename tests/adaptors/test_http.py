"""The HTTP binding of CloudEvents: what an SDK that is not ours sends is accepted, once, and faults are named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cloudevents.core.bindings.http import to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from litestar.testing import TestClient

from homes import fresh_home
from keersluis.chain import load_chain
from keersluis.exchange import outbox
from keersluis.exchange.envelope import MAX_EVENT
from keersluis.exchange.wire import Wire
from keersluis.service import Node, open_node
from keersluis.times import SystemClock
from keersluis.web.api import MAX_BODY
from keersluis.web.app import node_app
from keersluis.web.binding import BATCH, SINGLE

CHAIN = load_chain("nl-justice")
KIND = CHAIN.kinds["prosecution-decision.serious"]
PATH = "/v0/gebeurtenissen"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One for all: each test looks at what it added."""
    home = tmp_path_factory.mktemp("home")
    fresh_home(home, "om")
    opened = open_node(CHAIN, "om", home, SystemClock(), Wire({}))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def client(node: Node) -> Iterator[TestClient[Any]]:
    with TestClient(node_app(node), base_url="http://127.0.0.1:8600") as opened:
        yield opened


@pytest.fixture
def nothing(node: Node) -> Iterator[None]:
    """That the test adds nothing."""
    before = stored(node)
    yield
    assert stored(node) == before


def event(number: int, **changes: Any) -> CloudEvent:
    attributes = {
        "specversion": "1.0",
        "id": f"h-{number}",
        "source": f"urn:nld:oin:{CHAIN.organisations['om'].oin}:systeem:compas",
        "type": CHAIN.ce_type(KIND),
        "occurred": "2025-07-01T10:00:00+02:00",
        "datacontenttype": "application/json",
    }
    data = {"subject": "skn:T0000001", "content": {"offence": "één"}}
    return CloudEvent(attributes | changes, data)


def send(client: TestClient[Any], message: Any) -> Any:
    return client.post(PATH, content=message.body, headers=message.headers)


def batch(*events: CloudEvent) -> bytes:
    return b"[" + b",".join(JSONFormat().write(each) for each in events) + b"]"


def stored(node: Node) -> int:
    with node.store.read() as tx:
        return outbox.accepted(tx)


def test_P1_the_sdks_structured_and_binary_events_are_accepted_once(client: TestClient[Any], node: Node) -> None:
    before = stored(node)
    for number, make in enumerate((to_structured, to_binary), before + 1):
        message = make(event(number), JSONFormat())
        first, again = send(client, message), send(client, message)
        assert (first.status_code, again.status_code) == (200, 200), first.text
        (told,), (twice,) = first.json()["accepted"], again.json()["accepted"]
        assert (told["position"], told["duplicate"]) == (number, False)
        assert twice == told | {"duplicate": True}
    assert stored(node) == before + 2


def test_P1_a_batch_again_gives_the_same_numbers(client: TestClient[Any], node: Node) -> None:
    before = stored(node)
    body = batch(*(event(n) for n in range(100, 105)))
    answers = [client.post(PATH, content=body, headers={"Content-Type": f"{BATCH}; charset=utf-8"}) for _ in range(3)]
    first, *others = [each.json()["accepted"] for each in answers]
    assert [each["position"] for each in first] == list(range(before + 1, before + 6))
    assert all(other == [each | {"duplicate": True} for each in first] for other in others)
    assert stored(node) == before + 5


@pytest.mark.usefixtures("nothing")
def test_every_fault_of_a_batch_is_named_and_nothing_of_it_is_accepted(client: TestClient[Any]) -> None:
    body = batch(event(1), event(2, source="urn:nld:oin:1:x"), event(3), event(4, occurred="yesterday"))
    refused = client.post(PATH, content=body, headers={"Content-Type": BATCH})
    assert refused.status_code == 400
    assert [fault.split(":")[0] for fault in refused.json()["faults"]] == ["event 2", "event 4"]


@pytest.mark.usefixtures("nothing")
def test_every_fault_of_a_binary_event_is_named(client: TestClient[Any]) -> None:
    message = to_binary(event(1), JSONFormat())
    headers = dict(message.headers) | {"ce-Data": "x", "ce-nice-name": "y", "ce-broken": "%ff"}
    refused = client.post(PATH, content=message.body + b',"id":"smuggled"', headers=headers)
    assert refused.status_code == 400
    faults = [fault.split(":")[0] for fault in refused.json()["faults"]]
    assert sorted(faults) == ["body", "ce-broken", "ce-data", "ce-nice-name"]


@pytest.mark.usefixtures("nothing")
@pytest.mark.parametrize(
    ("media", "body", "status"),
    [
        ("text/csv", b"a;b", 415),
        ("application/cloudevents+xml", b"<event/>", 415),
        ("application/cloudevents+json; charset=utf-16", b"{}", 415),
        (SINGLE, b"[]", 400),
        (BATCH, b"{}", 400),
        (BATCH, b"[1, 2]", 400),
        (SINGLE, b"\xff", 400),
        (SINGLE, b"[" * 100_000, 413),
        (BATCH, b"[" * 100_000, 400),
    ],
)
def test_what_is_no_event_is_a_problem(client: TestClient[Any], media: str, body: bytes, status: int) -> None:
    refused = client.post(PATH, content=body, headers={"Content-Type": media})
    assert refused.status_code == status, refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"]


def test_an_empty_batch_is_accepted_as_nothing(client: TestClient[Any]) -> None:
    assert client.post(PATH, content=b"[]", headers={"Content-Type": BATCH}).json() == {"accepted": []}


@pytest.mark.parametrize("make", [to_structured, to_binary])
@pytest.mark.usefixtures("nothing")
def test_an_oversized_event_is_413(client: TestClient[Any], make: Any) -> None:
    large = CloudEvent(event(1).get_attributes(), {"subject": "skn:T0000001", "content": {"offence": "x" * MAX_EVENT}})
    refused = send(client, make(large, JSONFormat()))
    assert (refused.status_code, refused.json()["code"]) == (413, "event.too-large")


@pytest.mark.usefixtures("nothing")
def test_an_oversized_request_is_413(client: TestClient[Any]) -> None:
    refused = client.post(PATH, content=b" " * (MAX_BODY + 1), headers={"Content-Type": BATCH})
    assert refused.status_code == 413
    assert json.loads(refused.content)["status"] == 413
