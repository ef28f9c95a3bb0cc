"""The benchmarks run; their numbers are for ``python -m tests.benchmarks`` itself to show."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


async def test_a_quick_run_measures_prints_and_writes(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    options = [
        "--quick",
        "--only",
        "T1,T2,T4,P,dp,plan,fit,digits,start",
        "--loops",
        "asyncio",
        "--peers",
        "none",
        "--json",
        str(out),
    ]
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
    text = printed.decode()
    for case in (
        "T1 op and fetch, stand-alone hub",
        "T2 chained ops, embedded hub",
        "T4 64 virtual workers",
        "P chained ops on private rows",
        "P noisy mean",
        "L plan of 100 small ops, at a worker",
        "L round without training",
        "D digits, 2 shards, mean of 1",
        "import",
    ):
        assert case in text
    assert json.loads(out.read_text())
