"""How facts pass through ops: what each op makes of rowwise inputs. An op that isn't listed makes mixed values.

A rule is called with what is known of the inputs and with the op's arguments, zeros of the right shape and dtype
in place of private values. It returns the form of the results (or a form, or None, for each), None for mixed. A
private input that a rule doesn't ask about makes the results mixed, whatever it returns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from fedsock.ops import aggregates, rowwise
from fedsock.ops.inputs import Inputs, Passed, Rule
from fedsock.policy.facts import Rowwise


def passed(name: str, forms: Mapping[int, Rowwise], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Passed:
    """Return the form of an op's results, or one for each of them; None: mixed.

    Args:
        name: the op's.
        forms: the form of each private argument, by the identity of what stands in for it.
        args: checked arguments, zeros in place of private values.
        kwargs: the same by name.
    """
    rule = RULES.get(name)
    if rule is None:
        return None
    inputs = Inputs(forms)
    try:
        form = rule(inputs, *args, **kwargs)
    except Exception:  # arguments that the rule doesn't know, or that the op itself will refuse: nothing is known
        return None
    return form if inputs.all_asked else None


# --- the list -----------------------------------------------------------------------------------------------

_FUNCTIONS = (
    "absolute", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "bitwise_count", "cbrt", "ceil",
    "cos", "cosh", "deg2rad", "degrees", "exp", "exp2", "expm1", "fabs", "floor", "frexp", "invert", "isfinite",
    "isinf", "isnan", "isnat", "log", "log10", "log1p", "log2", "logical_not", "modf", "rad2deg", "radians",
    "reciprocal", "rint", "sign", "signbit", "sin", "sinh", "spacing", "sqrt", "tan", "tanh", "trunc",
    "arctan2", "bitwise_and", "bitwise_or", "bitwise_xor", "copysign", "divmod", "equal", "float_power",
    "floor_divide", "fmax", "fmin", "fmod", "gcd", "greater", "greater_equal", "heaviside", "hypot", "lcm", "ldexp",
    "left_shift", "less", "less_equal", "logaddexp", "logaddexp2", "logical_and", "logical_or", "logical_xor",
    "maximum", "minimum", "nextafter", "not_equal", "remainder", "right_shift", "where", "isclose",
)  # fmt: skip
_EACH = (
    "round", "fix", "imag", "angle", "i0", "sinc", "isreal", "iscomplex", "isneginf", "isposinf",
)  # fmt: skip
_REDUCTIONS = (
    "prod", "nansum", "nanprod", "nanmean", "nanvar", "nanstd", "min", "max", "nanmin", "nanmax", "ptp",
    "argmin", "argmax", "all", "any", "count_nonzero", "median", "nanmedian",
)  # fmt: skip

RULES: Mapping[str, Rule] = MappingProxyType(
    dict.fromkeys(_FUNCTIONS, rowwise.function)
    | dict.fromkeys(_EACH, rowwise.first)
    | dict.fromkeys(_REDUCTIONS, aggregates.reduction())
    | dict.fromkeys(("negative", "positive", "conjugate"), rowwise.unchanged)
    | dict.fromkeys(("add", "subtract"), rowwise.added)
    | dict.fromkeys(("iadd", "isub"), rowwise.in_place(rowwise.added))
    | dict.fromkeys(("power", "pow"), rowwise.powered)
    | dict.fromkeys(("clip", "nan_to_num"), rowwise.between)
    | dict.fromkeys(("matmul", "linalg.matmul", "dot"), aggregates.product)
    | dict.fromkeys(("matrix_transpose", "linalg.matrix_transpose", "swapaxes"), rowwise.swapped)
    | dict.fromkeys(("sort", "argsort"), rowwise.sorted_apart)
    | dict.fromkeys(("getitem", "getitem.array"), rowwise.subscripted)
    | {
        "multiply": rowwise.multiplied,
        "imul": rowwise.in_place(rowwise.multiplied),
        "divide": rowwise.divided,
        "itruediv": rowwise.in_place(rowwise.divided),
        "ipow": rowwise.in_place(rowwise.powered),
        "square": rowwise.squared,
        "copy": rowwise.same,
        "real": rowwise.real,
        "astype": rowwise.converted,
        "sum": aggregates.reduction("sum", 1),
        "mean": aggregates.reduction("mean", 1),
        "var": aggregates.reduction("var", 2),
        "std": aggregates.reduction("std", 2),
        "cov": aggregates.covariance("cov"),
        "corrcoef": aggregates.covariance("corrcoef"),
        "transpose": rowwise.transposed,
        "moveaxis": rowwise.moved_axes,
        "expand_dims": rowwise.expanded,
        "squeeze": rowwise.squeezed,
        "reshape": rowwise.reshaped,
        "bincount": aggregates.counted,
        "histogram": aggregates.histogram,
        "histogram2d": aggregates.histogram2d,
    }
)
"""The rule of each op that has one; read-only."""
