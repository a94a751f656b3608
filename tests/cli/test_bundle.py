"""`keersluis bundle` on a chain folder whose nodes do not run: what it says, and how it ends."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from keersluis.chain import copy_template, load_chain
from keersluis.cli.bundle import bytes_of
from keersluis.cli.main import run
from keersluis.errors import Incorrect
from keersluis.service import make_home

KIND = "prosecution-decision.serious"
Tell = Callable[..., tuple[int, Any]]


def _noise(number: int) -> str:
    return random.Random(number).randbytes(80).hex()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain folder of which the source has 700 events that do not compress well."""
    made = copy_template("nl-justice", tmp_path_factory.mktemp("cli") / "chain")
    chain = load_chain(made)
    make_home(chain, made / "run")
    addresses = {"om": "http://127.0.0.1:9", "justid": "http://127.0.0.1:9"}
    (made / "run" / "addresses.json").write_text(json.dumps(addresses))
    events = [
        {
            "specversion": "1.0",
            "id": f"e-{number}",
            "source": f"urn:nld:oin:{chain.organisations['om'].oin}:systeem:test",
            "type": chain.ce_type(chain.kinds[KIND]),
            "occurred": "2025-07-01T10:00:00+02:00",
            "data": {
                "subject": f"skn:T{number % 50:07d}",
                "content": {"offence": random.Random(number).randbytes(80).hex()},
            },
        }
        for number in range(1, 701)
    ]
    file = made / "events.jsonl"
    file.write_bytes(b"\n".join(map(msgspec.json.encode, events)))
    assert run(["publish", str(file), "-o", "om", "-d", str(made), "--json"]) == 0
    return made


@pytest.fixture
def tell(folder: Path, capsys: pytest.CaptureFixture[str]) -> Tell:
    """Run `keersluis bundle …` for one organisation: the exit code, and its JSON."""

    def asked(organisation: str, *words: object) -> tuple[int, Any]:
        capsys.readouterr()
        command = ["bundle", *map(str, words), "-o", organisation, "-d", str(folder), "--json"]
        code = run(command)
        return code, json.loads(capsys.readouterr().out)

    return asked


def test_a_bundle_goes_over_media_and_its_receipt_comes_back(tell: Tell, tmp_path: Path) -> None:
    code, made = tell("om", "export", tmp_path / "carried", "--to", "justid", "--part-size", "64K")
    files = sorted(tmp_path.glob("carried.part-*"))
    assert (code, made["events"], made["sealed"]) == (0, 700, True)
    assert [file.name for file in files] == [f"carried.part-{k}-of-{len(files)}" for k in range(1, len(files) + 1)]
    assert len(files) >= 2
    assert all(file.stat().st_size <= 64 * 1024 for file in files)

    code, (seen,) = tell("justid", "inspect", files[0])
    assert (code, seen["missing"][0], seen["verified"]) == (1, 2, False)
    code, (seen,) = tell("om", "inspect", *files)
    assert (code, seen["verified"], seen["fault"]) == (0, False, None)
    code, (seen,) = tell("justid", "inspect", *files)
    assert (code, seen["events"], seen["verified"]) == (0, 700, True)

    code, (taken,) = tell("justid", "import", files[-1])
    assert (code, taken["missing"], taken["events"]) == (1, list(range(1, len(files))), 0)
    code, (taken,) = tell("justid", "import", *files[:-1])
    assert (code, taken["state"], taken["events"]) == (0, "applied", 700)
    code, (taken,) = tell("justid", "import", *files)
    assert (code, taken["events"]) == (0, 0)

    code, told = tell("om", "list")
    assert [each["state"] for each in told["out"]] == ["made"]
    assert tell("justid", "receipt", tmp_path / "receipt", "--to", "om")[0] == 0
    code, (taken,) = tell("om", "import", tmp_path / "receipt")
    assert (code, taken["receipts"] > 0) == (0, True)
    code, told = tell("om", "list")
    assert [each["state"] for each in told["out"]] == ["receipted"]
    code, made = tell("om", "export", tmp_path / "later", "--to", "justid")
    assert (code, made["events"]) == (0, 0)


@pytest.mark.parametrize("spoil", ["flip", "truncate", "tail", "newer", "other"])
def test_what_is_spoilt_ends_with_one_and_the_place(tell: Tell, tmp_path: Path, spoil: str) -> None:
    file = tmp_path / "carried"
    numbers = ["--kind", KIND, "--from", 1, "--through", 9, "--plain"]
    assert tell("om", "export", file, "--to", "justid", *numbers)[0] == 0
    data = file.read_bytes()
    spoilt = {
        "flip": data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
        "truncate": data[:-9],
        "tail": data + b"x",
        "newer": data.replace(b"bundle 1", b"bundle 7", 1),
        "other": b"PK" + data,
    }[spoil]
    file.write_bytes(spoilt)
    for command in ("import", "inspect"):
        code, problem = tell("justid", command, file)
        assert (code, problem["code"].split(".")[0]) == (1, "bundle")
        assert problem["where"].startswith("carried ")


def test_the_same_numbers_give_the_same_file(tell: Tell, tmp_path: Path) -> None:
    numbers = ["--kind", KIND, "--from", 2, "--through", 30, "--plain"]
    for name in ("one", "two"):
        assert tell("om", "export", tmp_path / name, "--to", "justid", *numbers)[0] == 0
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        ["export", "x", "--to", "nobody"],
        ["export", "x", "--to", "justid", "--kind", "nothing"],
        ["export", "x", "--to", "justid", "--part-size", "1K"],
        ["export", "x", "--to", "justid", "--part-size", "much"],
        ["export", "x", "--to", "justid", "--from", "3"],
        ["receipt", "x", "--to", "justid"],
        ["import", "no-such-file"],
    ],
)
def test_wrong_input_ends_with_two_and_makes_nothing(
    tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tell("om", *words)[0] == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("text", "size"), [("700", 700), ("64K", 65536), ("4m", 4 << 20), ("1G", 1 << 30)])
def test_sizes_are_written_as_people_do(text: str, size: int) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "K", "-4M", "4MB", "4.5M"])
def test_a_size_that_is_none_is_said(text: str) -> None:
    with pytest.raises(Incorrect, match="part-size"):
        bytes_of(text)
