"""The prompt in a worker's terminal."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from fedsock.worker.approvals import Approvals
from fedsock.worker.prompt import LINE_BYTES, Prompt
from fedsock.worker.requestbook import Approved, Asked, denial, utc
from fedsock.worker.state import State


class Terminal:
    """A prompt, what it says, and what it asks about."""

    def __init__(self) -> None:
        self.approvals = Approvals(State())
        self.said: list[str] = []
        self.prompt = Prompt(self.approvals, self.said.append)

    def ask(self, digest: str = "1") -> Asked:
        asked = self.approvals.file("ann", digest, "why\x1b[2J", "float64[]", "np.sum(data['x'])", 1)
        self.prompt.show(asked)
        return asked

    def stand(self, number: int) -> Any:
        return self.approvals.outcome(number, "ann")


def test_a_request_is_shown_and_answered() -> None:
    terminal = Terminal()
    terminal.ask()
    [shown] = terminal.said
    for part in (
        "request 1: waiting",
        "who    ann",
        "why    why\\x1b[2J",
        "ATTENTION: 1 constant",
        "np.sum(data['x'])",
        "y 5",
    ):
        assert part in shown
    terminal.prompt.line("y 3\n")
    assert terminal.stand(1) == ("approved", "") and terminal.said[1:] == ["request 1 is approved"]
    found = terminal.approvals.find("ann", "1")
    assert found is not None and found.count == 3
    terminal.ask()
    terminal.prompt.line("y 5 7")
    found = terminal.approvals._book.answers[2]
    assert isinstance(found, Approved) and found.count == 5
    assert datetime.fromisoformat(found.until) - datetime.fromisoformat(found.at) == timedelta(days=7)


@pytest.mark.parametrize(
    ("line", "stand"),
    [("y", ("approved", "")), ("  y  ", ("approved", "")), ("n too few rows", ("denied", "too few rows"))],
)
def test_answers(line: str, stand: Any) -> None:
    terminal = Terminal()
    terminal.ask()
    terminal.prompt.line(line)
    assert terminal.stand(1) == stand


@pytest.mark.parametrize(
    "line", ["yes", "y 0", "y -1", "y two", "y 9999999", "y 5 0", "y 5 9999", "y 5 7 1", "n", "n  ", "approve 1"]
)
def test_what_is_no_answer_leaves_it_shown(line: str) -> None:
    terminal = Terminal()
    terminal.ask()
    terminal.prompt.line(line)
    assert terminal.stand(1) == ("waiting", "") and "that is no answer" in terminal.said[-1]
    terminal.prompt.line("y")
    assert terminal.stand(1) == ("approved", "")


def test_one_is_shown_at_a_time_and_nothing_goes_on_to_the_next() -> None:
    terminal = Terminal()
    for digest in "123":
        terminal.ask(digest)
    terminal.ask("1")  # once more, and it waits already
    assert len(terminal.said) == 1
    terminal.prompt.line("")
    assert "request 1 stays open" in terminal.said[1] and "request 2: waiting" in terminal.said[2]
    # Answered elsewhere meanwhile.
    terminal.approvals.answer(denial(terminal.approvals._book.asked[3], "no", utc()))
    terminal.prompt.line("y")
    assert terminal.stand(2) == ("approved", "") and terminal.stand(1) == ("waiting", "")
    terminal.prompt.line("y")
    assert terminal.said[-1] == "no request waits for an answer"


def test_what_waits_from_before_is_shown_at_the_start() -> None:
    terminal = Terminal()
    terminal.ask()
    said: list[str] = []
    Prompt(terminal.approvals, said.append).line("y")
    assert "request 1: waiting" in said[0] and terminal.stand(1) == ("approved", "")


def test_lines_may_come_in_parts() -> None:
    terminal = Terminal()
    for digest in "12":
        terminal.ask(digest)
    for part in (b"n too \xc3", b"\xa9 few", b" rows\ny\nn"):
        terminal.prompt.feed(part)
    assert terminal.stand(1) == ("denied", "too \xe9 few rows") and terminal.stand(2) == ("approved", "")
    terminal.prompt.feed(b"x" * (3 * LINE_BYTES))
    assert len(terminal.prompt._begun) == LINE_BYTES


def test_an_answer_that_cannot_be_written_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    terminal.ask()

    def full(*_: Any) -> None:
        raise OSError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(terminal.approvals, "answer", full)
        terminal.prompt.line("y")
    assert "was not answered: no space" in terminal.said[-1]
    terminal.prompt.line("y")
    assert terminal.stand(1) == ("approved", "")
