"""The pages of the exchange: how it stands at each organisation, and everything that can be done about it."""

from __future__ import annotations

import json
from typing import Any

from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler

from keersluis.errors import KeersluisError
from keersluis.web import exchange_topics, exchange_view
from keersluis.web.actions import Action, Checked, check, empty
from keersluis.web.orders import Problem
from keersluis.web.pages import Pages, ask
from keersluis.web.protocol import StatusSource
from keersluis.web.render import Renderer
from keersluis.web.scene import Scene
from keersluis.web.security import AnyRequest, secured, sent_from_here
from keersluis.web.topics import API

LARGEST_UPLOAD = 64 * 1024 * 1024
"""Bytes of a form with a file: a bundle's part or a stack of scans. Larger ones go by the command line."""


class Desk:
    """The handlers, over one source."""

    def __init__(self, source: StatusSource, renderer: Renderer, pages: Pages) -> None:
        self._source, self._renderer, self._pages = source, renderer, pages

    def __deepcopy__(self, _memo: dict[int, Any]) -> Desk:
        """Litestar copies its handlers; the source behind these is one."""
        return self

    async def index(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET /uitwisseling: every organisation that answers, or the one there is."""
        scene, common = await self._pages.scene(request)
        if scene.alone:
            return await self._show(request, scene, common, scene.statuses[0]["organisation"])
        houses = [(key, exchange_view.links(scene, key), _apart(scene, key)) for key in scene.by_key]
        return self._renderer.page(request, "exchanges.html", common | {"houses": houses})

    async def organisation(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET /uitwisseling/{organisation}: its links, what waits, what was set apart, what can be done."""
        organisation = request.path_params["organisation"]
        scene, common = await self._pages.gate_scene(request, organisation)
        return await self._show(request, scene, common, organisation)

    async def form(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET /uitwisseling/{organisation}/{action}: the empty form."""
        _scene, common, action = await self._found(request)
        return self._form_page(request, common, action, empty(action, request.query_params))

    async def act(self, request: Request[Any, Any, Any]) -> Response[Any]:
        """POST /uitwisseling/{organisation}/{action}: check, show what will happen where that is called for, do it."""
        scene, common, action = await self._found(request)
        form = await request.form()
        given = {name: await _value(value) for name, value in form.items()}
        if not sent_from_here(request, form):
            return self._form_page(request, common, action, _unproven(scene, empty(action, {})), 403)
        checked = check(scene, action, given)
        if checked.problems or given.get("stap") == "wijzig":
            return self._form_page(request, common, action, checked, 400 if checked.problems else 200)
        if action.consequences and given.get("stap") != "doe":
            facts = common | _of(action) | {"values": checked.values, "sentences": action.consequences(checked.values)}
            return self._renderer.page(request, "action_confirm.html", facts)
        return await self._do(request, scene, common, action, checked)

    async def _do(
        self, request: AnyRequest, scene: Scene, common: dict[str, Any], action: Action, checked: Checked
    ) -> Response[Any]:
        organisation, path = common["organisation"], action.path(checked.values)
        try:
            body = action.body(checked.values)
            answer = await ask(self._source.call, organisation, path, body)
            if action.download:
                return _file(answer, action, checked)
            sentences = list(action.told(await self._followed(organisation, action, json.loads(answer))))
        except KeersluisError as error:
            return self._form_page(request, common, action, _refused(scene, checked, error), error.status)
        return self._renderer.page(request, "action_done.html", common | _of(action) | {"sentences": sentences})

    async def _followed(self, organisation: str, action: Action, answer: Any) -> Any:
        """The answer, or with what followed from it the list of all answers."""
        if action.follow is None:
            return answer
        further = [await ask(self._source.call, organisation, *each) for each in action.follow(answer)]
        return [answer, *map(json.loads, further)]

    async def _found(self, request: AnyRequest) -> tuple[Scene, dict[str, Any], Action]:
        organisation, key = request.path_params["organisation"], request.path_params["action"]
        scene, common = await self._pages.gate_scene(request, organisation)
        action = next((each for each in exchange_topics.actions(scene, organisation) if each.key == key), None)
        if action is None:
            raise NotFoundException
        return scene, common | {"organisation": organisation}, action

    async def _show(
        self, request: AnyRequest, scene: Scene, common: dict[str, Any], organisation: str
    ) -> Response[str]:
        waits, apart = exchange_view.backlog(scene, organisation), exchange_view.set_apart(scene, organisation)
        facts = common | {
            "organisation": organisation,
            "links": exchange_view.links(scene, organisation),
            "backlog": waits,
            "lede": exchange_view.lede(scene, waits, apart),
            "apart": apart,
            "broken": exchange_view.broken_promises(scene, organisation),
            "topics": await self._topics(scene, organisation),
        }
        return self._renderer.page(request, "exchange.html", facts)

    async def _topics(self, scene: Scene, organisation: str) -> list[dict[str, Any]]:
        """Each topic with what the node's API says of it; one that does not answer says nothing."""
        found = []
        for topic in exchange_topics.of(scene, organisation):
            facts: dict[str, Any] = {"topic": topic, "tables": (), "alarm": ()}
            if topic.reads:
                try:
                    answer = json.loads(await ask(self._source.call, organisation, API + topic.reads, None))
                    facts |= {"tables": topic.tables(answer), "alarm": topic.alarm(answer)}
                except KeersluisError as error:
                    facts["alarm"] = [str(error)]
            found.append(facts)
        return found

    def _form_page(
        self, request: AnyRequest, common: dict[str, Any], action: Action, checked: Checked, status: int = 200
    ) -> Response[str]:
        facts = common | _of(action)
        facts |= {"values": checked.values, "problems": checked.problems, "wrong": checked.wrong}
        scene: Scene = common["scene"]
        facts["to_mend"] = scene._.plural(
            "There is {count} thing to mend", "There are {count} things to mend", len(checked.problems)
        )
        return self._renderer.page(request, "action.html", facts, status)


def _apart(scene: Scene, key: str) -> int:
    return len(scene.by_key[key]["quarantine"])


def _of(action: Action) -> dict[str, Any]:
    return {"action": action, "multipart": any(each.shape == "file" for each in action.fields)}


async def _value(value: Any) -> Any:
    return await value.read() if isinstance(value, UploadFile) else value


def _file(answer: bytes, action: Action, checked: Checked) -> Response[bytes]:
    assert action.download is not None
    headers = {"Content-Disposition": f'attachment; filename="{action.download.name(checked.values)}"'}
    return secured(Response(answer, media_type=action.download.media_type, headers=headers))


def _unproven(scene: Scene, checked: Checked) -> Checked:
    text = scene._("The form could not be trusted: it was open for too long, or cookies are off. Please send it again.")
    return Checked(checked.values, (Problem("form", text),))


def _refused(scene: Scene, checked: Checked, error: KeersluisError) -> Checked:
    faults = getattr(error, "faults", None) or [str(error)]
    text = scene._("The order was not carried out. {reason}", reason="; ".join(str(each) for each in faults[:20]))
    return Checked(checked.values, (Problem("form", text),))


def desk_handlers(source: StatusSource, renderer: Renderer, pages: Pages) -> list[HTTPRouteHandler]:
    """The route handlers of the exchange's pages."""
    desk = Desk(source, renderer, pages)
    form = "/uitwisseling/{organisation:str}/{action:str}"
    return [
        get("/uitwisseling", include_in_schema=False)(desk.index),
        get("/uitwisseling/{organisation:str}", include_in_schema=False)(desk.organisation),
        get(form, include_in_schema=False)(desk.form),
        post(form, include_in_schema=False, status_code=200, request_max_body_size=LARGEST_UPLOAD)(desk.act),
    ]
