"""How the house is built, held by walking its source: floors, imports, sizes, docstrings, mirrored tests."""

from __future__ import annotations

import ast
import gc
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FLOORS = {
    "errors": 0, "typing": 0,
    "protocol": 1,
    "policy": 2, "transport": 2,
    "ops": 3, "peer": 3,
    "expression": 4,
    "plan": 5,
    "worker": 6, "hub": 6,
    "session": 7,
    "federated": 8,
    "api": 9, "federation": 9, "testing": 9, "": 9,
}  # fmt: skip
"""Room (folder, or file beside them; "" is fedsock/__init__.py) -> floor."""

STRANGERS = frozenset({"hub", "worker", "session"})
"""Rooms that never import each other, whatever their floors: they meet in messages."""

LIBRARIES = frozenset({"msgspec", "numpy", "opendp", "orjson", "polars", "rich", "uvloop", "websockets"})
"""What fedsock may import beside Python itself."""

COMMANDS_ONLY = frozenset({"opendp", "polars", "rich"})
"""What ``import fedsock`` must not load: only what a command's __main__ imports, or who asks for it, may import it."""

ALONE = {"websockets": "fedsock/transport/websocket.py", "opendp": "fedsock/worker/mechanisms.py"}
"""Library -> the only file that imports it."""

FILE_LINES = 420
LISTS = {"fedsock/errors.py": 620}
"""Files that are one list, which reads best in one place: file -> the lines it may have."""

FUNCTION_LINES = 60  # its docstring not counted: explaining costs nothing

UNMIRRORED = frozenset({"fedsock/typing.py"})
"""Files without a test file of their own, beside every __init__ and __main__: type names, nothing runs."""


DUE = frozenset({"fedsock/protocol/events.py"})
"""Files that other tests run (the table's and the link's), whose own test file is still to be written."""


def parsed(text: str, path: str) -> ast.Module:
    """Return a file's tree. CPython 3.11's parser miscounts its depth when the collector runs in the middle of it."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(text, path)
    finally:
        if collecting:
            gc.enable()


class Source:
    """One file of fedsock: its path from the root, its module's dotted name, its tree."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self.tree = parsed(text, path)
        parts = list(Path(path).with_suffix("").parts)
        self.is_package = parts[-1] == "__init__"
        self.module = ".".join(parts[:-1] if self.is_package else parts)

    @property
    def room(self) -> str:
        return room_of(self.module)


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def sources() -> dict[str, Source]:
    found = (
        Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted((ROOT / "fedsock").rglob("*.py"))
    )
    return {source.module: source for source in found}


def imports(source: Source, modules: Mapping[str, Source]) -> Iterator[tuple[int, str]]:
    """Yield (line, module) of every import, relative ones and ``from package import module`` resolved."""
    package = source.module if source.is_package else source.module.rpartition(".")[0]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield node.lineno, inner if inner in modules else base


def floor_faults(source: Source, modules: Mapping[str, Source]) -> Iterator[str]:
    if source.room not in FLOORS:
        yield f"{source.path}: room {source.room!r} has no floor; give it one in FLOORS"
        return
    for line, module in imports(source, modules):
        top = module.split(".")[0]
        where = f"{source.path}:{line}"
        if source.path != ALONE.get(top, source.path):
            yield f"{where}: only {ALONE[top]} imports {top}"
        if top != "fedsock":
            if top not in LIBRARIES and top not in sys.stdlib_module_names:
                yield f"{where}: {top} is no dependency of fedsock"
            continue
        room = room_of(module)
        if room == source.room:
            continue
        floor, own = FLOORS.get(room, 99), FLOORS[source.room]
        top_floor = FLOORS[""]
        if {room, source.room} <= STRANGERS:
            yield f"{where}: {source.room} and {room} never import each other"
        elif floor > own or (floor == own and own != top_floor):
            yield f"{where}: floor {own} imports {module} of floor {floor}"


LOADED_LATE = {
    "fedsock/worker/releases.py": "fedsock.worker.mechanisms",
    "fedsock/plan/boxes.py": "autograd",
    "fedsock/federated/frames.py": "polars",
    "fedsock/federated/pictures.py": "matplotlib.figure",
    "fedsock/federated/progress.py": "rich.console",
    "fedsock/federated/notebook.py": "IPython.display",
}
"""What is imported at run time, and where: an extra that only who asks for it needs, by a constant name."""


OWNERS_MODULES = frozenset({"fedsock/worker/taskmodules.py"})
"""What imports modules that only an owner names, when the worker starts."""


def late_imports(source: Source) -> Iterator[str]:
    """Yield imports inside functions, and imports by name at run time."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    yield f"{source.path}:{inner.lineno}: import inside a function"
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in (
            "__import__",
            "import_module",
        ):
            if source.path in OWNERS_MODULES:
                continue
            if source.path in LOADED_LATE and f'"{LOADED_LATE[source.path]}"' in source.text:
                continue
            yield f"{source.path}:{node.lineno}: import by name"


def functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def size_faults(source: Source) -> Iterator[str]:
    lines = len(source.text.splitlines())
    if lines >= (most := LISTS.get(source.path, FILE_LINES)):
        yield f"{source.path}: {lines} lines; below {most} are allowed"
    for node in functions(source):
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        first = node.body[0]
        if ast.get_docstring(node) is not None:
            lines -= (first.end_lineno or first.lineno) - first.lineno + 1
        if lines >= FUNCTION_LINES:
            limit = f"below {FUNCTION_LINES} are allowed"
            yield f"{source.path}:{node.lineno}: {node.name} has {lines} lines; {limit}"


def docstring_faults(source: Source) -> Iterator[str]:
    """Yield what is public and says nothing: modules, classes, functions and methods."""
    doc = ast.get_docstring(source.tree)
    if not doc:
        yield f"{source.path}: no docstring"
    elif source.is_package and f"floor {FLOORS.get(source.room)}" not in doc.lower():
        yield f"{source.path}: its docstring doesn't say its floor"

    def walk(body: list[ast.stmt], prefix: str) -> Iterator[str]:
        for node in body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
                continue
            marks = {ast.unparse(mark).split(".")[-1] for mark in node.decorator_list}
            if not ast.get_docstring(node) and not marks & {"overload", "setter", "deleter"}:
                yield f"{source.path}:{node.lineno}: {prefix}{node.name} has no docstring"
            if isinstance(node, ast.ClassDef):
                yield from walk(node.body, f"{prefix}{node.name}.")

    yield from walk(source.tree.body, "")


def mirror_faults(source: Source, tests: set[str]) -> Iterator[str]:
    path = Path(source.path)
    if path.stem in ("__init__", "__main__") or source.path in UNMIRRORED | DUE:
        return
    test = Path("tests", *path.parts[1:-1], f"test_{path.name}").as_posix()
    if test not in tests:
        yield f"{source.path}: {test} is missing"


def loaded_with_fedsock(modules: Mapping[str, Source], start: str = "fedsock") -> dict[str, str]:
    """Return every module that importing ``start`` loads -> the module that imports it first."""
    reached, waiting = {start: ""}, [start]
    while waiting:
        module = waiting.pop()
        source = modules.get(module)
        for _, target in imports(source, modules) if source else ():
            parts = target.split(".")
            for length in range(1, len(parts) + 1):
                name = ".".join(parts[:length])
                if name not in reached:
                    reached[name] = module
                    waiting.append(name)
    return reached


@pytest.fixture(scope="module")
def modules() -> dict[str, Source]:
    return sources()


def test_the_source_is_found(modules: dict[str, Source]) -> None:
    assert "fedsock.errors" in modules


def test_modules_import_lower_floors_only(modules: dict[str, Source]) -> None:
    assert [fault for source in modules.values() for fault in floor_faults(source, modules)] == []


def test_nothing_is_imported_late(modules: dict[str, Source]) -> None:
    assert [fault for source in modules.values() for fault in late_imports(source)] == []


def test_files_and_functions_stay_small(modules: dict[str, Source]) -> None:
    assert [fault for source in modules.values() for fault in size_faults(source)] == []


def test_everything_public_has_a_docstring(modules: dict[str, Source]) -> None:
    assert [fault for source in modules.values() for fault in docstring_faults(source)] == []


def test_tests_mirror_the_source(modules: dict[str, Source]) -> None:
    tests = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    assert [fault for source in modules.values() for fault in mirror_faults(source, tests)] == []


def test_every_folder_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "fedsock").rglob("*.py")}
    assert sorted(str(folder) for folder in folders if not (folder / "__init__.py").exists()) == []


def test_importing_fedsock_loads_nothing_that_only_commands_need(modules: dict[str, Source]) -> None:
    reached = loaded_with_fedsock(modules)
    assert {name: by for name, by in reached.items() if name.split(".")[0] in COMMANDS_ONLY} == {}


def test_only_test_roots_are_packages() -> None:
    found = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("__init__.py")}
    assert found <= {"tests/__init__.py", "tests/benchmarks/__init__.py"}


def test_ci_and_readme_run_the_same_tests() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    pattern = re.search(r"grep -m1 -E '(.+)' README\.md", script)
    assert pattern is not None, "the script doesn't take its command from the README"
    commands = re.findall(pattern[1], (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(commands) == 1, f"the README has {len(commands)} test commands"


# The checker itself, on houses built wrong.


def sample(path: str, text: str) -> Source:
    return Source(path, text)


def faults_of(path: str, text: str, *others: str) -> list[str]:
    source = sample(path, text)
    modules = {one.module: one for one in (source, *(sample(other, "") for other in others))}
    return [*floor_faults(source, modules), *late_imports(source)]


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("fedsock/protocol/link.py", "import fedsock.ops", "floor 1 imports fedsock.ops of floor 3"),
        ("fedsock/protocol/link.py", "from fedsock import ops", "floor 1 imports fedsock.ops of floor 3"),
        ("fedsock/protocol/link.py", "from ..ops import add", "floor 1 imports fedsock.ops of floor 3"),
        ("fedsock/protocol/link.py", "from .. import ops", "floor 1 imports fedsock.ops of floor 3"),
        ("fedsock/protocol/link.py", "import fedsock", "floor 1 imports fedsock of floor 9"),
        (
            "fedsock/errors.py",
            "from fedsock.typing import Array",
            "floor 0 imports fedsock.typing of floor 0",
        ),
        ("fedsock/peer/dial.py", "from fedsock.ops import add", "floor 3 imports fedsock.ops of floor 3"),
        ("fedsock/worker/engine.py", "import fedsock.hub", "worker and hub never import each other"),
        (
            "fedsock/session/pointer.py",
            "import fedsock.worker.engine",
            "session and worker never import each other",
        ),
        (
            "fedsock/session/pointer.py",
            "if TYPE_CHECKING:\n    import fedsock.hub",
            "never import each other",
        ),
        ("fedsock/attic/old.py", "", "room 'attic' has no floor"),
        ("fedsock/ops/new.py", "import fedsock.attic", "floor 3 imports fedsock.attic of floor 99"),
        (
            "fedsock/hub/server.py",
            "import websockets.sync",
            "only fedsock/transport/websocket.py imports websockets",
        ),
        ("fedsock/worker/engine.py", "from opendp import metrics", "only fedsock/worker/mechanisms.py imports opendp"),
        ("fedsock/hub/server.py", "import requests", "requests is no dependency"),
        ("fedsock/ops/new.py", "def f():\n    import json", "import inside a function"),
        (
            "fedsock/ops/new.py",
            "class A:\n    async def f(self):\n        from json import loads",
            "inside a function",
        ),
        ("fedsock/ops/new.py", "import importlib\nimportlib.import_module('json')", "import by name"),
    ],
)
def test_the_checker_finds_a_wrong_import(path: str, text: str, said: str) -> None:
    found = faults_of(path, text, "fedsock/__init__.py", "fedsock/ops/__init__.py", "fedsock/hub/__init__.py")
    assert any(said in fault for fault in found), found


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("fedsock/ops/new.py", "import json\nimport numpy as np\nfrom fedsock.errors import FedsockError"),
        (
            "fedsock/ops/new.py",
            "from . import table\nfrom .table import TABLE\nfrom fedsock.protocol import values",
        ),
        ("fedsock/transport/websocket.py", "from websockets.asyncio.client import connect"),
        ("fedsock/__init__.py", "from fedsock.api import Hub"),
        ("fedsock/testing.py", "from fedsock.api import Hub\nimport fedsock"),
        (
            "fedsock/api.py",
            "from fedsock.hub.server import HubServer\nfrom fedsock.worker.engine import Engine",
        ),
    ],
)
def test_the_checker_takes_a_right_import(path: str, text: str) -> None:
    assert faults_of(path, text, "fedsock/ops/table.py", "fedsock/protocol/values.py") == []


def test_the_checker_finds_what_grew_too_long() -> None:
    function = "def f():\n" + "    x = 1\n" * (FUNCTION_LINES - 1)
    assert [*size_faults(sample("fedsock/a.py", function))] == ["fedsock/a.py:1: f has 60 lines; below 60 are allowed"]
    explained = 'def f():\n    """Long.\n' + "\n" * 50 + '    """\n' + "    x = 1\n" * (FUNCTION_LINES - 2)
    assert [*size_faults(sample("fedsock/a.py", explained))] == []
    assert [*size_faults(sample("fedsock/a.py", "x = 1\n" * FILE_LINES))] == [
        "fedsock/a.py: 420 lines; below 420 are allowed"
    ]


def test_the_checker_finds_what_says_nothing() -> None:
    text = (
        "class A:\n    def b(self): ...\n    def _c(self): ...\n    @x.setter\n    def x(self, v): ...\n"
        'async def d():\n    """Say."""\n    def inner(): ...\n'
    )
    found = [*docstring_faults(sample("fedsock/ops/a.py", text))]
    assert found == [
        "fedsock/ops/a.py: no docstring",
        "fedsock/ops/a.py:1: A has no docstring",
        "fedsock/ops/a.py:2: A.b has no docstring",
    ]
    assert [*docstring_faults(sample("fedsock/ops/__init__.py", '"""Ops."""'))] != []
    assert [*docstring_faults(sample("fedsock/ops/__init__.py", '"""Ops (floor 3)."""'))] == []


def test_the_checker_finds_a_missing_test() -> None:
    tests = {"tests/test_errors.py", "tests/ops/test_table.py"}
    assert [*mirror_faults(sample("fedsock/ops/table.py", ""), tests)] == []
    assert [*mirror_faults(sample("fedsock/ops/__init__.py", ""), tests)] == []
    assert [*mirror_faults(sample("fedsock/ops/new.py", ""), tests)] == [
        "fedsock/ops/new.py: tests/ops/test_new.py is missing"
    ]


def test_the_checker_follows_imports() -> None:
    house = [
        sample("fedsock/__init__.py", "from fedsock.api import Hub"),
        sample("fedsock/api.py", "from fedsock.worker import engine"),
        sample("fedsock/worker/__init__.py", ""),
        sample("fedsock/worker/engine.py", "import rich.table"),
        sample("fedsock/worker/tables.py", "import polars"),
    ]
    reached = loaded_with_fedsock({one.module: one for one in house})
    assert reached["rich"] == "fedsock.worker.engine"
    assert "polars" not in reached
