"""``python -m tests.benchmarks``: fedsock beside bare websockets and beside its peers, and which goals are met."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from tests.benchmarks import report
from tests.benchmarks.column import CASES
from tests.benchmarks.columns import PEERS, Request, measured, one_column
from tests.benchmarks.figures import Figure
from tests.benchmarks.loops import LOOPS

PACKAGES = ("numpy", "websockets", "uvloop", "orjson", "msgspec", "rpyc", "Pyro5", "distributed", "ray")


ON_PEERS = {"T1", "T2", "T3"}
"""The cases that a peer can do too."""


def some(names: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """Return a type of argument: some of the names, with commas between."""

    def chosen(text: str) -> tuple[str, ...]:
        found = tuple(text.split(","))
        for name in found:
            if name not in names:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(names)}")
        return found

    return chosen


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    made = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    cases, every, peers = some(CASES), some(LOOPS), some((*PEERS, "none"))
    made.add_argument("--only", type=cases, default=CASES, metavar="T1,T3", help=f"cases, of {', '.join(CASES)}")
    made.add_argument("--loops", type=every, metavar="LOOP", help=f"fedsock's columns, of {', '.join(LOOPS)}")
    made.add_argument("--peers", type=peers, metavar="PEER", help=f"none, or of {', '.join(PEERS)}")
    made.add_argument("--json", type=Path, metavar="FILE", help="also write every round's values there")
    made.add_argument("--quick", action="store_true", help="a smoke test: its numbers mean nothing")
    made.add_argument("--one-column", action="store_true", help=argparse.SUPPRESS)
    made.add_argument("--loop", choices=LOOPS, help=argparse.SUPPRESS)
    made.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    return made


def requests(options: argparse.Namespace) -> list[Request]:
    """Return the columns to measure: all, unless the options say otherwise; a smoke test has fedsock's first only."""
    own = options.loops or (LOOPS[:1] if options.quick else LOOPS)
    peers = options.peers or (() if options.quick else tuple(PEERS))
    able = ON_PEERS & set(options.only)
    chosen = [*own, *(name for name in peers if name in PEERS and able)]
    return [Request(name, tuple(options.only), options.quick) for name in chosen]


async def main(options: argparse.Namespace) -> int:
    """Measure, print, and return the exit code: 1 if a case of fedsock's own failed, whatever the numbers are."""
    start, load = time.perf_counter(), os.getloadavg()
    columns: dict[str, list[Figure]] = {}
    for request in requests(options):
        own = request.name in LOOPS
        print(report.header(f"fedsock on {request.name}" if own else request.name), flush=True)
        columns[request.name] = []
        async for figure in measured(request):
            print(report.line(figure, not options.quick), flush=True)
            columns[request.name].append(figure)
    peers = [name for name in columns if name in PEERS]
    for text in report.peers(columns, peers) if peers else ():
        print(text)
    beside = [] if options.quick else report.beside(columns)
    if beside:
        print(report.header("beside the peers, of the medians"))
    for figure in beside:
        print(report.line(figure))
    ours = [figure for name in columns if name in LOOPS for figure in columns[name]]
    print(report.summary([*ours, *beside]) if not options.quick else "\na smoke test: its numbers mean nothing")
    if options.json is not None:
        about = {"seconds": time.perf_counter() - start, "load": [load, os.getloadavg()], "quick": options.quick}
        options.json.write_text(json.dumps(about | machine() | written(columns, beside), indent=1))
    return 1 if any(figure.note.startswith("failed") for figure in ours) else 0


def machine() -> dict[str, Any]:
    """Return where it was measured, and with what."""
    versions = {}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()} | {
        "versions": versions
    }


def written(columns: Mapping[str, Sequence[Figure]], beside: Sequence[Figure]) -> dict[str, Any]:
    """Return the figures as JSON has them."""
    return {
        "columns": {name: [figure.to_json() for figure in figures] for name, figures in columns.items()},
        "beside_peers": [figure.to_json() for figure in beside],
    }


if __name__ == "__main__":
    given = parser().parse_args()
    if given.one_column:
        one_column(Request(given.peer or given.loop, given.only, given.quick))
    else:
        sys.exit(asyncio.run(main(given)))
