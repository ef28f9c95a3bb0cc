from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.ops import TABLE
from fedsock.protocol import messages as m
from fedsock.protocol.values import to_json
from fedsock.worker.failures import not_run
from tests.worker.driver import PEER, Driver, op, ref

AGES = np.array([30.0, 40.0, 50.0])


def array(*values: float) -> dict[str, object]:
    return {"$tuple": list(values)}


def test_the_first_failure_is_told_with_what_follows_from_it() -> None:
    driver = Driver()
    first, second = driver.say(op(1, "reshape", 1.0, array(2, 2)), op(2, "add", ref(1), 1))
    assert first.code == second.code == "op_value"
    assert first.cause is None
    assert second.cause is not None
    assert (second.cause.id, second.cause.op) == (1, "reshape")
    assert "bob" in first.message


@pytest.mark.parametrize("name", ["nothing", "__class__", "linalg.__builtins__", "\uff45mpty", "add\0", "a" * 200])
def test_unknown_ops(name: str) -> None:
    assert [one.code for one in Driver().say(op(1, name, 1))] == ["unknown_op"]


def test_unknown_objects() -> None:
    assert [one.code for one in Driver().say(op(1, "add", ref(77), 1))] == ["unknown_object"]
    assert [one.code for one in Driver().say(op(1, "add", ref("no/such"), 1))] == ["unknown_object"]


def test_results_above_the_quota_are_refused_before_they_are_computed() -> None:
    driver = Driver(quota_bytes=10_000)
    assert [one.code for one in driver.say(op(1, "zeros", array(10**6, 10**6)))] == ["quota"]
    assert driver.say(m.Ask(2, "stats"))[0].stats["ops_run"] == 0


SLOW = [op(1, "zeros", array(100_000)), op(2, "correlate", ref(1), ref(1))]  # ten billion products


@pytest.mark.parametrize("more", [{}, {"kw": {"mode": "full"}}], ids=["short road", "general road"])
def test_an_op_expected_to_take_too_long_is_refused_before_it_begins(more: dict[str, Any]) -> None:
    driver = Driver(op_seconds=5)
    _, error = driver.say(SLOW[0], op(2, "correlate", ref(1), ref(1), **more))
    assert (error.id, error.code) == (2, "op_too_long")
    assert re.search(r"10 seconds.* 5 .*limits\.op_seconds", error.message)
    after = driver.say(m.Ask(3, "stats"), op(4, "add", ref(2), 1), op(5, "add", ref(1), 1))
    assert after[0].stats["ops_run"] == 1 and after[0].stats["objects"] == 2
    assert after[1].code == "op_too_long" and after[1].cause.id == 2
    assert type(after[2]) is m.Done


def test_an_op_expected_to_take_less_is_begun() -> None:
    driver = Driver(op_seconds=20)
    driver.say(*SLOW, hold=True)
    first = driver.held[0]
    driver.run(driver.engine.computed(first, *first.run()), hold=True)
    assert [compute.job.op.id for compute in driver.held] == [1, 2]


@pytest.mark.parametrize("values", [np.zeros(100_000), np.full(100_000, np.nan)])
def test_an_op_on_private_data_that_takes_too_long_is_refused_whatever_they_are(values: Any) -> None:
    driver = Driver({"x": values}, op_seconds=5)
    [error] = driver.say(op(1, "correlate", ref("x"), ref("x")))
    assert error.code == "op_too_long"
    # What can't be told of is no exception: what it is charged and how long it takes follow from public shapes.
    driver.say(op(2, "getitem.array", ref("x"), ref("x")))
    assert [one.code for one in driver.say(op(3, "correlate", ref(2), ref("x")))] == ["op_too_long"]


def test_too_many_objects_are_refused() -> None:
    driver = Driver(quota_objects=2)
    codes = [one.code for one in driver.say(*(op(id, "add", 1, 1) for id in range(1, 5))) if isinstance(one, m.Error)]
    assert set(codes) == {"quota"}


def test_a_value_given_up_is_written_in_place_and_freed() -> None:
    driver = Driver()
    driver.say(op(1, "zeros", array(1000)), op(2, "setitem", ref(1), 0, 5.0, last=[1]))
    assert driver.say(m.Get(3, 1))[0].code == "unknown_object"
    assert driver.say(m.Get(4, 2))[0][0] == 5.0


def test_what_is_being_overwritten_is_not_read_any_more() -> None:
    driver = Driver()
    driver.say(op(1, "zeros", array(5)))
    driver.say(op(2, "iadd", ref(1), 1.0, last=[1]), hold=True)
    [compute] = driver.held
    errors = driver.say(m.Get(3, 1), op(4, "copy", ref(1)), op(5, "add", ref(1), 1.0), m.Transfer(6, 1, "a@0001", 1))
    assert [one.code for one in errors] == ["unknown_object"] * 4
    assert driver.say(m.Ask(7, "objects"))[0].records == []
    driver.run(driver.engine.computed(compute, *compute.run()))
    assert driver.say(m.Get(8, 2))[0].tolist() == [1.0] * 5
    driver.say(m.Release([[1, 9]]))
    stats = driver.say(m.Ask(10, "stats"))[0].stats
    assert (stats["objects"], stats["bytes"]) == (0, 0)


def test_nothing_private_is_written_into_what_is_open() -> None:
    driver = Driver({"x": AGES})
    driver.say(op(1, "zeros", array(3)))
    driver.say(op(2, "iadd", ref(1), ref("x"), last=[1]), hold=True)
    assert driver.held[0].kwargs["overwrite"] is False
    driver.held[0].run()
    assert driver.say(m.Get(3, 1))[0].tolist() == [0.0] * 3


def test_a_value_whose_overwriting_failed_is_there_again_unless_it_was_released() -> None:
    for released in (False, True):
        driver = Driver()
        driver.say(op(1, "zeros", array(5)))
        driver.say(op(2, "setitem", ref(1), 9, 1.0, last=[1]), hold=True)
        if released:
            driver.say(m.Release([1]))
        [error] = driver.run(driver.engine.computed(driver.held[0], *driver.held[0].run()))
        assert error.code == "op_index"
        [answer] = driver.say(m.Get(3, 1))
        assert answer.code == "unknown_object" if released else answer.tolist() == [0.0] * 5
        driver.say(m.Release([1, 2]))
        stats = driver.say(m.Ask(9, "stats"))[0].stats
        assert (stats["objects"], stats["bytes"]) == (0, 0)


def test_an_op_with_too_many_results_overwrites_nothing() -> None:
    driver = Driver()
    driver.say(op(1, "zeros", array(5)))
    assert driver.say(op(2, "iadd", ref(1), 1.0, last=[1], n=2))[0].code == "op_value"
    assert driver.say(m.Get(4, 1))[0].tolist() == [0.0] * 5


IN_PLACE = sorted(name for name, row in TABLE.items() if row.in_place)
OPERANDS = st.one_of(
    st.sampled_from([True, 3, 300, -1, 2.5, to_json(1j), "text", array(1, 2)]),
    st.tuples(st.sampled_from(["int8", "uint64", "float16", "float64", "complex64", "bool", "<U2", "m8[D]", "m8[as]",
                               "M8[D]", "M8[Y]"]), st.sampled_from([(), (1,), (3,), (3, 3), (2, 3), (0,)])),
)  # fmt: skip


def drawn(operand: Any) -> Any:
    if not isinstance(operand, tuple):
        return operand
    dtype, shape = operand
    return to_json(np.arange(250, 250 + np.prod(shape, dtype=int)).astype(dtype).reshape(shape))


@given(
    fn=st.sampled_from(IN_PLACE),
    target=st.tuples(
        st.sampled_from(["int8", "uint8", "int64", "float32", "complex128", "bool", "<U3", "m8[D]", "M8[s]"]),
        st.sampled_from([(3,), (3, 3), (1, 3)]),
    ),
    index=st.sampled_from([0, 7, array(0, 9), [0, 1], [2, 99], [True, False, True], "no"]),
    operand=OPERANDS,
)
def test_a_failed_assignment_of_any_kind_leaves_what_was_there(fn: str, target: Any, index: Any, operand: Any) -> None:
    driver = Driver()
    driver.say(m.Put(1, drawn(target)))
    [before] = [np.array(one) for one in driver.say(m.Get(2, 1))]
    driver.engine._sessions[PEER].entries[1].shared = False
    args = [ref(1), index, drawn(operand)] if fn.startswith("setitem") else [ref(1), drawn(operand)]
    [reply] = driver.say(op(3, fn, *args, last=[1]))
    if isinstance(reply, m.Error):
        [after] = driver.say(m.Get(4, 1))
        assert after.dtype == before.dtype
        assert after.tobytes() == before.tobytes()


def test_a_failed_assignment_leaves_what_was_there() -> None:
    driver = Driver()
    driver.say(op(1, "zeros", array(10)))
    assert driver.say(op(2, "setitem", ref(1), 99, 5.0, last=[1]))[0].code == "op_index"
    assert driver.say(m.Get(3, 1))[0].tolist() == [0.0] * 10


def test_a_value_that_was_sent_is_not_written_in_place() -> None:
    driver = Driver()
    driver.say(op(1, "zeros", array(1000)))
    [sent] = driver.say(m.Get(2, 1))
    driver.say(op(3, "setitem", ref(1), 0, 5.0, last=[1]))
    assert sent[0] == 0.0


def test_nothing_private_is_told_by_shape_dtype_or_failure() -> None:
    def script(data: np.ndarray) -> list[object]:
        driver = Driver({"x": data})
        return driver.say(
            op(1, "greater", ref("x"), 35),
            op(2, "getitem.array", ref("x"), ref(1)),
            op(3, "sum", ref(2)),
            op(4, "unique", ref("x")),
            op(5, "outer", ref("x"), ref("x")),
            op(6, "linalg.inv", ref(5)),
            op(7, "add", ref(6), 1),
            m.Get(8, 7),
            m.Get(9, 2),
            m.Ask(10, "objects"),
        )

    assert script(AGES) == script(np.array([1.0, 1.0, 1.0])) == script(np.array([np.nan, np.inf, 0.0]))
    told = script(AGES)
    assert any(isinstance(one, m.Done) and one.withheld for one in told)


def test_public_shapes_of_private_values_are_told() -> None:
    driver = Driver({"x": AGES})
    [done] = driver.say(op(1, "add", ref("x"), 1))
    assert (done.shape, done.dtype, done.withheld) == ([3], "float64", False)
    [error] = driver.say(op(2, "add", ref("x"), ref(1)), op(3, "reshape", ref("x"), array(2, 2)))[1:]
    assert error.code == "op_value"
    assert "30" not in error.message


def test_owner_data_is_never_written() -> None:
    driver = Driver({"x": AGES})
    driver.say(op(1, "setitem", ref("x"), 0, 5.0))
    assert AGES[0] == 30.0


def test_ops_that_could_not_run_leave_their_inputs_free() -> None:
    driver = Driver()
    driver.say(op(1, "zeros", array(1000)), op(2, "nothing", ref(1)), op(3, "add", ref(1), ref(1)))
    driver.say(m.Release([[1, 3]]))
    stats = driver.say(m.Ask(9, "stats"))[0].stats
    assert (stats["objects"], stats["bytes"]) == (0, 0)


def test_an_op_cancelled_in_its_own_batch_is_not_run() -> None:
    driver = Driver()
    replies = driver.say(op(1, "add", 1, 1), op(2, "add", ref(1), 1), m.Cancel([1]))
    assert [(one.id, one.code) for one in replies] == [(1, "cancelled"), (2, "cancelled")]
    assert driver.say(m.Ask(9, "stats"))[0].stats["ops_run"] == 0


def test_an_op_that_is_writing_in_place_is_not_given_up() -> None:
    driver = Driver()
    driver.say(op(1, "zeros", array(10)))
    driver.say(op(2, "setitem", ref(1), 0, 5.0, last=[1]), hold=True)
    assert driver.say(m.Cancel([2])) == []
    [done] = driver.run(driver.engine.computed(driver.held[0], *driver.held[0].run()))
    assert done.id == 2
    assert driver.say(m.Get(3, 2))[0][0] == 5.0


def test_a_cancelled_op_lets_go_of_what_it_waited_for() -> None:
    driver = Driver()
    driver.say(op(1, "zeros", array(1000)), op(2, "add", ref(1), 1), hold=True)
    driver.say(m.Cancel([2]), m.Release([1, 2]))
    driver.run(driver.engine.computed(driver.held[0], *driver.held[0].run()))
    stats = driver.say(m.Ask(9, "stats"))[0].stats
    assert (stats["objects"], stats["bytes"]) == (0, 0)


def test_sizes_are_not_taken_from_private_values() -> None:
    driver = Driver({"k": np.array(10**7), "one": np.array(1)}, quota_bytes=10_000)
    assert [one.withheld for one in driver.say(op(1, "zeros", ref("k")))] == [True]
    assert [one.withheld for one in driver.say(op(2, "zeros", ref("one")))] == [True]
    driver.say(op(3, "zeros", ref("k")), op(4, "zeros", ref("one")), hold=True)
    # Neither is run, but both are counted: whether one was would be told by the count.
    assert {compute.function for compute in driver.held} == {not_run}
    assert driver.say(m.Ask(9, "stats"))[0].stats["ops_run"] == 2


def test_a_wrong_argument_beside_private_data_is_told() -> None:
    [error] = Driver({"x": AGES}).say(op(1, "sum", ref("x"), "no"))
    assert error.code == "op_type"


def test_a_failure_brings_down_a_chain_of_any_length() -> None:
    driver = Driver()
    header = {"$array": {"dtype": "float64", "shape": [1000], "stream": 7}}
    driver.say(m.Put(1, header), *(op(id, "add", ref(id - 1), 1) for id in range(2, 5002)))
    stop, *replies = driver.say(m.Cancel([1]))
    assert stop == m.Stop(7)
    assert [one.id for one in replies] == list(range(1, 5002))
    assert {one.code for one in replies} == {"cancelled"}
    assert replies[-1].cause.id == 1


def test_an_upload_starts_a_chain_of_any_length() -> None:
    driver = Driver()
    header = {"$array": {"dtype": "float64", "shape": [1000], "stream": 7}}
    driver.say(m.Put(1, header), *(op(id, "add", ref(id - 1), 1) for id in range(2, 5002)))
    driver.run(driver.engine.chunk("s-1@0001", 7, 0, memoryview(bytes(8000))))
    [value] = driver.say(m.Get(6000, 5001))
    assert value[0] == 5000.0


NUMBERS = st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.booleans(), st.text(max_size=2), st.none())
ARGUMENTS = st.lists(
    st.one_of(NUMBERS, st.sampled_from([ref(1), ref(2), ref(3), ref(99), ref("x"), [1, 2]])), max_size=3
)


@given(
    fn=st.sampled_from(["add", "sum", "matmul", "reshape", "frexp", "power", "nothing"]),
    args=ARGUMENTS,
    quota=st.sampled_from([100, 10_000]),
)
def test_the_short_road_and_the_general_one_are_the_same(fn: str, args: list[Any], quota: int) -> None:
    def played(general: bool) -> list[object]:
        driver = Driver({"x": AGES}, quota_bytes=quota)
        driver.say(m.Put(1, 3.5), op(2, "zeros", array(2, 3)), op(3, "add", ref("x"), 1))
        if general:
            driver.engine._runner._submit_plain = lambda *_: False  # type: ignore[method-assign]
        told = driver.say(op(10, fn, *(to_json(arg) if not isinstance(arg, (dict, list)) else arg for arg in args)))
        return [*map(str, told), *map(str, driver.say(m.Ask(11, "objects"), m.Ask(12, "stats")))]

    assert played(False) == played(True)


@pytest.mark.parametrize(
    "taken",
    [op(2, "item", ref(1), "k"), op(2, "getitem", ref(1), 0), op(2, "getitem", ref(1), {"$slice": [0, 1, None]})],
)
@pytest.mark.parametrize("private", [True, False])
def test_what_is_written_into_a_part_does_not_show_in_its_tree(taken: m.Op, private: bool) -> None:
    driver = Driver({"x": np.arange(1.0, 1001.0)})
    inner = {"$array": {"dtype": "float64", "shape": [1000], "stream": 7}}
    driver.say(m.Put(1, {"$dict": {"k": inner}} if taken.fn == "item" else [inner]))
    driver.run(driver.engine.chunk("s-1@0001", 7, 0, memoryview(bytes(8000))))
    driver.say(taken, op(3, "iadd", ref(2), ref("x") if private else 1.0, last=[2]))
    [tree] = driver.say(m.Get(9, 1))
    kept = tree["k"] if taken.fn == "item" else tree[0]
    assert not kept.any()


def test_what_is_taken_out_of_a_tree_of_references_is_a_value_of_its_own() -> None:
    driver = Driver()
    driver.say(op(1, "zeros", array(3)), op(2, "item", {"$dict": {"k": ref(1)}}, "k"))
    driver.say(op(3, "iadd", ref(2), 1.0, last=[2]))
    assert driver.say(m.Get(9, 1))[0].tolist() == [0.0] * 3


def counted(driver: Driver, id: int = 10**6) -> tuple[int, int]:
    [answer] = driver.say(m.Ask(id, "stats"))
    return answer.stats["objects"], answer.stats["bytes"]


def test_what_is_released_while_it_is_computed_counts_until_then() -> None:
    driver = Driver()
    driver.say(op(1, "zeros", array(10)), op(2, "add", 1, 1), m.Release([1, 2]), hold=True)
    assert counted(driver)[0] == 2
    for compute in driver.held:
        driver.run(driver.engine.computed(compute, *compute.run()))
    assert counted(driver, 10**6 + 1) == (0, 0)


def test_an_op_of_a_million_results_takes_no_memory() -> None:
    driver = Driver()
    [error] = driver.say(op(1, "add", 1, 1, n=10**6))
    assert (error.id, error.n, error.code) == (1, 10**6, "op_value")
    assert not driver.engine._sessions[PEER].entries
    [error] = driver.say(op(10**6 + 1, "frexp", 1.0))
    assert error.code == "op_value"


def test_ops_beyond_the_quota_leave_nothing() -> None:
    driver = Driver(quota_objects=10)
    for id in range(1, 100):
        driver.say(op(id, "nothing"))
    assert len(driver.engine._sessions[PEER].entries) == 10
    [error] = driver.say(op(100, "split", 1.0, 5, n=5))
    assert (error.code, error.n) == ("quota", 5)


def test_arguments_count_while_their_op_waits_or_runs() -> None:
    driver = Driver()
    large = to_json(np.arange(400.0))
    driver.say(m.Expect(1, "alice@0001"))
    driver.say(op(2, "add", ref(1), large), op(3, "add", ref(1), "x" * 5000), op(4, "sum", large), hold=True)
    assert counted(driver)[1] > 3200 + 5000 + 3200
    [compute] = driver.held
    driver.run(driver.engine.computed(compute, *compute.run()))
    driver.say(m.Cancel([1]))
    assert counted(driver, 10**6 + 1)[1] == 8


def test_what_a_waiting_op_brings_may_be_too_much() -> None:
    driver = Driver(quota_bytes=1000)
    driver.say(m.Expect(1, "alice@0001"))
    [error] = driver.say(op(2, "add", ref(1), "x" * 5000))
    assert (error.id, error.code) == (2, "quota")
    assert counted(driver)[1] == 0


def test_what_is_withheld_counts_its_bound_only() -> None:
    driver = Driver({"x": AGES})
    driver.say(op(1, "unique", ref("x")))
    alone = counted(driver)[1]
    driver.say(m.Release([1]))
    driver.say(m.Op(10**6 + 2, "unique", [ref("x")], {"equal_nan": True}))
    assert counted(driver, 10**6 + 3)[1] == alone


def test_a_session_that_is_gone_starts_no_chain_of_what_it_released() -> None:
    driver = Driver()
    driver.say(op(1, "add", 1, 1), op(2, "add", ref(1), 1), m.Release([1, 2]), hold=True)
    driver.run(driver.engine.forget(PEER))
    driver.run(driver.engine.computed(driver.held[0], 2, None), hold=True)
    assert len(driver.held) == 1
