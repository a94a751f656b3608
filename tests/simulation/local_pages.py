"""The pages of a whole chain over nodes in this process, as a demo shows them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar.testing import TestClient
from local_nodes import LocalNodes

from keersluis.chain import Chain
from keersluis.times import format_instant
from keersluis.web.app import pages_app


class LocalSource:
    """A StatusSource over `LocalNodes`."""

    def __init__(self, nodes: LocalNodes) -> None:
        self._nodes = nodes

    @property
    def chain(self) -> Chain:
        return self._nodes.chain

    def statuses(self) -> Sequence[Mapping[str, Any]]:
        return [self._nodes.status(key) for key in self._nodes.nodes]

    def history(self) -> Sequence[Mapping[str, Any]]:
        return []

    def order_gate(self, organisation: str, order: dict[str, Any]) -> None:
        raise AssertionError(f"a reader moves no gate: {organisation}, {order}")

    def call(self, organisation: str, path: str, body: bytes | None) -> bytes:
        return self._nodes.over_http("GET" if body is None else "POST", organisation, path, body or b"")

    def clock(self) -> Mapping[str, Any] | None:
        now = format_instant(self._nodes.clock.now())
        return {"paused": True, "speed": 3600.0, "start": now, "end": "2100-01-01T00:00:00Z"}

    def control(self, action: dict[str, Any]) -> None:
        raise AssertionError(f"a reader moves no clock: {action}")

    def changed(self, since: int) -> int:
        return self._nodes.clock.now() // 1_000_000


class Reader:
    """Reads pages in English, without markup."""

    def __init__(self, nodes: LocalNodes) -> None:
        self._nodes, self._web = nodes, TestClient(pages_app(LocalSource(nodes)), base_url="http://127.0.0.1:8600")

    def page(self, address: str) -> str:
        answer = self._web.get(address, headers={"Accept-Language": "en"})
        assert answer.status_code == 200, f"{address}: {answer.status_code}"
        return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text))

    def api(self, organisation: str, path: str) -> Any:
        return msgspec.json.decode(self._nodes.over_http("GET", organisation, path, b""))
