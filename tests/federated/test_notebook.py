"""One line in a notebook's cell. A kernel itself runs in tests/examples."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from fedsock.federated import notebook


class Frontend:
    """What a kernel would send: ("display" or "update", bundle)."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []

    def display(self, bundle: Any, *, raw: bool, display_id: bool) -> Frontend:
        assert raw and display_id
        self.sent.append(("display", bundle))
        return self

    def update(self, bundle: Any, *, raw: bool) -> None:
        assert raw
        self.sent.append(("update", bundle))


def begin(monkeypatch: pytest.MonkeyPatch, shell: Any) -> Frontend:
    """Have an IPython of one's own run here."""
    frontend = Frontend()
    ipython, display = ModuleType("IPython"), ModuleType("IPython.display")
    vars(ipython).update(get_ipython=lambda: shell, display=display)
    vars(display).update(display=frontend.display)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return frontend


def test_only_a_kernel_is_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not notebook.there()
    assert "IPython" not in sys.modules, "looking has loaded it"
    for shell, there in ((None, False), (SimpleNamespace(), False), (SimpleNamespace(kernel=object()), True)):
        begin(monkeypatch, shell)
        assert notebook.there() is there


def test_one_output_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    frontend = begin(monkeypatch, None)
    notebook.Cell().leave("never begun")
    cell = notebook.Cell()
    cell.show("one")
    cell.hide()
    cell.show("two")
    cell.leave("<b>three</b>")
    texts = [("display", "one"), ("update", "two"), ("update", "<b>three</b>")]
    assert frontend.sent == [(how, {"text/plain": text}) for how, text in texts]
