"""Exchange: streams leave through an outbox and gates, over links, into an inbox that knows when it is complete."""

from keersluis.exchange.batches import Batch, Counts, Receipt
from keersluis.exchange.envelope import Envelope, Received
from keersluis.exchange.gates import GateOrder

__all__ = ["Batch", "Counts", "Envelope", "GateOrder", "Receipt", "Received"]
