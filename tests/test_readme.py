"""What the README promises is so: its commands and snippets are run, its files and names exist."""

from __future__ import annotations

import ast
import asyncio
import builtins
import dataclasses
import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import tomllib
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock import errors, federated
from fedsock.hub.__main__ import main as hub_main
from fedsock.hub.server import HubServer
from fedsock.ops import TABLE
from fedsock.policy.budget import Budget
from fedsock.policy.terms import Terms
from fedsock.worker import config
from fedsock.worker.__main__ import COMMANDS as OWNERS
from fedsock.worker.__main__ import main as worker_main
from fedsock.worker.taskmodules import TaskConfig
from tests.readme import COMMAND, README, ROOT, SECTIONS, Section, inline_code, sections

SECONDS = 60
"""No process of the README takes this long to begin or to end."""

DEFAULT_PORT = "8765"

SETUP = "python3 -m venv .venv && "
"""What a command that makes the environment begins with; these two lines are not run here."""

TITLES = [
    "The road of an expression",
    "Try it",
    "Quick start in one script",
    "Quick start in two terminals",
    "In a notebook",
    "A stand-alone hub",
    "Pointers",
    "Configuration",
    "The owner decides",
    "Tasks",
    "Made-up data to develop against",
    "One array at many workers",
    "Learning from many workers",
    "How to extend",
    "Limits",
    "Tests",
    "Licence",
]

WITH_TOML = ["Configuration", "The owner decides", "Tasks"]

RUN_CELLS = """
import ast, asyncio, json, sys

async def run(cells):
    names = {"__name__": "__main__"}
    for cell in cells:
        tree = ast.parse(cell)
        shown = tree.body and isinstance(tree.body[-1], ast.Expr) and not cell.rstrip().endswith(";")
        last = ast.Expression(tree.body.pop().value) if shown else None
        for part in (tree, last):
            if part is not None:
                kind = "exec" if part is tree else "eval"
                code = compile(part, "README.md", kind, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
                value = eval(code, names)
                value = await value if asyncio.iscoroutine(value) else value
                if part is last and value is not None:
                    print(repr(value))

asyncio.run(run(json.loads(sys.stdin.read())))
"""
"""Runs code blocks as the cells of one notebook: top-level await, one namespace, the last value shown."""


def titled(title: str) -> Section:
    """Return the section of a title."""
    (found,) = [section for section in SECTIONS if section.title == title]
    return found


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


# What there is


def test_its_sections() -> None:
    assert [section.title for section in SECTIONS[1:]] == TITLES


def test_it_says_in_five_lines_what_it_is() -> None:
    heading, *lines = SECTIONS[0].prose.strip().splitlines()
    assert heading == "# fedsock"
    assert len([line for line in lines if line]) == 5


def test_every_block_is_known() -> None:
    """Of each language some test below runs all blocks; shell blocks hold nothing but commands that are run."""
    for section in SECTIONS:
        assert {block.language for block in section.blocks} <= {"text", "sh", "python", "toml"}, section.title
        for text in section.texts("sh"):
            for line in text.splitlines():
                assert line.startswith(SETUP) or COMMAND.match(line), line
        assert not section.texts("text") or section.title == TITLES[0]
        assert not section.texts("toml") or section.title in WITH_TOML
    assert README.count("```") == 2 * sum(len(section.blocks) for section in SECTIONS)


def test_the_picture_shows_every_room_of_the_road() -> None:
    (picture,) = titled(TITLES[0]).texts("text")
    for room in ("Pointer", "session", "link", "hub", "WebSocket", "engine", "op table", "policy", "store", "await y"):
        assert room in picture


def test_the_reader_takes_apart_what_there_is() -> None:
    first, second = sections("intro\n```sh\n## none\n```\n## Title\n`a/b` and\n```toml\nx = 1\n```\n")
    assert (first.title, first.texts("sh"), second.title, second.texts("toml")) == (
        "",
        ["## none\n"],
        "Title",
        ["x = 1\n"],
    )
    assert inline_code(second.prose) == ["a/b"]


# Set-up


def test_its_set_up_commands() -> None:
    lines = [line for line in README.splitlines() if line.startswith(SETUP)]
    (tests,) = [line for line in lines if "pytest" in line]
    (main,) = [line for line in lines if line != tests]
    assert [*titled("Try it").texts("sh"), *titled("Tests").texts("sh")] == [f"{main}\n", f"{tests}\n"]
    assert "examples/01_bob.py" in main
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    grep = re.search(r"^command=\$\((grep .*) README\.md\)$", script, re.MULTILINE)
    assert grep is not None
    found = subprocess.run([*shlex.split(grep[1]), "README.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout == f"{tests}\n"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = re.findall(r"'\.\[([\w,]+)\]'", README)
    assert named and set(",".join(named).split(",")) <= set(extras)


# Processes


@asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[Process]:
    """A Python process that must still run at the end of the block, and end with 0 when it is told to."""
    made = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=ROOT
    )
    try:
        yield made
        made.send_signal(signal.SIGTERM)
        _, complaints = await asyncio.wait_for(made.communicate(), SECONDS)
        assert made.returncode == 0, complaints.decode()
    finally:
        if made.returncode is None:
            made.kill()
            await made.communicate()


async def begins(made: Process, line: str) -> None:
    """See that a process prints this as its first line."""
    assert made.stdout is not None
    printed = await asyncio.wait_for(made.stdout.readline(), SECONDS)
    assert printed.decode().startswith(line), printed


async def finished(*arguments: str, given: str = "") -> str:
    """Return what a Python process prints that ends by itself, with 0 and without complaints."""
    made = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=ROOT
    )
    try:
        printed, complaints = await asyncio.wait_for(made.communicate(given.encode()), SECONDS)
    finally:
        if made.returncode is None:
            made.kill()
            await made.communicate()
    assert (made.returncode, complaints.decode()) == (0, "")
    return printed.decode()


def written(command: str, more: dict[str, str] | None = None) -> list[str]:
    """Return the arguments of a command line, with other files in place of the README's."""
    words = shlex.split(command)[1:]
    return [re.sub(r"FILE\S*", lambda match: (more or {})[match[0]], word) for word in words]


# Snippets


WITH_PYTHON = [section for section in SECTIONS if section.texts("python")]


@pytest.mark.parametrize("section", WITH_PYTHON, ids=lambda section: section.title)
async def test_snippets(section: Section) -> None:
    """A section's snippets are the cells of one notebook, its commands run beside it; only the port is ours."""
    port = str(free_port())
    cells = [
        text.replace(DEFAULT_PORT, port).replace("fedsock.Hub()", f"fedsock.Hub(port={port})")
        for text in section.texts("python")
    ]
    async with AsyncExitStack() as stack:
        for command in section.commands:
            ours = ["--port", port] if "fedsock.hub" in command else ["--hub", f"ws://127.0.0.1:{port}"]
            made = await stack.enter_async_context(process(*written(command), *ours))
            if "fedsock.hub" in command:
                await begins(made, "hub listening on")
        printed = await run_cells(cells)
    promised = [comment for text in cells for comment in re.findall(r"^ *(?:print\(|await ).*  # (.*)$", text, re.M)]
    assert promised
    place = 0
    for comment in promised:
        place = printed.find(comment, place)
        assert place >= 0, f"{comment!r} is not in, or not in its place of\n{printed}"


async def run_cells(cells: list[str]) -> str:
    """Return what blocks print: a script with a loop of its own by itself, others as a notebook's cells."""
    if any("asyncio.run(" in cell for cell in cells):
        (script,) = cells
        return await finished("-c", script)
    return await finished("-c", RUN_CELLS, given=json.dumps(cells))


# Commands


def commands() -> list[str]:
    """Return every command of fedsock's in the README, but for those that snippets of their section need anyway."""
    found = [code for section in SECTIONS for code in inline_code(section.prose) if code.startswith("python -m ")]
    found += [line for section in SECTIONS if section not in WITH_PYTHON for line in section.commands]
    return sorted(set(found))


async def worker_runs(hub: HubServer, arguments: list[str], name: str) -> None:
    """See that a worker of a name of its own joins a hub and ends when told to."""
    async with process(*arguments, "--name", name, "--hub", hub.url) as made:
        await begins(made, f"worker {name} joined {hub.url}")


async def hub_runs(arguments: list[str]) -> None:
    async with process(*arguments, "--port", "0") as made:
        await begins(made, "hub listening on ws://127.0.0.1:")


@pytest.mark.timeout(200)
async def test_commands(tmp_path: Path) -> None:
    """All at once, as each spends most of its time in starting."""
    np.save(tmp_path / "x.npy", np.arange(3.0))
    (tmp_path / "bob.toml").write_text(titled("Configuration").texts("toml")[0], encoding="utf-8")
    (tmp_path / "visits.csv").write_text("minutes,year\n5.5,2024\n", encoding="utf-8")
    files = {"FILE": str(tmp_path / "bob.toml"), "FILE.npy": str(tmp_path / "x.npy")}
    hub = HubServer(port=0)
    await hub.start()
    try:
        async with asyncio.TaskGroup() as group:
            for number, command in enumerate(commands()):
                module = shlex.split(command)[2]
                arguments = written(command, files)
                if set(arguments[2:3]) & set(OWNERS):  # tests of their own run them on files
                    group.create_task(finished(*arguments[:3], "--help"))
                elif module == "fedsock.worker":
                    group.create_task(worker_runs(hub, arguments, f"w{number}"))
                elif module == "fedsock.hub":
                    group.create_task(hub_runs(arguments))
                elif module == "tests.benchmarks":  # takes minutes; tests/test_benchmarks.py runs a short one
                    group.create_task(finished(*arguments, "--help"))
                else:
                    assert module == "fedsock.ops", f"no test knows {command}"
                    group.create_task(finished(*arguments))
    finally:
        await hub.close()


def test_options_that_prose_mentions(capsys: pytest.CaptureFixture[str]) -> None:
    """An option without its command, such as `--public x=FILE.npy`, is one that worker or hub have."""
    options = {code.split()[0] for section in SECTIONS for code in inline_code(section.prose) if code.startswith("--")}
    assert "--public" in options
    for main, words in ((worker_main, []), (hub_main, []), *((worker_main, [word]) for word in OWNERS)):
        with pytest.raises(SystemExit):
            main([*words, "--help"])
    helped = capsys.readouterr().out
    assert {option for option in options if f"{option} " not in helped} == set()


# Pointers


ROWS = re.findall(r"^\| (`.+) \| (.+) \|$", titled("Pointers").prose, re.MULTILINE)
"""Expressions and meaning of each line of the table."""


def expressions(cell: str) -> list[str]:
    """Return the expressions in a cell; `p.shape p.dtype` are two."""
    codes = [code for code in inline_code(cell) if not code.endswith("=") and not code.isidentifier()]
    return [one for code in codes for one in (code.split() if re.fullmatch(r"(p\.\w+ ?)+", code) else [code])]


async def run(code: str, names: dict[str, Any]) -> Any:
    """Run one line, which may await; return what an expression gives, and p otherwise."""
    kind = "eval" if isinstance(ast.parse(code).body[0], ast.Expr) else "exec"
    compiled = compile(code, "README.md", kind, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    value = eval(compiled, names)  # noqa: S307  # the README is ours
    if asyncio.iscoroutine(value):
        value = await asyncio.wait_for(value, SECONDS)
    return value if kind == "eval" else names["p"]


async def test_the_table_of_pointers() -> None:
    """Each expression runs, or raises at once where the table says so; what it gives is checked in tests/contract."""
    assert len(ROWS) > 10
    table = np.array([[1.0, 2.0], [3.0, 4.0]])
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", data={"visits": table}, private=False)
        alice = await hub.virtual_worker("alice")
        for row, meaning in ROWS:
            p, q = bob.send(table, tags=["#demo"]), bob.send(np.array([[0, 1], [1, 0]]))
            names = {"np": np, "fedsock": fedsock, "hub": hub, "bob": bob, "alice": alice, "value": table}
            names |= {"p": await p.wait(), "q": alice.send(table) if "combine" in row else q, "i": 0, "v": 9.0}
            names |= {"mp": hub.send(table, bob, alice)}
            assert expressions(row)
            for code in expressions(row):
                if meaning.startswith("raise"):
                    with pytest.raises(TypeError):
                        await run(code, names)
                elif isinstance(found := await run(code, names), fedsock.Pointer):
                    await asyncio.wait_for(found.wait(), SECONDS)
                elif isinstance(found, fedsock.MultiPointer):
                    assert set(await found) == {"bob", "alice"}


# Configuration


def test_configurations_are_read(tmp_path: Path) -> None:
    (tmp_path / "visits.csv").write_text("minutes,year\n5.5,2024\n", encoding="utf-8")
    texts = [text for title in WITH_TOML for text in titled(title).texts("toml")]
    assert len(texts) == len(WITH_TOML)
    for text in texts:
        file = tmp_path / "bob.toml"
        file.write_text(text, encoding="utf-8")
        assert config.load(file).name == "bob"


def test_the_table_of_keys_is_complete() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \|", titled("Configuration").prose, re.MULTILINE)
    names = {field.name for field in dataclasses.fields(config.WorkerConfig)} - {"limits", "datasets", "tasks"}
    names |= {f"tasks.NAME.{field.name}" for field in dataclasses.fields(TaskConfig)}
    names |= {f"limits.{field.name}" for field in dataclasses.fields(config.Limits)}
    names |= {f"datasets.NAME.{field.name}" for field in dataclasses.fields(config.DatasetConfig)}
    names |= {f"policy.{field.name}" for field in dataclasses.fields(Terms)} - {"policy.group_by"}
    names |= {f"policy.{field.name}" for field in dataclasses.fields(Budget)} | {"policy.users"}
    unwritten = {f"{table}.NAME.{key}" for table in ("datasets", "tasks") for key in ("name", "where")}
    assert set(rows) == names - unwritten - {"policy", "tasks.NAME.folder"}
    assert len(rows) == len(set(rows))


def test_the_table_of_keys_has_true_defaults() -> None:
    said = dict(re.findall(r"^\| `([\w.]+)` \|.*\| ([^|]+) \|$", titled("Configuration").prose, re.MULTILINE))
    limits = config.Limits()
    assert said["limits.quota_bytes"] == f"{limits.quota_bytes >> 30} GiB"
    assert said["limits.quota_objects"] == f"{limits.quota_objects:,}"
    assert said["limits.op_seconds"] == f"{limits.op_seconds:,}"
    for key in ("min_rows", "round_to", "max_rows_per_subject"):
        assert said[f"policy.{key}"] == str(getattr(Terms(), key))
    assert said["hub"] == f'`"{config.WorkerConfig(name="bob").hub}"`'
    assert said["datasets.NAME.private"] == f"`{str(config.DatasetConfig(name='x', file=ROOT).private).lower()}`"


# Names


NOT_FILES = {"NAME/key"}
"""What looks like a path in inline code and is none."""


def test_files_and_links_are_there() -> None:
    linked = [target for target in re.findall(r"\]\(([^)]+)\)", README) if "://" not in target]
    named = [code for code in inline_code(README) if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", code) and "/" in code]
    assert "workers/bob.toml" in named
    assert {path for path in {*linked, *named} - NOT_FILES if not (ROOT / path.split("#")[0]).exists()} == set()


def test_errors_that_it_names_are_there() -> None:
    prose = "".join(section.prose for section in SECTIONS)
    names = [code for code in inline_code(prose) if re.fullmatch(r"([A-Z][a-z]+){2,}", code)]
    assert "MetadataNotReady" in names
    assert {name for name in names if not any(hasattr(room, name) for room in (errors, federated, builtins))} == set()


def test_the_number_of_ops_is_true() -> None:
    said = re.search(r"Some (\d+) of numpy's functions", README)
    assert said is not None
    assert abs(len(TABLE) - int(said[1])) < 50
