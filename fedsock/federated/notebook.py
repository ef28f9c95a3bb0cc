"""One line of output in a notebook's cell; IPython is loaded only where it runs already."""

from __future__ import annotations

import importlib
import sys
from typing import Any


def there() -> bool:
    """Return whether this process is a notebook's kernel; IPython in a terminal is none."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


class Cell:
    """A line in the output of the cell that shows it first, and changed there whichever cell runs by then.

    It is plain text: a name from elsewhere can be no HTML.
    """

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, text: str) -> None:
        """Show a text in place of the last one.

        Args:
            text: one line.
        """
        shown = {"text/plain": text}
        if self._handle is None:
            display = importlib.import_module("IPython.display").display
            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)

    def hide(self) -> None:
        """Do nothing: other output of the cell goes beside it."""

    def leave(self, text: str) -> None:
        """Show the last text, where there was one before.

        Args:
            text: one line.
        """
        if self._handle is not None:
            self.show(text)
