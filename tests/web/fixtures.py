"""A chain of six nodes as the first page may meet it: calm, cut off, coming back, and a lossy link.

All values are made up; they have the shape and the size of July and August 2025 (DOMAIN.md).
"""

import json
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from keersluis.chain import Chain, load_chain
from keersluis.recovery.recordfiles import load_records
from keersluis.recovery.records import Recorded
from keersluis.recovery.recordviews import Looking, overview, render
from keersluis.times import DAY, HOUR, MINUTE, Instant, format_instant, parse_instant
from web import whatif_fixtures
from web.backlog_answers import backlog_answers
from web.fake_services import services_answer
from web.forecast_fixtures import prognoses
from web.plan_answers import plan_answers

CHAIN: Chain = load_chain("nl-justice")
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
CUT = parse_instant("2025-07-17T06:10:00+02:00")
DURING = parse_instant("2025-08-18T14:20:00+02:00")
SITUATIONS = ("calm", "cut", "returning", "lossy", "normal")
LINKS = {
    "om": ("justid",),
    "politie": ("justid",),
    "justid": ("om", "politie", "justis", "rvdk", "ind"),
    "justis": ("justid",),
    "rvdk": ("justid",),
    "ind": ("justid",),
}
DECISIONS = {
    "justis": {"total": 41_870, "provisional": 9_412, "settled": 32_421, "revisit": 37, "held": 214},
    "rvdk": {"total": 2_306, "provisional": 1_178, "settled": 1_122, "revisit": 6, "held": 0},
    "ind": {"total": 5_114, "provisional": 640, "settled": 4_471, "revisit": 3, "held": 388},
}
CALM = {
    "justis": {"total": 30_115, "provisional": 0, "settled": 30_115, "revisit": 0, "held": 0},
    "rvdk": {"total": 1_100, "provisional": 0, "settled": 1_100, "revisit": 0, "held": 0},
    "ind": {"total": 4_401, "provisional": 0, "settled": 4_401, "revisit": 0, "held": 0},
}

Status = dict[str, Any]


def chain_statuses(situation: str = "cut") -> list[Status]:
    """The statuses of all six nodes; `situation` is one of SITUATIONS. Normal is calm with the emergency route shut."""
    now = CUT - 2 * HOUR if situation in ("calm", "normal") else DURING
    return [node_status(key, situation, now) for key in LINKS]


def node_status(key: str, situation: str, now: Instant) -> Status:
    """GET /v0/stand of one node."""
    organisation = CHAIN.organisations[key]
    counts: Mapping[str, int] = (CALM if situation in ("calm", "normal") else DECISIONS).get(key, {})
    return {
        "organisation": key,
        "name": dict(organisation.name),
        "roles": list(organisation.roles),
        "now": format_instant(now),
        "virtual": True,
        "chain": CHAIN.name,
        "watermarks": [
            _watermark(kind.path, kind.source, kind.lag, situation, now)
            for kind in CHAIN.kinds.values()
            if key in kind.receivers
        ],
        "streams": [
            _stream(kind.path, kind.receivers, situation, now) for kind in CHAIN.kinds.values() if kind.source == key
        ],
        "gates": _gates(key, situation),
        "links": [{"peer": peer, **_link(key, peer, situation)} for peer in LINKS[key]],
        "decisions": dict(counts or {"total": 0, "provisional": 0, "settled": 0, "revisit": 0, "held": 0}),
        "revisits": [] if situation in ("calm", "normal") else _revisits(key),
        "register": _register(key),
        "quarantine": [],
        "breaches": [],
        "timeline": _timeline(key, situation, now),
    }


def _watermark(path: str, source: str, lag: int, situation: str, now: Instant) -> Status:
    heard: Instant | None = now - 4 * MINUTE
    state, reason = "flowing", None
    through = now - 4 * MINUTE - lag
    if source == "politie" and situation == "normal":
        heard, state, through = None, "never", 0
    if source == "om" and situation == "cut":
        heard, state = CUT + 2 * MINUTE, "silent"
        through = CUT - 10 * MINUTE if path.startswith(("prosecution", "with", "corr")) else CUT - 30 * HOUR
    if source == "om" and situation == "returning" and path.startswith("judgment"):
        through = CUT + 2 * DAY
    if source == "om" and situation == "lossy" and path == "judgment.serious":
        heard, state, through = now - 3 * HOUR, "stopped", now - 9 * DAY
        reason = {
            "code": "watermark.counts-differ",
            "text_nl": "De bron telt 1.412 veroordelingen, hier zijn er 1.409 aangekomen.",
            "text_en": "The source counts 1,412 convictions, 1,409 have arrived here.",
        }
    return {
        "source": source,
        "kind": path,
        "complete_through": format_instant(through),
        "entered_through": format_instant(heard or 0),
        "heard_at": format_instant(heard) if heard else None,
        "size": 12_000 + 321 * len(path),
        "state": state,
        "reason": reason,
    }


def _stream(path: str, receivers: tuple[str, ...], situation: str, now: Instant) -> Status:
    cut = situation == "cut" and not path.startswith(("police", "answer"))
    peers = [
        {
            "peer": peer,
            "receipted": 12_000,
            "backlog": 184 * len(path) if cut else 0,
            "oldest": format_instant(CUT + 5 * MINUTE) if cut else None,
            "state": "closed" if cut else "open",
        }
        for peer in receivers
    ]
    return {
        "kind": path,
        "size": 12_000 + 321 * len(path),
        "complete_through": format_instant(now - DAY),
        "entered_through": format_instant(now),
        "waiting": 61 if path.startswith("judgment") and situation not in ("calm", "normal") else 0,
        "oldest_waiting": format_instant(CUT + HOUR) if path.startswith("judgment") else None,
        "peers": peers,
    }


def _gates(key: str, situation: str) -> list[Status]:
    if key == "politie" and situation == "normal":
        return [_shut(path) for path in ("police-data.sexual", "police-data.serious")]
    if key != "om" or situation not in ("cut", "returning"):
        return []
    order = {
        "peer": "*",
        "kind": "*",
        "state": "closed" if situation == "cut" else "metered",
        "rate": None if situation == "cut" else 5.0,
        "who": "Crisismanager OM",
        "why": "Aanwijzing van het NCSC: mogelijk misbruik van een kwetsbaarheid; los van het internet.",
        "until": "2025-08-25T10:00:00Z",
        "evidence": "NCSC-2025-0196",
        "at": format_instant(CUT),
    }
    return [{**order, "direction": direction} for direction in ("out", "in")]


def _shut(path: str) -> Status:
    """The order that keeps an emergency route closed in normal times."""
    return {
        "peer": "justid",
        "direction": "out",
        "kind": path,
        "state": "closed",
        "rate": None,
        "who": "Privacydesk politie",
        "why": "Geen grond om politiegegevens aan het register te verstrekken.",
        "until": None,
        "evidence": None,
        "at": "2025-07-01T00:00:00Z",
    }


def _link(key: str, peer: str, situation: str) -> dict[str, str]:
    state = {"cut": "closed", "returning": "metered"}.get(situation, "open") if key == "om" else "open"
    if key == "politie" and situation == "normal":
        return {"out": "closed", "in": "open"}
    return {"out": state, "in": state}


def _revisits(key: str) -> list[Status]:
    if key not in DECISIONS:
        return []
    titles = {
        "justis": {"nl": "Continue screening kinderopvang", "en": "Continuous screening, child care"},
        "rvdk": {"nl": "Screening pleegouders", "en": "Screening of foster parents"},
        "ind": {"nl": "Verblijfsaanvraag", "en": "Residence application"},
    }
    return [
        {
            "id": f"{key}-2025-{number:06d}",
            "policy": f"{key}-policy",
            "title": titles[key],
            "moment": format_instant(CUT + (17 + number % 9) * DAY),
            "was": {"nl": "geen bezwaar", "en": "no objection"},
            "now": {"nl": "melden aan toezichthouder", "en": "report to the supervisor"},
            "gravity": 1 + (50 - number) // 18,
            "because_nl": (
                "Genomen op 3 augustus op OM-gegevens volledig tot en met 17 juli 06:00; een veroordeling van "
                "21 juli kwam binnen op 18 augustus."
            ),
            "because_en": (
                "Issued 3 August on OM data complete through 17 July 06:00; a conviction of 21 July arrived "
                "on 18 August."
            ),
            "final": number % 3 == 0,
            "at": format_instant(DURING - number * 7 * MINUTE),
        }
        for number in range(min(50, DECISIONS[key]["revisit"]))
    ]


def _register(key: str) -> dict[str, int]:
    if key != "justid":
        return {"facts": 0, "subjects": 0, "answers_open": 0, "lookups": 0}
    return {"facts": 188_402, "subjects": 61_977, "answers_open": 11_230, "lookups": 49_290}


def _timeline(key: str, situation: str, now: Instant) -> Status:
    lines = [("counts.stated", "Stand gemeld: niets veranderd.", "State reported: nothing has changed.")]
    if key == "om" and situation == "cut":
        lines = [("gate.moved", "Alle poorten gesloten.", "All gates closed.")]
    if key == "justid" and situation == "cut":
        lines.append(
            (
                "watermark.stopped",
                "Van het Openbaar Ministerie is sinds 17 juli 06:12 niets meer gehoord.",
                "Nothing has been heard from the Public Prosecution Service since 17 July 06:12.",
            )
        )
    if key in DECISIONS:
        lines.append(("decision.taken", "24 besluiten genomen.", "24 decisions taken."))
    entries = [
        {
            "n": 900 - number,
            "at": format_instant(now - number * 11 * MINUTE),
            "room": kind.split(".")[0],
            "kind": kind,
            "text_nl": dutch,
            "text_en": english,
        }
        for number, (kind, dutch, english) in enumerate(lines * 10)
    ]
    return {"size": 901, "entries": entries}


def history(situation: str = "cut") -> list[dict[str, Any]]:
    """How the counts moved, oldest first."""
    if situation in ("calm", "normal"):
        return [
            {"at": format_instant(CUT - n * HOUR), "provisional": 0, "settled": 35_616 - n, "revisit": 0, "held": 0}
            for n in range(48, 1, -1)
        ]
    steps = 64
    return [
        {
            "at": format_instant(CUT + (DURING - CUT) * n // steps),
            "provisional": 11_230 * n // steps,
            "settled": 35_616 + 2_398 * n // steps,
            "revisit": max(0, 46 * (n - 40) // (steps - 40)),
            "held": min(602, 24 * n),
        }
        for n in range(steps + 1)
    ]


def records() -> dict[str, Any]:
    """What the API says of the shipped decision records, now and on 23 July."""
    found: dict[str, Any] = {}
    for file in load_records(CHAIN).values():
        rows = [Recorded(item, item.since.end + DAY, "Secretaris", "", n) for n, item in enumerate(file.items, 1)]
        for query, look in _LOOKS.items():
            path = "/v0/besluitdossiers"
            found[f"{path}/{file.dossier.name}{query}"] = render(file.dossier, rows, look, AMSTERDAM)
            head = found.setdefault(path + query, {"records": [], "left_out": 0})
            head["records"].append(overview(file.dossier, rows, look, AMSTERDAM))
    return found


_LOOKS = {
    "": Looking(DURING),
    "?openbaar=true": Looking(DURING, outside=True),
    "?geldigOp=2025-07-23": Looking(parse_instant("2025-07-23T23:59:59+02:00")),
}


def answers() -> dict[str, Any]:
    """What the API answers to the page of an exchange, by address."""
    aged = {"oldest": "2025-08-02T08:00:00Z", "registered": "2025-08-03T09:00:00Z", "age_seconds": 1_383_600}
    waits = {"kind": "judgment.serious", "channel": "paper", "count": 1312, **aged}
    bag = {"kind": "disposal", "id": "post-room-3-august", "channel": "mailbox", "count": 40, **aged}
    item = {"kind": "judgment.serious", "id": "2025-081", "channel": "paper", **aged}
    order = {"number": 7, "at": "2025-07-17T04:10:00Z", "state": "closed", "peer": "*", "direction": "out", "kind": "*"}
    order |= {"who": "Crisismanager", "why": "Advies van het NCSC", "link": "*", "became": "in-force"}
    later = order | {"number": 8, "state": "open", "became": "scheduled", "starts": "2025-09-01T06:00:00Z"}
    made = {"n": 3, "bundle": "ab" * 16, "peer": "justid", "made": "", "at": "2025-08-01T10:00:00Z", "events": 1812}
    made |= {"holds": "events", "parts": 2, "sealed": True, "streams": []}
    lacks = {"state": "waiting", "missing": [2], "applied": 0, "refusal": None}
    wrong = {"state": "refused", "missing": [], "applied": 0, "refusal": {"code": "bundle.altered", "where": "part 2"}}
    key = {"oin": "00000099000000001001", "organisation": "om", "key": "1f2e3d4c", "public": "", "state": "in force"}
    key |= {"from": "1970-01-01T00:00:00Z", "until": None}
    shown = {"subject": "OM 00000099000000001001", "until": "2026-07-17T00:00:00Z"}
    tally = {"count": 1412, "digest": "0" * 64}
    counted = {"kind": "judgment.serious", "since": "2025-06-01T00:00:00Z", "until": "2025-07-01T00:00:00Z"}
    stated = counted | {"stated_at": "2025-08-01T00:00:00Z", "stated": tally, "held": tally, "agrees": False}
    gap = counted | {"source": "om", "missing": 3, "declared_at": "2025-08-02T08:00:00Z", "filled_at": None}
    doubt = {"n": 2, "source": "om", "kinds": [], "since": "2025-07-10T00:00:00Z", "until": "2025-07-17T00:00:00Z"}
    doubt |= {"who": "Registerhouder", "why": "Inbraak", "set_at": "2025-07-18T00:00:00Z", "facts": 812}
    doubt |= {"reaffirmed": [], "lifted_at": None, "lifted_by": None, "lifted_why": None}
    letter = {"letter": "ab12", "position": 812, "at": "2025-08-02T08:00:00Z"}
    printed = letter | {"kind": "judgment.serious", "peer": "justid"}
    came = letter | {"origin": "00000099000000001001/judgment.serious/1", "outcome": "applied"}
    letters = {"in": [came], "out": [printed], "letters_in": 1, "letters_out": 1312, "loose": 1}
    return records() | {
        "/v0/diensten": services_answer(CHAIN),
        "/v0/publieke-stand/verwacht": {"ahead": []},
        "/v0/brieven": letters,
        "/v0/afstemmingen": {"statements": [stated], "gaps": [gap], "heard": [gap]},
        "/v0/voorbehouden": {"reservations": [doubt]},
        "/v0/sleutels": {"keys": [key], "certificate": shown},
        "/v0/poorten?aantal=1000": {"orders": [order, later]},
        "/v0/bundels": {"out": [made | {"state": "made"}], "in": [made | lacks, made | wrong | {"n": 4}]},
        "/v0/inname/wachtend": {"groups": [waits], "items": [item], "mailbags": [bag]},
        "/v0/prognoses": prognoses(AMSTERDAM),
        "/v0/herstel": {
            "behind": [{"kind": "judgment.other", "peer": "justid", "size": 1204, "stream": 3}],
            "conflicts": [{"kind": "disposal", "id": "2025-077", "at": "2025-08-04T10:00:00Z"}],
            "unconfirmed": ["judgment.other"],
            "epochs": [{"origin": "00000099000000001001/disposal/2", "continues": 1, "size": 812, "beyond": []}],
        },
    }


class FakeSource:
    """A StatusSource over made-up statuses; it remembers what was ordered, as the nodes would."""

    chain = CHAIN

    def __init__(self, situation: str = "cut", only: str | None = None, demo: bool = True) -> None:
        self.all = [each for each in chain_statuses(situation) if only in (None, each["organisation"])]
        self.samples = history(situation)
        self.orders: list[tuple[str, dict[str, Any]]] = []
        self.controls: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str, bytes | None]] = []
        self.answers: dict[str, bytes] = {
            path: json.dumps(answer).encode()
            for path, answer in (backlog_answers() | answers() | plan_answers() | whatif_fixtures.answers()).items()
        }
        self.position = 812
        self.demo = demo
        self.refusal: Exception | None = None
        for each in self.all:
            each["virtual"] = demo

    def statuses(self) -> list[Status]:
        return self.all

    def history(self) -> list[dict[str, Any]]:
        return self.samples

    def order_gate(self, organisation: str, order: dict[str, Any]) -> None:
        if self.refusal:
            raise self.refusal
        self.orders.append((organisation, order))
        status = next(each for each in self.all if each["organisation"] == organisation)
        both = ("in", "out") if order["direction"] == "*" else (order["direction"],)
        moved = [{**order, "direction": direction, "at": status["now"]} for direction in both]
        status["gates"] = [*moved, *status["gates"]]
        for link in status["links"]:
            for direction in both:
                link[direction] = order["state"]
        self.position += 1

    def call(self, organisation: str, path: str, body: bytes | None) -> bytes:
        if self.refusal:
            raise self.refusal
        self.calls.append((organisation, path, body))
        return self.answers.get(path, b"{}")

    def clock(self) -> dict[str, Any] | None:
        if not self.demo:
            return None
        start, end = parse_instant("2025-07-10T00:00:00+02:00"), parse_instant("2025-10-16T00:00:00+02:00")
        return {"paused": False, "speed": 3600.0, "start": format_instant(start), "end": format_instant(end)}

    def control(self, action: dict[str, Any]) -> None:
        self.controls.append(action)

    def changed(self, since: int) -> int:
        return self.position
