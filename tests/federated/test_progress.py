"""The live line: what it says, how often, where, and that a fit never fails for it."""

from __future__ import annotations

import io
import logging
import os
import pty
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest

from fedsock.federated import notebook
from fedsock.federated.progress import BETWEEN_SECONDS, Line, text
from fedsock.federated.result import Dropped, Round, WorkerReport

REPORT = WorkerReport(12, 0.25, {}, 0.5, 24, 24)
ONE = Round(3, None, 0.51234, {"acc": 0.1}, {"bob": REPORT}, [Dropped("eve", "x")], 0.7)
SAID = "round 3/50 · 1 workers · 1 dropped · loss 0.5123 · acc 0.1 · 0.7 s"


class Screen(io.StringIO):
    """Standard error as a terminal of 80 columns."""

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        """What can be read on it: a line for each line feed, and the one that the cursor is in."""
        return [line.split("\r\x1b[0K")[-1] for line in self.getvalue().split("\n")]


def on(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Have standard error be a screen; no fixture: pytest puts its own there between set-up and test."""
    monkeypatch.setattr(notebook, "there", lambda: False)
    monkeypatch.setattr(sys, "stderr", made := Screen())
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    return made


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_it_says() -> None:
    assert text([], 50) == "round 1 of at most 50"
    assert text([ONE], 50) == SAID


def test_a_metric_gives_the_terminal_no_commands() -> None:
    one = Round(1, None, None, {"a\x1b[2J\nb": 1.0}, {}, [], 1)
    assert "a?[2J?b 1" in text([one], 2)


def test_it_is_silent_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    line = Line(50)
    line.show([ONE])
    line.hide()
    line.close([ONE])
    assert capsys.readouterr() == ("", "")


def test_a_file_gets_the_last_text_where_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    line = Line(50, shown=True)
    line.show([])
    line.show([ONE])
    line.close([ONE])
    line.close([ONE])
    assert capsys.readouterr() == ("", f"{SAID}\n")


def test_it_stays_in_one_line_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = on(monkeypatch)
    clock = Clock()
    line = Line(50, clock=clock)
    line.show([])
    assert screen.lines() == ["round 1 of at most 50"]
    clock.now += BETWEEN_SECONDS
    line.show([ONE])
    assert screen.lines() == [SAID]
    line.close([ONE])
    assert screen.lines() == [SAID, ""]


def test_it_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = on(monkeypatch)
    line = Line(50)
    line.show([ONE])
    line.hide()
    sys.stderr.write("mine\n")
    line.close([ONE])
    assert screen.lines() == ["mine", ""], "who left the fit would read it among later output"


def test_what_is_too_long_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = on(monkeypatch)
    line = Line(50)
    line.show([Round(1, None, None, {"[bold]" + "m" * 100: 1.0}, {}, [], 1)])
    (shown,) = screen.lines()
    assert shown.startswith("round 1/50 · 0 workers · [bold]mmm") and shown.endswith("…") and len(shown) == 80


def test_few_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = on(monkeypatch)
    clock = Clock()
    line = Line(50, clock=clock)
    before = len(screen.getvalue())
    line.show([ONE])
    each = len(screen.getvalue()) - before
    for clock.now in [number / 1000 for number in range(1000)]:
        line.show([ONE])
    assert len(screen.getvalue()) <= 11 * each


def test_a_notebook_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = on(monkeypatch)
    shown: list[str] = []
    cell = SimpleNamespace(show=shown.append, hide=lambda: None, leave=shown.append)
    monkeypatch.setattr(notebook, "there", lambda: True)
    monkeypatch.setattr(notebook, "Cell", lambda: cell)
    line = Line(50)
    line.show([])
    line.close([ONE])
    Line(50, shown=False).show([ONE])
    assert shown == ["round 1 of at most 50", SAID] and screen.getvalue() == ""


def test_what_cant_be_shown_is_logged_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    shell = SimpleNamespace(kernel=object())
    ipython = ModuleType("IPython")
    vars(ipython).update(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    clock = Clock()
    line = Line(50, clock=clock)
    with caplog.at_level(logging.WARNING, "fedsock.federated"):
        for clock.now in range(3):
            line.show([ONE])
            line.hide()
        line.close([ONE])
    assert [record.getMessage() for record in caplog.records] == [
        "a fit goes on without its line, which can't be shown"
    ]


def test_a_process_without_output(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    Line(50).show([ONE])
    assert len(caplog.records) == 1


FITS = """
import asyncio, numpy as np, fedsock

def train(data, params):
    return params + 1, len(data["x"]), {}

def evaluate(params):
    if params[0] == 3:
        raise ZeroDivisionError
    return {}

async def main():
    async with fedsock.Hub(port=0) as hub:
        policy = {"train": {"tasks": ["train"], "min_rows": 1, "rounds": 100}}
        await hub.virtual_worker("bob", {"x": np.arange(9.0)}, policy=policy, tasks={"train": train})
        await hub.fit(np.zeros(1), task="train", rounds=4)
        async for r in hub.fit(np.zeros(1), task="train", rounds=4):
            print("mine", r.number)
            if r.number == 2:
                break
        print("after")
        try:
            await hub.fit(np.zeros(1), task="train", rounds=4, evaluate=evaluate)
        except ZeroDivisionError:
            print("failed")

asyncio.run(main())
"""


def test_fits_in_a_terminal() -> None:
    """All that a process writes, to one terminal: nothing of a line is left among what its user prints."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen([sys.executable, "-c", FITS], stdout=theirs, stderr=theirs, env=environ)
    os.close(theirs)
    read = b""
    try:
        while some := os.read(ours, 65536):
            read += some
    except OSError:  # all others have closed it
        pass
    finally:
        os.close(ours)
        process.kill()
        process.wait()
    screen = Screen()
    screen.write(read.decode().replace("\r\n", "\n"))
    first, *middle, last, end, nothing = screen.lines()
    assert first.startswith("round 4/4 · 1 workers")
    assert middle == ["mine 1", "mine 2", "after"]
    assert last.startswith("round 2/4 · 1 workers")
    assert (end, nothing) == ("failed", "")
