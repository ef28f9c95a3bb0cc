"""``python -m fedsock.worker requests | approve | deny``, as an owner types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsock.worker.__main__ import main
from fedsock.worker.approvals import Approvals
from fedsock.worker.requestbook import ANSWERS
from fedsock.worker.state import State


@pytest.fixture
def place(tmp_path: Path) -> str:
    """Write bob's configuration, and two requests where his state is by default; his worker runs on."""
    (tmp_path / "bob.toml").write_text('name = "bob"\n')
    state = State(tmp_path / "bob.state")
    approvals = Approvals(state)
    why = "the mean\x1b[2J for\u202e the report"
    approvals.file("ann", "1" * 64, why, "float64[]", "v1 = data['x'] * 2\nnp.mean(v1)", 0)
    approvals.file("eve", "2" * 64, "why not", "float64[3]", "data['x']", 2)
    approvals.close()
    state.close()
    return str(tmp_path / "bob.toml")


def test_requests_are_shown_as_their_owner_reads_them(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["requests", "--config", place]) == 0
    out = capsys.readouterr().out
    for said in (
        "request 1: waiting", "who    ann, ", "why    the mean\\x1b[2J for\\u202e the report", "shape  float64[]",
        "    v1 = data['x'] * 2\n    np.mean(v1)\n", "request 2: waiting",
        "ATTENTION: 2 constants are as long as the rows",
    ):  # fmt: skip
        assert said in out


def test_answers_are_taken_up_by_the_worker(place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["approve", "1", "--count", "2", "--days", "7", "--config", place]) == 0
    assert main(["deny", "2", "--reason", "single rows", "--state", str(tmp_path / "bob.state")]) == 0
    out = capsys.readouterr().out
    assert "request 1 of ann is approved: 2 times, until " in out and "request 2 of eve is denied" in out
    state = State(tmp_path / "bob.state")
    approvals = Approvals(state)
    found = approvals.find("ann", "1" * 64)
    assert found is not None and found.count == 2
    assert approvals.outcome(2, "eve") == ("denied", "single rows")
    approvals.use(found)
    approvals.close()
    state.close()
    assert main(["requests", "--config", place]) == 0
    assert "no request waits for an answer; 2 were answered" in capsys.readouterr().out
    assert main(["requests", "--all", "--config", place]) == 0
    out = capsys.readouterr().out
    assert "request 1: approved, 1 of 2 exports left, until " in out and "request 2: denied: single rows" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["approve", "7"], "there is no request 7; 1, 2 wait for an answer"),
        (["deny", "0", "--reason", "no"], "there is no request 0"),
    ],
)
def test_a_wrong_number_is_refused(
    place: str, capsys: pytest.CaptureFixture[str], words: list[str], said: str, tmp_path: Path
) -> None:
    assert main([*words, "--config", place]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "bob.state" / ANSWERS).exists()


@pytest.mark.parametrize(
    "words",
    [
        ["approve"], ["approve", "one"], ["approve", "1", "--count", "0"], ["approve", "1", "--days", "0"],
        ["approve", "1", "--days", "nan"], ["approve", "1", "--count", "1000001"], ["deny", "1"],
        ["deny", "1", "--reason", " "], ["deny", "1", "--reason", "x" * 1001], ["requests", "1"],
    ],
)  # fmt: skip
def test_wrong_options_are_refused(place: str, words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--config", place])
    assert ended.value.code == 2


def test_where_nothing_was_asked_for_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["requests"], ["approve", "1"], ["deny", "1", "--reason", "no"]):
        assert main([*words, "--state", str(tmp_path)]) == 2
        assert "nothing was asked for yet" in capsys.readouterr().err


def test_an_answer_that_cannot_be_written_is_none(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bob.state" / ANSWERS).mkdir()
    assert main(["approve", "1", "--config", place]) == 2
    assert ANSWERS in capsys.readouterr().err
