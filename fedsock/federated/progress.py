"""The live line of a fit, in a terminal or a notebook; rich is loaded when there is a terminal."""

from __future__ import annotations

import importlib
import logging
import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from fedsock.federated import notebook
from fedsock.federated.result import Round

log = logging.getLogger("fedsock.federated")

BETWEEN_SECONDS = 0.1
"""Between two changes of the line, at least: the eye follows no more, and a notebook keeps every change."""


class Place(Protocol):
    """Where a line is shown."""

    def show(self, text: str) -> None:
        """Show a text in place of the last one."""

    def hide(self) -> None:
        """Make room for other output."""

    def leave(self, text: str) -> None:
        """Show the last text, for good, unless the line is hidden."""


class Terminal:
    """A line on standard error; nothing has to be put right after it, however the process ends."""

    def __init__(self) -> None:
        self._console = importlib.import_module("rich.console").Console(stderr=True)
        control = importlib.import_module("rich.control")
        self._clear = control.Control(control.ControlType.CARRIAGE_RETURN, (control.ControlType.ERASE_IN_LINE, 0))
        self._visible = False

    def show(self, text: str) -> None:
        """Show a text in place of the last one, as far as there is room; a file gets the last one only.

        Args:
            text: one line.
        """
        self._visible = True
        if self._console.is_terminal:
            self._print(text, "")

    def hide(self) -> None:
        """Empty the line."""
        if self._visible and self._console.is_terminal:
            self._print("", "")
        self._visible = False

    def leave(self, text: str) -> None:
        """Show the last text and go to the next line, unless it is hidden: who left the fit wants it nowhere later.

        Args:
            text: one line.
        """
        if self._visible:
            self._print(text, "\n")

    def _print(self, text: str, end: str) -> None:
        plain = {"markup": False, "highlight": False, "emoji": False}
        self._console.print(self._clear, text, sep="", end=end, no_wrap=True, overflow="ellipsis", **plain)


class Line:
    """One line that tells how far a fit is; says nothing where output is neither a terminal nor a notebook.

    A fit never fails for it: what can't be shown is logged, and the line given up.

    Args:
        rounds: how many there will be at most.
        shown: whether to say anything; None: in a notebook, or where standard error is a terminal.
        clock: seconds.
    """

    def __init__(self, rounds: int, shown: bool | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rounds = rounds
        self._clock = clock
        self._place: Place | None = None
        self._due = -math.inf
        self._safely(lambda: self._find(shown))

    def show(self, rounds: Sequence[Round]) -> None:
        """Show how far it is, unless it was shown just before.

        Args:
            rounds: those that are over.
        """
        now = self._clock()
        if (place := self._place) is not None and now >= self._due:
            self._due = now + BETWEEN_SECONDS
            self._safely(lambda: place.show(text(rounds, self._rounds)))

    def hide(self) -> None:
        """Make room for what its user prints."""
        if self._place is not None:
            self._safely(self._place.hide)

    def close(self, rounds: Sequence[Round]) -> None:
        """Leave the line with the last of what it says; again is harmless.

        Args:
            rounds: those that are over.
        """
        if (place := self._place) is not None:
            self._safely(lambda: place.leave(text(rounds, self._rounds)))
        self._place = None

    def _find(self, shown: bool | None) -> None:
        if shown is not False and notebook.there():
            self._place = notebook.Cell()
        elif sys.stderr.isatty() if shown is None else shown:
            self._place = Terminal()

    def _safely(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception:
            self._place = None
            log.warning("a fit goes on without its line, which can't be shown", exc_info=True)


def text(rounds: Sequence[Round], most: int) -> str:
    """Return what the line says.

    Args:
        rounds: those that are over.
        most: how many there will be at most.
    """
    if not rounds:
        return f"round 1 of at most {most}"
    one = rounds[-1]
    told = [f"round {one.number}/{most}", f"{len(one.workers)} workers"]
    told += [f"{len(one.dropped)} dropped"] if one.dropped else []
    told += [f"loss {one.loss:.4g}"] if one.loss is not None else []
    told += [f"{name} {value:.4g}" for name, value in one.metrics.items()]
    line = " · ".join([*told, f"{one.seconds:.2g} s"])
    # A metric's name is anybody's: no line break, no terminal's command.
    return "".join(sign if sign.isprintable() else "?" for sign in line)
