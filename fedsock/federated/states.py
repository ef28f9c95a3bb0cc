"""Optimizers' states that stay at the workers between the rounds of a fit: momentum, and Adam's moments."""

from __future__ import annotations

from collections.abc import Iterable

from fedsock.errors import WorkerStateLost
from fedsock.session.handle import WorkerHandle
from fedsock.session.pointer import Pointer
from fedsock.session.training import is_held


class States:
    """The states of one fit: of each worker the one behind its last update that counted, and the one in the making.

    A round that is tried again, or a worker whose update didn't count, so goes on from the state before it.
    """

    def __init__(self) -> None:
        self._counted: dict[str, tuple[int, Pointer | None]] = {}
        self._made: dict[str, Pointer] = {}

    def before(self, worker: WorkerHandle, round: int) -> Pointer | None:
        """Return the state that a worker goes on from; None: it begins.

        Args:
            worker: its handle.
            round: that it takes part in.

        Raises:
            WorkerStateLost: it no longer has the one that it kept.
        """
        if worker.name not in self._counted:
            return None
        last, state = self._counted[worker.name]
        if state is None or not is_held(state, worker):
            raise WorkerStateLost(
                f"round {round}: {worker.name} no longer has the optimizer's state that it kept after round {last}: it "
                "was started anew, or the fit was resumed; LocalSGD(on_state_lost='fresh') lets it begin with a new one"
            )
        return state

    def made(self, worker: str, state: Pointer) -> None:
        """Note the state that a worker's training gives, in place of that of a try before.

        Args:
            worker: its name.
            state: a pointer to it.
        """
        self._made[worker] = state

    def counted(self, round: int, workers: Iterable[str]) -> None:
        """Note whose updates counted: their next round goes on from what they made.

        Args:
            round: that is over; one of before this fit was resumed too, of which no state is known.
            workers: their names.
        """
        for name in workers:
            self._counted[name] = (round, self._made.pop(name, None))
