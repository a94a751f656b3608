"""The pages' addresses: overview, revisits, timeline, a gate's form, the demo's clock, and the live stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from litestar import Request, Response
from litestar.exceptions import HTTPException, NotFoundException
from litestar.response import ServerSentEvent, ServerSentEventMessage

from keersluis.errors import Incorrect, KeersluisError
from keersluis.web import canals, chart, completeness, orders, picture, recovery_topics, views
from keersluis.web.protocol import StatusSource
from keersluis.web.render import Asset, Renderer, language_of
from keersluis.web.scene import Scene
from keersluis.web.security import AnyRequest, secured, sent_from_here
from keersluis.words import translator

T = TypeVar("T")

SPEEDS = (1.0, 60.0, 3_600.0, 21_600.0, 86_400.0)
"""Virtual seconds in a second, on the demo's buttons."""

FIRST_FEW = {"revisits": 5, "entries": 8}
"""So many on the overview; their own pages show all."""

_POLL, _QUIET = 0.5, 15.0
"""Seconds between looks at the log, and until a sign of life on the stream when nothing happens."""


async def ask(call: Callable[..., T], *args: object) -> T:
    """A call of the source, off the event loop."""
    return await asyncio.to_thread(call, *args)


class Pages:
    """The handlers, over one source."""

    def __init__(self, source: StatusSource, renderer: Renderer) -> None:
        self._source = source
        self._renderer = renderer

    def __deepcopy__(self, _memo: dict[int, Any]) -> Pages:
        """Litestar copies its handlers; the source behind these is one."""
        return self

    async def overview(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET /: the chain on one page."""
        scene, common = await self.scene(request)
        facts = common | _overview(scene, await ask(self._source.history))
        return self._renderer.page(request, "overview.html", facts)

    async def revisits(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET /herzieningen: every decision to revisit that the nodes list, worst first."""
        scene, common = await self.scene(request)
        total = sum(status["decisions"]["revisit"] for status in scene.statuses)
        facts = common | {"revisits": views.revisits(scene), "total": total}
        return self._renderer.page(request, "revisits.html", facts)

    async def timeline(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET /tijdlijn: the last entries of each node's log, latest first."""
        scene, common = await self.scene(request)
        return self._renderer.page(request, "timeline.html", common | {"entries": views.entries(scene)})

    async def gate_form(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET /poort/{organisation}: the empty form; the query may choose what it starts with."""
        organisation = request.path_params["organisation"]
        scene, common = await self.gate_scene(request, organisation)
        values = orders.values_of(request.query_params)
        return self._form_page(request, scene, common, organisation, orders.Checked(values, {}, ()))

    async def gate_step(self, request: Request[Any, Any, Any]) -> Response[Any]:
        """POST /poort/{organisation}: check the form, show what will happen, and on confirmation do it."""
        organisation = request.path_params["organisation"]
        scene, common = await self.gate_scene(request, organisation)
        form = await request.form()
        checked = orders.check(scene, organisation, orders.values_of(form))
        step = form.get("stap")
        if not sent_from_here(request, form):
            return self._form_page(request, scene, common, organisation, _unproven(scene, checked), 403)
        if checked.problems:
            return self._form_page(request, scene, common, organisation, checked, 400)
        if step == "wijzig":
            return self._form_page(request, scene, common, organisation, checked)
        if step != "doe":
            facts = common | _confirmation(scene, organisation, checked)
            return self._renderer.page(request, "gate_confirm.html", facts)
        return await self._carry_out(request, scene, common, organisation, checked)

    async def _carry_out(
        self, request: AnyRequest, scene: Scene, common: dict[str, Any], organisation: str, checked: orders.Checked
    ) -> Response[Any]:
        was = orders.before(scene, organisation, checked.order)
        try:
            await ask(self._source.order_gate, organisation, checked.order)
        except KeersluisError as error:
            refused = _refused(scene, checked, error)
            return self._form_page(request, scene, common, organisation, refused, error.status)
        shown = {field: checked.values[field] for field in ("state", "peer", "direction", "kind")}
        return _see_other(f"/poort/{organisation}/gedaan?{urlencode(shown | {'was': was})}")

    async def gate_done(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET /poort/{organisation}/gedaan: what was ordered, how the gates stand now, and the way back."""
        organisation = request.path_params["organisation"]
        scene, common = await self.gate_scene(request, organisation)
        values = orders.values_of(request.query_params)
        if any(
            problem.field not in ("who", "why", "rate")
            for problem in orders.check(scene, organisation, values).problems
        ):
            raise NotFoundException
        was = request.query_params.get("was")
        facts = common | {
            "organisation": organisation,
            "values": values,
            "scope": orders.scope_in_words(scene, organisation, values),
            "was": was if was in ("open", "closed") and was != values["state"] else None,
            "last": next(iter(canals.standing(scene, organisation)), None),
        }
        return self._renderer.page(request, "gate_done.html", facts)

    async def control(self, request: Request[Any, Any, Any]) -> Response[Any]:
        """POST /bediening: pause, resume or change the speed of the demo's clock."""
        form = await request.form()
        if await ask(self._source.clock) is None:
            raise NotFoundException
        if not sent_from_here(request, form):
            raise HTTPException(status_code=403)
        await ask(self._source.control, _action(form))
        return _see_other("/")

    async def stream(self, request: Request[Any, Any, Any]) -> Response[Any]:
        """GET /stroom: an event for each time that the log has grown; its id is the log's position."""
        given = request.headers.get("last-event-id") or request.query_params.get("sinds") or ""
        since = (
            int(given)
            if given.isascii() and given.isdigit() and len(given) < 19
            else await ask(self._source.changed, 0)
        )
        return secured(ServerSentEvent(self._events(since)))

    async def _events(self, since: int) -> AsyncIterator[ServerSentEventMessage]:
        yield ServerSentEventMessage(data=None, comment="keersluis", retry=2000)
        quiet = 0.0
        while True:
            position = await ask(self._source.changed, since)
            if position > since:
                since, quiet = position, 0.0
                yield ServerSentEventMessage(data=position, event="stand", id=position)
            elif quiet >= _QUIET:
                quiet = 0.0
                yield ServerSentEventMessage(data=None, comment="")
            await asyncio.sleep(_POLL)
            quiet += _POLL

    async def asset(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """GET /statisch/{name}."""
        found: Asset | None = self._renderer.assets.get(request.path_params["name"])
        if found is None:
            raise NotFoundException
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return secured(Response(found.content, media_type=found.media_type, headers=headers))

    async def scene(self, request: AnyRequest) -> tuple[Scene, dict[str, Any]]:
        """How the chain stands, in the reader's language, and what every page needs besides."""
        # The position goes first: what happens while the statuses are read is then told by the stream.
        position = await ask(self._source.changed, 0)
        statuses = await ask(self._source.statuses)
        scene = Scene(translator(language_of(request)), self._source.chain, statuses)
        clock = await ask(self._source.clock)
        total = sum(status["decisions"]["revisit"] for status in statuses)
        common = {
            "scene": scene, "position": position, "clock": clock, "speeds": SPEEDS, "to_revisit": total,
            "state_words": completeness.state_words, "gate_words": canals.state_words,
            "direction_words": canals.direction_words,
        }  # fmt: skip
        if request.url.path.startswith("/herstel"):
            common["sections"] = recovery_topics.sections(scene)
        return scene, common

    async def gate_scene(self, request: AnyRequest, organisation: str) -> tuple[Scene, dict[str, Any]]:
        """The same for the page of one organisation; NotFoundException where it does not answer."""
        scene, common = await self.scene(request)
        if organisation not in scene.by_key:
            raise NotFoundException
        return scene, common

    def _form_page(
        self,
        request: AnyRequest,
        scene: Scene,
        common: dict[str, Any],
        organisation: str,
        checked: orders.Checked,
        status: int = 200,
    ) -> Response[str]:
        facts = common | {
            "organisation": organisation,
            "values": checked.values,
            "problems": checked.problems,
            "to_mend": scene._.plural(
                "There is {count} thing to mend", "There are {count} things to mend", len(checked.problems)
            ),
            "wrong": {problem.field: problem.sentence for problem in checked.problems},
            "peers": orders.peers(scene, organisation),
            "kinds": orders.kinds(scene, organisation),
            "house": next(house for house in views.gatehouses(scene) if house.organisation == organisation),
        }
        return self._renderer.page(request, "gate.html", facts, status)


def _overview(scene: Scene, history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    links = canals.canals(scene)
    notes = views.notes(scene)
    figures = views.figures(scene, history)
    return {
        "headline": views.headline(scene),
        "accounts": completeness.accounts(scene),
        "streams": completeness.streams(scene),
        "routes": completeness.routes_in_words(scene),
        "wide": picture.chain_svg(scene, links, notes, narrow=False) if links else "",
        "narrow": picture.chain_svg(scene, links, notes, narrow=True) if links else "",
        "lanes": [lane for link in links for lane in (link.there, link.back)],
        "lane_words": picture.label_of,
        "legend": picture.legend,
        "unlinked": [each.key for each in scene.chain.organisations.values() if not each.node],
        "figures": figures,
        "lines": {figure.key: chart.line(figure.moved) for figure in figures},
        "samples": chart.few(list(history)),
        "deciders": views.deciders(scene),
        "revisits": views.revisits(scene)[: FIRST_FEW["revisits"]],
        "houses": views.gatehouses(scene),
        "entries": views.headlines(scene, FIRST_FEW["entries"]),
    }


def _confirmation(scene: Scene, organisation: str, checked: orders.Checked) -> dict[str, Any]:
    return {
        "organisation": organisation,
        "values": checked.values,
        "order": checked.order,
        "scope": orders.scope_in_words(scene, organisation, checked.order),
        "consequences": orders.consequences(scene, organisation, checked.order),
    }


def _unproven(scene: Scene, checked: orders.Checked) -> orders.Checked:
    text = scene._("The form could not be trusted: it was open for too long, or cookies are off. Please send it again.")
    return orders.Checked(checked.values, {}, (orders.Problem("form", text), *checked.problems))


def _refused(scene: Scene, checked: orders.Checked, error: KeersluisError) -> orders.Checked:
    reason = f"{scene._.problem(error.code)} {error}".strip()
    text = scene._("The order was not carried out. {reason}", reason=reason)
    return orders.Checked(checked.values, {}, (orders.Problem("form", text),))


def _action(form: Mapping[str, Any]) -> dict[str, Any]:
    """Raises Incorrect `demo.control`."""
    if form.get("actie") in ("pause", "resume"):
        return {"action": form["actie"]}
    wanted = {f"{speed:g}": speed for speed in SPEEDS}
    if form.get("snelheid") in wanted:
        return {"action": "speed", "factor": wanted[form["snelheid"]]}
    raise Incorrect("demo.control", expected="pause, resume or one of the speeds", got=repr(dict(form))[:80])


def _see_other(address: str) -> Response[None]:
    return secured(Response(None, status_code=303, headers={"Location": address}))
