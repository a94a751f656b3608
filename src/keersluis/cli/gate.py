"""`keersluis gate`: move gates, now or beforehand, and back; see the orders. On the store when no node answers."""

from __future__ import annotations

import queue
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keersluis.cli.output import AsJson, emit, language
from keersluis.cli.target import Directory, Target, Whose, is_down
from keersluis.errors import Incorrect, KeersluisError, Unavailable
from keersluis.words import translator

if TYPE_CHECKING:
    from keersluis.service import Node

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)

PATIENCE = 3.0
"""Seconds for a node to carry out an order; one that hangs finds it in its store, for it stands there (P4)."""

AT_ONCE = 0.4
"""The same for an order that closes: P4 gives it a second."""

Peer = Annotated[str, typer.Option(help="Towards whom; * is everybody.")]
Direction = Annotated[str, typer.Option(help="in, out or * (both).")]
KindPath = Annotated[str, typer.Option("--kind", help="Kind of facts, with all below it; * is everything.")]
Who = Annotated[str, typer.Option(help="Who orders it.")]
Why = Annotated[str, typer.Option(help="Why.")]
Until = Annotated[str | None, typer.Option(help="When to look at it again; no gate moves by itself.")]
Proof = Annotated[str | None, typer.Option("--evidence", help="Reference to what it rests on.")]
Link = Annotated[str, typer.Option(help="By which link: wire, bundle, paper or * (all).")]
Starts = Annotated[str | None, typer.Option("--from", help="Not now but from this moment on (RFC 3339).")]
Window = Annotated[str | None, typer.Option(help="Only in this part of each day, as 22:00-06:00.")]
Outside = Annotated[str | None, typer.Option(help="With --window: closed or open in the rest of the day.")]
Key = Annotated[str | None, typer.Option(help="The same key is the same order, however often it comes.")]
Several = Annotated[list[str] | None, typer.Option("--organisation", "-o", help="Whose gate; with --all default all.")]
Everything = Annotated[bool, typer.Option("--all", help="Everything, both directions, at every node of the folder.")]


# -- on a node, or on its store ------------------------------------------------------------------------------------


def _ask(target: Target, path: str, body: Any, otherwise: Callable[[Node], Any], patience: float = PATIENCE) -> Any:
    """What the node says. Where it has not answered after `patience`, the same is done on its store: an order stands
    from the commit on, whatever runs (P4). Who is first counts; its key makes it one order."""
    said: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def attempt(work: Callable[[], Any]) -> None:
        def run() -> None:
            try:
                said.put(work())
            except Exception as error:  # noqa: BLE001, raised below, where somebody waits for it
                said.put(error)

        threading.Thread(target=run, daemon=True).start()

    def on_the_store() -> Any:
        import msgspec

        with target.node() as node:
            return msgspec.to_builtins(otherwise(node))

    attempt(lambda: target.call(path, body, patience=PATIENCE))
    with suppress(queue.Empty):
        answer = said.get(timeout=patience)
        if not _unanswered(answer):
            return _or_raise(answer)
        attempt(on_the_store)
        return _or_raise(said.get())
    attempt(on_the_store)
    first = said.get()
    return _or_raise(said.get() if _unanswered(first) else first)


def _unanswered(answer: Any) -> bool:
    return isinstance(answer, Unavailable) and is_down(answer)


def _or_raise(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


def _move(target: Target, order: dict[str, Any], patience: float = PATIENCE) -> dict[str, Any]:
    def on_the_store(node: Node) -> Any:
        import msgspec

        from keersluis.web.gate_requests import GateRequest, gate_orders, outcome

        orders = gate_orders(msgspec.convert(order, GateRequest), node.clock.now())
        return outcome(orders, node.order_gate(orders))

    moved: dict[str, Any] = _ask(target, "/v0/poorten", order, on_the_store, patience)
    return {"organisation": target.organisation, **moved}


def _order(state: str, peer: str, direction: str, kind: str, who: str, why: str, **rest: Any) -> dict[str, Any]:
    direction = {"out": "uit"}.get(direction, direction)
    order = {"peer": peer, "richting": direction, "soort": kind, "stand": state, "wie": who, "waarom": why}
    order |= {"sleutel": uuid.uuid4().hex} | {name: value for name, value in rest.items() if value is not None}
    return order


def _tell(told: dict[str, Any], order: dict[str, Any], as_json: bool) -> None:
    _ = translator(language())
    names = {"organisation": told["organisation"], "state": order["stand"], "peer": order["peer"]}
    said = _("{organisation}: {state} towards {peer} for {kind}, from now on.", **names, kind=order["soort"])
    if "vanaf" in order:
        said = _(
            "{organisation}: {state} towards {peer} for {kind}, from {moment} on.",
            **names,
            kind=order["soort"],
            moment=order["vanaf"],
        )
    if not told["moved"]:
        said = _("{organisation}: that was ordered already, nothing changed.", organisation=told["organisation"])
    emit(told, as_json, said)


# -- moves ---------------------------------------------------------------------------------------------------------


@app.command("close")
def close(
    who: Who,
    why: Why,
    organisation: Several = None,
    everything: Everything = False,
    directory: Directory = Path(),
    peer: Peer = "*",
    direction: Direction = "*",
    kind: KindPath = "*",
    link: Link = "*",
    starts: Starts = None,
    window: Window = None,
    outside: Outside = None,
    until: Until = None,
    evidence: Proof = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Close a gate: events wait, nothing is lost. What is under way is cut off."""
    outside = outside or ("open" if window else None)
    rest = {"tot": until, "bewijs": evidence, "vanaf": starts, "venster": window, "buiten": outside, "sleutel": key}
    if everything:
        if (peer, direction, kind, link, starts, window) != ("*", "*", "*", "*", None, None):
            raise Incorrect("cli.all", expected="--all alone", got="--all with a part of it")
    elif not organisation or len(organisation) != 1:
        raise Incorrect("cli.organisation", expected="one --organisation, or --all", got=str(organisation or "none"))
    order = _order("closed", peer, direction, kind, who, why, verbinding=link, **rest)
    if everything:
        return _close_all(directory, organisation, order, as_json)
    return _tell(_move(Target(directory, (organisation or [""])[0]), order, AT_ONCE), order, as_json)


def _close_all(directory: Path, organisations: list[str] | None, order: dict[str, Any], as_json: bool) -> None:
    """Every node side by side: one that does not answer holds up nobody. Says of each whether it is closed."""
    from keersluis.chain import load_chain

    targets = [Target(directory, key) for key in organisations or [each.key for each in load_chain(directory).nodes]]

    def carry_out(target: Target) -> dict[str, Any] | KeersluisError:
        try:
            return _move(target, order, AT_ONCE)
        except KeersluisError as error:
            return error

    with ThreadPoolExecutor(len(targets)) as threads:
        results = list(threads.map(carry_out, targets))
    _ = translator(language())
    told, said, failed = [], [], []
    for target, result in zip(targets, results, strict=True):
        if isinstance(result, KeersluisError):
            failed.append(f"{target.organisation}: {result}")
            told.append({"organisation": target.organisation, "problem": result.problem()})
            continue
        told.append(result)
        said.append(_("{organisation}: everything is closed, both directions.", organisation=target.organisation))
    emit(told, as_json, "\n".join(said))
    if failed:
        raise Unavailable("gate.not-everywhere", expected="every gate closed", got="; ".join(failed))


@app.command("open")
def open_(
    organisation: Whose,
    who: Who,
    why: Why,
    directory: Directory = Path(),
    peer: Peer = "*",
    direction: Direction = "*",
    kind: KindPath = "*",
    link: Link = "*",
    starts: Starts = None,
    window: Window = None,
    outside: Outside = None,
    until: Until = None,
    evidence: Proof = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Open a gate: what waits is sent."""
    rest = {"tot": until, "bewijs": evidence, "vanaf": starts, "venster": window, "buiten": outside, "sleutel": key}
    order = _order("open", peer, direction, kind, who, why, verbinding=link, **rest)
    _tell(_move(Target(directory, organisation), order), order, as_json)


@app.command("meter")
def meter(
    organisation: Whose,
    who: Who,
    why: Why,
    rate: Annotated[float | None, typer.Option(help="Events per second.")] = None,
    byte_rate: Annotated[float | None, typer.Option(help="Bytes per second; of both the tighter counts.")] = None,
    directory: Directory = Path(),
    peer: Peer = "*",
    direction: Direction = "*",
    kind: KindPath = "*",
    link: Link = "*",
    starts: Starts = None,
    window: Window = None,
    outside: Outside = None,
    until: Until = None,
    evidence: Proof = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Let through so many events, or bytes, per second."""
    rest = {"tot": until, "bewijs": evidence, "vanaf": starts, "venster": window, "buiten": outside, "sleutel": key}
    rates = {"tempo": rate, "bytetempo": byte_rate}
    order = _order("metered", peer, direction, kind, who, why, verbinding=link, **rates, **rest)
    _tell(_move(Target(directory, organisation), order), order, as_json)


@app.command("undo")
def undo(
    organisation: Whose,
    who: Who,
    why: Why,
    directory: Directory = Path(),
    peer: Peer = "*",
    direction: Direction = "*",
    kind: KindPath = "*",
    link: Link = "*",
    until: Until = None,
    evidence: Proof = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Take back the last order that covers this: what stood before it stands again."""
    order = _order("open", peer, direction, kind, who, why, verbinding=link, tot=until, bewijs=evidence, sleutel=key)
    del order["stand"]

    def on_the_store(node: Node) -> Any:
        import msgspec

        from keersluis import moves
        from keersluis.web.gate_requests import UndoRequest, undo_orders

        return {"moved": moves.undo(node, undo_orders(msgspec.convert(order, UndoRequest), node.clock.now()))}

    moved = _ask(Target(directory, organisation), "/v0/poorten/_herstel", order, on_the_store)
    emit(moved, as_json, "\n".join(_line(each) for each in moved["moved"]))


@app.command("call-off")
def call_off(
    organisation: Whose,
    number: Annotated[int, typer.Argument(help="Of the order, as `gate plan` tells.")],
    who: Who,
    why: Why,
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> None:
    """Call off an order that has not taken effect."""

    def on_the_store(node: Node) -> Any:
        from keersluis import moves

        return {"called_off": moves.call_off(node, number, who, why)}

    body = {"nummer": number, "wie": who, "waarom": why}
    told = _ask(Target(directory, organisation), "/v0/poorten/_afgelast", body, on_the_store)
    _ = translator(language())
    emit(told, as_json, _("Order {number} will not take effect.", number=number))


# -- what was and will be ordered ----------------------------------------------------------------------------------


@app.command("show")
def show(
    organisation: Whose,
    directory: Directory = Path(),
    history: Annotated[bool, typer.Option("--history", help="Every order that was given, oldest first.")] = False,
    as_json: AsJson = False,
) -> None:
    """The orders in force, newest first."""
    from keersluis.cli.status import stand

    target = Target(directory, organisation)
    orders = _history(target) if history else stand(target)["gates"]
    _ = translator(language())
    emit(orders, as_json, "\n".join(map(_line, orders)) or _("No order was ever given: every gate stands open."))


@app.command("plan")
def plan(organisation: Whose, directory: Directory = Path(), as_json: AsJson = False) -> None:
    """The orders that are still to take effect, the first one first."""
    from keersluis.cli.status import stand

    orders = stand(Target(directory, organisation))["planned"]
    _ = translator(language())
    emit(orders, as_json, "\n".join(map(_line, orders)) or _("Nothing is planned."))


def _history(target: Target) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        after = found[-1]["number"] if found else 0

        def on_the_store(node: Node, after: int = after) -> Any:
            from keersluis import moves

            return {"orders": moves.history(node, after, 1000)}

        page = _ask(target, f"/v0/poorten?na={after}&aantal=1000", None, on_the_store)["orders"]
        found += page
        if len(page) < 1000:
            return found


def _line(order: dict[str, Any]) -> str:
    """An order on a line: number, moment, state, gate, by whom and why."""
    at = order.get("starts") or order["at"]
    rates = [f"{order[name]:g} {unit}" for name, unit in (("rate", "/s"), ("byte_rate", "B/s")) if order.get(name)]
    window = [f"{order['window']} ({order['outside']})"] if order.get("window") else []
    became = [order["became"]] if "became" in order else []
    undoes = [f"undoes {order['undoes']}"] if order.get("undoes") else []
    extra = ", ".join([*rates, *window, *became, *undoes])
    gate = f"{order['direction']:3} {order['peer']:10} {order['kind']:30} {order['link']:6}"
    told = f"{order['who']}: {order['why']}" + (f" [{extra}]" if extra else "")
    return f"{order.get('number', ''):>4}  {at}  {order['state']:8} {gate} {told}"
