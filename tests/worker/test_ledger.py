"""The ledger: what it refuses, what it survives, and that spent is never below released."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import pytest

from fedsock.errors import BudgetSpent, ConfigError, ExportDenied, LedgerUnwritable, OpValueError, QueriesSpent
from fedsock.policy.budget import Budget
from fedsock.worker import journal as journal_module
from fedsock.worker.ledger import Ledger
from fedsock.worker.state import State

TENTH = Decimal("0.1")
ONE = {"g": Budget(epsilon=Decimal(1))}

Open = Callable[..., Ledger]


@pytest.fixture
def reopen(folder: Path, held: ExitStack) -> Open:
    """Open the ledger, as the next process would: the one before is given up."""

    def reopen(budgets: dict[str, Budget] = ONE) -> Ledger:
        held.close()
        state = State(folder)
        held.callback(state.close)
        ledger = Ledger(state, budgets)
        held.callback(ledger.close)
        return ledger

    return reopen


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_bytes().splitlines()]


def test_a_charge_is_a_line_and_outlives_the_worker(reopen: Open, folder: Path) -> None:
    ledger = reopen()
    assert ledger.charge("g", "ann", Decimal("0.30"), "mean") == 1
    assert ledger.charge("g", "ben é\n", TENTH, "count") == 2
    first, second = lines(folder)
    assert first.pop("at") and first == {
        "t": "charge", "n": 1, "group": "g", "user": "ann", "epsilon": "0.30", "mode": "pure", "what": "mean",
    }  # fmt: skip
    assert (second["n"], second["user"]) == (2, "ben é\n")
    for left in (Decimal("0.6"), Decimal("0.5")):
        assert ledger.left("g", "ann") == left
        ledger = reopen()
        assert ledger.left("g", "ann") == left
        ledger.charge("g", "ann", TENTH, "mean")
    assert [line["n"] for line in lines(folder)] == [1, 2, 3, 4]


def test_a_spent_budget_says_what_is_left_and_writes_nothing(reopen: Open, folder: Path) -> None:
    ledger = reopen({"g": Budget(epsilon=Decimal(1), epsilon_per_user=Decimal("0.25"))})
    ledger.charge("g", "ann", TENTH, "mean")
    with pytest.raises(BudgetSpent) as caught:
        ledger.charge("g", "ann", Decimal("0.2"), "mean")
    assert str(caught.value) == (
        "mean: epsilon 0.2 was asked for, and 0.15 is left of the privacy budget of 'g' for ann; "
        "ask for less, or ask the owner for more"
    )
    assert isinstance(caught.value, ExportDenied)
    ledger.charge("g", "ann", Decimal("0.15"), "mean")
    with pytest.raises(BudgetSpent, match="and 0 is left"):
        ledger.charge("g", "ann", TENTH, "mean")
    ledger.charge("g", "ben", TENTH, "mean")
    assert len(lines(folder)) == 3


def test_without_a_budget_there_is_nothing_to_spend(reopen: Open, folder: Path) -> None:
    ledger = reopen()
    with pytest.raises(BudgetSpent, match="no privacy budget for 'h'"):
        ledger.charge("h", "ann", TENTH, "mean")
    assert ledger.left("h", "ann") == 0
    assert lines(folder) == []


def test_an_impossible_epsilon_is_refused_and_costs_nothing(reopen: Open, folder: Path) -> None:
    ledger = reopen()
    for wrong in ("0", "-1", "NaN", "1e-400000"):
        with pytest.raises(OpValueError, match="epsilon: expected"):
            ledger.charge("g", "ann", Decimal(wrong), "mean")
    assert lines(folder) == [] and ledger.left("g", "ann") == 1


def test_in_memory_it_is_the_same_until_the_process_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ledger = Ledger(State(None), ONE)
    assert [ledger.charge("g", "ann", TENTH, "mean") for _ in range(10)] == list(range(1, 11))
    with pytest.raises(BudgetSpent):
        ledger.charge("g", "ann", TENTH, "mean")
    ledger.count("g", "ann", 1)
    with pytest.raises(QueriesSpent):
        ledger.count("g", "ann", 1)
    assert list(tmp_path.iterdir()) == []


def test_history_counts_against_the_budget_there_is_now(reopen: Open) -> None:
    reopen().charge("g", "ann", Decimal("0.5"), "mean")
    assert reopen({"g": Budget(epsilon=Decimal("0.4"))}).left("g", "ben") == 0
    assert reopen({"g": Budget(epsilon=Decimal(2), epsilon_per_user=Decimal(1))}).left("g", "ann") == Decimal("0.5")
    assert reopen({"other": Budget(epsilon=Decimal(1))}).left("other", "ann") == 1
    with_delta = {"g": Budget(epsilon=Decimal(10), delta=Decimal("1e-6"))}
    fresh = Ledger(State(None), with_delta).left("g", "ann")
    after = reopen(with_delta).left("g", "ann")
    assert float(after**2 + Decimal("0.5") ** 2) == pytest.approx(float(fresh**2))
    assert reopen().left("g", "ann") == Decimal("0.5")


def test_releases_with_a_delta_fit_no_budget_without(reopen: Open) -> None:
    with_delta = {"g": Budget(epsilon=Decimal(2), delta=Decimal("1e-6"))}
    reopen(with_delta).charge("g", "ann", TENTH, "mean")
    with pytest.raises(ConfigError, match=r"line 1: 'g' had a budget with a delta .* give the budget a delta again"):
        reopen()
    reopen({"h": Budget(epsilon=Decimal(1))})
    assert reopen(with_delta).left("g", "ann") > 0


def test_queries_are_counted_by_user_and_group(reopen: Open, folder: Path) -> None:
    ledger = reopen({})
    for _ in range(2):
        ledger.count("g", "ann", 3)
    ledger.count("g", "ben", 3)
    ledger.count("h", "ann", 3)
    ledger = reopen({})
    assert (ledger.queries_left("g", "ann", 3), ledger.queries_left("g", "ben", 3)) == (1, 2)
    ledger.count("g", "ann", 3)
    with pytest.raises(QueriesSpent) as caught:
        ledger.count("g", "ann", 3)
    assert str(caught.value).startswith("the owner allows ann 3 queries on 'g', and all are used up")
    assert isinstance(caught.value, ExportDenied)
    assert (ledger.queries_left("g", "ann", 3), ledger.queries_left("g", "ann", 2)) == (0, 0)
    ledger.count("g", "ann", 4)
    with pytest.raises(QueriesSpent):
        ledger.count("g", "eve", 0)
    assert len(lines(folder)) == 6


def test_a_query_is_a_number(reopen: Open, folder: Path) -> None:
    ledger = reopen({})
    ledger.count("g", "ann", 10, 7)
    with pytest.raises(QueriesSpent, match="and 3 are left; this has 4 numbers: ask for fewer, or ask the owner"):
        ledger.count("g", "ann", 10, 4)
    assert ledger.queries_left("g", "ann", 10) == 3
    ledger.count("g", "ann", 10)
    assert reopen({}).queries_left("g", "ann", 10) == 2
    # Of one, a line is what it was when every line was one.
    assert [line.get("numbers") for line in lines(folder)] == [7, None]


def test_a_second_worker_is_refused(reopen: Open, folder: Path) -> None:
    reopen()
    with pytest.raises(ConfigError, match="another worker"):
        Ledger(State(folder), ONE)


def test_threads_never_spend_more_than_there_is(reopen: Open, folder: Path) -> None:
    ledger = reopen()
    start = threading.Barrier(8)

    def spend(_: int) -> list[int]:
        start.wait(30)
        numbers = []
        for _ in range(20):
            try:
                numbers.append(ledger.charge("g", "ann", Decimal("0.01"), "mean"))
            except BudgetSpent:
                break
        return numbers

    with ThreadPoolExecutor(8) as pool:
        numbers = [number for found in pool.map(spend, range(8)) for number in found]
    assert sorted(numbers) == list(range(1, 101))
    assert [line["n"] for line in lines(folder)] == list(range(1, 101))
    assert reopen().left("g", "ann") == 0


def test_what_is_left_is_said_while_the_disk_is_slow(reopen: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event loop asks, while a thread is held up in a sync."""
    ledger = reopen()
    waiting, go_on = threading.Event(), threading.Event()
    fsync = os.fsync

    def slow(handle: int) -> None:
        waiting.set()
        assert go_on.wait(30)
        fsync(handle)

    monkeypatch.setattr(journal_module.os, "fsync", slow)
    with ThreadPoolExecutor(1) as pool:
        charging = pool.submit(ledger.charge, "g", "ann", TENTH, "mean")
        try:
            assert waiting.wait(30)
            asked = threading.Thread(target=lambda: (ledger.left("g", "ann"), ledger.queries_left("g", "ann", 1)))
            asked.start()
            asked.join(10)
            assert not asked.is_alive()
        finally:
            go_on.set()
        assert charging.result(30) == 1
    assert ledger.left("g", "ann") == Decimal("0.9")


# What a file may look like when it is opened.


def whole(reopen: Open, folder: Path) -> bytes:
    ledger = reopen()
    ledger.charge("g", "ann", Decimal("0.5"), "mean")
    ledger.count("g", "ann", 9)
    ledger.charge("g", "ann", Decimal("0.25"), "mean")
    return (folder / "ledger.jsonl").read_bytes()


def test_a_file_cut_at_any_byte_counts_all_that_is_whole(reopen: Open, folder: Path) -> None:
    text = whole(reopen, folder)
    for cut in range(len(text) + 1):
        (folder / "ledger.jsonl").write_bytes(text[:cut])
        ledger = reopen()
        done = text[:cut].splitlines(keepends=True)
        # What misses no more than its newline counts too.
        done = [line for line in done if line.endswith(b"}\n") or line.endswith(b'"}')]
        spent = Decimal("0.5") * (len(done) >= 1) + Decimal("0.25") * (len(done) >= 3)
        assert ledger.left("g", "ann") == 1 - spent
        assert ledger.queries_left("g", "ann", 9) == 9 - (len(done) >= 2)
        kept = text[:cut].rpartition(b"\n")[2]
        after = lines(folder)
        assert [line["n"] for line in after] == list(range(1, len(after) + 1))
        if kept and not kept.endswith(b'"}'):
            assert (after[-1]["t"], after[-1]["torn"]) == ("recovered", kept.decode())
        else:
            assert all(line["t"] != "recovered" for line in after)
        ledger.charge("g", "ann", TENTH, "mean")
        assert reopen().left("g", "ann") == 1 - spent - TENTH


def test_a_torn_line_that_is_no_text_is_quoted_and_a_long_one_in_part(reopen: Open, folder: Path) -> None:
    text = whole(reopen, folder)
    (folder / "ledger.jsonl").write_bytes(text + b"\xff\x00" + b"x" * 50_000)
    reopen()
    torn = str(lines(folder)[-1]["torn"])
    assert torn.startswith("\\xff\x00x") and len(torn) < 11_000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"n":2', b'"n":3'),
        (b'"n":2', b'"n":"2"'),
        (b'"n":2', b'"n":2,"n":2'),
        (b'"t":"query"', b'"t":"gift"'),
        (b'"group":"g","user":"ann"}\n{"t":"charge","n":3', b'"group":"g"}\n{"t":"charge","n":3'),
        (b'"epsilon":"0.5"', b'"epsilon":0.5'),
        (b'"epsilon":"0.5"', b'"epsilon":"-0.5"'),
        (b'"epsilon":"0.5"', b'"epsilon":"NaN"'),
        (b'"epsilon":"0.5"', b'"epsilon":"1e-9999999"'),
        (b'"epsilon":"0.5"', b'"epsilon": "0.5"'),
        (b'"mode":"pure"', b'"mode":"free"'),
        (b'"what":"mean"}\n', b'"what":"mean","more":1}\n'),
        (b'{"t":"query"', b'\x00\x00{"t":"query"'),
        (b'{"t":"query"', b'\n{"t":"query"'),
        (b'{"t":"query"', b'[]\n{"t":"query"'),
        (b"ann", b"\xff"),
        (b'{"t":"query"', b'{"a":' * 100_000),
        (b'"n":2', b'"n":' + b"2" * 5_000),
    ],
)
def test_a_malformed_line_is_refused_by_file_and_number(reopen: Open, folder: Path, old: bytes, new: bytes) -> None:
    text = whole(reopen, folder)
    assert old in text
    number = text[: text.index(old)].count(b"\n") + 1
    changed = text.replace(old, new, 1)
    (folder / "ledger.jsonl").write_bytes(changed)
    with pytest.raises(ConfigError, match=rf"ledger.jsonl, line {number}: malformed \(.*put back the file") as caught:
        reopen()
    assert "\n" not in str(caught.value)
    assert (folder / "ledger.jsonl").read_bytes() == changed


def test_a_line_taken_out_is_missed(reopen: Open, folder: Path) -> None:
    text = whole(reopen, folder)
    (folder / "ledger.jsonl").write_bytes(b"".join(text.splitlines(keepends=True)[1:]))
    with pytest.raises(ConfigError, match=r"line 1: malformed \(it says that it is line 2; lines are missing"):
        reopen()


def test_a_torn_line_on_a_full_disk_is_an_error_of_the_start(
    reopen: Open, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = whole(reopen, folder)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    for tail in (text.splitlines()[0].replace(b'"n":1', b'"n":4'), b'{"t":"cha'):
        (folder / "ledger.jsonl").write_bytes(text + tail)
        with monkeypatch.context() as broken:
            broken.setattr(journal_module.os, "pwrite", full)
            with pytest.raises(ConfigError, match=r"its last line is torn and can't be mended: .*No space left"):
                reopen()
        assert (folder / "ledger.jsonl").read_bytes() == text + tail
    assert reopen().left("g", "ann") == Decimal("0.25")
    assert lines(folder)[-1]["torn"] == '{"t":"cha'


# What happens when the disk fails, or the process dies.


def test_what_cannot_be_written_is_not_spent_and_can_be_tried_again(
    reopen: Open, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = reopen()
    ledger.charge("g", "ann", TENTH, "mean")

    def fail(handle: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken, caplog.at_level(logging.ERROR, "fedsock.worker"):
        broken.setattr(journal_module.os, "fsync", fail)
        for _ in range(3):
            with pytest.raises(LedgerUnwritable) as caught:
                ledger.charge("g", "ann", TENTH, "mean")
            with pytest.raises(LedgerUnwritable):
                ledger.count("g", "ann", 5)
    # The scientist reads nothing of the owner's disk; the owner reads it once.
    assert isinstance(caught.value, ExportDenied)
    assert str(caught.value) == "the worker can't write down what is spent, so it releases nothing; tell its owner"
    assert len(caplog.records) == 1 and "Input/output error" in caplog.text
    assert (ledger.left("g", "ann"), ledger.queries_left("g", "ann", 5)) == (Decimal("0.9"), 5)
    assert ledger.charge("g", "ann", TENTH, "mean") == 2
    assert [line["n"] for line in lines(folder)] == [1, 2]
    assert reopen().left("g", "ann") == Decimal("0.8")


def test_a_process_that_dies_after_a_failed_write_has_spent_it(
    reopen: Open, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line was written and not synced: whether it would be there after a power cut nobody knows, so it counts."""
    ledger = reopen()

    def fail(handle: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(journal_module.os, "fsync", fail)
        with pytest.raises(LedgerUnwritable):
            ledger.charge("g", "ann", TENTH, "mean")
    assert reopen().left("g", "ann") == Decimal("0.9")


def test_a_closed_ledger_releases_nothing(reopen: Open) -> None:
    ledger = reopen()
    ledger.close()
    with pytest.raises(LedgerUnwritable):
        ledger.charge("g", "ann", TENTH, "mean")


FULL = """
import resource, sys
from decimal import Decimal
from fedsock.errors import LedgerUnwritable
from fedsock.policy.budget import Budget
from fedsock.worker.ledger import Ledger
from fedsock.worker.state import State

ledger = Ledger(State(sys.argv[1]), {"g": Budget(epsilon=Decimal(1000))})
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, resource.RLIM_INFINITY))
done = 0
try:
    while True:
        ledger.charge("g", "ann", Decimal("0.1"), "mean")
        done += 1
except LedgerUnwritable:
    pass
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
ledger.charge("g", "ann", Decimal("0.1"), "mean")
print(done + 1, ledger.left("g", "ann"))
"""


def test_a_file_that_may_not_grow_refuses_and_goes_on_when_it_may(reopen: Open, folder: Path) -> None:
    """The real thing: the kernel takes half a line and no more."""
    command = [sys.executable, "-W", "error", "-c", FULL, str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    done, left = result.stdout.split()
    assert int(done) == len(lines(folder)) > 10
    assert Decimal(left) == 1000 - int(done) * TENTH
    assert reopen({"g": Budget(epsilon=Decimal(1000))}).left("g", "ann") == Decimal(left)


SPENDER = """
import os, sys, threading
from decimal import Decimal
from fedsock.policy.budget import Budget
from fedsock.worker.ledger import Ledger
from fedsock.worker.state import State

ledger = Ledger(State(sys.argv[1]), {"g": Budget(epsilon=Decimal(1_000_000))})

def spend(user):
    while True:
        ledger.charge("g", user, Decimal("0.001"), "mean" * 50)
        os.write(1, f"{user} charge\\n".encode())
        ledger.count("g", user, 1_000_000_000)
        os.write(1, f"{user} count\\n".encode())

threading.Thread(target=spend, args=("ann",), daemon=True).start()
spend("ben")
"""


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_point_it_has_spent_what_it_released(
    reopen: Open, held: ExitStack, folder: Path, seed: int
) -> None:
    """Kill -9 a process that reports each charge after it returned, again and again on the same ledger."""
    draw = random.Random(seed)
    million = {"g": Budget(epsilon=Decimal(1_000_000))}
    reported = {(user, what): 0 for user in ("ann", "ben") for what in ("charge", "count")}
    for _ in range(3):
        command = [sys.executable, "-W", "error", "-c", SPENDER, str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as spender:
            try:
                assert spender.stdout is not None
                said = [spender.stdout.readline() for _ in range(draw.randrange(1, 200))]
            finally:
                spender.kill()
            said += spender.stdout.read().splitlines(keepends=True)
        assert spender.returncode == -signal.SIGKILL
        for line in said:
            if line.endswith(b"\n"):
                user, what = line.decode().split()
                reported[user, what] += 1
        ledger = reopen(million)
        found = lines(folder)
        for user in ("ann", "ben"):
            charges = sum(line["t"] == "charge" and line["user"] == user for line in found)
            queries = 1_000_000_000 - ledger.queries_left("g", user, 1_000_000_000)
            # One of each may be on the disk that nobody was told of, each time.
            assert reported[user, "charge"] <= charges <= reported[user, "charge"] + 3
            assert reported[user, "count"] <= queries <= reported[user, "count"] + 3
        spent = 1_000_000 - ledger.left("g", "eve")
        assert spent == sum(line["t"] == "charge" for line in found) * Decimal("0.001")
        held.close()


STEPS = """
import os, signal, sys
from decimal import Decimal
from pathlib import Path
from fedsock.policy.budget import Budget
from fedsock.worker import journal
from fedsock.worker.ledger import Ledger
from fedsock.worker.state import State

class DyingSystem:
    # The journal's os: the process is killed at one of the moments before, amid and after what it does to the file.

    def __init__(self, moment):
        self.moment = moment
        self.step = 0

    def __getattr__(self, name):
        return getattr(os, name)

    def die(self):
        if self.step == self.moment:
            os.kill(os.getpid(), signal.SIGKILL)
        self.step += 1

    def pwrite(self, handle, data, at):
        self.die()
        half = os.pwrite(handle, data[: len(data) // 2], at)
        self.die()
        half += os.pwrite(handle, data[half:], at + half)
        self.die()
        return half

    def fsync(self, handle):
        self.die()
        os.fsync(handle)
        self.die()

    def ftruncate(self, handle, size):
        self.die()
        os.ftruncate(handle, size)
        self.die()

def opened(state):
    return Ledger(state, {"g": Budget(epsilon=Decimal(1))})

file = Path(sys.argv[1]) / "ledger.jsonl"
torn = sys.argv[2] == "torn"
for moment in range(100):
    file.unlink(missing_ok=True)
    if torn:  # it dies while it closes what another death tore
        state = State(sys.argv[1])
        opened(state).charge("g", "ann", Decimal("0.1"), "mean")
        state.close()
        with file.open("ab") as more:
            more.write(b'{"t":"charge","n":2,"at":"' + b"x" * 200)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        journal.os = DyingSystem(moment)
        ledger = opened(State(sys.argv[1]))
        for _ in range(3):
            ledger.charge("g", "ann", Decimal("0.1"), "mean")
            os.write(writing, b".")
        os._exit(0)
    os.close(writing)
    reported = sum(len(some) for some in iter(lambda: os.read(reading, 10), b"")) + torn
    os.close(reading)
    _, status = os.waitpid(child, 0)
    state = State(sys.argv[1])
    spent = (1 - opened(state).left("g", "ann")) / Decimal("0.1")
    state.close()
    assert reported <= spent <= reported + 1, (moment, reported, spent)
    if status == 0:
        print(moment, reported)
        break
    assert os.WTERMSIG(status) == signal.SIGKILL, status
"""


@pytest.mark.parametrize(("start", "moments", "charged"), [("fresh", 15, 3), ("torn", 22, 4)])
def test_killed_at_every_step_it_has_spent_what_it_released(
    folder: Path, start: str, moments: int, charged: int
) -> None:
    """Each moment in turn: before, amid and after each write and sync of three charges, and of closing a torn line."""
    command = [sys.executable, "-W", "error", "-c", STEPS, str(folder), start]
    result = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (result.returncode, result.stdout.split()) == (0, [str(moments), str(charged)]), result.stderr
