from __future__ import annotations

import pytest

from fedsock.errors import BadFrame, ConnectionFailed
from fedsock.transport.base import TransportClosed
from fedsock.worker.hubnews import CALM_SECONDS, MOST_CHARACTERS, HubNews

GONE = ConnectionFailed("no hub at ws://h:1 (Connection refused)")
OTHER = ConnectionFailed("this hub speaks fedsock/2; install the same fedsock at both ends")


class Told:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.now = 0.0
        self.news = HubNews("bob", "ws://h:1", self.lines.append, lambda: self.now)

    def take(self) -> list[str]:
        lines = self.lines[:]
        self.lines.clear()
        return lines


def test_one_line_at_the_first_failure_and_when_the_reason_changes() -> None:
    told = Told()
    for _ in range(3):
        told.news(GONE)
    assert told.take() == ["fedsock.worker: no hub at ws://h:1 (Connection refused); trying on"]
    for _ in range(3):
        told.news(OTHER)
    assert told.take() == [f"fedsock.worker: {OTHER}; trying on"]
    told.news(GONE)
    assert len(told.take()) == 1


def test_the_first_time_it_is_reached_is_told_by_who_joins() -> None:
    told = Told()
    told.news(GONE)
    told.take()
    told.news(None)
    assert told.take() == []


def test_a_hub_that_goes_and_comes_back_is_told_each_time() -> None:
    told = Told()
    told.news(None)
    for _ in range(2):
        told.now += CALM_SECONDS
        told.news(GONE)
        told.news(GONE)
        told.now += 100
        told.news(None)
        told.news(None)
        assert told.take() == [f"fedsock.worker: {GONE}; trying on", "worker bob is back at ws://h:1"]


def test_a_hub_that_comes_and_goes_all_the_time_is_told_once() -> None:
    told = Told()
    for _ in range(20):
        told.news(None)
        told.now += 0.2
        told.news(GONE)
        told.now += 2
    assert told.take() == [f"fedsock.worker: {GONE}; trying on", "worker bob is back at ws://h:1"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BadFrame("a frame's head must be JSON"), "what answers at ws://h:1 says what no hub of this version says"),
        (TransportClosed(1006), "ws://h:1 hung up (closed with code 1006)"),
        (TimeoutError(), "what answers at ws://h:1 doesn't say whether bob may come in"),
        (OSError(), "OSError"),
    ],
)
def test_reasons_are_sentences(error: Exception, said: str) -> None:
    told = Told()
    told.news(error)
    assert told.take()[0].startswith(f"fedsock.worker: {said}")


def test_a_strangers_text_is_one_short_line_without_codes() -> None:
    told = Told()
    told.news(ConnectionFailed("\x1b[2Jyou\nare" + "x" * 1000))
    (line,) = told.take()
    assert line.isprintable() and len(line) < MOST_CHARACTERS + 50


def test_without_more_it_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    HubNews("bob", "ws://h:1")(GONE)
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"fedsock.worker: {GONE}; trying on\n")
