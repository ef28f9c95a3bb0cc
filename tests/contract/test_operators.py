"""Expressions on pointers are numpy's: operators, functions, ufunc methods, ndarray methods, indexing."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fedsock import Pointer, errors
from fedsock.session.handle import WorkerHandle

pytestmark = pytest.mark.asyncio(loop_scope="module")

FLOATS = np.array([[1.5, -2.0, 3.0], [0.5, 4.0, -1.0]])
INTS = np.array([[1, 2, 7], [3, 5, 4]])
SQUARE = np.array([[2.0, 1.0], [1.0, 3.0]])

BINARY = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "**": operator.pow, "<": operator.lt, "<=": operator.le, "==": operator.eq,
    "!=": operator.ne, ">=": operator.ge, ">": operator.gt, "divmod": divmod,
}  # fmt: skip
WHOLE = {
    "&": operator.and_, "|": operator.or_, "^": operator.xor, "<<": operator.lshift, ">>": operator.rshift,
}  # fmt: skip
UNARY = {"-": operator.neg, "+": operator.pos, "abs": abs, "~": operator.invert}
IN_PLACE = {
    "+=": operator.iadd, "-=": operator.isub, "*=": operator.imul, "/=": operator.itruediv,
    "//=": operator.ifloordiv, "%=": operator.imod, "**=": operator.ipow, "@=": operator.imatmul,
}  # fmt: skip
IN_PLACE_WHOLE = {
    "&=": operator.iand, "|=": operator.ior, "^=": operator.ixor, "<<=": operator.ilshift, ">>=": operator.irshift,
}  # fmt: skip


def same(got: Any, want: Any) -> None:
    """Values, dtypes, shapes and types are the same, part by part."""
    assert type(got) is type(want)
    if isinstance(want, (tuple, list)):
        assert len(got) == len(want)
        for one, other in zip(got, want, strict=True):
            same(one, other)
    else:
        np.testing.assert_array_equal(got, want)
        assert np.asarray(got).dtype == np.asarray(want).dtype


async def value(result: Any) -> Any:
    """What an expression gives when it is awaited, here or there."""
    return await result if isinstance(result, Pointer) or hasattr(result, "__await__") else result


LEFT_AND_RIGHT = [
    pytest.param(operation, array, other, id=f"{word} {np.asarray(other).dtype}{np.shape(other)}")
    for table, array, others in (
        (BINARY, FLOATS, (FLOATS[::-1].copy(), FLOATS[0].copy(), 2, 2.5, np.float32(3), True)),
        (WHOLE, INTS, (INTS[::-1].copy(), 1, np.int8(2))),
        ({"@": operator.matmul}, SQUARE, (SQUARE + 1, np.ones(2))),
    )
    for word, operation in table.items()
    for other in others
]


@pytest.mark.parametrize(("operation", "array", "other"), LEFT_AND_RIGHT)
async def test_binary_operators(
    bob: WorkerHandle, operation: Callable[[Any, Any], Any], array: Any, other: Any
) -> None:
    p, q = bob.send(array), bob.send(other)
    with np.errstate(all="ignore"):
        there, back = operation(array, other), operation(other, array)
    same(await operation(p, q), there)
    same(await operation(p, other), there)
    same(await operation(other, p), back)
    same(await operation(q, p), back)


@pytest.mark.parametrize(("word", "operation"), UNARY.items())
async def test_unary_operators(bob: WorkerHandle, word: str, operation: Callable[[Any], Any]) -> None:
    for array in (INTS, INTS[0, 0]) if word == "~" else (FLOATS, INTS, FLOATS[0, 1]):
        same(await operation(bob.send(array)), operation(array))


@pytest.mark.parametrize(
    ("operation", "array", "other"),
    [pytest.param(operation, FLOATS, 2.0, id=word) for word, operation in IN_PLACE.items() if word != "@="]
    + [pytest.param(operation, INTS, INTS // 2, id=word) for word, operation in IN_PLACE_WHOLE.items()]
    + [pytest.param(operator.imatmul, SQUARE, SQUARE + 1, id="@=")],
)
async def test_in_place_operators_rebind(
    bob: WorkerHandle, operation: Callable[[Any, Any], Any], array: Any, other: Any
) -> None:
    for operand in (other, bob.send(other)):
        p = bob.send(array)
        first, kept = p.id_at_location, p.copy()
        assert operation(p, operand) is p
        assert p.id_at_location != first
        same(await p, operation(array.copy(), other))
        same(await kept, array)


FUNCTIONS: list[Callable[..., Any]] = [
    lambda p: np.sqrt(abs(p)),
    lambda p: np.sin(p),
    lambda p: np.where(p > 1, p, 0),
    lambda p: np.clip(p, 0, 1),
    lambda p: np.maximum(p, 1),
    lambda p: np.maximum(1, p),
    lambda p: np.add(p, 1, dtype=np.float32),
    lambda p: np.sum(p),
    lambda p: np.sum(p, axis=0, keepdims=True),
    lambda p: np.mean(p, 1),
    lambda p: np.percentile(p, [10, 50]),
    lambda p: np.concatenate([p, p], axis=1),
    lambda p: np.concatenate((p, np.ones((1, 3)))),
    lambda p: np.stack([p, p], axis=-1),
    lambda p: np.vstack((p, p)),
    lambda p: np.block([[p, p], [p, p]]),
    lambda p: np.einsum("ij,ij->i", p, p),
    lambda p: np.tensordot(p, p),
    lambda p: np.dot(p, p.T),
    lambda p: np.transpose(p),
    lambda p: np.reshape(p, -1),
    lambda p: np.zeros_like(p),
    lambda p: np.full_like(p, 3),
    lambda p: np.pad(p, 1),
    lambda p: np.take(p, [0, 1], axis=1),
    lambda p: np.linalg.norm(p, axis=1),
    lambda p: np.linalg.svd(p, full_matrices=False).S,
    lambda p: np.linalg.matrix_rank(p),
    lambda p: np.fft.fft(p).real,
    lambda p: np.fft.rfft(p, n=4, axis=0),
    lambda p: np.isclose(p, 1.5),
    lambda p: np.array_equal(p, p),
    lambda p: np.average(p, axis=0, weights=[1, 3]),
    lambda p: np.nansum(p),
    lambda p: np.astype(p, np.int64),
    lambda p: np.round(p, 1),
    lambda p: np.expand_dims(p, 0),
    lambda p: np.copy(p),
    lambda p: np.diff(p, n=2),
    lambda p: np.cov(p),
]
UFUNC_METHODS: list[Callable[..., Any]] = [
    lambda p: np.add.reduce(p),
    lambda p: np.add.reduce(p, axis=1, keepdims=True),
    lambda p: np.multiply.accumulate(p, axis=1),
    lambda p: np.subtract.outer(p, [1, 2]),
    lambda p: np.subtract.outer([1, 2], p),
    lambda p: np.maximum.reduceat(p, [0, 1], axis=1),
    lambda p: np.logical_or.reduce(p > 3, axis=None),
]
METHODS: list[Callable[..., Any]] = [
    lambda p: p.sum(),
    lambda p: p.sum(axis=0),
    lambda p: p.sum(0),
    lambda p: p.sum(axis=(0, 1), keepdims=True),
    lambda p: p.prod(dtype=np.float32),
    lambda p: p.mean(1),
    lambda p: p.std(ddof=1),
    lambda p: p.var(axis=0),
    lambda p: p.min(),
    lambda p: p.max(axis=1),
    lambda p: p.argmin(),
    lambda p: p.argmax(axis=0),
    lambda p: p.argsort(),
    lambda p: p.argpartition(1),
    lambda p: p.cumsum(),
    lambda p: p.cumprod(axis=0),
    lambda p: p.all(),
    lambda p: (p > 1).any(axis=1),
    lambda p: p.clip(0, 2),
    lambda p: p.clip(max=2),
    lambda p: p.round(1),
    lambda p: p.astype(np.int32),
    lambda p: p.astype("float32"),
    lambda p: p.astype(int),
    lambda p: p.copy(),
    lambda p: p.conj(),
    lambda p: p.conjugate(),
    lambda p: p.real,
    lambda p: p.imag,
    lambda p: p.T,
    lambda p: p.mT,
    lambda p: p.transpose(),
    lambda p: p.transpose(1, 0),
    lambda p: p.transpose((1, 0)),
    lambda p: p.swapaxes(0, 1),
    lambda p: p.reshape(3, 2),
    lambda p: p.reshape((3, 2)),
    lambda p: p.reshape(-1),
    lambda p: p.ravel(),
    lambda p: p.flatten(),
    lambda p: p.squeeze(),
    lambda p: p.diagonal(),
    lambda p: p.trace(),
    lambda p: p.dot(p.T),
    lambda p: p.repeat(2),
    lambda p: p.repeat(2, axis=0),
    lambda p: p.take([0, 2], axis=1),
    lambda p: p.compress([True, False, True], axis=1),
    lambda p: (p > 1).astype(int).choose([p, -p]),
    lambda p: p.nonzero(),
    lambda p: p.ravel().searchsorted([1.0, 2.0]),
]
INDICES: list[Callable[..., Any]] = [
    lambda p: p[0],
    lambda p: p[-1, 1],
    lambda p: p[:, 1],
    lambda p: p[::-1, ::2],
    lambda p: p[..., 0],
    lambda p: p[None],
    lambda p: p[:, np.newaxis, 1:],
    lambda p: p[[1, 0]],
    lambda p: p[np.array([[0, 1], [1, 1]])],
    lambda p: p[(0, 1), (2, 0)],
    lambda p: p[p > 1],
    lambda p: p[np.array([True, False])],
    lambda p: p[[True, False]],
    lambda p: p[True],
    lambda p: p[(p > 1).any(axis=1)],
    lambda p: p[(p[0] > 1).astype(int)],
    lambda p: p[np.int64(1)],
    lambda p: p[np.array(1)],
    lambda p: p[slice(None), 0],
    lambda p: p[()],
    lambda p: p[0, ...],
]
SEVERAL: list[Callable[..., Any]] = [
    lambda p: divmod(p, 2),
    lambda p: np.modf(p),
    lambda p: np.frexp(p),
    lambda p: np.linalg.svd(p),
    lambda p: np.linalg.qr(p),
    lambda p: np.linalg.eigh(p.T @ p),
    lambda p: np.linalg.slogdet(p[:, :2]),
    lambda p: np.unique(p, return_counts=True),
    lambda p: np.unique_all(p),
    lambda p: np.unique_counts(p),
    lambda p: np.histogram(p, bins=3),
    lambda p: np.split(p, 3, axis=1),
    lambda p: np.array_split(p, 2),
    lambda p: np.unstack(p),
    lambda p: np.meshgrid(p[0], p[1]),
    lambda p: np.nonzero(p),
    lambda p: np.broadcast_arrays(p, p[0]),
    lambda p: np.gradient(p),
]


def numbered(functions: list[Callable[..., Any]]) -> list[Any]:
    return [pytest.param(function, id=str(number)) for number, function in enumerate(functions)]


@pytest.mark.parametrize("expression", numbered([*FUNCTIONS, *UFUNC_METHODS, *METHODS, *INDICES]))
async def test_expressions_are_numpys(bob: WorkerHandle, expression: Callable[..., Any]) -> None:
    p = bob.send(FLOATS)
    result = expression(p)
    same(await value(result), expression(FLOATS))


@pytest.mark.parametrize("expression", numbered(SEVERAL))
async def test_several_results_come_as_numpys_own(bob: WorkerHandle, expression: Callable[..., Any]) -> None:
    want = expression(FLOATS)
    result = expression(bob.send(FLOATS))
    assert isinstance(result, type(want))
    assert all(isinstance(part, Pointer) for part in result)
    same(await result, want)
    for part, wanted in zip(result, want, strict=True):
        same(await part, wanted)
    for name in getattr(want, "_fields", ()):
        assert getattr(result, name) is result[want._fields.index(name)]


async def test_how_many_results_there_are_may_have_to_be_waited_for(bob: WorkerHandle) -> None:
    larger = bob.send(FLOATS) > 1
    with pytest.raises(errors.MetadataNotReady, match=r"await p\.wait\(\)"):
        np.where(larger)
    same(await np.where(await larger.wait()), np.where(FLOATS > 1))


async def test_operators_upload_local_operands(bob: WorkerHandle) -> None:
    p = bob.send(np.arange(3.0))
    large = np.random.default_rng(1).normal(size=(2000, 3))
    same(await (large * p), large * np.arange(3.0))
    same(await (large - p), large - np.arange(3.0))
    same(await np.hypot(large, p), np.hypot(large, np.arange(3.0)))
    same(await ([1, 2, 3] - p), [1, 2, 3] - np.arange(3.0))
    assert isinstance(large * p, Pointer)
    uploaded = large.copy()
    y = p + uploaded
    uploaded[:] = 0  # what was written down counts, not what becomes of it
    same(await y, np.arange(3.0) + large)


async def test_operands_at_two_workers_raise_at_once(bob: WorkerHandle, alice: WorkerHandle) -> None:
    p, q = bob.send(np.ones(2)), alice.send(np.ones(2))
    for write in (
        lambda: p + q,
        lambda: q - p,
        lambda: p @ q,
        lambda: np.add(p, q),
        lambda: np.where(p > 0, p, q),
        lambda: np.concatenate([p, q]),
        lambda: p[q],
        lambda: p[q > 0],
        lambda: p.clip(min=q),
        lambda: p.__setitem__(0, q),
        lambda: p.__iadd__(q),
        lambda: bob.np.add(q, 1),
    ):
        with pytest.raises(errors.PointersApart, match=r"bob.*alice|alice.*bob") as caught:
            write()
        assert ".copy(alice)" in str(caught.value)
        assert ".copy(bob)" in str(caught.value)
    assert (await p).tolist() == [1, 1]


async def test_slices_are_values_not_views(bob: WorkerHandle) -> None:
    p = bob.send(np.arange(6.0))
    part = p[:3]
    part[0] = 9
    p[1] = 7
    assert (await p).tolist() == [0, 7, 2, 3, 4, 5]
    assert (await part).tolist() == [9, 1, 2]


async def test_identity_and_equality(bob: WorkerHandle) -> None:
    p, q = bob.send(np.arange(3)), bob.send(np.arange(3))
    assert len({p, q}) == 2
    assert hash(p) == hash(p)
    assert {p: "p"}[p] == "p"
    assert isinstance(p == q, Pointer)
    assert (await (p == q)).tolist() == [True] * 3
    assert (await (p != [0, 5, 2])).tolist() == [False, True, False]


async def test_rows_and_unpacking(bob: WorkerHandle) -> None:
    p = bob.send(FLOATS)
    rows = list(p)
    assert [(await row).tolist() for row in rows] == FLOATS.tolist()
    first, second = p
    same(await second, FLOATS[1])
    [[a, *rest], _] = p
    same(await a, FLOATS[0, 0])
    assert len(rest) == 2
    same(await rest[1], FLOATS[0, 2])
    unknown = p * 1
    for write in (lambda: list(unknown), lambda: [*unknown], lambda: len(unknown)):
        with pytest.raises(errors.MetadataNotReady, match=r"await p\.wait\(\)"):
            write()
    with pytest.raises(errors.MetadataNotReady):
        _, _ = unknown
    await unknown.wait()
    _, second = unknown
    same(await second, FLOATS[1])
    assert len(unknown) == 2
    with pytest.raises(TypeError, match="0-d"):
        iter(bob.send(np.array(1.0)))
    with pytest.raises(TypeError, match="unsized"):
        len(bob.send(np.array(1.0)))
    same(await first, FLOATS[0])


async def test_a_key_of_a_tree_gives_a_pointer(bob: WorkerHandle) -> None:
    tree = bob.send({"a": np.ones(2), "b": (1, [2.5, "text"]), "c d": {"e": None}})
    assert isinstance(tree["a"], Pointer)
    same(await (tree["a"] + 1), np.ones(2) + 1)
    assert await tree["b"] == (1, [2.5, "text"])
    assert await tree["b"][1][1] == "text"
    assert await tree["c d"]["e"] is None
    with pytest.raises(KeyError):
        await tree["nothing"]
    with pytest.raises(errors.InPlaceRefused, match="send a new dict"):
        tree["a"] = 1


async def test_code_for_any_array_library_runs_on_pointers(bob: WorkerHandle) -> None:
    def standardized(x: Any) -> Any:
        xp = x.__array_namespace__(api_version="2024.12")
        mean = xp.mean(x, axis=0, keepdims=True)
        return xp.where(xp.abs(x) > 3, xp.zeros_like(x), (x - mean) / xp.std(x, axis=0, keepdims=True))

    same(await standardized(bob.send(FLOATS)), standardized(FLOATS))
    p = await bob.send(FLOATS).wait()
    assert p.to_device(p.device) is p
    assert np.finfo(p).eps == np.finfo(np.float64).eps
    assert np.iinfo(bob.send(INTS)).max == 2**63 - 1
    assert np.isdtype(p.dtype, "real floating")
    assert np.result_type(p, np.int8) == np.float64
    assert np.can_cast(p, np.complex128)
