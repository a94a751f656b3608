"""Where everything stands in the picture of the chain. Pure; places are in the drawing's own units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keersluis.web.canals import Canal
from keersluis.web.scene import Scene

_BOX, _PITCH, _TOP = 76, 108, 18
"""Height of a box, distance from row to row, and the space above the first."""


@dataclass(frozen=True)
class Box:
    """An organisation at its place."""

    organisation: str
    x: int
    y: int
    width: int
    height: int = _BOX
    hub: bool = False

    @property
    def middle(self) -> int:
        return self.y + self.height // 2


@dataclass(frozen=True)
class Reach:
    """A canal at height y from x0 to x1; its `one` is at the left."""

    x0: int
    x1: int
    y: int
    canal: Canal


@dataclass(frozen=True)
class Plan:
    width: int
    height: int
    boxes: tuple[Box, ...]
    reaches: tuple[Reach, ...]


def hub_of(scene: Scene, links: Sequence[Canal]) -> str:
    """The organisation in the middle: this one when it is alone, else the register, else the best connected."""
    if scene.alone:
        return str(scene.statuses[0]["organisation"])
    ends = [end for link in links for end in (link.one, link.other)]
    registers = [end for end in ends if "register" in _roles(scene, end)]
    return registers[0] if registers else max(ends, key=ends.count, default="")


def plan_wide(scene: Scene, links: Sequence[Canal], hub: str) -> Plan:
    """Three columns: who brings, the hub, who takes. Links that pass the hub by have rows of their own below."""
    left, right = _sides(scene, links, hub)
    rows = max(len(left), len(right), 1)
    boxes, reaches = [Box(hub, 292, _TOP, 156, _height(rows), hub=True)], []
    for side, x in ((left, 0), (right, 550)):
        for row, end in enumerate(side):
            box = Box(end, x, _TOP + row * _PITCH + (rows - len(side)) * _PITCH // 2, 190)
            start, stop = (190, 292) if side is left else (448, 550)
            reaches.append(Reach(start, stop, box.middle, _link(links, hub, end, at_left=end if side is left else hub)))
            boxes.append(box)
    return _with_passing(Plan(740, rows, tuple(boxes), tuple(reaches)), links, hub, 190)


def plan_narrow(scene: Scene, links: Sequence[Canal], hub: str) -> Plan:
    """For small screens: the hub as a quay at the left, all others below each other at the right."""
    left, right = _sides(scene, links, hub)
    around = [*left, *right]
    rows = max(1, len(around))
    boxes, reaches = [Box(hub, 0, _TOP, 62, _height(rows), hub=True)], []
    for row, end in enumerate(around):
        boxes.append(Box(end, 152, _TOP + row * _PITCH, 168))
        reaches.append(Reach(62, 152, boxes[-1].middle, _link(links, hub, end, at_left=hub)))
    return _with_passing(Plan(320, rows, tuple(boxes), tuple(reaches)), links, hub, 112)


def _with_passing(plan: Plan, links: Sequence[Canal], hub: str, width: int) -> Plan:
    """The plan, whose height is still in rows, with the links that pass the hub by."""
    passing = [link for link in links if hub not in (link.one, link.other)]
    boxes, reaches = list(plan.boxes), list(plan.reaches)
    for row, link in enumerate(passing, start=plan.height):
        y = _TOP + row * _PITCH
        boxes += [Box(link.one, 0, y, width), Box(link.other, plan.width - width, y, width)]
        reaches.append(Reach(width, plan.width - width, y + _BOX // 2, link))
    return Plan(plan.width, 2 * _TOP + _height(plan.height + len(passing)), tuple(boxes), tuple(reaches))


def _height(rows: int) -> int:
    return rows * _PITCH - (_PITCH - _BOX)


def _roles(scene: Scene, organisation: str) -> Sequence[str]:
    known = scene.chain.organisations.get(organisation)
    return known.roles if known else ()


def _sides(scene: Scene, links: Sequence[Canal], hub: str) -> tuple[list[str], list[str]]:
    """Those who bring to the hub, and those who take from it."""
    around = [link.other if link.one == hub else link.one for link in links if hub in (link.one, link.other)]
    bringing = {"source"} if "register" in _roles(scene, hub) else {"source", "register"}
    left = [end for end in around if bringing & set(_roles(scene, end)) and "decider" not in _roles(scene, end)]
    return left, [end for end in around if end not in left]


def _link(links: Sequence[Canal], hub: str, end: str, *, at_left: str) -> Canal:
    link = next(link for link in links if {link.one, link.other} == {hub, end})
    return link if link.one == at_left else Canal(link.other, link.one, link.back, link.there)
