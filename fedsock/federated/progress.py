"""The live line of a fit, in a terminal only; rich is loaded when there is one."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from fedsock.federated.result import Round


class Line:
    """One line that tells how far a fit is; says nothing where output is no terminal.

    Args:
        rounds: how many there will be at most.
        shown: whether to say anything; None: where standard error is a terminal.
    """

    def __init__(self, rounds: int, shown: bool | None = None) -> None:
        self._rounds = rounds
        self._live: Any = None
        if sys.stderr.isatty() if shown is None else shown:
            console = importlib.import_module("rich.console").Console(stderr=True)
            self._live = importlib.import_module("rich.live").Live("", console=console, auto_refresh=False)
            self._live.start()

    def tell(self, one: Round) -> None:
        """Show a round.

        Args:
            one: that is over.
        """
        if self._live is not None:
            # As text: as a str it could hold markup.
            self._live.update(importlib.import_module("rich.text").Text(text(one, self._rounds)), refresh=True)

    def close(self) -> None:
        """Leave the line as it is; again is harmless."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()


def text(one: Round, rounds: int) -> str:
    """Return what the line says of a round.

    Args:
        one: that is over.
        rounds: how many there will be at most.
    """
    told = [f"round {one.number}/{rounds}", f"{len(one.workers)} workers"]
    told += [f"{len(one.dropped)} dropped"] if one.dropped else []
    told += [f"loss {one.loss:.4g}"] if one.loss is not None else []
    told += [f"{name} {value:.4g}" for name, value in one.metrics.items()]
    return " · ".join([*told, f"{one.seconds:.2g} s"])
