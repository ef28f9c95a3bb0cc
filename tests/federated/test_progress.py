"""The live line."""

from __future__ import annotations

import pytest

from fedsock.federated.progress import Line, text
from fedsock.federated.result import Dropped, Round, WorkerReport

REPORT = WorkerReport(12, 0.25, {}, 0.5, 24, 24)
ONE = Round(3, None, 0.51234, {"acc": 0.1}, {"bob": REPORT}, [Dropped("eve", "x")], 0.7)


def test_what_it_says() -> None:
    assert text(ONE, 50) == "round 3/50 · 1 workers · 1 dropped · loss 0.5123 · acc 0.1 · 0.7 s"


def test_it_is_silent_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    line = Line(50)
    line.tell(ONE)
    line.close()
    assert capsys.readouterr() == ("", "")


def test_it_is_shown_in_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    line = Line(50, shown=True)
    line.tell(ONE)
    line.close()
    line.close()
    assert "round 3/50" in capsys.readouterr().err
