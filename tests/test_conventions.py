"""What others expect of us (CloudEvents, problem details, the Dutch API Design Rules), by tools that are not ours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import schemathesis
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar.testing import TestClient
from schemathesis.checks import not_a_server_error

from keersluis.chain import load_chain
from keersluis.exchange.envelope import MAX_EVENT, stamp, submitted
from keersluis.exchange.wire import Wire
from keersluis.service import make_home, open_node
from keersluis.times import SystemClock, format_instant, parse_instant
from keersluis.web.app import node_app

CHAIN = load_chain("nl-justice")
OM = CHAIN.organisations["om"]
NOW = parse_instant("2025-07-17T04:00:00Z")
KINDS = [kind for kind in CHAIN.kinds.values() if kind.source == "om"]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
identifiers = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=128)


@given(st.sampled_from(KINDS), identifiers, st.integers(1, 10**12), st.binary(min_size=16, max_size=16), json_values)
def test_every_stamped_event_is_a_cloudevent_to_its_own_sdk(
    kind: Any, event_id: str, position: int, salt: bytes, content: Any
) -> None:
    given_event = {
        "specversion": "1.0",
        "id": event_id,
        "source": f"urn:nld:oin:{OM.oin}:systeem:compas",
        "type": CHAIN.ce_type(kind),
        "occurred": "2025-07-16" if kind.resolution == "day" else "2025-07-16T10:00:00+02:00",
        "datacontenttype": "application/json",
        "data": {"subject": "skn:T0000001", "content": content},
    }
    event = submitted(json.dumps(given_event).encode(), CHAIN, OM, NOW)
    stamped = stamp(event, position=position, source_time=NOW, salt=salt)
    read = JSONFormat().read(CloudEvent, stamped)
    assert (read.get_id(), read.get_source(), read.get_type()) == tuple(
        given_event[k] for k in ("id", "source", "type")
    )
    assert read.get_time() == datetime.fromisoformat(format_instant(NOW))
    assert read.get_extension("sequence") == f"{position:020d}"
    assert read.get_extension("salt") == salt.hex()
    assert read.get_data() == given_event["data"]
    assert len(stamped) <= MAX_EVENT


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient[Any]]:
    """The API of a register that decides too, as any client meets it."""
    home = tmp_path_factory.mktemp("home")
    make_home(CHAIN, home)
    node = open_node(CHAIN, CHAIN.register.key, home, SystemClock(), Wire({}))
    with TestClient(node_app(node), base_url="http://127.0.0.1:8600") as client:
        yield client
    node.close()


def test_nothing_that_the_description_allows_is_a_fault_of_ours(api: TestClient[Any]) -> None:
    """schemathesis: every operation, with the parameters that /openapi.json describes, never ends in a 5xx."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", api.app, headers={"Host": "localhost"})
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) >= 10
    for operation in operations:

        @given(operation.as_strategy())
        @settings(max_examples=10)
        def holds(case: Any) -> None:
            case.call_and_validate(checks=[not_a_server_error], headers={"Host": "localhost"})

        holds()


def posts(api: TestClient[Any]) -> list[str]:
    paths = api.get("/openapi.json").json()["paths"]
    return [path.replace("{decision}", "d-1") for path, item in paths.items() if "post" in item]


def test_the_description_follows_the_api_design_rules(api: TestClient[Any]) -> None:
    """OpenAPI 3.1 at /openapi.json; a major version in the path; kebab-case; no slash at the end; a version header."""
    answer = api.get("/openapi.json")
    told = answer.json()
    assert told["openapi"].startswith("3.1")
    assert "API-Version" in answer.headers
    assert len(told["paths"]) >= 10
    for path, item in told["paths"].items():
        assert re.fullmatch(r"/v\d+(/_?[a-z0-9-]+|/\{[a-z-]+\})+", path), path
        assert all(operation.get("summary") for operation in item.values()), path


@given(body=st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=40)
def test_nonsense_is_answered_with_a_problem_and_never_with_a_fault(api: TestClient[Any], body: bytes) -> None:
    """RFC 9457: 4xx with a stable code. An empty list is no nonsense to those who take lists."""
    for path in posts(api):
        answer = api.post(path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code < 500, (path, body, answer.text)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json", path
            assert answer.json()["status"] == answer.status_code
            assert answer.json()["code"]
            assert "API-Version" in answer.headers


def test_three_bad_fields_give_three_entries(api: TestClient[Any]) -> None:
    order = {
        "peer": "nobody",
        "richting": "uit",
        "soort": "nothing",
        "stand": "ajar",
        "wie": "duty officer",
        "waarom": "test",
    }
    answer = api.post("/v0/poorten", json=order)
    assert answer.status_code == 400
    assert len(answer.json()["faults"]) == 3


@pytest.mark.parametrize(
    ("path", "status"),
    [("/v0/tijdlijn?na=soon&aantal=0", 400), ("/v0/nowhere-at-all", 404), ("/v0/beslissingen/none", 404)],
)
def test_what_the_framework_refuses_is_a_problem_too(api: TestClient[Any], path: str, status: int) -> None:
    answer = api.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
