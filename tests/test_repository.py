"""What stands around the code: locks, licences, public metadata, no trace of the machine it was written on."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from keersluis.version import VERSION

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock")
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(?: ; (.+?))? \\$")

BY_NAME = {"psycopg": "postgresql", "tzdata": "zoneinfo", "pillow": r"from PIL import", "zxing-cpp": "import zxingcpp"}
"""Dependencies under another name: SQLAlchemy takes the driver by the URL, Python the zones from `tzdata`."""


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def texts() -> dict[str, str]:
    found = {}
    for path in tracked():
        data = path.read_bytes()
        if b"\0" not in data[:8192]:
            found[str(path.relative_to(ROOT))] = data.decode("utf-8")
    return found


def project() -> dict[str, object]:
    loaded: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return loaded


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", name)[0]).lower()


def pins(lock: str) -> set[tuple[str, str, str]]:
    lines = (ROOT / lock).read_text().splitlines()
    return {(normal(m[1]), m[2], m[3] or "") for m in map(PIN.match, lines) if m}


def needed() -> list[str]:
    wanted = project()["project"]["dependencies"]  # type: ignore[index]
    return [normal(name) for name in wanted]


def test_nothing_tells_of_the_machine_or_of_a_package_index() -> None:
    """Patterns in pieces, so that this file does not find itself."""
    folders = "|".join(("wo" + "rk", "fa" + "rm", "ro" + "ot", "ho" + "me"))
    hosts = "|".join(("py" + r"pi\.org", "python" + r"hosted\.org", "npm" + r"js\.(org|com)", "crates" + r"\.io"))
    forbidden = re.compile(rf"""(?<![\w.~}}])/({folders})/\w|{hosts}|(index-url|find-links)[ =]+\S*:/""")
    wrong = [
        f"{name}:{number}"
        for name, text in texts().items()
        for number, line in enumerate(text.splitlines(), start=1)
        if forbidden.search(line)
    ]
    assert wrong == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_by_hash_and_names_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash)", text, re.MULTILINE)
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert blocks
    assert [block.splitlines()[0] for block in blocks if not re.search(r"--hash=sha256:[0-9a-f]{64}", block)] == []
    assert len(blocks) == len(pins(lock))


def test_the_locks_hold_what_the_project_asks_and_agree_with_each_other() -> None:
    runtime, everything = pins(LOCKS[0]), pins(LOCKS[1])
    assert runtime <= everything
    assert set(needed()) <= {name for name, _version, _marker in runtime}
    groups = project()["dependency-groups"]
    assert {normal(name) for name in groups["dev"]} <= {name for name, _version, _marker in everything}  # type: ignore[index]


def test_every_runtime_dependency_is_used() -> None:
    code = "\n".join(text for name, text in texts().items() if name.startswith("src/") and name.endswith(".py"))
    unused = [
        name
        for name in needed()
        if not re.search(BY_NAME.get(name, rf"^\s*(from|import) {name}\b"), code, re.MULTILINE)
    ]
    assert unused == []


def test_no_dependency_is_under_the_gpl_or_agpl() -> None:
    """EUPL-1.2 code may use the LGPL (psycopg), not import the GPL or AGPL."""
    wrong = []
    for name, version, marker in pins(LOCKS[1]):
        if marker:
            continue
        about = metadata.metadata(name)
        said = [about.get("License-Expression") or "", (about.get("License") or "").split("\n")[0]]
        said += [item for item in about.get_all("Classifier", []) if item.startswith("License")]
        strong = re.compile(r"(?<!L)(?<!Lesser )\b(A?GPL|GNU (Affero )?General Public)", re.IGNORECASE)
        if any(strong.search(text) for text in said):
            wrong.append(f"{name} {version}: {said}")
    assert wrong == []


def test_publiccode_has_what_its_standard_asks() -> None:
    """publiccode.yml 0.7: the mandatory keys, with the lengths that it sets, in Dutch and English."""
    told = yaml.safe_load((ROOT / "publiccode.yml").read_text())
    assert told["publiccodeYmlVersion"] == "0.7"
    assert {"name", "url", "platforms", "developmentStatus", "softwareType", "description", "legal"} <= set(told)
    assert told["developmentStatus"] in {"concept", "development", "beta", "stable", "obsolete"}
    assert told["softwareType"] in {"standalone/web", "standalone/backend", "standalone/other", "library"}
    for language in ("nl", "en"):
        description = told["description"][language]
        assert 0 < len(description["shortDescription"]) <= 150
        assert 150 <= len(description["longDescription"]) <= 10_000
        assert len(description["features"]) >= 5
    assert told["maintenance"]["type"] in {"internal", "community"}
    assert told["maintenance"]["contacts"][0]["name"]
    assert told["localisation"] == {"localisationReady": True, "availableLanguages": ["nl", "en"]}


def test_licence_and_version_are_the_same_everywhere() -> None:
    told = yaml.safe_load((ROOT / "publiccode.yml").read_text())
    about = project()["project"]
    assert about["license"] == told["legal"]["license"] == "EUPL-1.2"  # type: ignore[index]
    assert "EUROPEAN UNION PUBLIC LICENCE v. 1.2" in (ROOT / "LICENSES" / "EUPL-1.2.txt").read_text()
    assert told["softwareVersion"] == VERSION
    assert re.search(rf"^## \[(Unreleased|{re.escape(VERSION)})\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_the_server_runs_what_a_newcomer_runs() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text()
    assert "set -euo pipefail" in script.read_text()
