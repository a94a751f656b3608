"""Entries about plans for coming back, and a part of what is told of each."""

from __future__ import annotations

from typing import Any

BY = {"plan": "back", "who": "the manager", "role": "manager", "why": "it is time"}
AT = BY | {"stage": "first"}
SHOWN = AT | {"criterion": "patched", "entry": 7}

PLANS: list[tuple[str, dict[str, Any], str]] = [
    ("plan.adopted", {**BY, "digest": "ab" * 32}, "adopted plan “back”, version abababababab: it is time"),
    ("plan.adopted", {**BY, "digest": "ab" * 32, "replaces": "cd", "second": "the ciso"}, "and the ciso adopted plan"),
    ("plan.evidence", SHOWN, "for stage “first” of plan “back”: entry 7."),
    ("plan.evidence", SHOWN | {"origin": "00000099000000001003/timeline/1"}, "entry 7 of Justid"),
    ("plan.evidence-withdrawn", SHOWN, "withdrew evidence of “patched”"),
    ("plan.evidence-lapsed", SHOWN | {"how": "undone", "by_entry": 9}, "Entry 7 was taken back by entry 9"),
    ("plan.evidence-lapsed", SHOWN | {"how": "changed"}, "asks for something else"),
    ("plan.go", AT, "gave a go for stage “first”"),
    ("plan.no-go", AT, "gave a no-go for stage “first”"),
    ("plan.no-go-withdrawn", AT, "withdrew a no-go"),
    ("plan.stood", {"plan": "back", "stage": "first"}, "stands: its gates may open"),
    ("plan.fell", {"plan": "back", "stage": "first", "stood": True}, "fell: its gates open no further"),
    ("plan.fell", {"plan": "back", "stage": "first", "stood": False}, "The votes for stage “first”"),
    ("plan.rolled-back", AT, "rolled back stage “first”"),
    ("plan.ended", {**BY, "how": "completed"}, "completed plan “back”"),
    ("plan.ended", {**BY, "how": "withdrawn", "second": "the ciso"}, "and the ciso withdrew plan"),
    ("plan.noted", {"who": "forensics", "note": "no traces"}, "noted: no traces"),
    ("plan.note-withdrawn", {"who": "forensics", "withdraws": 7, "why": "traces"}, "the note of entry 7: traces"),
]
