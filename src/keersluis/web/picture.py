"""The chain as a picture: organisations on the banks, links as canals, gates as lock gates. Pure; gives SVG.

Water stands in a lane as far as messages get: a closed gate holds it back, a metered gate lets a thin stream past,
and a lane in which nothing is heard is dry. Two drawings are made: a wide one with sources at the left, the register
in the middle and deciders at the right, and a narrow one for small screens; the style sheet shows one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from markupsafe import Markup

from keersluis.web.canals import Canal, Lane, state_words
from keersluis.web.layout import Box, Reach, hub_of, plan_narrow, plan_wide
from keersluis.web.scene import Scene

_LANE, _DIVIDER, _GATE = 17, 3, 17
"""Heights of a lane and of what parts two lanes, and how far a gate stands from its owner, in the drawing's units."""

_LEAVES = {
    "closed": "M{x} {top}L{tip} {middle}L{x} {bottom}",
    "unused": "M{x} {top}L{tip} {middle}L{x} {bottom}",
    "mixed": "M{x} {top}L{half} {upper}M{x} {bottom}L{half} {lower}",
    "metered": "M{x} {top}L{half} {upper}M{x} {bottom}L{half} {lower}",
    "open": "M{x} {top}H{tip}M{x} {bottom}H{tip}",
}
"""The two leaves of a lock gate, seen from above; they point away from whose gate it is, against what comes."""


def chain_svg(scene: Scene, links: Sequence[Canal], notes: dict[str, str], *, narrow: bool) -> Markup:
    """One drawing; `notes` gives a line of text for an organisation's box."""
    hub = hub_of(scene, links)
    plan = (plan_narrow if narrow else plan_wide)(scene, links, hub)
    size = "narrow" if narrow else "wide"
    parts = [_canal(scene, each) for each in plan.reaches]
    parts += [_box(scene, box, notes.get(box.organisation, ""), narrow) for box in plan.boxes]
    return Markup(
        '<svg class="picture picture--{size}" viewBox="{left} 0 {width} {height}" role="img"'
        ' aria-labelledby="picture-{size}-title picture-{size}-text">'
        '<title id="picture-{size}-title">{title}</title><desc id="picture-{size}-text">{text}</desc>{parts}</svg>'
    ).format(
        size=size,
        left=(min(box.x for box in plan.boxes) + max(box.x + box.width for box in plan.boxes) - plan.width) // 2,
        width=plan.width,
        height=plan.height,
        title=scene._("The chain and its gates"),
        text=described(scene, links),
        parts=Markup("").join(parts),
    )


def described(scene: Scene, links: Sequence[Canal]) -> str:
    """What the picture shows, in words."""
    _ = scene._
    lanes = [lane for link in links for lane in (link.there, link.back)]
    closed = [
        _(
            "From {sender} to {receiver}: {state}.",
            sender=scene.short(lane.sender),
            receiver=scene.short(lane.receiver),
            state=label_of(scene, lane),
        )
        for lane in lanes
        if lane.shown != "open"
    ]
    return " ".join([*closed, _("All other gates are open.") if closed else _("All gates are open.")])


def label_of(scene: Scene, lane: Lane) -> str:
    """The word beside a lane."""
    return state_words(scene, lane.shown)


def _box(scene: Scene, box: Box, note: str, narrow: bool) -> Markup:
    absent = box.organisation in scene.absent
    note = scene._("no word") if absent else note
    frame = Markup('<rect class="{css}" x="{x}" y="{y}" width="{w}" height="{h}" rx="6"/>').format(
        css=f"picture-box{' picture-box--hub' if box.hub else ''}{' picture-box--absent' if absent else ''}",
        x=box.x + 1, y=box.y, w=box.width - 2, h=box.height,
    )  # fmt: skip
    if narrow and box.hub:
        return frame + _upright(scene, box)
    letters = max(6, int((box.width - 14) / 7.4))
    lines = wrap(scene.short(box.organisation), letters)
    lines = [*lines[:1], lines[1] if len(lines) == 2 else f"{lines[1][: letters - 1]}…"] if len(lines) > 1 else lines
    first = box.middle - 10 * (len(lines) - 1) + (5 if not note else -5)
    text = [_text(box.x + box.width // 2, first + 19 * n, line, "picture-name") for n, line in enumerate(lines)]
    if note:
        text.append(_text(box.x + box.width // 2, first + 19 * len(lines) + 1, note, "picture-note"))
    return frame + Markup("").join(text)


def _upright(scene: Scene, box: Box) -> Markup:
    x, y = box.x + box.width // 2 + 5, box.middle
    return Markup('<text class="picture-name" transform="translate({x} {y}) rotate(-90)">{name}</text>').format(
        x=x, y=y, name=scene.short(box.organisation)
    )


def _text(x: int, y: int, text: str, css: str) -> Markup:
    return Markup('<text class="{css}" x="{x}" y="{y}">{text}</text>').format(css=css, x=x, y=y, text=text)


def _canal(scene: Scene, reach: Reach) -> Markup:
    x0, x1, y, link = reach.x0, reach.x1, reach.y, reach.canal
    top, bottom = y - _LANE - _DIVIDER // 2, y + _DIVIDER - _DIVIDER // 2
    parts = [_lane(x0, x1, top, link.there, 1), _lane(x0, x1, bottom, link.back, -1)]
    banks = Markup('<path class="picture-bank" d="M{x0} {a}H{x1}M{x0} {b}H{x1}M{x0} {c}H{x1}"/>')
    parts.append(banks.format(x0=x0, x1=x1, a=top - 1, b=y, c=bottom + _LANE + 1))
    there, back = _drawn(link.there), _drawn(link.back)
    parts.append(_gate_pair(x0 + _GATE, top, bottom, (there[0], back[1]), 1))
    parts.append(_gate_pair(x1 - _GATE, top, bottom, (there[1], back[0]), -1))
    return Markup("").join([*parts, *_labels(scene, (x0 + x1) // 2, top - 8, bottom + _LANE + 17, link)])


def _lane(x0: int, x1: int, y: int, lane: Lane, way: int) -> Markup:
    """The bed of one lane and the water in it; `way` is 1 from left to right."""
    start, end = (x0, x1) if way == 1 else (x1, x0)
    gates = ((start + way * _GATE, lane.sender_gate), (end - way * _GATE, lane.receiver_gate))
    bed = Markup('<rect class="picture-bed" x="{x}" y="{y}" width="{w}" height="{h}"/>').format(
        x=x0, y=y, w=x1 - x0, h=_LANE
    )
    if lane.shown == "silent":
        dots = '<path class="picture-silence" d="M{x0} {y}H{x1}"/>'
        return bed + Markup(dots).format(x0=x0 + 6, x1=x1 - 6, y=y + _LANE / 2)
    reach = next((at for at, gate in gates if gate == "closed"), end)
    narrows = next((at for at, gate in gates if gate in ("metered", "mixed")), reach)
    if (reach - narrows) * way < 0:
        narrows = reach
    water = _water(start, narrows, y, _LANE, "picture-water") + _water(
        narrows, reach, y + 6, _LANE - 12, "picture-water"
    )
    return bed + water + (_arrow(x0, x1, y, way) if lane.state != "closed" else Markup(""))


def _water(one: int, other: int, y: int, height: int, css: str) -> Markup:
    if one == other:
        return Markup("")
    return Markup('<rect class="{css}" x="{x}" y="{y}" width="{w}" height="{h}"/>').format(
        css=css, x=min(one, other), y=y, w=abs(other - one), h=height
    )


def _arrow(x0: int, x1: int, y: int, way: int) -> Markup:
    x, middle = (x0 + x1) // 2, y + _LANE / 2
    return Markup('<path class="picture-arrow" d="M{a} {t}L{b} {m}L{a} {c}"/>').format(
        a=x - 4 * way, b=x + 3 * way, t=middle - 4, m=middle, c=middle + 4
    )


def _drawn(lane: Lane) -> tuple[str | None, ...]:
    """The gates of sender and receiver as drawn: those of a route that is not in use are no alarm."""
    gates = (lane.sender_gate, lane.receiver_gate)
    if lane.shown != "unused":
        return gates
    return tuple("unused" if gate == "closed" else gate for gate in gates)


def _gate_pair(x: int, top: int, bottom: int, gates: tuple[str | None, str | None], way: int) -> Markup:
    """The gates at one end of a canal: one across both lanes when they stand alike; `way` is 1 when it points right."""
    if gates[0] == gates[1]:
        return _gate(x, top - 1, bottom + _LANE + 1, gates[0], way)
    return _gate(x, top, top + _LANE, gates[0], way) + _gate(x, bottom, bottom + _LANE, gates[1], way)


def _gate(x: int, top: int, bottom: int, state: str | None, way: int) -> Markup:
    if state is None:
        return Markup("")
    reach, middle = (bottom - top) // 3, (top + bottom) // 2
    gap = (bottom - top) // 6
    path = _LEAVES[state].format(
        x=x, top=top, bottom=bottom, middle=middle, tip=x + way * reach,
        half=x + way * (reach - 2), upper=middle - gap, lower=middle + gap,
    )  # fmt: skip
    return Markup('<path class="picture-leaf picture-leaf--{state}" d="{path}"/>').format(state=state, path=path)


def legend(state: str) -> Markup:
    """A piece of canal as it looks in that state, or in silence, for the legend."""
    gate = "open" if state == "silent" else state
    lane = Lane("", "", gate, None, 0, None, state == "silent")
    parts = _lane(0, 44, 1, lane, 1) + _gate(_GATE, 0, _LANE + 2, gate, 1)
    return Markup('<svg class="sample" viewBox="0 0 44 {h}" aria-hidden="true" focusable="false">{parts}</svg>').format(
        h=_LANE + 2, parts=parts
    )


def _labels(scene: Scene, x: int, above: int, below: int, link: Canal) -> list[Markup]:
    there, back = label_of(scene, link.there), label_of(scene, link.back)
    labels = [_text(x, above, there, f"picture-label picture-label--{link.there.shown}")]
    if back != there:
        labels.append(_text(x, below, back, f"picture-label picture-label--{link.back.shown}"))
        below += 15
    waiting = link.there.backlog + link.back.backlog
    if waiting:
        text = scene._("{count} waiting", count=waiting)
        labels.append(_text(x, below, text, "picture-label picture-label--waiting"))
    return labels
