"""What the worker knows of requests and answers, over restarts, other processes and failing disks."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fedsock.errors import ConfigError, LedgerUnwritable, QuotaExceeded
from fedsock.worker.approvals import MOST_WAITING, Approvals
from fedsock.worker.requestbook import ANSWERS, REQUESTS, Approved, Asked, append_answer, approval, denial, read_book
from fedsock.worker.state import State

NOON = datetime(2100, 1, 1, 12, tzinfo=UTC)
ONE, OTHER = "1" * 64, "2" * 64


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class House:
    """A worker's approvals that a test closes and opens again."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.clock = Clock()
        self.open()

    def open(self) -> None:
        self.state = State(self.folder)
        self.approvals = Approvals(self.state, now=self.clock)

    def close(self) -> None:
        self.approvals.close()
        self.state.close()

    def again(self) -> None:
        self.close()
        self.open()

    def ask(self, digest: str = ONE, user: str = "ann") -> Asked:
        return self.approvals.file(user, digest, "why", "float64[]", "np.sum(data['x'])", 0)

    def approve(self, asked: Asked, count: int = 1, days: float = 30) -> Approved:
        given = approval(asked, count, days, self.clock.now)
        self.give(given)
        return given

    def give(self, given: Any) -> None:
        if self.folder is None:
            self.approvals.answer(given)
        else:
            append_answer(self.folder / ANSWERS, given)  # as the owner's command does, in another process

    def spend(self, digest: str = ONE, user: str = "ann") -> bool:
        if not self.approvals.any_for(user) or (found := self.approvals.find(user, digest)) is None:
            return False
        self.approvals.use(found)
        return True


@pytest.fixture(params=["disk", "memory"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    made = House(tmp_path / "bob.state" if request.param == "disk" else None)
    yield made
    made.close()


@pytest.fixture
def kept(tmp_path: Path) -> Any:
    made = House(tmp_path / "bob.state")
    yield made
    made.close()


def test_an_approval_is_for_one_digest_one_user_and_so_many(house: House) -> None:
    assert not house.spend()
    asked = house.ask()
    assert (asked.number, house.approvals.outcome(1, "ann")) == (1, ("waiting", ""))
    house.approve(asked, count=2)
    assert not house.spend(OTHER) and not house.spend(user="eve")
    assert [house.spend() for _ in range(3)] == [True, True, False]
    assert house.approvals.outcome(1, "ann") == ("used", "")


def test_an_approval_ends(house: House) -> None:
    house.approve(house.ask(), count=9)
    house.clock.now += timedelta(days=30)
    assert house.spend()
    house.clock.now += timedelta(seconds=1)
    assert not house.spend()
    house.approvals.refresh()
    assert house.approvals.outcome(1, "ann") == ("expired", "")


def test_a_denial_has_its_reason_for_who_asked(house: House) -> None:
    asked = house.ask()
    house.give(denial(asked, "too few rows", NOON))
    house.approvals.refresh()
    assert house.approvals.outcome(1, "ann") == ("denied", "too few rows")
    assert house.approvals.outcome(1, "eve") is None and house.approvals.outcome(2, "ann") is None
    assert not house.spend()


def test_the_last_answer_counts(house: House) -> None:
    asked = house.ask()
    house.approve(asked)
    house.give(denial(asked, "no", NOON))
    assert not house.spend()
    house.approve(asked)
    assert house.spend()


def test_the_same_waits_once_and_may_be_asked_for_again(house: House) -> None:
    assert [house.ask().number, house.ask().number, house.ask(OTHER).number, house.ask(user="eve").number] == [
        1,
        1,
        2,
        3,
    ]
    house.give(denial(house.ask(), "no", NOON))
    assert house.ask().number == 4


def test_so_many_of_one_user_wait(house: House) -> None:
    for number in range(MOST_WAITING):
        house.ask(f"{number:064}")
    with pytest.raises(QuotaExceeded, match="100 requests of ann wait"):
        house.ask()
    house.ask(user="eve")
    house.give(denial(house.ask("0" * 64), "no", NOON))
    assert house.ask().number == 102


def test_all_of_it_survives_a_restart(kept: House) -> None:
    first, second = kept.ask(), kept.ask(OTHER)
    kept.approve(first, count=2)
    assert kept.spend()
    kept.again()
    assert kept.spend()
    kept.again()
    assert not kept.spend()
    assert kept.approvals.outcome(second.number, "ann") == ("waiting", "")
    kept.close()
    kept.approve(second)  # while no worker runs
    kept.open()
    assert kept.spend(OTHER)


def test_an_approval_of_what_is_gone_opens_nothing(kept: House) -> None:
    asked = kept.ask()
    for wrong in (
        approval(Asked(**{**as_dict(asked), "number": 9}), 1, 30, NOON),
        approval(Asked(**{**as_dict(asked), "digest": OTHER}), 1, 30, NOON),
        approval(Asked(**{**as_dict(asked), "user": "eve"}), 1, 30, NOON),
    ):
        kept.give(wrong)
    assert not kept.spend() and not kept.spend(OTHER) and not kept.spend(user="eve")
    assert kept.approvals.outcome(1, "ann") == ("waiting", "")


def as_dict(asked: Asked) -> dict[str, Any]:
    return {name: getattr(asked, name) for name in Asked.__struct_fields__}


def test_answers_that_are_taken_away_are_no_answers_any_more(kept: House) -> None:
    kept.approve(kept.ask(), count=5)
    assert kept.spend()
    path = kept.folder / ANSWERS  # type: ignore[operator]
    text = path.read_bytes()
    path.unlink()
    assert not kept.spend() and kept.ask().number == 1
    path.write_bytes(text)
    assert kept.spend()
    path.write_bytes(b"")
    assert not kept.spend()


def test_an_answer_that_is_changed_where_it_stands_is_read_again(kept: House) -> None:
    kept.approve(kept.ask())
    assert kept.approvals.any_for("ann")
    assert kept.folder is not None
    path = kept.folder / ANSWERS
    text = path.read_text()
    path.write_text(text.replace(ONE, OTHER))
    os.utime(path, (1, 1))
    assert path.stat().st_size == len(text) and not kept.spend()


def test_so_many_of_one_user_in_a_day(kept: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedsock.worker.approvals.MOST_A_DAY", 3)
    kept.again()
    for hour in range(3):
        kept.give(denial(kept.ask(), "no", kept.clock.now))
        kept.clock.now += timedelta(hours=1)
        assert kept.ask(user="zoe", digest=f"{hour}" * 64).number
    for _ in range(2):
        with pytest.raises(QuotaExceeded, match="ann made 3 requests within a day"):
            kept.ask()
        kept.again()
    kept.clock.now += timedelta(hours=21, seconds=1)
    assert kept.ask().user == "ann"
    with pytest.raises(QuotaExceeded, match="within a day"):
        kept.ask(OTHER)


def test_half_an_answer_is_none_until_it_is_whole(kept: House) -> None:
    asked = kept.ask()
    kept.approve(asked)
    path = kept.folder / ANSWERS  # type: ignore[operator]
    text = path.read_bytes()
    path.write_bytes(text[:-10])
    assert not kept.spend()
    path.write_bytes(text)
    assert kept.spend()


def test_a_malformed_answer_approves_nothing_and_is_said_at_the_start(kept: House, caplog: Any) -> None:
    kept.approve(kept.ask(), count=9)
    assert kept.spend()
    path = kept.folder / ANSWERS  # type: ignore[operator]
    text = path.read_bytes()
    path.write_bytes(text + b"nonsense\n")
    assert not kept.spend() and "answers.jsonl: malformed" in caplog.text
    kept.close()
    with pytest.raises(ConfigError, match=r"answers\.jsonl: malformed"):
        kept.open()
    kept.state.close()
    path.write_bytes(text)
    kept.open()
    assert kept.spend()


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_torn_use_is_spent_or_cut_off(kept: House, cut: int) -> None:
    kept.approve(kept.ask())
    assert kept.spend()
    kept.close()
    path = kept.folder / REQUESTS  # type: ignore[operator]
    path.write_bytes(path.read_bytes()[:-cut])
    kept.open()
    # Nothing but its newline is missing in the first: then it counts.
    assert kept.spend() is (cut > 1)
    assert (b"recovered" in path.read_bytes()) is (cut > 1)
    kept.again()
    assert not kept.spend()


def test_a_changed_file_of_requests_is_refused(kept: House) -> None:
    kept.ask(), kept.ask(OTHER)
    kept.close()
    path = kept.folder / REQUESTS  # type: ignore[operator]
    text = path.read_bytes()
    for wrong, said in ((text.replace(b'"n":1', b'"n":3'), "lines are missing"), (b"{}\n" + text, "malformed")):
        path.write_bytes(wrong)
        with pytest.raises(ConfigError, match=said):
            kept.open()
        kept.state.close()
    path.write_bytes(text)
    kept.open()


def test_nothing_is_used_where_that_cannot_be_written(kept: House, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.approve(kept.ask())

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(LedgerUnwritable):
            kept.spend()
        with pytest.raises(LedgerUnwritable):
            kept.ask(OTHER)
    assert kept.spend() and not kept.spend()
    kept.again()
    assert not kept.spend()


def test_a_second_worker_is_refused(kept: House) -> None:
    other = subprocess.run(
        [sys.executable, "-c", TRY, str(kept.folder)], capture_output=True, text=True, timeout=60, check=False
    )
    assert "another worker" in other.stderr


TRY = """
import sys
from fedsock.worker.approvals import Approvals
from fedsock.worker.state import State
Approvals(State(sys.argv[1]))
"""

SPENDER = """
import sys
from fedsock.worker.approvals import Approvals
from fedsock.worker.state import State
approvals = Approvals(State(sys.argv[1]))
while (found := approvals.find("ann", "1" * 64)) is not None:
    approvals.use(found)
    sys.stdout.write("left\\n")
    sys.stdout.flush()
"""


def test_killed_at_any_point_nothing_leaves_more_often_than_approved(tmp_path: Path) -> None:
    house = House(tmp_path / "bob.state")
    house.approve(house.ask(), count=60)
    house.close()
    left = 0
    for lines in (1, 7, 3, 20, 2):
        child = subprocess.Popen([sys.executable, "-c", SPENDER, str(house.folder)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        for _ in range(lines):
            left += bool(child.stdout.readline())
        os.kill(child.pid, signal.SIGKILL)
        left += len(child.stdout.read().split())
        child.stdout.close()
        child.wait(60)
        assert house.folder is not None
        made = read_book(house.folder)
        assert sum(made.used.values()) >= left
    child = subprocess.Popen([sys.executable, "-c", SPENDER, str(house.folder)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    left += len(child.communicate(timeout=60)[0].split())
    assert 60 - 5 <= left <= 60


def test_an_answer_to_an_old_request_leaves_the_new_one_waiting(house: House) -> None:
    old = house.ask()
    house.give(denial(old, "no", NOON))
    new = house.ask()
    house.give(denial(old, "still no", NOON))
    assert house.approvals.waiting() == [new] and house.ask() == new


def test_a_use_is_on_the_disk_before_anything_leaves(kept: House, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.approve(kept.ask())
    path = kept.folder / REQUESTS  # type: ignore[operator]
    synced: list[bytes] = []

    def fsync(handle: int) -> None:
        synced.append(path.read_bytes())

    monkeypatch.setattr(os, "fsync", fsync)
    assert kept.spend()
    assert b'"used"' in synced[-1] and synced[-1] == path.read_bytes()
