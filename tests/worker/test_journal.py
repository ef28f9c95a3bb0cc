"""A file of lines: what is in it after writes that fail at any step, and after a crash at any byte."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import ConfigError
from fedsock.worker import journal as journal_module
from fedsock.worker.journal import Journal
from fedsock.worker.state import State


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    tmp_path.chmod(0o700)
    made = State(tmp_path)
    yield made
    made.close()


class Disk:
    """The journal's view of the system, failing when told to: the step that fails, and bytes written before."""

    def __init__(self) -> None:
        self.failing = ""
        self.taken = 0
        self.synced = 0
        self.written: list[tuple[int, bytes]] = []

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def pwrite(self, handle: int, data: bytes, at: int) -> int:
        if self.failing != "pwrite":
            self.written.append((at, data))
            return os.pwrite(handle, data, at)
        if self.taken == 0:
            raise OSError(28, "No space left on device")
        taken, self.taken = min(self.taken, len(data)), 0
        return os.pwrite(handle, data[:taken], at)

    def fsync(self, handle: int) -> None:
        if self.failing == "fsync":
            raise OSError(5, "Input/output error")
        self.synced += 1
        os.fsync(handle)

    def ftruncate(self, handle: int, size: int) -> None:
        if self.failing == "ftruncate":
            raise OSError(5, "Input/output error")
        os.ftruncate(handle, size)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(journal_module, "os", made)
    return made


def opened(state: State) -> Journal:
    journal = Journal(state, "j")
    assert list(journal.lines()) == []
    return journal


def test_lines_come_back_and_go_on(state: State) -> None:
    journal = opened(state)
    journal.append(b"one\ntwo\n", sync=False)
    journal.append(b"three\n", sync=True)
    journal.close()
    again = Journal(state, "j")
    assert list(again.lines()) == [b"one", b"two", b"three"] and again.torn == b""
    again.append(b"four\n", sync=True)
    again.close()
    assert again.path is not None and again.path.read_bytes() == b"one\ntwo\nthree\nfour\n"
    assert again.path.stat().st_mode & 0o777 == 0o600


def test_in_memory_nothing_is_kept() -> None:
    journal = opened(State(None))
    journal.append(b"one\n", sync=True)
    assert journal.path is None and list(journal.lines()) == []
    journal.close()


def test_synced_lines_are_synced_and_others_are_not(state: State, disk: Disk) -> None:
    journal = opened(state)
    journal.append(b"one\n", sync=False)
    assert disk.synced == 0
    journal.append(b"two\n", sync=True)
    assert disk.synced == 1
    journal.close()


@pytest.mark.parametrize("failing", ["pwrite", "fsync"])
@pytest.mark.parametrize("taken", [0, 3, 7])
def test_a_write_that_fails_is_gone_before_the_next(state: State, disk: Disk, failing: str, taken: int) -> None:
    journal = opened(state)
    assert journal.path is not None
    journal.append(b"unsynced\n", sync=False)
    disk.failing, disk.taken = failing, taken
    for _ in range(2):
        with pytest.raises(OSError, match=r"No space|Input/output"):
            journal.append(b"lost lost\n", sync=True)
    disk.failing = "ftruncate"
    with pytest.raises(OSError, match="Input/output"):
        journal.append(b"lost\n", sync=True)
    disk.failing = ""
    journal.append(b"x\n", sync=True)
    assert journal.path.read_bytes() == b"unsynced\nx\n"
    journal.close()


def test_after_a_failed_sync_all_that_was_not_synced_is_written_once_more(state: State, disk: Disk) -> None:
    """The system may take for written what it failed to write, and no later sync would bring it to the disk."""
    journal = opened(state)
    journal.append(b"one\n", sync=True)
    journal.append(b"two\n", sync=False)
    disk.failing = "fsync"
    with pytest.raises(OSError, match="Input/output"):
        journal.append(b"three\n", sync=True)
    disk.failing = ""
    disk.written.clear()
    journal.append(b"four\n", sync=False)
    assert disk.written == [(4, b"two\n"), (8, b"four\n")]
    assert disk.synced == 2
    journal.close()


def test_a_disk_that_takes_a_little_at_a_time_gets_all(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(state)
    assert journal.path is not None
    pwrite = os.pwrite
    with monkeypatch.context() as slow:
        slow.setattr(journal_module.os, "pwrite", lambda handle, data, at: pwrite(handle, data[:3], at))
        journal.append(b"a line\nand another\n", sync=True)
    assert journal.path.read_bytes() == b"a line\nand another\n"
    journal.close()


def test_a_file_that_takes_nothing_is_an_error(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(state)
    monkeypatch.setattr(journal_module.os, "pwrite", lambda *_: 0)
    with pytest.raises(OSError, match="takes no more"):
        journal.append(b"one\n", sync=True)
    journal.close()


def test_what_is_torn_gives_way_to_the_line_in_its_place_and_not_before(state: State, disk: Disk) -> None:
    path = state.path("j")
    assert path is not None
    for torn in (b"tw", b"a long torn line"):
        path.write_bytes(b"one\n" + torn)
        journal = Journal(state, "j")
        assert list(journal.lines()) == [b"one"]
        journal.drop_torn()
        disk.failing = "ftruncate"
        with pytest.raises(OSError, match="Input/output"):
            journal.append(b"instead\n", sync=True)
        # Should the process die here, what is whole is whole, and what isn't is torn.
        assert path.read_bytes() == b"one\ninstead\n" + torn[len(b"instead\n") :]
        disk.failing = ""
        journal.append(b"instead\n", sync=True)
        assert path.read_bytes() == b"one\ninstead\n"
        journal.close()


@pytest.mark.parametrize("deed", ["moved", "replaced", "cut", "grown"])
def test_a_file_that_another_hand_changed_is_written_no_more(state: State, deed: str) -> None:
    journal = opened(state)
    path = journal.path
    assert path is not None
    journal.append(b"one\ntwo\n", sync=True)
    aside = path.with_name("aside")
    if deed in ("moved", "replaced"):
        path.rename(aside)
    if deed == "replaced":
        path.write_bytes(b"one\ntwo\n")
    if deed == "cut":
        path.write_bytes(b"one\n")
    if deed == "grown":
        path.write_bytes(b"one\ntwo\nthree\n")
    before = path.read_bytes() if path.exists() else None
    for _ in range(2):
        with pytest.raises(OSError, match=r"another hand|No such file"):
            journal.append(b"more\n", sync=True)
    assert (path.read_bytes() if path.exists() else None) == before
    if deed == "moved":
        aside.rename(path)
        journal.append(b"more\n", sync=True)
        assert path.read_bytes() == b"one\ntwo\nmore\n"
    journal.close()


def test_a_closed_journal_takes_nothing(state: State) -> None:
    journal = opened(state)
    journal.close()
    journal.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        journal.append(b"one\n", sync=True)


def test_what_is_torn_is_kept_or_dropped(state: State) -> None:
    path = state.path("j")
    assert path is not None
    for keep, after in ((True, b"one\ntw\nthree\n"), (False, b"one\nthree\n")):
        path.write_bytes(b"one\ntw")
        journal = Journal(state, "j")
        assert (list(journal.lines()), journal.torn) == ([b"one"], b"tw")
        if keep:
            journal.keep_torn()
        else:
            journal.drop_torn()
        assert journal.torn == b""
        journal.append(b"three\n", sync=True)
        journal.close()
        assert path.read_bytes() == after


def test_what_is_no_file_is_refused(state: State, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match="folder: can't be opened for writing"):
        Journal(state, "folder")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="pipe: is no ordinary file"):
        Journal(state, "pipe")
    (tmp_path / "device").symlink_to("/dev/null")
    with pytest.raises(ConfigError, match="device: is no ordinary file"):
        Journal(state, "device")


def test_a_file_that_cannot_be_read_is_refused(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(state, "j")

    def fail(handle: int) -> int:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(journal_module.os, "dup", fail)
        with pytest.raises(ConfigError, match="j: can't be read: Input/output error"):
            list(journal.lines())
    journal.close()


lines = st.lists(st.sampled_from([b"a\n", b"bb\n", b"ccc\n"]), min_size=1, max_size=3).map(b"".join)
steps = st.tuples(lines, st.booleans(), st.sampled_from(["", "", "pwrite", "fsync", "ftruncate"]), st.integers(0, 9))


@given(st.lists(steps, max_size=20))
def test_the_file_holds_what_was_taken_whatever_failed(
    tmp_path_factory: pytest.TempPathFactory, script: list[tuple[bytes, bool, str, int]]
) -> None:
    state = State(tmp_path_factory.mktemp("state"))
    disk = Disk()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_module, "os", disk)
        journal = opened(state)
        assert journal.path is not None
        taken = b""
        for data, sync, disk.failing, disk.taken in script:
            try:
                journal.append(data, sync=sync)
            except OSError:
                assert journal.path.read_bytes().startswith(taken)
            else:
                taken += data
                assert journal.path.read_bytes() == taken
        disk.failing = ""
        journal.append(b"end\n", sync=True)
        assert journal.path.read_bytes() == taken + b"end\n"
        journal.close()
    state.close()
