"""`keersluis keys`: whose keys count, and the change of one while nodes run. Works on the store when the node does not
run; what peers must hear they are then told when it runs again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keersluis.cli.output import AsJson, emit
from keersluis.cli.target import Directory, Target, Whose
from keersluis.errors import Incorrect

if TYPE_CHECKING:
    from keersluis.service import Node

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)

Who = Annotated[str, typer.Option(help="Who orders it.")]
Why = Annotated[str, typer.Option(help="Why.")]
From = Annotated[str | None, typer.Option("--from", help="From when on, RFC 3339.")]
Oin = Annotated[str, typer.Option(help="The OIN of the key's organisation.")]


@app.command("list")
def list_(organisation: Whose, directory: Directory = Path(), as_json: AsJson = False) -> None:
    """The keys of all organisations as this node knows them, and the certificate that it shows."""
    from keersluis import keeping

    told = Target(directory, organisation).ask("/v0/sleutels", None, keeping.overview)
    lines = [
        f"{each['organisation'] or '?':10} {each['key']}  {each['state']:9} {each['from']} … {each['until'] or ''}"
        for each in told["keys"]
    ]
    shown = told["certificate"]
    lines.append(f"certificate: {shown['subject']}, until {shown['until']}" if shown else "no certificate")
    emit(told, as_json, "\n".join(lines))


@app.command("rotate")
def rotate(
    organisation: Whose,
    who: Who,
    why: Why,
    directory: Directory = Path(),
    from_: From = None,
    out: Annotated[Path | None, typer.Option(help="Write the statement to this file too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let a new key take over (in half a minute, or `--from`); peers are told, nobody restarts."""
    from keersluis import keeping
    from keersluis.files import write_whole
    from keersluis.times import parse_instant
    from keersluis.web.api_keys import AHEAD

    body = {"wie": who, "waarom": why} | ({"vanaf": from_} if from_ else {})

    def act(node: Node) -> dict[str, str]:
        at = parse_instant(from_) if from_ else node.clock.now() + AHEAD
        return {"statement": keeping.rotate(node, at, who, why)}

    told = Target(directory, organisation).ask("/v0/sleutels/_wissel", body, act)
    if out:
        write_whole(out, told["statement"].encode())
    emit(told, as_json, told["statement"])


@app.command("revoke")
def revoke(
    organisation: Whose,
    oin: Oin,
    key: Annotated[str, typer.Option(help="Its eight hex digits (see `list`), or base64.")],
    who: Who,
    why: Why,
    directory: Directory = Path(),
    from_: From = None,
    as_json: AsJson = False,
) -> None:
    """End a key, now or as of `--from`: what it signed since counts no more. Of one's own, peers are told."""
    from keersluis import keeping
    from keersluis.times import parse_instant

    body = {"oin": oin, "sleutel": key, "wie": who, "waarom": why} | ({"vanaf": from_} if from_ else {})

    def act(node: Node) -> dict[str, Any]:
        at = parse_instant(from_) if from_ else node.clock.now()
        return {"statement": keeping.revoke(node, oin, key, at, who, why)}

    told = Target(directory, organisation).ask("/v0/sleutels/_intrekken", body, act)
    emit(told, as_json, f"The key {key} of {oin} counts no more.")


@app.command("add")
def add(
    organisation: Whose,
    who: Who,
    why: Why,
    directory: Directory = Path(),
    oin: Annotated[str | None, typer.Option(help="The OIN of the key's organisation.")] = None,
    key: Annotated[str | None, typer.Option(help="The public key in base64.")] = None,
    from_: From = None,
    statement: Annotated[
        Path | None, typer.Option(help="A file that `rotate --out` wrote, instead of `--oin`, `--key` and `--from`.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Trust a key: one that its organisation showed in another way, or by a statement that came as a file."""
    target = Target(directory, organisation)
    if statement is not None:
        emit(_take(target, statement), as_json, "Taken.")
        return
    if not (oin and key and from_):
        raise Incorrect("cli.usage", expected="--statement FILE, or --oin, --key and --from", got="less")
    emit(_add(target, oin, key, from_, who, why), as_json, f"The key of {oin} counts from {from_}.")


def _take(target: Target, path: Path) -> Any:
    from keersluis import keeping

    note = path.read_text()
    with target.node() as node:  # also beside a running node: it reads the ring again by itself
        return {"new": keeping.take(node, note)}


def _add(target: Target, oin: str, key: str, from_: str, who: str, why: str) -> Any:
    from keersluis import keeping
    from keersluis.times import parse_instant

    body = {"oin": oin, "sleutel": key, "wie": who, "waarom": why, "vanaf": from_}

    def act(node: Node) -> dict[str, str]:
        keeping.add(node, oin, key, parse_instant(from_), who, why)
        return {"added": oin}

    return target.ask("/v0/sleutels/_toevoegen", body, act)


@app.command("certificate")
def certificate(
    organisation: Whose,
    directory: Directory = Path(),
    request: Annotated[
        Path | None, typer.Option(help="Write a signing request for the organisation's own authority to this file.")
    ] = None,
    host: Annotated[list[str] | None, typer.Option(help="A name or address under which peers reach the node.")] = None,
    as_json: AsJson = False,
) -> None:
    """The certificate that this node shows its peers, or a request for a new one."""
    from keersluis.certificates import Wanted, credentials_of, describe
    from keersluis.certificates import request as make_request
    from keersluis.files import write_whole

    target = Target(directory, organisation)
    if request is not None:
        me = target.chain.organisations[organisation]
        wanted = Wanted(me.oin, me.name.get("nl", me.key), host or ("localhost", "127.0.0.1"))
        write_whole(request, make_request(target.home / organisation, wanted))
        emit({"request": str(request), "key": str(target.home / organisation / "tls.next.key")}, as_json)
        return
    credentials = credentials_of(target.home, organisation)
    if credentials is None:
        mend = "run `keersluis up` once, or name your own in tls.json"
        raise Incorrect("certificate.none", expected="a certificate", got="none", mend=mend, where=str(target.home))
    emit(describe(credentials.certificate)._asdict(), as_json)
