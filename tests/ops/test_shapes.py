"""shapes: numpy's own arrays after every move, and never larger than predicted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import MetadataNotReady, OpFailed, OpTypeError
from fedsock.ops.registry import check, template_of
from fedsock.ops.shapes import ROWS
from tests.ops.harness import DTYPES, SCALARS, broadcastable, few, operands
from tests.ops.oracle import EVERY, NUMBERS, REALS, agree, arrays, run

TABLE = {row.name: row for row in ROWS}
AXIS = st.integers(-3, 3)
AXES = st.none() | AXIS | st.lists(AXIS, max_size=3).map(tuple)
ANY = operands(EVERY)
SHAPES = st.integers(-1, 6) | st.lists(st.integers(-1, 4), max_size=3).map(tuple)


@few
@given(a=ANY, shape=SHAPES, order=st.sampled_from("CF"), data=st.data())
def test_reshape_and_ravel(a: Any, shape: Any, order: str, data: Any) -> None:
    agree(TABLE["reshape"], a, shape, order)
    agree(TABLE["reshape"], a, np.shape(a)[::-1])
    agree(TABLE["reshape"], a, -1, copy=None)
    agree(TABLE["ravel"], a, order)
    agree(TABLE["resize"], a, np.shape(a))
    if -1 not in np.atleast_1d(shape):
        agree(TABLE["resize"], a, shape)


@few
@given(a=ANY, axes=AXES, one=AXIS, other=AXIS)
def test_axes(a: Any, axes: Any, one: int, other: int) -> None:
    agree(TABLE["transpose"], a)
    agree(TABLE["transpose"], a, axes if isinstance(axes, tuple) else None)
    agree(TABLE["transpose"], a, tuple(range(np.ndim(a)))[::-1])
    agree(TABLE["matrix_transpose"], a)
    agree(TABLE["swapaxes"], a, one, other)
    agree(TABLE["moveaxis"], a, one, other)
    agree(TABLE["moveaxis"], a, (one, 0), (other, 1))
    agree(TABLE["rollaxis"], a, one, other)
    agree(TABLE["squeeze"], a, axes)
    agree(TABLE["squeeze"], a)
    agree(TABLE["flip"], a, axes)
    agree(TABLE["fliplr"], a)
    agree(TABLE["flipud"], a)
    agree(TABLE["rot90"], a, one, (0, 1))
    if axes is not None:
        agree(TABLE["expand_dims"], a, axes)


@few
@given(a=ANY, shift=AXIS, axes=AXES)
def test_roll(a: Any, shift: int, axes: Any) -> None:
    agree(TABLE["roll"], a, shift, axes)
    agree(TABLE["roll"], a, (shift, 1), (0, 0))


@pytest.mark.parametrize("name", ["atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays"])
@few
@given(data=st.data())
def test_several_to_several(name: str, data: Any) -> None:
    a, b, c = data.draw(broadcastable(EVERY, 3))
    if name == "broadcast_arrays":
        agree(TABLE[name], a)
    else:
        agree(TABLE[name], a, oracle=lambda x: getattr(np, name)(x))
    agree(TABLE[name], a, b, c)
    agree(TABLE[name], a, a.copy() if isinstance(a, np.ndarray) else a)


@few
@given(filt=arrays(REALS, dims=2), trim=st.sampled_from(["f", "b", "fb"]))
def test_trim_zeros(filt: Any, trim: str) -> None:
    agree(TABLE["trim_zeros"], filt, trim)
    agree(TABLE["trim_zeros"], filt, axis=0)


@pytest.mark.parametrize("name", ["concatenate", "stack", "vstack", "hstack", "dstack", "column_stack"])
@few
@given(data=st.data())
def test_joining(name: str, data: Any) -> None:
    shape = data.draw(st.sampled_from([(), (2,), (0,), (2, 3), (1, 2, 2)]))
    dtypes = [data.draw(st.sampled_from(EVERY))] if data.draw(st.booleans()) else EVERY
    parts = data.draw(st.lists(arrays(dtypes, shape) | arrays(dtypes), max_size=3))
    agree(TABLE[name], parts)
    agree(TABLE[name], tuple(parts))
    if name in ("concatenate", "stack"):
        agree(TABLE[name], parts, data.draw(AXIS))
        agree(TABLE[name], parts, dtype=data.draw(DTYPES | st.just(np.dtype(str))))
    if parts:
        agree(TABLE[name], parts[0])


@few
@given(data=st.data())
def test_block_and_append(data: Any) -> None:
    shape = data.draw(st.sampled_from([(), (2,), (2, 2), (0, 1)]))
    a, b = data.draw(arrays(EVERY, shape)), data.draw(arrays(EVERY, shape))
    agree(TABLE["block"], [[a, b], [b, a]])
    agree(TABLE["block"], [a, b])
    agree(TABLE["block"], a)
    agree(TABLE["block"], [a, [b]])
    agree(TABLE["block"], [])
    agree(TABLE["append"], a, b)
    agree(TABLE["append"], a, b, 0)


def test_block_takes_lists_only() -> None:
    with pytest.raises(TypeError):
        check(TABLE["block"], ([(1, 2)],), {})
    deep: Any = [1]
    for _ in range(70):
        deep = [deep]
    with pytest.raises(ValueError, match="deeper"):
        check(TABLE["block"], (deep,), {})


@few
@given(a=ANY, sections=st.integers(-1, 3) | st.lists(st.integers(-2, 4), max_size=3), axis=AXIS)
def test_splitting(a: Any, sections: Any, axis: int) -> None:
    for name in ("split", "array_split"):
        agree(TABLE[name], a, sections)
        agree(TABLE[name], a, sections, axis)
    for name in ("hsplit", "vsplit", "dsplit"):
        agree(TABLE[name], a, sections)
    agree(TABLE["array_split"], a, np.array([1, 2]))
    agree(TABLE["unstack"], a)
    agree(TABLE["unstack"], a, axis=axis)


def test_splitting_by_what_is_not_known_here() -> None:
    with pytest.raises(OpTypeError, match="must be known here"):
        template_of(TABLE["split"], (object(), object()), {}, np.shape)

    def unknown(_: Any) -> tuple[int, ...]:
        raise MetadataNotReady

    with pytest.raises(MetadataNotReady):
        template_of(TABLE["unstack"], (object(),), {}, unknown)


@few
@given(data=st.data())
def test_broadcast_to(data: Any) -> None:
    a, b = data.draw(broadcastable(EVERY))
    agree(TABLE["broadcast_to"], a, np.shape(b))
    agree(TABLE["broadcast_to"], a, 3)


@few
@given(a=ANY, reps=SHAPES)
def test_tile(a: Any, reps: Any) -> None:
    agree(TABLE["tile"], a, reps)


@few
@given(a=ANY, repeats=st.integers(-1, 3) | st.lists(st.integers(-1, 3), max_size=4), axis=st.none() | AXIS)
def test_repeat(a: Any, repeats: Any, axis: Any) -> None:
    agree(TABLE["repeat"], a, repeats, axis)
    agree(TABLE["repeat"], a, np.array(repeats, int), axis)
    if np.ndim(a):
        agree(TABLE["repeat"], a, list(range(np.shape(a)[0])), 0)


WIDTHS = st.integers(-1, 3)
PAIRS = st.tuples(WIDTHS, WIDTHS)


@pytest.mark.parametrize(
    "mode",
    [
        "constant",
        "edge",
        "linear_ramp",
        "maximum",
        "mean",
        "median",
        "minimum",
        "reflect",
        "symmetric",
        "wrap",
    ],
)
@few
@given(data=st.data())
def test_pad(mode: str, data: Any) -> None:
    a = data.draw(operands(NUMBERS))
    width = data.draw(
        WIDTHS | PAIRS | st.lists(PAIRS, max_size=3) | st.lists(st.tuples(WIDTHS), min_size=1, max_size=3)
    )
    options: dict[str, Any] = {}
    if mode == "constant":
        options = {"constant_values": data.draw(SCALARS | st.just((1, 2)))}
    elif mode == "linear_ramp":
        options = {"end_values": data.draw(st.integers(-3, 9))}
    elif mode in ("reflect", "symmetric"):
        options = {"reflect_type": data.draw(st.sampled_from(["even", "odd"]))}
    elif mode not in ("edge", "wrap"):
        options = {"stat_length": data.draw(st.none() | st.integers(0, 3))}
    agree(TABLE["pad"], a, width, mode)
    agree(TABLE["pad"], a, width, mode, **options)


def test_pad_shows_no_freed_memory_and_calls_nothing() -> None:
    for _ in range(20):
        np.full(1000, 123456.789)
        assert run(TABLE["pad"], (np.zeros(1), 500, "empty"), {}).sum() == 0
    with pytest.raises(OpFailed):
        check(TABLE["pad"], (np.zeros(1), 1, len), {})


PLACES = st.integers(-4, 4) | st.lists(st.integers(-3, 3), max_size=3) | st.just(slice(None, None, 2))


@few
@given(a=ANY, obj=PLACES, axis=st.none() | AXIS, values=operands(REALS))
def test_delete_and_insert(a: Any, obj: Any, axis: Any, values: Any) -> None:
    obj = np.array(obj, int) if isinstance(obj, list) else obj
    agree(TABLE["delete"], a, obj, axis)
    agree(TABLE["insert"], a, obj, values, axis)


def test_parts_that_overlap_are_counted() -> None:
    sections = [0, 5] * 50
    agree(TABLE["split"], np.zeros(5), sections)
    assert TABLE["split"].bound(np.zeros(5), sections).nbytes == 50 * 40
    agree(TABLE["dsplit"], np.zeros((2, 2, 3)), [2, 1])
    agree(TABLE["hsplit"], np.zeros((2, 3)), [2, 1])


def test_insert_by_mask() -> None:
    agree(TABLE["insert"], np.arange(3), np.array([True, False, True]), 7)
    agree(TABLE["delete"], np.arange(3), np.array([True, False, True]))


def test_every_row_is_numpys() -> None:
    assert all(row.numpy and row.family == "shapes" and row.about for row in ROWS)
