"""The audit file: a chain that shows every change, and that goes on after crashes and full disks."""

from __future__ import annotations

import hashlib
import json
import logging
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import AuditUnwritable, ConfigError, ExportDenied
from fedsock.worker import journal as journal_module
from fedsock.worker.audit import NO_LINE, OWN_KEYS, Audit, verify
from fedsock.worker.state import State

Open = Callable[[], Audit]


@pytest.fixture
def file(folder: Path) -> Path:
    return folder / "audit.jsonl"


@pytest.fixture
def reopen(folder: Path, held: ExitStack) -> Open:
    """Open the audit file, as the next process would: the one before is given up."""

    def reopen() -> Audit:
        held.close()
        state = State(folder)
        held.callback(state.close)
        audit = Audit(state, now=lambda: datetime(2026, 5, 1, 12, tzinfo=UTC))
        held.callback(audit.close)
        return audit

    return reopen


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


def written(reopen: Open, file: Path) -> bytes:
    """Write five lines in three batches; return them."""
    audit = reopen()
    audit.start(worker="bob")
    audit.write([{"t": "export", "rule": "aggregate", "user": "ann"}, {"t": "deny", "user": "ben"}], sync=False)
    audit.write([{"t": "export", "share": 0.25}], sync=True)
    audit.stop()
    return file.read_bytes()


def test_each_line_holds_the_hash_of_the_one_before(reopen: Open, file: Path) -> None:
    text = written(reopen, file)
    found = lines(file)
    assert found[0] == {"prev": NO_LINE, "n": 1, "at": "2026-05-01T12:00:00.000+00:00", "t": "start", "worker": "bob"}
    assert [line["t"] for line in found] == ["start", "export", "deny", "export", "stop"]
    assert [line["n"] for line in found] == [1, 2, 3, 4, 5]
    hashes = [hashlib.sha256(line).hexdigest() for line in text.splitlines()]
    assert [line["prev"] for line in found] == [NO_LINE, *hashes[:-1]]
    verdict = verify(file)
    assert (verdict.lines, verdict.head, verdict.fault, verdict.unfinished) == (5, hashes[-1], None, False)


def test_a_batch_is_one_write_and_synced_when_asked(reopen: Open, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = reopen()
    done: list[str] = []
    for name in ("pwrite", "fsync"):
        real = getattr(journal_module.os, name)
        monkeypatch.setattr(
            journal_module.os, name, lambda *args, name=name, real=real: [done.append(name), real(*args)][1]
        )
    audit.write([{"t": "deny"}] * 100, sync=False)
    assert done == ["pwrite"]
    audit.write([{"t": "export"}] * 2, sync=True)
    assert done == ["pwrite", "pwrite", "fsync"]
    audit.write([], sync=True)
    assert len(done) == 3 and len(lines(file)) == 102


def test_start_and_stop_give_the_head_and_the_chain_goes_on(reopen: Open, file: Path) -> None:
    audit = reopen()
    assert audit.head == NO_LINE
    first = audit.start()
    assert first == audit.head == verify(file).head
    audit.write([{"t": "deny"}], sync=False)
    last = audit.stop()
    with pytest.raises(AuditUnwritable):
        audit.write([{"t": "deny"}], sync=False)
    again = reopen()
    assert again.head == last
    again.start()
    assert [verify(file, head).noted for head in (NO_LINE, first, last, again.head)] == [0, 1, 3, 4]
    assert lines(file)[3]["prev"] == last


def test_in_memory_there_is_a_head_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    audit = Audit(State(None))
    heads = {audit.head, audit.start(), audit.stop()}
    assert len(heads) == 3 and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["prev", "n", "at"])
def test_a_record_cannot_pose_as_the_chain(reopen: Open, file: Path, key: str) -> None:
    audit = reopen()
    with pytest.raises(ValueError, match=f"can't have .'{key}'."):
        audit.write([{"t": "deny"}, {"t": "deny", key: 1}], sync=False)
    assert file.read_bytes() == b"" and audit.head == NO_LINE


def test_threads_write_one_chain(reopen: Open, file: Path) -> None:
    audit = reopen()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda k: audit.write([{"t": "deny", "k": k}] * 3, sync=False), range(200)))
    assert verify(file, audit.head).noted == 600
    assert [line["k"] for line in lines(file)][::3] == [line["k"] for line in lines(file)][2::3]


# Changes that the owner has to see.


def test_every_changed_byte_is_seen(reopen: Open, file: Path) -> None:
    text = written(reopen, file)
    head = verify(file).head
    last = text.rindex(b"\n", 0, -1) + 1
    for at in range(len(text)):
        file.write_bytes(text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :])
        assert verify(file, head).fault is not None, at
        if at < last:
            assert verify(file).fault is not None, at
            with pytest.raises(ConfigError, match=r"audit.jsonl, line \d: .*keep the file as evidence"):
                reopen()


@pytest.mark.parametrize(
    ("change", "said", "line"),
    [
        (lambda all: [*all[:2], *all[3:]], "line 3: doesn't follow the line before it", 2),
        (lambda all: [*all[:2], all[1], *all[2:]], "line 3: doesn't follow the line before it", 2),
        (lambda all: [all[0], all[2], all[1], *all[3:]], "line 2: doesn't follow", 1),
        (lambda all: all[1:], "line 1: doesn't follow", 0),
        (lambda all: [*all[:4], b"{}"], "line 5: is no line of an audit file", 4),
        (lambda all: [*all[:4], b"\xff"], "line 5: is no JSON", 4),
        (lambda all: [*all[:4], b"[1]"], "line 5: is no line", 4),
        (lambda all: [*all[:4], all[4].replace(b'"n":5', b'"n":6')], "line 5: says that it is line 6", 4),
        (lambda all: [*all, b""], "line 6: is no JSON", 5),
        (lambda all: [*all, b"[" * 100_000], "line 6: is no JSON", 5),
        (lambda all: [*all, b"1" * 5_000], "line 6: is no JSON", 5),
    ],
)
def test_a_change_is_named_by_its_line(
    reopen: Open, file: Path, change: Callable[[list[bytes]], list[bytes]], said: str, line: int
) -> None:
    file.write_bytes(b"\n".join(change(written(reopen, file).splitlines())) + b"\n")
    verdict = verify(file)
    assert verdict.fault is not None and verdict.fault.startswith(said)
    assert verdict.lines == line


def test_a_cut_tail_is_seen_by_a_head_that_was_noted(reopen: Open, file: Path) -> None:
    text = written(reopen, file)
    head = verify(file).head
    for kept in range(5):
        file.write_bytes(b"".join(text.splitlines(keepends=True)[:kept]))
        assert verify(file).fault is None
        verdict = verify(file, head)
        assert verdict.fault is not None and "lines were cut off at the end" in verdict.fault
        assert (verdict.lines, verdict.noted) == (kept, None)


def test_a_file_written_anew_is_seen_by_a_head_that_was_noted(reopen: Open, file: Path) -> None:
    written(reopen, file)
    head = verify(file).head
    file.unlink()
    audit = reopen()
    audit.start(worker="bob, who never said a thing")
    audit.stop()
    assert verify(file).fault is None
    assert verify(file, head).fault is not None


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"audit.jsonl: can't be read: No such file"):
        verify(tmp_path / "audit.jsonl")


KEYS = st.text(min_size=4).filter(lambda key: key not in OWN_KEYS)


@given(st.lists(st.dictionaries(KEYS, st.text() | st.integers(-9, 9) | st.floats(0, 1)), max_size=9))
def test_what_a_record_says_breaks_no_chain(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]]
) -> None:
    state = State(tmp_path_factory.mktemp("state"))
    audit = Audit(state)
    audit.write([{**record, "t": "deny"} for record in records], sync=False)
    path = state.path("audit.jsonl")
    assert path is not None
    verdict = verify(path, audit.head)
    assert (verdict.lines, verdict.fault, verdict.noted) == (len(records), None, len(records))
    assert [{k: v for k, v in line.items() if k not in ("prev", "n", "at", "t")} for line in lines(path)] == [
        {k: v for k, v in record.items() if k != "t"} for record in records
    ]
    audit.close()
    state.close()


@given(st.binary(max_size=200))
def test_no_bytes_break_the_verifier(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "audit.jsonl"
    path.write_bytes(text)
    assert verify(path).lines == 0


# Crashes and disks.


def test_a_file_cut_at_any_byte_is_closed_and_goes_on(reopen: Open, file: Path) -> None:
    text = written(reopen, file)
    for cut in range(len(text)):
        file.write_bytes(text[:cut])
        torn = text[:cut].rpartition(b"\n")[2]
        kept = text[:cut].count(b"\n")
        verdict = verify(file)
        assert (verdict.lines, verdict.fault, verdict.unfinished) == (kept, None, torn != b"")
        reopen().start()
        after = lines(file)
        whole = torn.endswith(b"}")
        kinds = ["start", "export", "deny", "export", "stop"][: kept + whole] + ["recovered"] * bool(torn) + ["start"]
        assert [line["t"] for line in after] == kinds
        if torn:
            assert after[-2]["torn"] == ("" if whole else torn.decode())
        assert verify(file).fault is None


def test_a_torn_line_on_a_full_disk_is_an_error_of_the_start(
    reopen: Open, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = written(reopen, file)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    for tail in (b'{"prev":"', text.splitlines()[-1][:-1]):
        file.write_bytes(text + tail)
        with monkeypatch.context() as broken:
            broken.setattr(journal_module.os, "pwrite", full)
            with pytest.raises(ConfigError, match=r"its last line is torn and can't be mended: .*No space left"):
                reopen()
        assert file.read_bytes() == text + tail
    reopen()
    assert lines(file)[-1]["torn"] == tail.decode()
    assert (verify(file).lines, verify(file).fault) == (6, None)


def test_what_cannot_be_written_is_refused_counted_and_told(
    reopen: Open, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    audit = reopen()
    audit.start()
    head = audit.head

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken, caplog.at_level(logging.ERROR, "fedsock.worker"):
        broken.setattr(journal_module.os, "pwrite", full)
        for _ in range(3):
            with pytest.raises(AuditUnwritable) as caught:
                audit.write([{"t": "export"}, {"t": "deny"}], sync=False)
    assert isinstance(caught.value, ExportDenied)
    assert str(caught.value) == "the worker can't write down what it decides, so it releases nothing; tell its owner"
    assert len(caplog.records) == 1 and "No space left" in caplog.text
    assert audit.head == head
    audit.write([{"t": "export"}], sync=False)
    audit.write([{"t": "export"}], sync=False)
    assert [(line["t"], line.get("records")) for line in lines(file)] == [
        ("start", None), ("missed", 6), ("export", None), ("export", None),
    ]  # fmt: skip
    assert verify(file, audit.head).noted == 4


def test_a_second_worker_is_refused(reopen: Open, folder: Path) -> None:
    reopen()
    with pytest.raises(ConfigError, match="another worker"):
        Audit(State(folder))


WRITER = """
import os, sys
from fedsock.worker.audit import Audit
from fedsock.worker.state import State

audit = Audit(State(sys.argv[1]))
audit.start()
while True:
    audit.write([{"t": "export", "what": "x" * 300}] * 7, sync=False)
    os.write(1, f"{audit.head}\\n".encode())
"""


def test_killed_at_any_point_it_holds_what_was_decided(reopen: Open, held: ExitStack, folder: Path, file: Path) -> None:
    """Kill -9 a process that reports its head after each batch: every head reported is that of a line."""
    for rounds in (1, 30, 200):
        command = [sys.executable, "-W", "error", "-c", WRITER, str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            try:
                assert writer.stdout is not None
                said = [writer.stdout.readline() for _ in range(rounds)]
            finally:
                writer.kill()
            said += writer.stdout.read().splitlines(keepends=True)
        assert writer.returncode == -signal.SIGKILL
        audit = reopen()
        heads = [line.decode().strip() for line in said if line.endswith(b"\n")]
        assert verify(file, heads[-1]).noted is not None
        assert verify(file, audit.head).fault is None
        held.close()
