"""API of decision records: read as known on a day, opened, added to, decided, reviewed, imported, verified."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeAlias

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from keersluis import dossiers
from keersluis.errors import Incorrect
from keersluis.recovery.records import Dossier, Item
from keersluis.service import Node
from keersluis.times import When, parse_when
from keersluis.web.bodies import read_as, said
from keersluis.web.threads import off

Text: TypeAlias = str | dict[str, str]
KnownOn: TypeAlias = Annotated[
    str | None, QueryParameter(name="geldigOp", max_length=40, description="As known on this day or at this time.")
]
RecordedOn: TypeAlias = Annotated[
    str | None, QueryParameter(name="beschikbaarOp", max_length=40, description="As written down by this day or time.")
]
Public: TypeAlias = Annotated[bool, QueryParameter(description="Only what is public.")]


class NewRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question to be decided by `organisatie` (none: this one), since `sinds` (none: now)."""

    naam: str
    titel: Text
    vraag: Text
    wie: str
    waarom: str = ""
    organisatie: str = ""
    sinds: str | None = None
    opties: dict[str, Text] = {}
    openbaar: bool = True


class Import(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A record of the chain folder, as far as it is known by now."""

    naam: str
    wie: str
    waarom: str = ""


class Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every addition can have: known since `sinds` (none: now), written down by `wie`."""

    tekst: Text
    wie: str
    waarom: str = ""
    sinds: str | None = None
    bron: Text = ""
    bewijs: int | None = None
    vervangt: list[str] = []
    openbaar: bool = True
    afgeleid: bool = False
    sleutel: str = ""


class Note(Known, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`soort`: option, argument, known, unknown, consequence, advice (and decision, review, which have addresses of
    their own too)."""

    soort: str
    optie: str = ""
    weegt: str = ""
    organisatie: str = ""
    door: Text = ""
    herzien: str | None = None
    beantwoordt: list[str] = []


class Decision(Known, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`door` chose `optie`; to be looked at again on `herzien`."""

    optie: str
    door: Text
    herzien: str | None = None


class Review(Known, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`door` looked at the decision again; and will do so again on `herzien`."""

    door: Text
    herzien: str | None = None


def record_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """For every node."""
    return [*_reading(node), *_writing(node)]


def _reading(node: Node) -> Sequence[HTTPRouteHandler]:
    @get("/besluitdossiers", summary="Decision records, as known on a day")
    async def listed(
        known_on: KnownOn = None,
        recorded_on: RecordedOn = None,
        openbaar: Public = False,
    ) -> Response[bytes]:
        look = dossiers.looking(node, known_on, recorded_on, outside=openbaar)
        return said(await off(lambda: dossiers.listed(node, look)))

    @get("/besluitdossiers/{naam:str}", summary="One decision record, as known on a day")
    async def shown(
        naam: str,
        known_on: KnownOn = None,
        recorded_on: RecordedOn = None,
        openbaar: Public = False,
    ) -> Response[bytes]:
        look = dossiers.looking(node, known_on, recorded_on, outside=openbaar)
        return said(await off(lambda: dossiers.shown(node, naam, look)))

    @get("/besluitdossiers/_controle", summary="Hold the decision records against the timeline")
    async def verified() -> Response[bytes]:
        return said(await off(lambda: dossiers.verified(node)))

    return [listed, verified, shown]


def _writing(node: Node) -> Sequence[HTTPRouteHandler]:
    @post("/besluitdossiers", status_code=200, summary="Open a decision record")
    async def opened(request: Request[Any, Any, Any]) -> Response[bytes]:
        told = read_as(await request.body(), NewRecord)
        dossier, options = dossier_of(node, told)
        return said(await off(lambda: dossiers.opened(node, dossier, options, told.wie, told.waarom)))

    @post("/besluitdossiers/_invoer", status_code=200, summary="Write down a record of the chain folder")
    async def brought(request: Request[Any, Any, Any]) -> Response[bytes]:
        told = read_as(await request.body(), Import)
        return said(await off(lambda: dossiers.brought(node, told.naam, told.wie, told.waarom)))

    @post("/besluitdossiers/{naam:str}/aantekeningen", status_code=200, summary="Add something to a decision record")
    async def noted(naam: str, request: Request[Any, Any, Any]) -> Response[bytes]:
        return await _add(node, naam, read_as(await request.body(), Note))

    @post("/besluitdossiers/{naam:str}/besluiten", status_code=200, summary="Record who decided what")
    async def decided(naam: str, request: Request[Any, Any, Any]) -> Response[bytes]:
        return await _add(node, naam, read_as(await request.body(), Decision))

    @post("/besluitdossiers/{naam:str}/herzieningen", status_code=200, summary="Record a review of a decision")
    async def reviewed(naam: str, request: Request[Any, Any, Any]) -> Response[bytes]:
        return await _add(node, naam, read_as(await request.body(), Review))

    return [opened, brought, noted, decided, reviewed]


async def _add(node: Node, name: str, told: Known) -> Response[bytes]:
    item = item_of(node, told)
    return said(await off(lambda: dossiers.added(node, name, item, told.wie, told.waarom)))


def dossier_of(node: Node, told: NewRecord) -> tuple[Dossier, dict[str, dict[str, str]]]:
    """The record that a request opens, and its options. Raises Incorrect with all that cannot be read."""
    read = _Reading()
    dossier = Dossier(
        name=told.naam,
        organisation=told.organisatie or node.me.key,
        title=read.of(lambda: dossiers.words(told.titel, "titel"), {}),
        question=read.of(lambda: dossiers.words(told.vraag, "vraag"), {}),
        opened=read.of(lambda: dossiers.since(node, told.sinds), When(0, 0)),
        public=told.openbaar,
    )
    options = {key: read.of(lambda text=text: dossiers.words(text, "opties"), {}) for key, text in told.opties.items()}  # type: ignore[misc]
    read.stop()
    return dossier, options


def item_of(node: Node, told: Known) -> Item:
    """The item that a request adds. Raises Incorrect with all that cannot be read."""
    read, tz = _Reading(), node.chain.timezone
    kind = {Decision: "decision", Review: "review"}.get(type(told), "") or getattr(told, "soort", "")
    due = getattr(told, "herzien", None)
    item = Item(
        key=told.sleutel,
        kind=kind,
        since=read.of(lambda: dossiers.since(node, told.sinds), When(0, 0)),
        text=read.of(lambda: dossiers.words(told.tekst, "tekst"), {}),
        option=getattr(told, "optie", ""),
        weighs=getattr(told, "weegt", ""),
        organisation=getattr(told, "organisatie", ""),
        by=read.of(lambda: dossiers.words(getattr(told, "door", ""), "door"), {}),
        review=read.of(lambda: parse_when(due, tz), None) if due else None,
        source=read.of(lambda: dossiers.words(told.bron, "bron"), {}),
        replaces=tuple(told.vervangt),
        answers=tuple(getattr(told, "beantwoordt", ())),
        public=told.openbaar,
        inferred=told.afgeleid,
        evidence=told.bewijs,
    )
    read.stop()
    return item


class _Reading:
    """Reads on after a fault, to find the others."""

    def __init__(self) -> None:
        self._faults: list[str] = []

    def of(self, read: Callable[[], Any], neutral: Any) -> Any:
        try:
            return read()
        except Incorrect as error:
            self._faults.append(f"expected {error.expected}, got {error.got}")
            return neutral

    def stop(self) -> None:
        if self._faults:
            got, faults = "; ".join(self._faults), self._faults
            raise Incorrect("record.refused", expected="an addition without faults", got=got, faults=faults)
