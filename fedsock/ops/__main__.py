"""``python -m fedsock.ops`` prints the op table: plain text, a line an op under its family, or JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fedsock.ops.gradients import kind_of
from fedsock.ops.passing import RULES
from fedsock.ops.refusals import LOCAL
from fedsock.ops.registry import Row
from fedsock.ops.releases import RELEASE
from fedsock.ops.table import TABLE

_EXAMPLE = """example:
  python -m fedsock.ops | grep linalg
  python -m fedsock.ops --json > ops.json
"""

_MARKS = """ops marked ~ hide shape, dtype and failure when an argument is private;
where it says "follows rows" a result may still be known row by row, or as a listed reduction; of one that "mixes rows"
nothing is known but what private data it derives from;
"gradient" names ops that fedsock.grad differentiates, "flat" those whose gradient is 0"""


_SLOPES = {"autograd": "gradient", "rewrite": "gradient", "constant": "flat", "none": ""}
"""What the table says of each kind of gradient."""


def signature_text(row: Row) -> str:
    """Return an op's signature as Python writes it: ``sum(a, axis=None, *, keepdims=False)``."""
    words: list[str] = []
    previous = ""
    for parameter in row.parameters:
        if previous == "positional" and parameter.mode != "positional":
            words.append("/")
        if parameter.mode == "keyword" and previous not in ("keyword", "variadic"):
            words.append("*")
        words.append(str(parameter))
        previous = parameter.mode
    if previous == "positional":
        words.append("/")
    return f"{row.name}({', '.join(words)})"


def _named(home: Any, prefix: str) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for name, meant in vars(home).items():
        if callable(meant) and not name.startswith("_"):
            found.setdefault(id(meant), []).append(prefix + name)
    return found


_SPELLINGS = [_named(np, ""), _named(np.linalg, "linalg."), _named(np.fft, "fft.")]


def spellings(row: Row) -> list[str]:
    """Return numpy's other names of an op."""
    names = {name for function in row.numpy for home in _SPELLINGS for name in home.get(id(function), ())}
    return sorted(names - {row.name})


def results_text(row: Row) -> str:
    """Return how many results an op has, where that is not one."""
    if callable(row.results):
        return "one result or more"
    return f"{row.results} results" if row.results != 1 else ""


def facts_text(row: Row) -> str:
    """Return how facts of where private arguments came from pass through an op."""
    if row.name == RELEASE:
        return "has noise, and is open"
    return "follows rows" if row.name in RULES else "mixes rows"


def lines(table: Mapping[str, Row]) -> list[str]:
    """Return the table as text, a heading for each family."""
    printed: list[str] = []
    families = dict.fromkeys(row.family for row in table.values())
    for family in families:
        rows = [row for row in table.values() if row.family == family]
        printed += ["", f"{family}: {len(rows)} ops"]
        for row in rows:
            mark = "~" if row.value_dependent else " "
            also = f"also {', '.join(names)}" if (names := spellings(row)) else ""
            slope = _SLOPES[kind_of(row)]
            parts = (row.about.rstrip("."), results_text(row), also, facts_text(row), slope)
            notes = "; ".join(part for part in parts if part)
            printed.append(f" {mark} {signature_text(row)}  {notes}")
    local = sorted(function.__name__ for function in LOCAL)
    return [*f"{len(table)} ops; {_MARKS}".splitlines(), *printed, "", f"answered without an op: {', '.join(local)}"]


def described(row: Row) -> dict[str, Any]:
    """Return an op as a JSON object."""
    return {
        "name": row.name,
        "family": row.family,
        "signature": signature_text(row),
        "parameters": [
            {"name": p.name, "takes": p.kind.name, "mode": p.mode, "default": p.default} for p in row.parameters
        ],
        "results": row.results if isinstance(row.results, int) else None,
        "value_dependent": row.value_dependent,
        "facts": facts_text(row),
        "gradient": kind_of(row),
        "also": spellings(row),
        "in_place": row.in_place,
        "numpy": [
            f"{function.__module__}.{function.__name__}" for function in row.numpy if hasattr(function, "__module__")
        ],
        "summary": row.about,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table.

    Args:
        arguments: the command's, or None for those of the process.

    Returns:
        The exit code, 0.
    """
    parser = argparse.ArgumentParser(
        "python -m fedsock.ops",
        description="Print every op that workers run.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="a JSON list of objects instead of text")
    if parser.parse_args(arguments).json:
        text = json.dumps([described(row) for row in TABLE.values()], indent=1)
    else:
        text = "\n".join(lines(TABLE))
    sys.stdout.write(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
