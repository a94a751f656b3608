"""A door with an application behind it that only says who came, and certificates good and bad for those who knock."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from keersluis.certificates import Authority, Contexts, Credentials, Wanted
from keersluis.errors import Forbidden
from keersluis.exchange.quota import Quota
from keersluis.exchange.wire import Wire
from keersluis.web.door import Door, Patience
from keersluis.web.peers import peer_of
from keersluis.web.serve import free_port

PATH = "/v0/uitwisseling/partijen"
HOUSE, GUEST, OTHER, STRANGER = (f"0000009900000000{n}000" for n in (1, 2, 3, 9))
MEMBERS = {HOUSE: "house", GUEST: "guest", OTHER: "other"}


class Papers:
    """Certificates of one authority, made once for all tests, and those that no door should take."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.house, self.guest, self.other, self.stranger = map(self.issue, (HOUSE, GUEST, OTHER, STRANGER))
        self.expired = self.issue(GUEST, "expired", timedelta(seconds=-60))
        elsewhere = Authority(folder / "elsewhere").issue(Wanted(GUEST, "guest"), folder / "forged")
        self.forged = Credentials(elsewhere.certificate, elsewhere.key, self.authority.path)

    def issue(self, oin: str, folder: str = "", valid: timedelta = timedelta(days=1)) -> Credentials:
        return self.authority.issue(Wanted(oin, f"organisation {oin}"), self.folder / (folder or oin), valid)


@dataclass
class Came:
    """One request that got through: whose, and the size of its body."""

    oin: str | None
    size: int


@dataclass
class House:
    """The door, served in a thread."""

    papers: Papers
    quota: Quota = field(default_factory=Quota)
    patience: Patience = field(default_factory=Patience)
    most: int = 256
    unknown: int = 64
    credentials: Credentials | None = None
    came: list[Came] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)
    answer: Callable[[], bytes] = lambda: b"{}"

    def start(self) -> None:
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        for _attempt in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                return
            except OSError:
                time.sleep(0.02)
        raise TimeoutError(self.url)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        contexts = Contexts(self.credentials or self.papers.house)
        self.door = Door(self._app, contexts, self._member, self.quota, self.patience, self.most, self.unknown)
        await self.door.serve("127.0.0.1", self.port, self._stop)

    def _member(self, oin: str) -> str:
        if oin not in MEMBERS or oin in self.revoked:
            raise Forbidden("link.stranger", expected="a member", got=oin)
        return MEMBERS[oin]

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        self.came.append(Came(peer_of(scope), len(body)))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": await asyncio.to_thread(self.answer)})

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def wire(self, credentials: Credentials | None = None, oin: str = HOUSE) -> Wire:
        """A guest's link to this house."""
        contexts = Contexts(credentials or self.papers.guest)
        return Wire({"house": self.url}, timeout=5, tls=contexts, oins={"house": oin})

    def connect(self, credentials: Credentials | None = None, source: str = "127.0.0.1") -> ssl.SSLSocket:
        """A guest's bare connection."""
        plain = socket.create_connection(("127.0.0.1", self.port), 5, source_address=(source, 0))
        return Contexts(credentials or self.papers.guest).client().wrap_socket(plain, server_hostname="127.0.0.1")


def head(path: str = PATH, *fields: str) -> bytes:
    """The head of a POST."""
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: house", *fields, "", ""]).encode()


def answer(connection: socket.socket) -> tuple[int, dict[str, str], dict[str, Any]]:
    """The status, the headers and the JSON of the answer, read to the end of the connection or of its body."""
    data = b""
    connection.settimeout(5)
    while b"\r\n\r\n" not in data:
        part = connection.recv(1 << 16)
        if not part:
            raise ConnectionResetError(data)
        data += part
    top, _, body = data.partition(b"\r\n\r\n")
    lines = top.decode().split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    while len(body) < int(fields["content-length"]):
        body += connection.recv(1 << 16)
    return int(lines[0].split()[1]), fields, msgspec.json.decode(body)
