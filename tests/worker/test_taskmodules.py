"""Tasks as an owner's TOML names them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from fedsock.errors import ConfigError
from fedsock.policy.terms import Agreement
from fedsock.worker.config import load
from fedsock.worker.datasets import load_datasets
from fedsock.worker.readers import READERS
from fedsock.worker.taskmodules import load_tasks

MODULE = '''
def train(data, params):
    """Train on all there is."""
    return sorted(data), params

number = 3
'''


@pytest.fixture(autouse=True)
def places() -> Iterator[None]:
    """Leave no module and no place to look for them behind."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("owners_"):
            del sys.modules[name]


def tasks_of(folder: Path, text: str, module: str = MODULE) -> dict[str, Any]:
    np.savez(folder / "digits.npz", pixels=np.zeros((4, 2)), labels=np.zeros(4))
    np.save(folder / "visits.npy", np.zeros(5))
    (folder / "owners_tasks.py").write_text(module)
    head = 'name = "bob"\n[datasets.digits]\nfile = "digits.npz"\n[datasets.visits]\nfile = "visits.npy"\n'
    (folder / "bob.toml").write_text(head + text)
    config = load(folder / "bob.toml")
    return load_tasks(config.tasks, load_datasets(config, READERS), config.policy)


def test_a_module_beside_the_file_is_found_and_data_are_given(tmp_path: Path) -> None:
    text = '[tasks.train]\nfunction = "owners_tasks:train"\ndata = ["digits", "visits"]\n'
    task = tasks_of(tmp_path, text)["train"]
    assert set(task.data) == {"digits/labels", "digits/pixels", "visits"}
    assert (task.about, task.leaves, task.agreement) == ("Train on all there is.", True, Agreement())
    assert task.function({"b": 1, "a": 2}, 5) == (["a", "b"], 5)


def test_single_arrays_are_named_too(tmp_path: Path) -> None:
    text = '[tasks.train]\nfunction = "owners_tasks:train"\ndata = ["digits/labels"]\nexport = "deny"\n'
    task = tasks_of(tmp_path, text)["train"]
    assert list(task.data) == ["digits/labels"] and not task.leaves


def test_a_module_where_python_looks_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "owners_other.py").write_text(MODULE)
    monkeypatch.syspath_prepend(elsewhere)
    assert tasks_of(tmp_path, '[tasks.train]\nfunction = "owners_other:train"\n')["train"].about


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[tasks.train]\nfunction = "owners_tasks:train"\ndata = ["digit"]', r"no data set 'digit'.*digits"),
        ('[tasks.train]\nfunction = "owners_tasks:train"\ndata = ["dig"]', "there is no data set"),
        ('[tasks.train]\nfunction = "owners_tasks:tran"', "has no function tran"),
        ('[tasks.train]\nfunction = "owners_tasks:number"', "has no function number"),
        ('[tasks.train]\nfunction = "owners_nothing:train"', "can't be imported.*owners_nothing"),
        ('[tasks.train]\nfunction = "owners_tasks"', "module:function"),
        ('[tasks.train]\nfunction = "owners_tasks:a.b"', "module:function"),
        ('[tasks.train]\ndata = ["digits"]', "module:function"),
        ('[tasks.train]\nfunction = "owners_tasks:train"\nexports = "deny"', "exports: unknown key.*export"),
        ('[tasks.train]\nfunction = "owners_tasks:train"\nexport = "public"', "export: unknown value 'public'"),
        ('[tasks]\ntrain = "owners_tasks:train"', "expected a table"),
        ('[tasks."a b"]\nfunction = "owners_tasks:train"', "can't name a task"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        tasks_of(tmp_path, text)


def test_a_module_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"owners_tasks can't be imported.*boom"):
        tasks_of(tmp_path, '[tasks.train]\nfunction = "owners_tasks:train"', "raise RuntimeError('boom')")


def test_no_tasks(tmp_path: Path) -> None:
    assert tasks_of(tmp_path, "") == {} == load_tasks(MappingProxyType({}), {}, Agreement())
