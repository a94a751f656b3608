"""What may be asked under a plan, over the API or from the command line, and how it is carried out."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec

from keersluis import planning
from keersluis.recovery.plan_desk import By
from keersluis.recovery.plan_evidence import Shown
from keersluis.service import Node

Number: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=2**53)]


class Adopting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`tweede` in `tweede_rol`: needed where another version of the plan stands. `afgelasten`: orders to come that
    would open its gates are called off for those. `sleutel`, here and elsewhere: the same key is the same act."""

    wie: str
    rol: str
    waarom: str
    tweede: str | None = None
    tweede_rol: str | None = None
    afgelasten: bool = False
    sleutel: str | None = None


class Showing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Evidence of `criterium` of `fase`: entry `regel` of our own timeline, or of that of `tijdlijn` (an origin), of
    which `kop` is a signed head; or a `notitie`, which becomes an entry. `ouder`: accepted though it is, or may be, of
    before the adoption."""

    fase: str
    criterium: str
    wie: str
    rol: str
    waarom: str
    regel: Number | None = None
    tijdlijn: str = ""
    kop: str = ""
    notitie: str = ""
    document: str = ""
    uitslag: str = ""
    partner: str = ""
    ouder: bool = False
    sleutel: str | None = None


class TakingBack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Evidence or a no-go, by its number."""

    nummer: Number
    wie: str
    rol: str
    waarom: str
    sleutel: str | None = None


class Deciding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`go` false: a no-go."""

    fase: str
    go: bool
    wie: str
    rol: str
    waarom: str
    sleutel: str | None = None


class RollingBack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`ook_afhankelijke`: the gates of stages that depend on it are closed too. `proef`: only tell what would be."""

    fase: str
    wie: str
    rol: str
    waarom: str
    ook_afhankelijke: bool = False
    proef: bool = False
    sleutel: str | None = None


class Ending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`hoe`: completed or withdrawn; `tweede` in `tweede_rol` is needed to withdraw it."""

    hoe: str
    wie: str
    rol: str
    waarom: str
    tweede: str | None = None
    tweede_rol: str | None = None
    sleutel: str | None = None


class Noting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`document`: where it can be found."""

    notitie: str
    wie: str
    document: str = ""


class NoteBack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The entry that is the note."""

    regel: Number
    wie: str
    waarom: str


def _by(told: Any) -> By:
    return By(told.wie, told.rol, told.waarom, told.sleutel)


def _second(told: Any) -> planning.Second | None:
    return None if told.tweede is None else (told.tweede, told.tweede_rol or "")


def adopt(node: Node, name: str, told: Adopting) -> dict[str, Any]:
    return planning.adopt(node, name, _by(told), _second(told), call_off=told.afgelasten)


def show(node: Node, name: str, told: Showing) -> dict[str, Any]:
    texts = (told.tijdlijn, told.kop, told.notitie, told.document, told.uitslag, told.partner)
    shown = Shown(told.criterium, told.regel, *texts, told.ouder)
    return planning.show_evidence(node, name, told.fase, shown, _by(told))


def withdraw(node: Node, name: str, told: TakingBack) -> dict[str, Any]:
    return planning.withdraw_evidence(node, name, told.nummer, _by(told))


def vote(node: Node, name: str, told: Deciding) -> dict[str, Any]:
    return planning.vote(node, name, told.fase, _by(told), go=told.go)


def withdraw_no_go(node: Node, name: str, told: TakingBack) -> dict[str, Any]:
    return planning.withdraw_no_go(node, name, told.nummer, _by(told))


def roll_back(node: Node, name: str, told: RollingBack) -> dict[str, Any]:
    asked = {"dependents": told.ook_afhankelijke, "dry_run": told.proef}
    return planning.roll_back(node, name, told.fase, _by(told), **asked)


def end(node: Node, name: str, told: Ending) -> dict[str, Any]:
    return planning.end(node, name, told.hoe, _by(told), _second(told))


def note(node: Node, told: Noting) -> dict[str, Any]:
    return planning.note(node, told.notitie, told.document, told.wie)


def withdraw_note(node: Node, told: NoteBack) -> dict[str, Any]:
    return planning.withdraw_note(node, told.regel, told.wie, told.waarom)
