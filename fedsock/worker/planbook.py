"""The plans that sessions sent for work on private data, kept for the owner to read.

One file a plan, named by its digest, in the folder ``plans`` of the worker's state. They are written in a thread, so
that no op waits for the disk, and a plan that can't be written is run all the same. Nothing here is needed to run one.
"""

from __future__ import annotations

import logging
import math
import os
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fedsock.errors import ConfigError, FedsockError, PlanInvalid, PlanUnknown
from fedsock.plan.steps import Plan
from fedsock.worker.requestbook import stamp, utc
from fedsock.worker.state import State

PLANS = "plans"
"""The folder's name."""

MOST_PLANS = 1_000
MOST_BYTES = 64 << 20
"""What is kept; of what no policy and no open request names, the oldest goes first."""

MOST_WAITING = 100
"""Plans that wait to be written; more are kept when they are run again."""

CALM_SECONDS = 60.0
"""After a write that failed: none is tried for so long, so that a full disk fills no log."""

CLOSE_SECONDS = 1.0
"""How long plans that wait are still written when a worker ends."""

_FILE = re.compile(r"([0-9a-f]{64})\.json")
_DIGITS = re.compile(r"(?:sha256:)?([0-9a-f]{1,64})")

log = logging.getLogger("fedsock.worker")


class Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A plan as it is in its file.

    Attributes:
        at: when it was first seen, UTC.
        user: who sent it.
        plan: its JSON, as ``Plan.to_json`` gives it.
    """

    at: str
    user: str
    plan: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A plan that was kept, and is what its digest says.

    Attributes:
        at: when it was first seen, UTC.
        user: who sent it.
        plan: it.
    """

    at: str
    user: str
    plan: Plan


_read = msgspec.json.Decoder(Written).decode


class PlanBook:
    """Keeps plans in a worker's state; the thread that writes is there once something is to be kept.

    Args:
        folder: of the worker's state; None: nothing is kept, for nobody could read it.
        needed: gives the digests of plans that are never dropped; called in the thread.
        most_plans: how many are kept.
        most_bytes: how large they are together.
    """

    def __init__(
        self,
        folder: Path | None,
        needed: Callable[[], Collection[str]] = tuple,
        *,
        most_plans: int = MOST_PLANS,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._state = State(None if folder is None else folder / PLANS)
        self._open = folder is not None
        self._needed = needed
        self._most_plans = most_plans
        self._most_bytes = most_bytes
        self._taken: set[str] = set()
        self._room = threading.Semaphore(MOST_WAITING)
        self._calm_until = 0.0
        self._ends_at = math.inf
        self._writer: ThreadPoolExecutor | None = None
        self._sizes: dict[str, int] | None = None

    def keep(self, plan: Plan, user: str) -> None:
        """Have a plan written down unless it is there; returns at once.

        Args:
            plan: it.
            user: who sent it.
        """
        digest = plan.digest
        if not self._open or digest in self._taken:
            return
        if time.monotonic() < self._calm_until or not self._room.acquire(blocking=False):
            return
        self._taken.add(digest)
        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, "fedsock-plans")
        self._writer.submit(self._write, plan, user, stamp(utc()))

    def close(self) -> None:
        """Return when what waits is written, or the time for it is over; what is being written is."""
        self._open = False
        self._ends_at = time.monotonic() + CLOSE_SECONDS
        if self._writer is not None:
            self._writer.shutdown()

    # ---- in the thread

    def _write(self, plan: Plan, user: str, at: str) -> None:
        name = plan.digest.removeprefix("sha256:")
        try:
            if time.monotonic() > self._ends_at:
                return
            if self._sizes is None:
                self._sizes = _sizes(self._state.folder)
            if name not in self._sizes:
                data = msgspec.json.encode(Written(at, user, plan.to_json()))
                self._state.write(f"{name}.json", data)
                self._sizes[name] = len(data)
                self._drop(self._sizes)
        except (OSError, FedsockError) as error:
            log.error("a plan can't be kept for its owner to read, and is run all the same: %s", error)
            self._taken.discard(plan.digest)
            self._calm_until = time.monotonic() + CALM_SECONDS
        finally:
            self._room.release()

    def _drop(self, sizes: dict[str, int]) -> None:
        """Drop the oldest that nobody needs while there is too much."""
        total = sum(sizes.values())
        if len(sizes) <= self._most_plans and total <= self._most_bytes:
            return
        needed = {digest.removeprefix("sha256:") for digest in self._needed()}
        for name in [name for name in sizes if name not in needed]:
            if len(sizes) <= self._most_plans and total <= self._most_bytes:
                return
            total -= sizes.pop(name)
            path = self._state.path(f"{name}.json")
            assert path is not None  # noqa: S101  # it was just written there
            path.unlink(missing_ok=True)
            self._taken.discard(f"sha256:{name}")


def _sizes(folder: Path | None) -> dict[str, int]:
    """Return the bytes of each plan that is kept, the oldest first."""
    found = [] if folder is None else sorted(_files(folder), key=lambda one: one[1].st_mtime_ns)
    return {name: status.st_size for name, status in found}


def _files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the digits of each plan in a folder, and its file's status."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                named = _FILE.fullmatch(entry.name)
                if named and entry.is_file(follow_symlinks=False):
                    yield named[1], entry.stat()
    except FileNotFoundError:
        return


# ---- what the owner's command reads


def kept_plans(folder: Path, unreadable: Callable[[str], None]) -> list[Kept]:
    """Return the plans in a worker's state, the oldest first.

    Args:
        folder: of the state.
        unreadable: is told of each file that is no plan, or another one than its name says.

    Raises:
        ConfigError: the folder can't be read.
    """
    found = []
    for name in _names(folder):
        try:
            found.append(_kept(folder, name))
        except FedsockError as error:
            unreadable(str(error))
    return sorted(found, key=lambda one: one.at)


def kept_plan(folder: Path, digest: str) -> Kept:
    """Return one plan in a worker's state.

    Args:
        folder: of the state.
        digest: its digest, or the beginning of it, with or without "sha256:".

    Raises:
        PlanUnknown: none is kept that begins so, or several are.
        PlanInvalid, UnknownOp: the file holds no plan, or another one than its name says.
        ConfigError: the folder can't be read.
    """
    digits = _DIGITS.fullmatch(digest.lower())
    if digits is None:
        raise PlanUnknown(f"{digest!a} is no digest; one is sha256: and 64 hexadecimal digits, or how it begins")
    names = _names(folder)
    fitting = [name for name in names if name.startswith(digits[1])]
    if not fitting:
        told = f"{len(names)} others are" if names else "nor is any other"
        raise PlanUnknown(f"no plan {digest} is kept in {folder / PLANS}, {told}; have its sender run it again")
    if len(fitting) > 1:
        raise PlanUnknown(f"{len(fitting)} plans begin with {digest}: {', '.join(fitting[:5])}; give more digits")
    return _kept(folder, fitting[0])


def _names(folder: Path) -> list[str]:
    try:
        return sorted(name for name, _ in _files(folder / PLANS))
    except OSError as error:
        raise ConfigError(f"{folder / PLANS}: can't be read: {error.strerror}") from error


def _kept(folder: Path, name: str) -> Kept:
    path = folder / PLANS / f"{name}.json"
    try:
        written = _read(path.read_bytes())
        plan = Plan.from_json(written.plan)
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, PlanInvalid) as error:
        raise PlanInvalid(f"{path}: holds no plan ({error})") from None
    if plan.digest != f"sha256:{name}":
        raise PlanInvalid(f"{path}: holds another plan ({plan.digest}); somebody changed it")
    return Kept(written.at, written.user, plan)
