"""Jobs and instructions."""

from __future__ import annotations

from fedsock.protocol.messages import Get, Op
from fedsock.worker.jobs import Compute, Errand, Job, SendValue
from fedsock.worker.store import Entry, SessionStore


def job() -> Job:
    """Return a job that was just made."""
    return Job(SessionStore("s@1", 10, 10), Op(id=1, fn="add"), None, [Entry(1)])


def test_a_new_job_waits_for_nothing() -> None:
    one, two = job(), job()
    assert (one.args, dict(one.kwargs), one.inputs, one.missing) == ([], {}, [], 0)
    assert not (one.over or one.nested or one.withheld)
    assert one.args is not two.args and one.inputs is not two.inputs


def test_compute_returns_what_came_of_it() -> None:
    work = Compute(job(), lambda a, b=0: a / b, (6,), {"b": 2}, 0.5)
    assert work.run() == (3.0, None) and work.seconds == 0.5
    result, error = Compute(work.job, work.function, (6,), {}, 0.0).run()
    assert result is None and isinstance(error, ZeroDivisionError)


def test_errand_and_send_value_carry_their_request() -> None:
    get, entry = Get(id=2, ref=1), Entry(1)
    errand = Errand(job().store, get, entry)
    assert errand.request is get and errand.entry is entry and errand.store.address == "s@1"
    assert SendValue("s@1", entry, get, errand).errand is errand
