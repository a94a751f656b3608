"""What partners and the public may know, gathered from the nodes and written as files (`status export`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from keersluis.chain import Chain, load_chain
from keersluis.cli.output import emit, language
from keersluis.cli.service import told_by
from keersluis.cli.status import stand
from keersluis.cli.target import Target
from keersluis.errors import Conflict, Incorrect, KeersluisError
from keersluis.times import Instant, SystemClock, parse_duration, parse_instant
from keersluis.words import translator


def export(
    out: Path, directory: Path, organisation: str | None, valid: str, theme_css: Path | None, as_json: bool
) -> None:
    """Gather, and write the folder `out`. Raises Incorrect `status.valid`, Conflict `status.not-an-export`."""
    from keersluis.files import write_folder
    from keersluis.web.public_files import files

    chain = load_chain(directory)
    lasts = parse_duration(valid)
    if lasts <= 0:
        raise Incorrect("status.valid", expected="a time as 24h or 2d", got=valid, where="--valid")
    _check_out(out)
    told = _gathered(chain, directory, organisation, lasts)
    _ = translator(language())
    for each in told["silent"]:
        typer.echo(_("No word from {sentence}", sentence=each["organisation"]), err=True)
    made = files(told, chain.timezone, theme_css)
    write_folder(out, made)
    done = {"folder": str(out), "files": sorted(made), "made": told["made"], "valid_until": told["valid_until"]}
    done["silent"] = [each["organisation"] for each in told["silent"]]
    said = _("{folder}: what may be known at {made}, to be relied on until {until}.", folder=str(out),
             made=told["made"], until=told["valid_until"])  # fmt: skip
    emit(done, as_json, said)


def _check_out(out: Path) -> None:
    """Nothing of somebody's is ever replaced: only a folder that is new, empty, or a former export."""
    from keersluis.recovery.public import FORMAT
    from keersluis.web.public_files import FEED

    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        ours = json.loads((out / FEED).read_bytes())["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        expected = "a new or empty folder, or one that a former export made"
        raise Conflict("status.not-an-export", expected=expected, got=str(out), mend="choose another folder")


def _gathered(chain: Chain, directory: Path, organisation: str | None, lasts: int) -> dict[str, Any]:
    """The feed. A node that cannot be asked, and whose store cannot be read, is named in it."""
    from keersluis import public_status
    from keersluis.recovery.public import feed
    from keersluis.recovery.servicefiles import load_services

    keys = [organisation] if organisation else [each.key for each in chain.nodes]
    services: dict[str, Any] = {}
    statuses: list[Mapping[str, Any]] = []
    ahead: list[Mapping[str, Any]] = []
    for key in keys:
        target = Target(directory, key)
        try:
            services[key], told = told_by(directory, key), stand(target)
            ahead += target.ask("/v0/publieke-stand/verwacht", None, public_status.ahead)["ahead"]
        except KeersluisError:
            continue
        statuses.append(told)
    made = _now(statuses)
    inventory = load_services(chain)
    return feed(chain, inventory, services, statuses, expected=keys, made=made, until=made + lasts, ahead=ahead)


def _now(statuses: list[Mapping[str, Any]]) -> Instant:
    """The latest moment that a node gives, which may have a virtual clock; without any, this machine's."""
    return max((parse_instant(each["now"]) for each in statuses), default=SystemClock().now())
