"""``python -m fedsock.worker show``, as an owner types it, and behind a worker that runs as a process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock.errors import ExportDenied
from fedsock.plan.program import Program
from fedsock.plan.show import shown
from fedsock.plan.steps import Plan
from fedsock.worker.__main__ import main
from tests.chaos.children import child
from tests.worker.test_planbook import keep, path_of

WEIGHTS = np.arange(9.0)


def slope(rate: Any, x: Any) -> Any:
    return (x * WEIGHTS).mean() * rate


PLAN = Program(slope).trace(0.5, np.zeros(9)).plan


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "bob.toml").write_text('name = "bob"\n')
    keep(tmp_path / "bob.state", PLAN, user="ann")
    return tmp_path


def test_a_plan_is_shown_as_it_reads_and_how_it_is_allowed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for digest in (PLAN.digest, PLAN.digest.removeprefix("sha256:")[:10]):
        assert main(["show", digest, "--config", str(place / "bob.toml")]) == 0
        out = capsys.readouterr().out
        assert out.startswith("sent by ann, first 20") and f"\n\n{shown(PLAN, lines=False)}\n\n" in out
        assert f'[policy.train]\n  plans = ["{PLAN.digest}"]\n' in out and "trust in this plan" in out
    assert main(["show", PLAN.digest, "--lines", "--whole", "--state", str(place / "bob.state")]) == 0
    out = capsys.readouterr().out
    assert shown(PLAN, True, 9) in out and "7.0, 8.0)" in out and "# test_showcommand.py:" in out


def test_all_are_listed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = Program(lambda x: x + 1 + x.sum()).trace(np.zeros(3)).plan
    keep(place / "bob.state", other, user="eve\x1b[2J")
    assert main(["show", "--config", str(place / "bob.toml")]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{PLAN.digest}  20") and first.endswith(" UTC  ann  3 steps  slope")
    assert second.startswith(other.digest) and second.endswith(r"  eve\x1b[2J  3 steps  <lambda>")
    assert main(["show", "--state", str(place)]) == 0
    assert "no plan is kept in" in capsys.readouterr().out


def test_what_is_not_there_ends_it_with_1_and_wrong_options_with_2(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for digest in ("sha256:" + "0" * 64, "../bob.toml", "x\x1b[2J"):
        assert main(["show", digest, "--config", str(place / "bob.toml")]) == 1
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("fedsock.worker: ") and "\x1b" not in err
    path_of(place / "bob.state", PLAN).write_text("{}")
    assert main(["show", PLAN.digest, "--config", str(place / "bob.toml")]) == 1
    assert "holds no plan" in capsys.readouterr().err
    assert main(["show", "--config", str(place / "nowhere.toml")]) == 2
    for words in (["show"], ["show", "a", "b", "--state", "x"], ["show", "--state", "x", "--config", "y"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2


def test_nothing_that_a_session_names_reaches_the_terminal_as_it_is(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a hostile session calls things: no step can be made up, hidden or coloured by a name or a constant."""
    text = PLAN.to_json().replace('"slope"', '"mean\\u3164, approved"').replace('"rate"', '"v2 = sum(x)"')
    plan = Plan.from_json(text)
    keep(place / "bob.state", plan)
    assert main(["show", plan.digest, "--config", str(place / "bob.toml")]) == 0
    out = capsys.readouterr().out
    assert "plan 'mean\\u3164, approved'" in out and "input0: float (called 'v2 = sum(x)')" in out
    assert "multiply(v3, input0)" in out
    line = PLAN.steps[0].line
    written = Plan.from_json(PLAN.to_json().replace(line, "f.py:1\u3164"))
    path_of(place / "bob.state", PLAN).unlink()
    keep(place / "bob.state", written)
    assert main(["show", PLAN.digest, "--lines", "--config", str(place / "bob.toml")]) == 0
    assert "    # f.py:1\\u3164\n" in capsys.readouterr().out


@pytest.mark.timeout(120)
async def test_what_was_run_at_a_worker_is_there_for_its_owner(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(9.0))
    toml = tmp_path / "bob.toml"

    def owner(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "fedsock.worker", "show", *words, "--config", str(toml)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    public = Program(lambda x: x * 3).trace(np.zeros(2))
    async with fedsock.Hub(port=0) as hub:
        toml.write_text(f'name = "bob"\nhub = "{hub.url}"\n[datasets.x]\nfile = "x.npy"\n')
        async with child("fedsock.worker", "--config", str(toml)) as worker:
            bob = await hub.worker("bob", timeout=30)
            assert (await bob.run(public, bob.send(np.ones(2)))).tolist() == [3, 3]
            assert not (tmp_path / "bob.state").exists()  # nothing private took part
            p = await bob.run(PLAN, 0.5, bob.datasets["x"]).wait()
            with pytest.raises(ExportDenied, match=PLAN.digest):
                await p
            async with asyncio.timeout(30):
                while not path_of(tmp_path / "bob.state", PLAN).exists():
                    await bob.ping()
            await worker.kill()
    code, said = await asyncio.to_thread(owner)
    assert code == 0 and PLAN.digest in said and "  anonymous  3 steps  slope" in said
    code, said = await asyncio.to_thread(owner, PLAN.digest[:20])
    assert code == 0 and "v4 = multiply(v3, rate)" in said
    assert (await asyncio.to_thread(owner, "0" * 64))[0] == 1
