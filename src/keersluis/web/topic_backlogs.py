"""What can be done to a backlog that is counted by file: import counts, undo the last import. Pure."""

from __future__ import annotations

import hashlib

from keersluis.recovery.imports import of_table, packed
from keersluis.web.actions import Action, Field, Values, who_and_why
from keersluis.web.scene import Scene
from keersluis.web.topics import as_json, at
from keersluis.web.view_backlogs import PATH


def actions(scene: Scene, organisation: str) -> list[Action]:
    """At every organisation: the node says which backlogs it counts by file."""
    return [_import(scene), _undo(scene)]


def _import(scene: Scene) -> Action:
    _ = scene._

    def body(values: Values) -> bytes:
        content = bytes(values["file"])
        told = packed(of_table(content, scene.chain.timezone))
        rest = {"achterstand": values["backlog"], "wie": values["who"], "waarom": values["why"]}
        return as_json(told | rest | {"digest": hashlib.sha256(content).hexdigest()})

    return Action(
        key="tellingen-importeren",
        title=_("Import counts of a backlog"),
        lede=_("A table with date, arrivals, completions and perhaps stock, a row for each day or week."),
        button=_("Import"),
        fields=[
            Field("backlog", _("Key of the backlog")),
            Field("file", _("Table (CSV)"), "file", accept=".csv,text/csv"),
            *who_and_why(scene),
        ],
        path=at("/achterstanden/_importeer"),
        body=body,
        told=lambda answer: [
            _("This file was imported before; nothing changed.")
            if answer["again"]
            else _("Counted: {came} came, {left} left.", came=answer["came"], left=answer["left"])
        ],
        page=PATH,
    )


def _undo(scene: Scene) -> Action:
    _ = scene._
    return Action(
        key="import-ongedaan",
        title=_("Undo the last import of a backlog"),
        lede=_("To undo that, import the file again."),
        button=_("Undo it"),
        fields=[Field("backlog", _("Key of the backlog")), *who_and_why(scene)],
        path=at("/achterstanden/_ongedaan"),
        body=lambda v: as_json({"achterstand": v["backlog"], "wie": v["who"], "waarom": v["why"]}),
        consequences=lambda values: [
            _("What the last file counted of {backlog} counts no longer.", backlog=values["backlog"])
        ],
        told=lambda answer: [_("Undone: {came} came, {left} left.", came=answer["came"], left=answer["left"])],
        page=PATH,
    )
