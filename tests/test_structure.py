"""The shape of the code: small functions and files, rooms that export types only, SQL in one place, a pure core.

The limits are lowered, never raised.
"""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src" / "keersluis"

MEDIAN_FUNCTION = 12
LONGEST_FUNCTION = 60
LONGEST_FILE = 450

ROOMS = ("timeline", "exchange", "register", "decisions", "recovery", "investigation")

_PURE = {
    "": "errors times merkle watermarks keystatements fields stays",
    "timeline": "model findings lines heads audit texts texts_bundles texts_completeness texts_isolation texts_services"
    " texts_forecasts texts_topics verdicts texts_backlogs"
    " texts_plans"
    " texts_forecasts texts_topics verdicts texts_backlogs texts_records",
    "exchange": "envelope gates batches bundles epochs lags quota drain pace growth channels reconciliation letters",
    "paper": "gathering wording",
    "register": "proofs facts intake answers ends lookups reservations",
    "decisions": "model policies settle reasons derivations evidence",
    "recovery": "public_ahead queues draws waits"
    " history experts outlook scores peers dates backtest forecasts assumptions network plans services"
    " changes servicerows servicetext service_view public"
    " tasks relaxation dispatch branch schedule weights plan_order order_words"
    " verification calibration forecast_views"
    " stock backlog_words imports"
    " levels calendar capacity arrivals paths ends learning worlds world_rows building assumed_paths whatif"
    " path_answers"
    " guard standing undoing plan_view plan_words"
    " records recordviews",
    "adaptors": "mapping",
    "simulation": "acts drawing population feed requests",
    "web": "view_whatif"
    " actions binding canals chart completeness exchange_topics exchange_view history layout orders picture"
    " recovery_topics scene topic_bundles topic_gaps topic_gates topic_intake topic_keys topic_letters topic_reconcile"
    " topic_reservations topic_restore topics view_public views protocol"
    " charts view_schedule"
    " topic_reservations topic_restore topics views protocol"
    " view_services topic_services"
    " charts topic_records view_records"
    " topic_plan view_plan picture_plan"
    " view_backlogs topic_backlogs"
    " view_forecasts picture_reliability",
}
PURE = [f"{room}.{module}".lstrip(".") for room, modules in _PURE.items() for module in modules.split()]
"""Modules that decide, count or word: they get time and everything else as data (DESIGN.md, "Rooms")."""

IMPURE = {"sqlalchemy", "sqlite3", "psycopg", "httpx", "httpcore", "litestar", "granian", "socketserver", "uvloop"}
"""What no pure module may bring along when a fresh interpreter imports it: databases, clients and servers."""

SQL_FILES = {"storage.py", "_store.py", "_schema.py"}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def sources(folder: Path = SRC) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def place(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """(name, lines) of each function, signature to last line; its docstring tells and does not count."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            told = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            docstring = (first.end_lineno or 0) - first.lineno + 1 if told else 0
            yield f"{place(path)}:{node.lineno} {node.name}", (node.end_lineno or 0) - node.lineno + 1 - docstring


def imports(tree: ast.AST) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(module, names) of each import statement below `tree`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, tuple(alias.name for alias in node.names)


def test_functions_are_short() -> None:
    lengths = dict(item for path in sources() for item in functions(path))
    assert [f"{name} ({lines})" for name, lines in lengths.items() if lines > LONGEST_FUNCTION] == []
    assert statistics.median(lengths.values()) <= MEDIAN_FUNCTION


def test_files_are_short() -> None:
    everything = [*sources(), *sources(ROOT / "tests"), *sources(ROOT / "tools")]
    lengths = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in everything}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_a_room_exports_only_types() -> None:
    """`keersluis.<room>` holds classes and type names: a look at it loads no machinery, and wires nothing."""
    script = (
        "import importlib, sys\n"
        "room = importlib.import_module(sys.argv[1])\n"
        "names = [n for n in getattr(room, '__all__', ()) if not isinstance(getattr(room, n), type)"
        " and type(getattr(room, n)).__module__ not in ('typing', 'types')]\n"
        "print(' '.join(names))"
    )
    for room in ROOMS:
        if (SRC / room / "__init__.py").is_file():
            told = subprocess.run(
                [sys.executable, "-c", script, f"keersluis.{room}"], capture_output=True, text=True, check=True
            )
            assert told.stdout.split() == [], f"keersluis.{room} exports more than types"
            body = parsed(SRC / room / "__init__.py").body
            assert not [node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]


def test_sql_is_written_in_the_stores_only() -> None:
    """Other files may name the type of a connection, and hand one on."""
    wrong = []
    for path in sources():
        if path.name in SQL_FILES or path.name.startswith("_store"):
            continue
        for module, names in imports(parsed(path)):
            top = module.split(".")[0]
            if top in {"sqlite3", "psycopg"} or (top == "sqlalchemy" and set(names) != {"Connection"}):
                wrong.append(f"{place(path)}: {module} {' '.join(names)}")
    assert wrong == []


def test_no_room_reaches_into_the_store_of_another() -> None:
    wrong = []
    for path in sources():
        room = path.relative_to(SRC).parts[0]
        for module, names in imports(parsed(path)):
            for name in (module, *(f"{module}.{name}" for name in names)):
                parts = name.split(".")
                reaches = parts[0] == "keersluis" and len(parts) > 2 and parts[2].startswith("_store")
                if reaches and parts[1] != room:
                    wrong.append(f"{place(path)}: {name}")
    assert wrong == []


def test_the_list_of_pure_modules_is_right() -> None:
    assert [name for name in PURE if not (SRC / f"{name.replace('.', '/')}.py").is_file()] == []


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_loads_no_database_client_or_server(module: str) -> None:
    script = f"import sys, keersluis.{module}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(told.stdout.split()) & IMPURE == set()


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_asks_no_clock_and_opens_nothing(module: str) -> None:
    """By name, so that it also holds where the standard library is what would be asked."""
    path = SRC / f"{module.replace('.', '/')}.py"
    attributes = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.Attribute)]
    asked = {f"{node.value.id}.{node.attr}" for node in attributes if isinstance(node.value, ast.Name)}
    assert asked & CLOCKS - ALLOWED.get(module, set()) == set()
    called = [node.func for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]
    used = {each.id if isinstance(each, ast.Name) else getattr(each, "attr", "") for each in called}
    assert used & FILES - ALLOWED.get(module, set()) == set()
    assert {name.split(".")[0] for name, _ in imports(parsed(path))} & {"socket", "subprocess", "random"} == set()


CLOCKS = {"time.time", "time.time_ns", "time.monotonic", "datetime.now", "datetime.utcnow", "date.today"}
FILES = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "urandom", "getenv"}
ALLOWED = {"times": {"time.time_ns", "datetime.now", "open", "read_text", "read_bytes", "write_bytes"}}
"""`times` holds the clocks, for everybody else to be handed: the system's, and one that a file sets."""
