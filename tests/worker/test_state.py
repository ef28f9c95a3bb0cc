"""The folder of what a worker must remember: made late, for its owner alone, and for one process."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedsock.errors import ConfigError
from fedsock.worker import state as state_module
from fedsock.worker.state import State, default_folder

HOLDER = """
import sys
from fedsock.worker.state import State
state = State(sys.argv[1])
state.lock()
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    made = State(tmp_path / "kept" / "bob.state")
    yield made
    made.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_is_made_when_something_is_kept_in_it(state: State, tmp_path: Path) -> None:
    assert state.read("requests.json") is None and list(tmp_path.iterdir()) == []
    before = os.umask(0)
    try:
        state.write("requests.json", b"{}")
        state.lock()
    finally:
        os.umask(before)
    assert state.folder is not None
    assert mode(state.folder) == 0o700
    assert {path.name: mode(path) for path in state.folder.iterdir()} == {"requests.json": 0o600, "lock": 0o600}
    assert state.path("requests.json") == state.folder / "requests.json"


def test_in_memory_nothing_touches_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    state = State(None)
    state.lock()
    assert (state.path("a"), state.read("a")) == (None, None)
    state.write("a", b"1")
    state.write("a", b"2")
    assert state.read("a") == b"2"
    state.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_whole(state: State) -> None:
    state.write("a", b"long ago")
    state.write("a", b"now")
    assert state.read("a") == b"now"
    assert state.folder is not None and [path.name for path in state.folder.iterdir()] == ["a"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_what_was_before(state: State, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    state.write("a", b"before")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(state_module.os, step, fail)
        with pytest.raises(OSError, match="No space left"):
            state.write("a", b"after")
    assert state.read("a") == b"before"
    assert state.folder is not None and [path.name for path in state.folder.iterdir()] == ["a"]


def test_a_file_is_on_the_disk_before_its_name_and_the_name_before_it_returns(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.write("a", b"before")
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        fsync(handle)
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")

    def replaced(old: Path, new: Path) -> None:
        replace(old, new)
        done.append("name")

    monkeypatch.setattr(state_module.os, "fsync", synced)
    monkeypatch.setattr(state_module.os, "replace", replaced)
    state.write("a", b"after")
    assert done == ["file", "name", "folder"]


def test_a_second_process_is_refused_until_the_first_is_gone(state: State) -> None:
    command = [sys.executable, "-c", HOLDER, str(state.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None and holder.stdout.readline() == b"locked\n"
            with pytest.raises(ConfigError) as caught:
                state.lock()
            said = str(caught.value)
            assert said.startswith(f"{state.folder}: another worker (process {holder.pid}) keeps its memory there")
            assert "--state DIR" in said
        finally:
            holder.kill()
    state.lock()
    state.lock()


def test_the_lock_is_given_back(state: State) -> None:
    other = State(state.folder)
    state.lock()
    with pytest.raises(ConfigError, match=f"process {os.getpid()}"):
        other.lock()
    state.close()
    state.close()
    other.lock()
    other.close()


def test_a_folder_that_others_may_write_to_is_refused(state: State) -> None:
    assert state.folder is not None
    state.folder.mkdir(parents=True)
    for open_to in (0o770, 0o707):
        state.folder.chmod(open_to)
        with pytest.raises(ConfigError, match=r"others may write to it.*chmod 700"):
            state.lock()
        with pytest.raises(ConfigError, match="others may write to it"):
            state.write("a", b"")
    state.folder.chmod(0o755)
    state.lock()


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/dev/null"), Path("/proc/none")):
        with pytest.raises(ConfigError, match=str(folder)):
            State(folder).lock()
    with pytest.raises(ConfigError, match="can't be read"):
        State(tmp_path).read("x" * 300)


def test_a_lock_that_is_no_file_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "lock").mkdir()
    with pytest.raises(ConfigError, match="lock: can't be opened"):
        State(tmp_path).lock()


def test_a_system_without_locks_is_said(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(37, "No locks available")

    with monkeypatch.context() as broken:
        broken.setattr(state_module.fcntl, "flock", fail)
        with pytest.raises(ConfigError, match="lock: can't be locked: No locks available"):
            state.lock()
    state.lock()


def test_the_default_folder_is_beside_the_configuration() -> None:
    assert default_folder("bob", "/srv/workers/bob.toml") == Path("/srv/workers/bob.state")
    assert default_folder("bob", None) == Path("bob.state")
