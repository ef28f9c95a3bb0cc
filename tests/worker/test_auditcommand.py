"""``python -m fedsock.worker audit``, as its owner types it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fedsock.worker.__main__ import main
from fedsock.worker.audit import NO_LINE, Audit
from fedsock.worker.state import State


@pytest.fixture
def head(tmp_path: Path) -> str:
    """Write bob's configuration, and three lines where his state is by default; return the last head."""
    (tmp_path / "bob.toml").write_text('name = "bob"\n')
    state = State(tmp_path / "bob.state")
    audit = Audit(state)
    audit.start()
    audit.write([{"t": "deny", "user": "ann"}], sync=False)
    head = audit.stop()
    state.close()
    return head


def test_an_unchanged_file_is_said_so(tmp_path: Path, head: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bob.state" / "audit.jsonl"
    assert main(["audit", "--verify", "--config", str(tmp_path / "bob.toml")]) == 0
    assert capsys.readouterr().out == f"{file}: 3 lines, each as it was written; head {head}\n"
    assert main(["audit", "--verify", "--state", str(tmp_path / "bob.state"), "--head", head]) == 0
    assert capsys.readouterr().out.endswith("the head that was noted is that of line 3\n")
    with file.open("ab") as more:
        more.write(b'{"prev":')
    assert main(["audit", "--verify", "--state", str(tmp_path / "bob.state")]) == 0
    assert "\nhalf a line follows" in capsys.readouterr().out


def test_the_state_that_a_configuration_names_is_read(
    tmp_path: Path, head: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bob.state").rename(tmp_path / "kept")
    (tmp_path / "bob.toml").write_text('name = "bob"\nstate = "kept"\n')
    assert main(["audit", "--verify", "--config", str(tmp_path / "bob.toml"), "--head", head]) == 0
    assert str(tmp_path / "kept" / "audit.jsonl") in capsys.readouterr().out


def test_a_changed_line_and_a_cut_tail_end_with_1(
    tmp_path: Path, head: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bob.state" / "audit.jsonl"
    text = file.read_bytes()
    words = ["audit", "--verify", "--state", str(tmp_path / "bob.state")]
    file.write_bytes(text.replace(b"ann", b"eve"))
    assert main(words) == 1
    out = capsys.readouterr().out
    assert "audit.jsonl: line 3: doesn't follow the line before it" in out and "the 2 lines before are" in out
    file.write_bytes(b"".join(text.splitlines(keepends=True)[:2]))
    assert main(words) == 0
    assert main([*words, "--head", head]) == 1
    assert "lines were cut off at the end" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["audit"], "--verify"),
        (["audit", "--verify"], "one of the arguments --config --state is required"),
        (["audit", "--verify", "--state", "a", "--config", "b"], "not allowed with"),
        (["audit", "--verify", "--state", "a", "--head", "abc"], "expected the 64 hexadecimal digits"),
        (["audit", "--verify", "--state", "a", "--head", NO_LINE.replace("0", "A")], "expected the 64"),
    ],
)
def test_wrong_options_end_with_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("option", "said"), [("--state", "No such file"), ("--config", "can't be read")])
def test_nothing_to_read_is_one_clear_line(
    tmp_path: Path, option: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "--verify", option, str(tmp_path / "none")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("fedsock.worker: ") and err.count("\n") == 1 and said in err


def test_it_is_a_command_of_its_own_beside_the_worker(tmp_path: Path, head: str) -> None:
    command = [sys.executable, "-W", "error", "-m", "fedsock.worker", "audit", "--verify", "--config", "bob.toml"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    result = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=60, check=True
    )
    assert result.stdout == f"bob.state/audit.jsonl: 3 lines, each as it was written; head {head}\n"
    assert result.stderr == ""


def test_its_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["audit", "--help"])
    assert ended.value.code == 0
    assert "python -m fedsock.worker audit --verify --config workers/bob.toml --head" in capsys.readouterr().out
