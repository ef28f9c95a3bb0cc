"""Plans that are kept for the owner: what is written, read back and dropped, and that no run waits or fails for it."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsock.errors import PlanInvalid, PlanUnknown
from fedsock.plan.program import Program
from fedsock.plan.steps import Plan
from fedsock.worker import planbook
from fedsock.worker.planbook import MOST_WAITING, PLANS, PlanBook, kept_plan, kept_plans
from fedsock.worker.state import State


def plan_of(k: int, name: str = "f") -> Plan:
    def function(x: Any) -> Any:
        return x + k

    function.__name__ = name
    return Program(function).trace(np.zeros(3)).plan


def path_of(folder: Path, plan: Plan) -> Path:
    return folder / PLANS / f"{plan.digest.removeprefix('sha256:')}.json"


def keep(folder: Path, *plans: Plan, user: str = "ann", **limits: Any) -> None:
    """Keep plans one after the other, each with a time of its own, as a worker started anew for each would."""
    for plan in plans:
        book = PlanBook(folder, **limits)
        book.keep(plan, user)
        book._writer.shutdown()  # type: ignore[union-attr]  # all is written then, what waited too
        book.close()
        if path_of(folder, plan).exists():
            status = path_of(folder, plan).stat()
            keep.time = max(keep.time + 1, status.st_mtime_ns)  # type: ignore[attr-defined]
            os.utime(path_of(folder, plan), ns=(keep.time, keep.time))  # type: ignore[attr-defined]


keep.time = 0  # type: ignore[attr-defined]  # the last


def test_a_plan_comes_back_as_it_was_with_who_sent_it(tmp_path: Path) -> None:
    plan = plan_of(1, "mine")
    keep(tmp_path / "new" / "state", plan, user="ann")
    keep(tmp_path / "new" / "state", plan, user="eve")  # who was first stays
    found = kept_plan(tmp_path / "new" / "state", plan.digest)
    assert (found.plan, found.plan.name, found.user, found.plan.digest) == (plan, "mine", "ann", plan.digest)
    assert found.plan.steps[0].line.startswith("test_planbook.py:")
    assert found.at.endswith("+00:00")
    assert path_of(tmp_path / "new" / "state", plan).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new" / "state" / PLANS).stat().st_mode & 0o777 == 0o700


def test_a_digest_may_be_cut_where_no_other_begins_so(tmp_path: Path) -> None:
    plans = [plan_of(k) for k in range(20)]
    keep(tmp_path, *plans)
    digits = plans[7].digest.removeprefix("sha256:")
    for given in (plans[7].digest, plans[7].digest[:-50], digits, digits[:12], digits.upper()):
        assert kept_plan(tmp_path, given).plan == plans[7]
    firsts = [plan.digest.removeprefix("sha256:")[0] for plan in plans]
    double = next(first for first in firsts if firsts.count(first) > 1)  # there are 16 digits and 20 plans
    with pytest.raises(PlanUnknown, match=f"{firsts.count(double)} plans begin with {double}: "):
        kept_plan(tmp_path, double)


@pytest.mark.parametrize(
    "digest", ["sha256:" + "0" * 64, "0" * 65, "", "sha256:", "../state", "../../x", "0.json", "*"]
)
def test_what_is_not_kept_is_unknown_and_no_path(tmp_path: Path, digest: str) -> None:
    keep(tmp_path, plan_of(1))
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(PlanUnknown):
        kept_plan(tmp_path, digest)
    with pytest.raises(PlanUnknown):
        kept_plan(tmp_path / "nowhere", digest)


def test_a_file_that_was_changed_is_not_shown(tmp_path: Path) -> None:
    plan, other = plan_of(1), plan_of(2)
    keep(tmp_path, plan)
    path = path_of(tmp_path, plan)
    good = path.read_text()
    for bad in (good.replace("add", "subtract"), json.dumps({**json.loads(good), "plan": other.to_json()})):
        assert bad != good
        path.write_text(bad)
        with pytest.raises(PlanInvalid, match=r"holds another plan .* somebody changed it"):
            kept_plan(tmp_path, plan.digest)
    for bad in ("", "{", "[]", good[:-1], good.replace("user", "usr"), json.dumps({**json.loads(good), "plan": "{}"})):
        path.write_text(bad)
        with pytest.raises(PlanInvalid, match="holds no plan"):
            kept_plan(tmp_path, plan.digest)
    keep(tmp_path, other)
    told: list[str] = []
    assert [one.plan for one in kept_plans(tmp_path, told.append)] == [other]
    assert len(told) == 1 and path.name in told[0]


def test_the_oldest_that_nobody_needs_goes_first(tmp_path: Path) -> None:
    plans = [plan_of(k) for k in range(6)]
    keep(tmp_path, *plans, needed=lambda: [plans[0].digest, "any"], most_plans=3)
    there = {one.plan.digest for one in kept_plans(tmp_path, print)}
    assert there == {plans[0].digest, plans[4].digest, plans[5].digest}
    size = path_of(tmp_path, plans[5]).stat().st_size
    keep(tmp_path, plan_of(7), most_bytes=2 * size + 10)
    assert [one.plan for one in kept_plans(tmp_path, print)] == [plans[5], plan_of(7)]
    keep(tmp_path, plan_of(8), needed=lambda: [plans[5].digest, plan_of(7).digest], most_plans=2)
    assert [one.plan for one in kept_plans(tmp_path, print)] == [plans[5], plan_of(7)]


def test_what_was_dropped_is_kept_when_it_is_run_again(tmp_path: Path) -> None:
    book = PlanBook(tmp_path, most_plans=1)
    for plan in (plan_of(1), plan_of(2)):
        book.keep(plan, "ann")
    assert book._writer is not None
    book._writer.submit(int).result()
    assert [one.plan for one in kept_plans(tmp_path, print)] == [plan_of(2)]
    book.keep(plan_of(1), "ann")
    book._writer.submit(int).result()
    book.close()
    assert [one.plan for one in kept_plans(tmp_path, print)] == [plan_of(1)]


def test_nothing_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go, begun, write = threading.Event(), threading.Event(), State.write

    def slow(self: State, name: str, data: bytes) -> None:
        begun.set()
        assert go.wait(30)
        write(self, name, data)

    monkeypatch.setattr(State, "write", slow)
    book = PlanBook(tmp_path)
    for k in range(MOST_WAITING + 20):
        book.keep(plan_of(k), "ann")
    assert begun.wait(30)
    assert len(book._taken) == MOST_WAITING  # the rest is kept when it is run again
    closing = threading.Thread(target=book.close)
    closing.start()
    go.set()
    closing.join(30)
    assert len(kept_plans(tmp_path, print)) >= 1
    book.keep(plan_of(500), "ann")  # closed: nothing happens


@pytest.mark.parametrize(("seconds", "kept"), [(60.0, 6), (-1.0, 1)])
def test_what_waits_is_written_at_the_end_for_a_while(
    seconds: float, kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, begun, write = threading.Event(), threading.Event(), State.write

    def slow(self: State, name: str, data: bytes) -> None:
        begun.set()
        assert go.wait(30)
        write(self, name, data)

    monkeypatch.setattr(State, "write", slow)
    monkeypatch.setattr(planbook, "CLOSE_SECONDS", seconds)
    book = PlanBook(tmp_path)
    for k in range(6):
        book.keep(plan_of(k), "ann")
    assert begun.wait(30) and book._writer is not None
    shutdown = book._writer.shutdown
    monkeypatch.setattr(book._writer, "shutdown", lambda: (go.set(), shutdown()))
    book.close()
    assert len(kept_plans(tmp_path, print)) == kept


def test_a_full_disk_is_logged_once_and_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: State, name: str, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(State, "write", full)
        book = PlanBook(tmp_path)
        book.keep(plan_of(1), "ann")
        assert book._writer is not None
        book._writer.submit(int).result()
        book.keep(plan_of(2), "ann")
        book._writer.submit(int).result()
    assert [record.message for record in caplog.records if "No space left" in record.message] == [
        "a plan can't be kept for its owner to read, and is run all the same: [Errno 28] No space left on device"
    ]
    book._calm_until = 0.0  # a minute later
    book.keep(plan_of(1), "ann")
    book._writer.submit(int).result()
    book.close()
    assert [one.plan for one in kept_plans(tmp_path, print)] == [plan_of(1)]


def test_without_a_folder_nothing_is_kept_and_no_thread_made() -> None:
    book = PlanBook(None)
    book.keep(plan_of(1), "ann")
    assert book._writer is None
    book.close()
