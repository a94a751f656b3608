"""Several organisations on a virtual clock: feeds that drive them, and faults that befall them."""

from keersluis.simulation.feed import Ask, Counts, Feed, GateOrder, Item, Publish, Reconcile, Waiting

__all__ = ["Ask", "Counts", "Feed", "GateOrder", "Item", "Publish", "Reconcile", "Waiting"]
