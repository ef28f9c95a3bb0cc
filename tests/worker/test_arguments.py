from __future__ import annotations

import numpy as np

from fedsock.policy.facts import OPEN, Facts
from fedsock.worker.arguments import held_value, private_places, read_arguments, resolve, shown, stand_in
from fedsock.worker.jobs import Job
from fedsock.worker.store import READY, Entry, SessionStore
from tests.worker.driver import op, ref

PRIVATE = Facts(frozenset({"x"}))


def entry(value: object, facts: Facts = OPEN) -> Entry:
    made = Entry(1, facts)
    made.value, made.state = value, READY
    return made


def test_references_are_found_wherever_they_stand() -> None:
    held = {1: entry(np.arange(3)), 2: entry(5, PRIVATE)}
    inside = ([ref(2), 1], {"$slice": [None, ref(2), None]}, {"$dict": {"a": ref(1)}})
    job = Job(SessionStore("s-1@0001", 1, 1), op(3, "f", ref(1), *inside, kw={"k": ref(2)}), None, [])
    assert read_arguments(job, held.get) is None  # type: ignore[arg-type]
    assert job.inputs == [held[1], held[2], held[2], held[1], held[2]]
    args, kwargs = resolve(job, held_value)
    assert args[0] is held[1].value
    assert args[1:3] == [[5, 1], slice(None, 5, None)]
    assert args[3]["a"] is held[1].value
    assert kwargs == {"k": 5}
    assert private_places(job) == [1, 2, "k"]
    assert resolve(job, stand_in)[0][1] == [0, 1]


def test_a_reference_to_nothing_is_named_and_nothing_is_held() -> None:
    job = Job(SessionStore("s-1@0001", 1, 1), op(3, "f", ref(1), ref(9)), None, [])
    assert read_arguments(job, {1: entry(1)}.get) == 9  # type: ignore[arg-type]
    assert job.inputs == []


def test_stand_ins_have_public_shapes_and_no_values() -> None:
    private = stand_in(entry(np.array([1.5, 2.5]), PRIVATE))
    assert (private.dtype, private.tolist()) == (np.float64, [0.0, 0.0])
    assert stand_in(entry(np.float32(3), PRIVATE)) == np.float32(0)
    assert stand_in(entry(7)) == 7
    withheld = entry(np.ones(2), PRIVATE)
    withheld.withheld, withheld.limit_shape = True, (10,)
    assert stand_in(withheld).shape == (10,)
    assert shown(withheld) == "withheld"
    assert [shown(one) for one in (entry(np.ones(2)), np.float32(1), "a")] == ["float64[2]", "float32[]", "str"]
