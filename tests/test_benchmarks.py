"""The benchmarks run; their numbers are for ``python -m tests.benchmarks`` itself to show."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


async def quick_run(only: str, out: Path) -> str:
    """Return what a quick run of some cases prints; what it measured is in a file then."""
    options = ["--quick", "--only", only, "--loops", "asyncio", "--peers", "none", "--json", str(out)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks", *options, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(100):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    return printed.decode()


async def test_a_quick_run_measures_prints_and_writes(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    text = await quick_run("T1,T2,T4,P,dp,plan,start", out)
    for case in (
        "T1 op and fetch, stand-alone hub",
        "T2 chained ops, embedded hub",
        "T4 64 virtual workers",
        "P chained ops on private rows",
        "P noisy mean",
        "L plan of 100 small ops, at a worker",
        "import",
    ):
        assert case in text
    assert json.loads(out.read_text())


async def test_a_quick_run_of_rounds(tmp_path: Path) -> None:
    text = await quick_run("fit,models,peaks,simulation,digits", tmp_path / "figures.json")
    for case in (
        "L round without training",
        "M rounds, 20 workers",
        "M peak's growth",
        "S script",
        "S rounds, 10 of 100",
        "D digits, 2 shards, mean of 1",
    ):
        assert case in text
