"""``python -m tests.benchmarks [--json FILE]``: a table of what was measured, beside what is aimed at."""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks.cases import everything


async def main(file: Path | None) -> None:
    """Measure, print a row a figure, and write them as JSON.

    Args:
        file: where to; None writes none.
    """
    figures = []
    async for one in everything():
        figures.append(one)
        beside = "" if one.bare is None else f"{one.bare:12,.1f} bare   ratio {one.measure:5.2f}"
        goal = f"{'<=' if one.most else '>='} {one.goal:g}"
        print(f"{one.case:42} {one.value:12,.1f} {one.unit:5} {beside:34} {goal:10} {'' if one.met else 'missed'}")
    if file is not None:
        rows = [asdict(one) | {"met": one.met} for one in figures]
        file.write_text(json.dumps({"python": platform.python_version(), "figures": rows}, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("benchmarks.json"), help="default: benchmarks.json")
    asyncio.run(main(parser.parse_args().json))
