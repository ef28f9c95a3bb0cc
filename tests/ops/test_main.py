"""python -m fedsock.ops prints every op, as text or JSON."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from fedsock.ops import TABLE
from fedsock.ops.__main__ import lines, main, signature_text
from fedsock.ops.passing import RULES
from tests.ops.test_table import standard


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == lines(TABLE)
    for row in TABLE.values():
        assert sum(line[3:].startswith(f"{row.name}(") for line in printed) == 1


def test_every_row_says_how_facts_pass(capsys: pytest.CaptureFixture[str]) -> None:
    said = {
        line[3:].split("(")[0]: re.split("; |  ", re.sub("; (gradient|flat)$", "", line))[-1]
        for line in lines(TABLE)
        if line[3:4].isalpha()
    }
    assert RULES.keys() <= TABLE.keys()
    for name in TABLE:
        follows = "follows rows" if name in RULES else "mixes rows"
        assert said[name] == ("has noise, and is open" if name == "dp_release" else follows), name
    main(["--json"])
    assert {op["name"]: op["facts"] for op in json.loads(capsys.readouterr().out)} == {
        name: said[name] for name in TABLE
    }
    for name in ("cumsum", "concatenate", "roll", "repeat", "pad", "unique", "setitem"):
        assert said[name] == "mixes rows"


def test_every_spelling_of_the_array_api_is_in_what_is_printed() -> None:
    words = set(re.findall(r"[\w.]+", "\n".join(lines(TABLE))))
    prefixes = {np: "", np.linalg: "linalg.", np.fft: "fft."}
    missing = {f"{prefixes[home]}{name}" for home, name in standard()} - words
    assert missing == set()


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json"]) == 0
    listed = {op["name"]: op for op in json.loads(capsys.readouterr().out)}
    assert list(listed) == list(TABLE)
    assert listed["add"]["numpy"] == ["numpy.add"]
    assert listed["divmod"]["results"] == 2
    assert listed["split"]["results"] is None
    assert listed["iadd"]["in_place"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("add", "add(x1, x2, /, *, where=True, dtype=None)"),
        ("matmul", "matmul(x1, x2, /)"),
        ("sum", "sum(a, axis=None, dtype=None, *, keepdims=False, initial=0, where=True)"),
        ("meshgrid", "meshgrid(*xi, copy=True, sparse=False, indexing=xy)"),
    ],
)
def test_signatures(name: str, text: str) -> None:
    assert signature_text(TABLE[name]) == text


def test_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "fedsock.ops"], capture_output=True, text=True, check=True, timeout=60)
    assert "linalg.svd(" in done.stdout
