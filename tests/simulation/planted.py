"""Bugs to plant in the product, each as a patch of one of its rules, to show that the simulator finds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from keersluis import service, storage
from keersluis.decisions import _store as decisions_store
from keersluis.decisions import endings, settle
from keersluis.errors import KeersluisError
from keersluis.exchange import _store, gatekeeper, inbox, letterbox, loose, outbox, overview, sender
from keersluis.exchange.batches import Extension
from keersluis.exchange.gates import OPEN, GateOrder
from keersluis.exchange.inbox import watermark_after
from keersluis.merkle import Frontier
from keersluis.register import answers, facts
from keersluis.times import HOUR
from keersluis.watermarks import Checkpoint, promise, settles_up_to

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], None]


class _Undone(Exception):
    """Carries a result out of a transaction that is taken back."""

    def __init__(self, result: Any) -> None:
        self.result = result


def acknowledge_before_commit(patch: Patch) -> None:
    """The publisher is told "accepted" while the events wait in memory for the next round of sending."""
    accept, pump = service.Node.accept, service.Node.pump

    def early(node: Any, events: Any) -> Any:
        node.pending = [*getattr(node, "pending", ()), events]

        def tried(tx: Any) -> None:
            raise _Undone([outbox.accept(tx, node.ctx, each, node.clock.now()) for each in node.pending][-1])

        try:
            node.store.write(tried)
        except _Undone as undone:
            return undone.result
        except KeersluisError:
            node.pending.pop()
            raise

    def later(node: Any, **how: Any) -> Any:
        for events in getattr(node, "pending", ()):
            accept(node, events)
        node.pending = []
        return pump(node, **how)

    patch.setattr(service.Node, "accept", early)
    patch.setattr(service.Node, "pump", later)


def watermark_by_newest_row(patch: Patch) -> None:
    """The newest act that arrived says until when a stream is complete."""
    applied = inbox._applied

    def newest(tx: Any, ctx: Any, arrival: Any, extension: Any, events: Any, *rest: Any) -> Any:
        receipt = applied(tx, ctx, arrival, extension, events, *rest)
        if events:
            row = _store.in_stream(tx, arrival.checkpoint.origin)
            mark = max(row.watermark, *(event.when.end for event in events))
            _store.update_in_stream(tx, row.stream, watermark=mark)
        return receipt

    patch.setattr(inbox, "_applied", newest)


def settle_on_the_newest_watermark(patch: Patch) -> None:
    """One stream that is complete settles what waits for several."""

    def missing(waits: Any, marks: Any, moment: Any, chain: Any) -> tuple[str, ...]:
        short = tuple(w for w in waits if settle.settled_through(chain, w, settle.through(marks, w)) < moment)
        return short if len(short) == len(tuple(waits)) else ()

    def threshold(missing: Any, marks: Any, chain: Any) -> int:
        return max(
            (settle.settled_through(chain, w, settle.through(marks, w)) for w in missing), default=settle.FOREVER
        )

    patch.setattr(settle, "missing_of", missing)
    patch.setattr(endings, "threshold", threshold)


def gate_checked_when_queued(patch: Patch) -> None:
    """What was accepted while the gate stood open may leave later, whatever was ordered since."""
    accept, allowance = outbox.accept, gatekeeper.allowance
    queued: dict[tuple[str, str], bool] = {}

    def noting(tx: Any, ctx: Any, *rest: Any) -> Any:
        for kind in ctx.chain.kinds.values():
            for peer in kind.receivers if kind.source == ctx.me.key else ():
                queued[peer, kind.path] = not gatekeeper.closed_kinds(tx, peer, "out", [kind.path], ctx.clock.now())
        return accept(tx, ctx, *rest)

    def remembered(tx: Any, peer: str, direction: Any, kind: str, *rest: Any) -> Any:
        if direction == "out" and queued.get((peer, kind)):
            return gatekeeper.Allowed(1 << 60, 0.0)
        return allowance(tx, peer, direction, kind, *rest)

    patch.setattr(outbox, "accept", noting)
    patch.setattr(sender.gatekeeper, "allowance", remembered)
    gate_not_checked_again(patch)


def gate_not_checked_again(patch: Patch) -> None:
    """A gate that closes after a batch was made, and before it leaves, is not seen."""

    def unchecked(sender_: Any, offers: Any, _sent: Any) -> list[Any]:
        sender_.ctx.step(9)
        return list(offers)

    patch.setattr(sender.Sender, "_announced", unchecked)


def receiver_does_not_check_its_gate(patch: Patch) -> None:
    """A closed gate keeps our own in, and lets others in."""
    admit = gatekeeper.admit

    def outward(tx: Any, peer: str, direction: Any, *rest: Any) -> None:
        if direction == "out":
            admit(tx, peer, direction, *rest)

    patch.setattr(gatekeeper, "admit", outward)


def source_time_taken_for_event_time(patch: Patch) -> None:
    """All that was entered up to now is promised as all that happened up to now: the lag is forgotten."""
    patch.setattr(outbox, "promise", lambda now, _lag, oldest, previous: promise(now, 0, oldest, previous))


def event_time_held_back_by_source_time(patch: Patch) -> None:
    """A batch with a part of what was entered promises up to when the rest was entered, not to when it happened."""
    backlog = outbox._store_backlog.backlog

    def swapped(tx: Any, stream: int, position: int) -> Any:
        rest = backlog(tx, stream, position)
        return rest._replace(occurred=rest.source_time)

    patch.setattr(outbox._store_backlog, "backlog", swapped)


def waiting_paper_is_ignored(patch: Patch) -> None:
    """What is known to lie on paper does not hold the promise back."""
    patch.setattr(outbox, "promise", lambda now, lag, _oldest, previous: promise(now, lag, None, previous))


def unsent_events_are_ignored(patch: Patch) -> None:
    """A batch with a part of what was entered promises for the whole."""
    patch.setattr(outbox, "partial_promise", lambda full, _oldest, told: max(full, told))


def batch_is_applied_twice(patch: Patch) -> None:
    """A batch that is here already takes effect again."""
    receive = inbox.receive

    def again(tx: Any, ctx: Any, batch: Any, handler: Any, now: int, *rest: Any) -> Any:
        note = batch.checkpoint.split("\n\n")[0] + "\n"
        before = _store.in_stream(tx, note.partition("\n")[0])
        result = receive(tx, ctx, batch, handler, now, *rest)
        if before is not None and batch.events and batch.first <= before.size:
            checkpoint = Checkpoint.parse(note)
            arrival = inbox.arrive(tx, ctx, batch, now)
            extension = Extension(batch.first, [bytes(raw) for raw in batch.events], Frontier())
            stream = dict(arrival.stream._mapping) | {"entered_through": 0}
            renewed = inbox.Arrival(
                arrival.kind, arrival.source, checkpoint, batch, type("Row", (), dict(stream))(), now
            )
            handler(tx, inbox.opened(ctx, renewed, extension), now)
        return result

    patch.setattr(inbox, "receive", again)


def counts_are_ignored(patch: Patch) -> None:
    """What the source's own administration counts stops no watermark."""

    def uncounted(previous: int, checkpoint: Any, **known: Any) -> Any:
        return watermark_after(previous, checkpoint, **(known | {"counted": False}))

    patch.setattr(inbox, "watermark_after", uncounted)


def days_are_treated_as_instants(patch: Patch) -> None:
    """A promise through noon settles noon, also for acts of which only the day is known."""

    def instants(watermark: int, skew: int, _resolution: str, tz: Any) -> int:
        return settles_up_to(watermark, skew, "instant", tz)

    patch.setattr(settle, "_settles", instants)
    patch.setattr(answers, "settles_up_to", instants)


def clock_differences_are_forgotten(patch: Patch) -> None:
    """A promise through a moment settles that moment, by whosever clock."""

    def bare(watermark: int, _skew: int, resolution: str, tz: Any) -> int:
        return settles_up_to(watermark, 0, resolution, tz)

    patch.setattr(settle, "_settles", bare)
    patch.setattr(answers, "settles_up_to", bare)


def early_supplement_is_dropped(patch: Patch) -> None:
    """A supplement that overtakes its answer is thrown away: there is no decision yet."""
    patch.setattr(decisions_store, "add_early", lambda _tx, _rows: None)


def facts_are_folded_in_the_order_of_arrival(patch: Patch) -> None:
    """An end, correction or withdrawal that arrives before what it is about has no effect."""
    on = facts._Acts.on

    def known_then(acts: Any, target: Any, action: str) -> list[Any]:
        return [act for act in on(acts, target, action) if act.system_time >= target.system_time]

    patch.setattr(facts._Acts, "on", known_then)


def full_disk_counts_as_written(patch: Patch) -> None:
    """A commit that fails is told as done."""
    commit = storage.Store._commit

    def hopeful(store: Any, group: Any) -> None:
        commit(store, group)
        for waiting in group:
            error = waiting.future.exception()
            if getattr(error, "code", "") == "storage.cannot-write":
                results: list[Any] = []

                def tried(tx: Any, waiting: Any = waiting, results: list[Any] = results) -> None:
                    results.append(waiting.job(tx))
                    raise _Undone(None)

                again = storage._Waiting(tried)
                commit(store, [again])
                if results:
                    waiting.future._exception, waiting.future._result = None, results[0]

    patch.setattr(storage.Store, "_commit", hopeful)


def gate_orders_are_lost_in_a_crash(patch: Patch) -> None:
    """Orders stand in memory, not in the database."""
    patch.setattr(gatekeeper, "standing", lambda *_rest: OPEN)


def watermark_moves_without_root(patch: Patch) -> None:
    """The promise is believed though an event was left out on the way."""

    def lenient(have: Any, batch: Any, checkpoint: Any) -> Any:
        events = [bytes(raw) for raw in batch.events[max(0, have.size + 1 - batch.first) :]]
        return Extension(have.size + 1, events, have.extend([inbox.leaf_hash(event) for event in events]))

    patch.setattr(inbox, "extend", lenient)


def moves_back(patch: Patch) -> None:
    """The latest word counts, also where an earlier promise said more."""

    def latest(_previous: int, checkpoint: Any, **known: Any) -> Any:
        return watermark_after(0, checkpoint, **known)

    patch.setattr(inbox, "watermark_after", latest)


def a_silent_stream_flows(patch: Patch) -> None:
    """Whoever was heard once is said to flow ever after."""
    patch.setattr(overview, "SILENT_AFTER", 1 << 30)


def the_clock_moves_the_watermark(patch: Patch) -> None:
    """Where nothing came for hours, it is taken that nothing happened."""
    pump = service.Node.pump

    def hopeful(node: Any, **how: Any) -> Any:
        def timed_out(tx: Any) -> None:
            for row in _store.all_in_streams(tx):
                if node.clock.now() - row.heard_at > 4 * HOUR:
                    _store.update_in_stream(tx, row.stream, watermark=max(row.watermark, node.clock.now() - 8 * HOUR))

        node.store.write(timed_out)
        return pump(node, **how)

    patch.setattr(service.Node, "pump", hopeful)


def a_letter_is_applied_again_when_its_original_arrives(patch: Patch) -> None:
    """What came by letter before its turn is forgotten when the stream has come so far."""
    patch.setattr(loose, "recognised", lambda *_rest: frozenset())


def a_letter_vouches_for_what_it_does_not_hold(patch: Patch) -> None:
    """The promise on a letter is believed when it comes, though events before it are missing."""
    keep = letterbox._keep_checkpoint

    def believed(tx: Any, arrival: Any) -> None:
        keep(tx, arrival)
        row = _store.in_stream(tx, arrival.checkpoint.origin)
        mark = max(row.watermark, arrival.checkpoint.complete_through)
        _store.update_in_stream(tx, row.stream, watermark=mark)

    patch.setattr(letterbox, "_keep_checkpoint", believed)


def bundles_pass_a_closed_gate(patch: Patch) -> None:
    """The gate is asked on the wire alone: what is carried goes in and out whatever was ordered."""
    admit, allowance = gatekeeper.admit, gatekeeper.allowance

    def admitted(*gate: Any) -> Any:
        return None if "bundle" in gate else admit(*gate)

    def allowed(*gate: Any) -> Any:
        return gatekeeper.Allowed(1 << 60, 0.0) if "bundle" in gate else allowance(*gate)

    patch.setattr(gatekeeper, "admit", admitted)
    patch.setattr(gatekeeper, "allowance", allowed)


def an_order_for_every_link_speaks_of_the_wire(patch: Patch) -> None:
    """Who closes everything has closed the wire; letters and bundles go on."""
    covers = GateOrder.covers

    def wire_alone(order: Any, peer: str, direction: Any, kind: str, link: str = "wire") -> bool:
        return covers(order, peer, direction, kind, link) and (order.link == link or link == "wire")

    patch.setattr(GateOrder, "covers", wire_alone)
