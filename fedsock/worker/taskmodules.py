"""An owner's tasks as a TOML file names them: ``[tasks.NAME]`` with ``function = "module:function"``.

The module is looked for in the TOML file's folder first, then where Python looks. It is imported when the worker
starts and never later: what a session says names tasks, not modules.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsock.errors import ConfigError
from fedsock.policy.terms import Agreement
from fedsock.worker.complaints import suggestion
from fedsock.worker.datasets import NAME, NAME_RULE, Dataset
from fedsock.worker.settings import Settings
from fedsock.worker.tasks import MOST_TASKS, Task

_FUNCTION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
EXPORTS = ("train", "deny")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskConfig:
    """One task in a configuration.

    Attributes:
        name: what sessions call it.
        function: ``module:function``.
        data: data sets that it is given; the name of a file of several arrays means all of them.
        export: "train": what it makes leaves as ``[policy.train]`` says; "deny": never.
        folder: where its module is looked for first.
        where: the place in the configuration, for complaints.
    """

    name: str
    function: str
    data: tuple[str, ...] = ()
    export: str = "train"
    folder: Path
    where: str


def read_tasks(settings: Settings) -> dict[str, TaskConfig]:
    """Return what ``[tasks]`` says.

    Raises:
        ConfigError: a wrong name, key or value; says what is allowed.
    """
    tables = settings.tables()
    if len(tables) > MOST_TASKS:
        raise settings.complaint("", f"at most {MOST_TASKS} tasks are allowed, not {len(tables)}")
    return {name: _task(name, settings, table) for name, table in tables.items()}


def _task(name: str, parent: Settings, settings: Settings) -> TaskConfig:
    if not NAME.fullmatch(name):
        raise parent.complaint(name, f"can't name a task; a name is {NAME_RULE}")
    function = settings.text("function")
    if function is None or not _FUNCTION.fullmatch(function):
        raise settings.complaint("function", f'expected "module:function", not {function!r}')
    export = settings.text("export", "train")
    if export not in EXPORTS:
        raise settings.complaint("export", f"unknown value {export!r}{suggestion(export, EXPORTS)}")
    task = TaskConfig(
        name=name,
        function=function,
        data=settings.texts("data"),
        export=export,
        folder=Path(settings.source).resolve().parent,
        where=f"{settings.source}: {settings.path}",
    )
    settings.finish()
    return task


def load_tasks(
    tasks: Mapping[str, TaskConfig], datasets: Mapping[str, Dataset], agreement: Agreement
) -> dict[str, Task]:
    """Return the tasks of a configuration, their modules imported.

    Args:
        tasks: by name.
        datasets: the worker's.
        agreement: what ``[policy]`` says.

    Raises:
        ConfigError: a data set that isn't there, or a function that can't be imported; says where and why.
    """
    return {
        name: Task(
            name=name,
            function=_imported(task),
            data=_data(task, datasets),
            leaves=task.export == "train",
            agreement=agreement,
        )
        for name, task in tasks.items()
    }


def _data(task: TaskConfig, datasets: Mapping[str, Dataset]) -> dict[str, Dataset]:
    found: dict[str, Dataset] = {}
    for wanted in task.data:
        named = {name: one for name, one in datasets.items() if name == wanted or name.startswith(f"{wanted}/")}
        if not named:
            raise ConfigError(f"{task.where}.data: there is no data set {wanted!r}{suggestion(wanted, datasets)}")
        found |= named
    return found


def _imported(task: TaskConfig) -> Any:
    module, _, name = task.function.partition(":")
    folder = str(task.folder)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        function = vars(importlib.import_module(module)).get(name)
    except Exception as error:  # whatever a module does when it is imported
        raise ConfigError(f"{task.where}.function: {module} can't be imported: {error!r}") from error
    if not callable(function):
        raise ConfigError(f"{task.where}.function: {module} has no function {name}")
    return function
