"""The acts of a whole event log, kept compactly: a few numbers for each act, every text once. Pure."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from keersluis.chain import Kind
from keersluis.errors import Incorrect
from keersluis.eventlogs import BadRows, Row
from keersluis.fields import Field, Value, convert
from keersluis.simulation.maps import Activity, LogMap
from keersluis.times import Instant, When, day_of, format_when

Numbers = NDArray[np.int64]

NO_ACT = -1
_STEP = 10_000


class Unfit(ValueError):
    """A value of the log that its map cannot use."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(expected)
        self.expected, self.got = expected, got


@dataclass
class Acts:
    """Act n (0, 1 ..) in the order of the log: `kind` and `content` are places in `kinds` and `contents`, `case` in
    `cases`; `start` and `end` its event time; `refers` the act that it ends, corrects or withdraws, or NO_ACT.

    A content is JSON without its outer braces. `skipped` faulty events of the log were left out.
    """

    kinds: list[Kind] = field(default_factory=list)
    cases: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    kind: array[int] = field(default_factory=lambda: array("H"))
    case: array[int] = field(default_factory=lambda: array("i"))
    content: array[int] = field(default_factory=lambda: array("i"))
    refers: array[int] = field(default_factory=lambda: array("i"))
    start: array[int] = field(default_factory=lambda: array("q"))
    end: array[int] = field(default_factory=lambda: array("q"))
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.kind)

    def starts(self) -> Numbers:
        return np.frombuffer(self.start, dtype=np.int64)

    def ends(self) -> Numbers:
        return np.frombuffer(self.end, dtype=np.int64)


def acts_of(rows: Iterable[Row], log_map: LogMap, bad: BadRows, progress: Callable[[int], None]) -> Acts:
    """The acts that the rows of a log are; rows with values that do not fit the map go to `bad`.

    `progress` hears now and then how many rows there were. Raises Incorrect `log.unknown-activities`.
    """
    reader = _Reader(log_map, bad)
    for n, row in enumerate(rows, 1):
        reader.take(row)
        if n % _STEP == 0:
            progress(n)
    _check_activities(reader.unknown, log_map)
    return reader.acts


def _check_activities(unknown: Counter[str], log_map: LogMap) -> None:
    if not unknown:
        return
    listed = [f"{activity!r} ({number} times)" for activity, number in unknown.most_common()]
    raise Incorrect(
        "log.unknown-activities",
        expected=f"the activities of the map {log_map.name}",
        got="others: " + ", ".join(listed),
        mend="map them under [activities], or name them in log.ignore",
        faults=listed,
    )


class _Reader:
    """Turns rows into acts; remembers of each case only what later events of it refer to."""

    def __init__(self, log_map: LogMap, bad: BadRows) -> None:
        self.acts = Acts()
        self.unknown: Counter[str] = Counter()
        self._map, self._bad = log_map, bad
        self._kinds: dict[str, int] = {}
        self._cases: dict[str, int] = {}
        self._contents: dict[bytes, int] = {}
        referred = {activity.refers_to for activity in log_map.activities.values()}
        self._referred = referred - {None}
        self._latest: dict[tuple[str, str], int] = {}

    def take(self, row: Row) -> None:
        activity = self._map.activities.get(row.activity)
        if activity is None:
            if row.activity not in self._map.ignore:
                self.unknown[row.activity] += 1
            return
        try:
            content = self._content(activity, row)
            refers = self._reference(activity, row)
        except Unfit as fault:
            self._bad.add(row.line, fault.expected, fault.got)
            return
        if activity.name in self._referred:
            self._latest[row.case, activity.name] = len(self.acts)
        self._append(activity.kind, row, content, refers)

    def _content(self, activity: Activity, row: Row) -> bytes:
        values: dict[str, Value] = {}
        for each in activity.fields:
            text = row.fields.get(each.source)
            if text is not None and text not in each.none:
                values[each.name] = self._value(each, text)
            elif each.required:
                raise Unfit(f"a value for {each.source!r} at {activity.name!r}", repr(text) if text else "nothing")
        return msgspec.json.encode(values)[1:-1]

    def _value(self, each: Field, text: str) -> Value:
        try:
            return convert(each, text, self._map.zone)
        except ValueError:
            raise Unfit(f"{each.source!r} of type {each.type}", repr(text)) from None

    def _reference(self, activity: Activity, row: Row) -> int:
        if activity.refers_to is None:
            return NO_ACT
        found = self._latest.get((row.case, activity.refers_to))
        if found is None:
            raise Unfit(f"an earlier {activity.refers_to!r} in case {row.case}, for {activity.name!r}", "none")
        return found

    def _append(self, kind: Kind, row: Row, content: bytes, refers: int) -> None:
        acts = self.acts
        if kind.path not in self._kinds:
            acts.kinds.append(kind)
        if row.case not in self._cases:
            acts.cases.append(row.case)
        if content not in self._contents:
            acts.contents.append(content)
        acts.kind.append(self._kinds.setdefault(kind.path, len(self._kinds)))
        acts.case.append(self._cases.setdefault(row.case, len(self._cases)))
        acts.content.append(self._contents.setdefault(content, len(self._contents)))
        acts.refers.append(refers)
        start, end = day_of(row.at, self._map.chain.timezone) if kind.resolution == "day" else (row.at, row.at)
        acts.start.append(start)
        acts.end.append(end)


def subject_of(acts: Acts, log_map: LogMap, act: int) -> str:
    """Who act n is about: cases in the order of the log, so many together as the map says."""
    return f"{log_map.subjects.scheme}:{acts.case[act] // log_map.subjects.cases + 1:06d}"


def event_id(act: int) -> str:
    """The publisher's id of act n; the same however and whenever it is entered."""
    return f"act-{act + 1:07d}"


class EventWriter:
    """Writes CloudEvents by hand: the parts that are the same for all acts of a kind are made once."""

    def __init__(self, acts: Acts, log_map: LogMap) -> None:
        self._acts, self._map = acts, log_map
        self._heads = [self._head(kind) for kind in acts.kinds]
        case_field = log_map.subjects.case_field
        self._case = msgspec.json.encode(case_field) + b":" if case_field else b""

    def _head(self, kind: Kind) -> bytes:
        chain = self._map.chain
        source = f"urn:nld:oin:{chain.organisations[kind.source].oin}:systeem:log"
        return f'"source":"{source}","type":"{chain.ce_type(kind)}"'.encode()

    def __call__(self, act: int) -> bytes:
        acts = self._acts
        content = acts.contents[acts.content[act]]
        if self._case:
            case = self._case + msgspec.json.encode(acts.cases[acts.case[act]])
            content = case + b"," + content if content else case
        return b'{"specversion":"1.0","id":"%b",%b,"occurred":"%b","datacontenttype":"application/json",%b' % (
            event_id(act).encode(),
            self._heads[acts.kind[act]],
            self.occurred(act).encode(),
            b'"data":{"subject":"%b","content":{%b}%b}}'
            % (subject_of(acts, self._map, act).encode(), content, self._refers(act)),
        )

    def _refers(self, act: int) -> bytes:
        target = self._acts.refers[act]
        return b"" if target == NO_ACT else b',"refers_to":"%b"' % event_id(target).encode()

    def occurred(self, act: int) -> str:
        """A day, or an RFC 3339 time, as the kind's resolution says."""
        return _written(self._acts.start[act], self._acts.end[act], self._map.chain.timezone)


@lru_cache(maxsize=65536)
def _written(start: Instant, end: Instant, tz: ZoneInfo) -> str:
    return format_when(When(start, end), tz)
