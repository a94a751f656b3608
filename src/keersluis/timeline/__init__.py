"""The organisation's own append-only log: what happened here, signed, so that an outsider can check it (P5)."""

from keersluis.timeline.model import Contradiction, Entry, Finding, Head, LogReport, Report

__all__ = ["Contradiction", "Entry", "Finding", "Head", "LogReport", "Report"]
