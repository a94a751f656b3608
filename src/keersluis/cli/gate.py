"""`keersluis gate`: move a gate, and see the orders in force. Works on the store when the node does not run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from keersluis.cli.output import AsJson, emit
from keersluis.cli.target import Directory, Target, Whose, is_down
from keersluis.errors import Unavailable

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)

PATIENCE = 3.0
"""Seconds for a node to carry out an order; one that hangs finds it in its store, for it stands there (P4)."""

Peer = Annotated[str, typer.Option(help="Towards whom; * is everybody.")]
Direction = Annotated[str, typer.Option(help="in, out or * (both).")]
KindPath = Annotated[str, typer.Option("--kind", help="Kind of facts, with all below it; * is everything.")]
Who = Annotated[str, typer.Option(help="Who orders it.")]
Why = Annotated[str, typer.Option(help="Why.")]
Until = Annotated[str | None, typer.Option(help="When to look at it again; no gate moves by itself.")]
Proof = Annotated[str | None, typer.Option("--evidence", help="Reference to what it rests on.")]


def _move(target: Target, order: dict[str, Any], as_json: bool) -> None:
    try:
        moved = target.call("/v0/poorten", order, patience=PATIENCE)["moved"]
    except Unavailable as error:
        if not is_down(error):
            raise
        moved = _on_the_store(target, order)
    said = f"{target.organisation}: {order['stand']} towards {order['peer']} for {order['soort']}, from now on."
    emit({"moved": moved}, as_json, said)


def _on_the_store(target: Target, order: dict[str, Any]) -> list[Any]:
    """The order stands from the commit on, whatever runs (P4)."""
    import msgspec

    from keersluis.web.api import GateRequest, gate_orders

    with target.node() as node:
        orders = gate_orders(msgspec.convert(order, GateRequest), node.clock.now())
        node.order_gate(orders)
    built: list[Any] = msgspec.to_builtins(orders)
    return built


def _order(
    state: str, peer: str, direction: str, kind: str, who: str, why: str, rest: dict[str, Any]
) -> dict[str, Any]:
    direction = {"out": "uit"}.get(direction, direction)
    order = {"peer": peer, "richting": direction, "soort": kind, "stand": state, "wie": who, "waarom": why, **rest}
    return {name: value for name, value in order.items() if value is not None}


@app.command("close")
def close(
    organisation: Whose,
    who: Who,
    why: Why,
    directory: Directory = Path(),
    peer: Peer = "*",
    direction: Direction = "*",
    kind: KindPath = "*",
    until: Until = None,
    evidence: Proof = None,
    as_json: AsJson = False,
) -> None:
    """Close a gate: events wait, nothing is lost."""
    rest = {"tot": until, "bewijs": evidence}
    _move(Target(directory, organisation), _order("closed", peer, direction, kind, who, why, rest), as_json)


@app.command("open")
def open_(
    organisation: Whose,
    who: Who,
    why: Why,
    directory: Directory = Path(),
    peer: Peer = "*",
    direction: Direction = "*",
    kind: KindPath = "*",
    until: Until = None,
    evidence: Proof = None,
    as_json: AsJson = False,
) -> None:
    """Open a gate: what waits is sent."""
    rest = {"tot": until, "bewijs": evidence}
    _move(Target(directory, organisation), _order("open", peer, direction, kind, who, why, rest), as_json)


@app.command("meter")
def meter(
    organisation: Whose,
    who: Who,
    why: Why,
    rate: Annotated[float, typer.Option(help="Events per second.")],
    directory: Directory = Path(),
    peer: Peer = "*",
    direction: Direction = "*",
    kind: KindPath = "*",
    until: Until = None,
    evidence: Proof = None,
    as_json: AsJson = False,
) -> None:
    """Let through so many events per second."""
    rest = {"tempo": rate, "tot": until, "bewijs": evidence}
    _move(Target(directory, organisation), _order("metered", peer, direction, kind, who, why, rest), as_json)


@app.command("show")
def show(organisation: Whose, directory: Directory = Path(), as_json: AsJson = False) -> None:
    """The orders in force, newest first."""
    from keersluis.cli.status import stand

    orders = stand(Target(directory, organisation))["gates"]
    lines = [
        f"{each['at']}  {each['state']:8} {each['direction']:3} {each['peer']:10} {each['kind']:30} "
        f"{each['who']}: {each['why']}"
        for each in orders
    ]
    emit(orders, as_json, "\n".join(lines) or "No order was ever given: every gate stands open.")
