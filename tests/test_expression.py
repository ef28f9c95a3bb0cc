"""What an expression hands to ``_apply``, seen by a subclass that writes it down."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from fedsock import errors
from fedsock.expression import Expression
from fedsock.ops import METHODS, NAMES, OPERATORS, REFUSED_METHODS, TABLE


class Noted(Expression):
    def __init__(self, shape: tuple[int, ...] = (3,)) -> None:
        self.noted = shape

    @property
    def shape(self) -> tuple[int, ...]:
        return self.noted

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.complex64)

    def _apply(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        return name, args, dict(kwargs)

    def _update(self, name: str, args: tuple[Any, ...]) -> Any:
        self.last = name, args
        return self


@pytest.mark.parametrize("word", [word for word in OPERATORS if word not in ("neg", "pos", "abs", "invert")])
def test_operators(word: str) -> None:
    x = Noted()
    if OPERATORS[word] == word and word.startswith("i"):
        assert getattr(x, f"__{word}__")(2) is x
        assert x.last == (word, (x, 2))
        assert getattr(x, f"__{word}__")(object()) is NotImplemented
        return
    function = divmod if word == "divmod" else getattr(operator, f"__{word}__")
    assert function(x, 2)[:2] == (OPERATORS[word], (x, 2))
    assert getattr(x, f"__{word}__")(object()) is NotImplemented
    if hasattr(Expression, f"__r{word}__"):
        assert function(2, x)[:2] == (OPERATORS[word], (2, x))
        assert getattr(x, f"__r{word}__")({}) is NotImplemented


def test_unary_operators() -> None:
    x = Noted()
    assert [(-x)[0], (+x)[0], abs(x)[0], (~x)[0]] == ["negative", "positive", "absolute", "invert"]
    assert round(x)[0] == "round"


@pytest.mark.parametrize(
    ("key", "op"),
    [
        (1, "getitem"), (np.int8(1), "getitem"), (slice(1), "getitem"), ((..., None, 2), "getitem"),
        ([1], "getitem.array"), (True, "getitem.array"), (np.ones(2, bool), "getitem.array"), ("a", "item"),
        ((1, [2]), "getitem.array"),
    ],
)  # fmt: skip
def test_subscripts(key: Any, op: str) -> None:
    x = Noted()
    assert x[key][0] == op
    if op == "item":
        with pytest.raises(errors.InPlaceRefused):
            x[key] = 1
        return
    x[key] = 1
    assert x.last[0] == op.replace("get", "set")


@pytest.mark.parametrize("name", METHODS)
def test_methods(name: str) -> None:
    x = Noted()
    found = getattr(x, name)
    result = found if METHODS[name].is_property else found(*{"compress": ([True],), "astype": ("int8",)}.get(name, ()))
    assert result[0] == METHODS[name].op


@pytest.mark.parametrize("name", REFUSED_METHODS)
def test_refused_methods(name: str) -> None:
    with pytest.raises(TypeError, match=name):
        getattr(Noted(), name)()


@pytest.mark.parametrize("ufunc", [one for one in NAMES if isinstance(one, np.ufunc)])
def test_ufuncs(ufunc: np.ufunc) -> None:
    x = Noted()
    name, args, kwargs = ufunc(*[x, 1][: ufunc.nin])
    assert (name, args, kwargs) == (NAMES[ufunc], (x, 1)[: ufunc.nin], {})
    with pytest.raises(errors.InPlaceRefused):
        ufunc(*[x, 1][: ufunc.nin], out=(np.ones(3),) * ufunc.nout)
    if f"{name}.reduce" in TABLE:
        assert ufunc.reduce(x, axis=1) == (f"{name}.reduce", (x,), {"axis": 1})


def test_metadata_answer_here() -> None:
    x = Noted((2, 3))
    assert (np.shape(x), np.ndim(x), np.size(x), np.size(x, 1), len(x), x.nbytes) == ((2, 3), 2, 6, 3, 2, 48)
    assert np.iscomplexobj(x)
    assert not np.isrealobj(x)
    assert np.can_cast(x, np.complex128)
    assert np.common_type(x, np.ones(2)) == np.complex128
    assert [row[1][1] for row in x] == [0, 1]
    for unsized in (len, iter):
        with pytest.raises(TypeError):
            unsized(Noted(()))


def test_the_array_apis_door() -> None:
    x = Noted()
    assert x.__array_namespace__() is np
    assert x.__array_namespace__(api_version="2024.12") is np
    with pytest.raises(ValueError, match="not supported"):
        x.__array_namespace__(api_version="1066.10")
    for use in (lambda: np.from_dlpack(x), x.__dlpack_device__):
        with pytest.raises(errors.ImplicitFetch, match="await p"):
            use()


def test_foreign_types() -> None:
    class Foreign:
        def __array_ufunc__(self, *args: Any, **kwargs: Any) -> str:
            return "foreign"

        def __array_function__(self, *args: Any, **kwargs: Any) -> str:
            return "foreign"

    x = Noted()
    assert np.add(x, Foreign()) == "foreign"
    assert np.dot(x, Foreign()) == "foreign"
    with pytest.raises(errors.UnknownOp):
        np.frompyfunc(len, 1, 1)(x)
    with pytest.raises(errors.InPlaceRefused):
        np.sum(x, out=np.ones(3))


def test_a_bare_expression_says_nothing() -> None:
    x = Expression()
    for use in (lambda: x + 1, lambda: x.__iadd__(1), lambda: x.shape, lambda: x.dtype):
        with pytest.raises(NotImplementedError):
            use()
    assert f"{Noted()}".startswith("<")
