"""Adaptors: how a real system delivers to its own node, each acknowledging only what is durable there."""

from keersluis.adaptors.config import Adaptor, FolderSource, OutboxSource
from keersluis.adaptors.mapping import Mapping, Row

__all__ = ["Adaptor", "FolderSource", "Mapping", "OutboxSource", "Row"]
