"""Forms for everything that can be done from a page: the empty form, what will happen, and doing it.

The pages of the exchange and those of the return are different places with the same forms.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler

from keersluis.errors import KeersluisError
from keersluis.web.actions import Action, Checked, check, empty
from keersluis.web.orders import Problem
from keersluis.web.pages import Pages, ask
from keersluis.web.protocol import StatusSource
from keersluis.web.render import Renderer
from keersluis.web.scene import Scene
from keersluis.web.security import AnyRequest, secured, sent_from_here

LARGEST_UPLOAD = 64 * 1024 * 1024
"""Bytes of a form with a file: a bundle's part or a stack of scans. Larger ones go by the command line."""


@dataclass(frozen=True)
class Place:
    """Where forms stand: `base`/{organisation}/{action}. `actions` are all there are at one organisation; `back` gives
    the address and the name of the page that a form belongs to."""

    base: str
    actions: Callable[[Scene, str], Sequence[Action]]
    back: Callable[[Scene, str, Action], tuple[str, str]]


class Forms:
    """The handlers, over one source and one place."""

    def __init__(self, source: StatusSource, renderer: Renderer, pages: Pages, place: Place) -> None:
        self._source, self._renderer, self._pages, self._place = source, renderer, pages, place

    def __deepcopy__(self, _memo: dict[int, Any]) -> Forms:
        """Litestar copies its handlers; the source behind these is one."""
        return self

    async def form(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET {base}/{organisation}/{action}: the empty form."""
        _scene, common, action = await self._found(request)
        return self._form_page(request, common, action, empty(action, request.query_params))

    async def act(self, request: Request[Any, Any, Any]) -> Response[Any]:
        """POST {base}/{organisation}/{action}: check, show what will happen where that is called for, do it."""
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
        action = next((each for each in self._place.actions(scene, organisation) if each.key == key), None)
        if action is None:
            raise NotFoundException
        back, back_name = self._place.back(scene, organisation, action)
        common |= {"form_address": f"{self._place.base}/{organisation}/{key}", "back": back, "back_name": back_name}
        return scene, common | {"organisation": organisation}, action

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
    reason = "; ".join(str(each) for each in faults[:20])
    text = scene._("The order was not carried out. {reason}", reason=f"{scene._.problem(error.code)} {reason}".strip())
    return Checked(checked.values, (Problem("form", text),))


def form_handlers(source: StatusSource, renderer: Renderer, pages: Pages, place: Place) -> list[HTTPRouteHandler]:
    """The route handlers of the forms of one place."""
    forms = Forms(source, renderer, pages, place)
    address = place.base + "/{organisation:str}/{action:str}"
    return [
        get(address, include_in_schema=False)(forms.form),
        post(address, include_in_schema=False, status_code=200, request_max_body_size=LARGEST_UPLOAD)(forms.act),
    ]
