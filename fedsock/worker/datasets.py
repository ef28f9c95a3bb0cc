"""An owner's data sets: named, checked, read-only arrays, from files or from a mapping.

This module opens no file itself: readers are passed in (``fedsock.worker.readers`` has them all), so that a
virtual worker doesn't import what only files need.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from fedsock.errors import ConfigError, UnsupportedValue
from fedsock.policy.budget import Budget
from fedsock.policy.facts import OPEN, Facts, Group, Rowwise, known
from fedsock.policy.terms import Agreement
from fedsock.protocol.arrays import dtype_name
from fedsock.protocol.messages import MOCK
from fedsock.typing import Array
from fedsock.worker.policies import policy_of_virtual

if TYPE_CHECKING:
    from fedsock.worker.config import DatasetConfig, WorkerConfig

NAME_LENGTH = 200
"""The longest name, ``name/key`` included, that a message can refer to."""

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,199}")
"""What a data set may be called."""

NAME_RULE = "1 to 200 letters, digits and _ . / -, the first a letter, a digit or _"
"""The same in words."""

Reader: TypeAlias = Callable[[Path, tuple[str, ...]], Mapping[str, Array]]
"""Reads a file: (path, keys to take, all if none) -> arrays by key.

The key of a file that is one array is "". Raises ConfigError, naming the file and the key or column.
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """One array that its owner offers.

    Attributes:
        name: ``name``, or ``name/key`` for one array of several.
        array: any shape; C-ordered, native byte order, read-only.
        private: neither it nor what derives from it leaves, unless the policy says so.
        tags: words it can be searched by, each beginning with "#".
        description: the owner's words.
        source: the file it came from; "" for none.
        group: the rows that it shares with others; None: it has none.
        agreement: what may leave of it, and for whom.
        mock: made-up data of its shape and dtype are offered beside it.
    """

    name: str
    array: Array
    private: bool = True
    tags: tuple[str, ...] = ()
    description: str = ""
    source: str = ""
    group: Group | None = None
    agreement: Agreement = field(default_factory=Agreement)
    mock: bool = False

    @property
    def facts(self) -> Facts:
        """Where the array came from: itself when it is private, nothing worth telling otherwise."""
        if not self.private:
            return OPEN
        form = None if self.group is None else Rowwise(self.group, 0, raw=self.name)
        return known(frozenset((self.name,)), form)


def must_remember(datasets: Mapping[str, Dataset]) -> bool:
    """Return whether something private may leave: then what was decided outlives the process."""
    return any(
        terms.export != "deny" or terms.train is not None
        for dataset in datasets.values()
        if dataset.private
        for terms in dataset.agreement.all_terms
    )


def releases_noise(datasets: Mapping[str, Dataset]) -> bool:
    """Return whether some data set's policy says dp."""
    return bool(budgets(datasets))


def groups(datasets: Mapping[str, Dataset]) -> dict[str, list[str]]:
    """Return the names of the private data sets of each row group."""
    found: dict[str, list[str]] = {}
    for dataset in datasets.values():
        if dataset.private and dataset.group is not None:
            found.setdefault(dataset.group.name, []).append(dataset.name)
    return found


def budgets(datasets: Mapping[str, Dataset]) -> dict[str, Budget]:
    """Return the budget of each row group of which something is released with noise.

    Raises:
        ConfigError: it has none, or two that differ.
    """
    found: dict[str, Budget] = {}
    for dataset in datasets.values():
        agreement = dataset.agreement
        if not dataset.private or not any(terms.export == "dp" for terms in agreement.all_terms):
            continue
        if agreement.budget is None:
            raise ConfigError(f"the policy of {dataset.name} is dp, which needs a budget: epsilon = …")
        if dataset.group is None:
            raise ConfigError(f"the policy of {dataset.name} is dp, but it is one number and has no rows")
        if found.setdefault(dataset.group.name, agreement.budget) != agreement.budget:
            raise ConfigError(f"the row group {dataset.group.name!r} has two budgets: {dataset.name} has another")
    return found


def load_datasets(config: WorkerConfig, readers: Mapping[str, Reader]) -> dict[str, Dataset]:
    """Return the data sets that a configuration names, read from their files.

    Args:
        config: names files and says what is private.
        readers: by file suffix in lower case, such as ``fedsock.worker.readers.READERS``.

    Raises:
        ConfigError: a file of an unknown kind, one that can't be read, or an array that can't be held; names
            the file, the key or column, and where the configuration names it.
    """
    datasets: dict[str, Dataset] = {}
    joined: dict[str, int] = {}
    for wanted in config.datasets.values():
        try:
            for dataset in _grouped(list(_read(wanted, readers)), wanted.name, wanted.rows, joined):
                _add(datasets, dataset)
        except ConfigError as error:
            raise ConfigError(f"{wanted.where}: {error}") from error
    return datasets


def _grouped(datasets: list[Dataset], name: str, rows: str | None, joined: dict[str, int]) -> Iterator[Dataset]:
    """Yield the data sets of one file with their row groups: those of one length are one group.

    Args:
        datasets: of one file.
        name: the file's data set.
        rows: the group that its owner put them into; None: one of their own.
        joined: group -> rows, of those put into one by name; added to.
    """
    lengths = {len(dataset.array) for dataset in datasets if dataset.array.ndim}
    names: dict[int, str] = {}
    for dataset in datasets:
        if not dataset.array.ndim:
            yield dataset
            continue
        length = len(dataset.array)
        group = rows or names.setdefault(length, name if len(lengths) == 1 else dataset.name)
        if joined.setdefault(group, length) != length:
            raise ConfigError(f"the row group {group!r} has {joined[group]} rows, but {dataset.name} has {length}")
        yield replace(dataset, group=Group(group, length))


def datasets_from_mapping(
    data: Mapping[str, Any], private: bool = True, policy: Any = None, mock: bool = False
) -> dict[str, Dataset]:
    """Return the data sets of a virtual worker: copies of arrays, by name. Those of one length are one row group.

    Args:
        data: name -> array or what numpy makes one from; a mapping in it gives ``name/key`` for each key.
        private: whether they are; all alike.
        policy: what may leave, as ``policies.policy_of_virtual`` takes it.
        mock: whether made-up data are offered beside each.

    Raises:
        ConfigError: a wrong name, a value that is no array of a dtype that can be held, or a policy that can't
            be; names it.
    """
    base, single = policy_of_virtual(policy)
    if not isinstance(data, Mapping):
        raise ConfigError(f"data: expected a mapping of names to arrays, not {type(data).__name__}")
    datasets: dict[str, Dataset] = {}
    for name, value in data.items():
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise ConfigError(f"data: {name!r} can't name a data set; a name is {NAME_RULE}")
        for full_name, leaf in _leaves(name, value):
            where = f"data[{full_name!r}]"
            array = hold(_as_array(leaf, where), where)
            agreement = single.get(full_name, base)
            _add(datasets, Dataset(name=full_name, array=array, private=private, agreement=agreement, mock=mock))
    if unknown := single.keys() - datasets.keys():
        raise ConfigError(f"policy: datasets.{min(unknown)}: there is no such data set")
    return {dataset.name: dataset for dataset in _grouped(list(datasets.values()), "data", None, {})}


def hold(array: Array, where: str) -> Array:
    """Return an array as a worker holds it: C-ordered, native byte order, read-only for good.

    Args:
        array: any shape; it, and what it is a view of, must be the caller's to give away: it is copied only
            where order or bytes have to change.
        where: what to call it in an error.

    Raises:
        ConfigError: a dtype that can't be held, or text that isn't Unicode.
    """
    try:
        dtype_name(array.dtype)
    except UnsupportedValue as error:
        hint = "save it as numbers, fixed-width text, datetime64 or timedelta64"
        raise ConfigError(f"{where}: can't hold {_described(array.dtype)}; {hint}") from error
    held = np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")
    if held.dtype.kind == "U" and not _is_unicode(held):
        raise ConfigError(f"{where}: holds text that isn't Unicode (lone surrogates or numbers beyond U+10FFFF)")
    owner: Any = held
    while isinstance(owner, np.ndarray):
        owner.flags.writeable = False
        owner = owner.base
    # A view of read-only memory can't be made writeable again; the array that owns the memory could.
    return held.view()


def _described(dtype: np.dtype[Any]) -> str:
    if dtype.names is not None:
        return f"a structured dtype with fields {', '.join(dtype.names)}"
    return "Python objects (dtype object)" if dtype.hasobject else f"dtype {dtype}"


def _is_unicode(array: Array) -> bool:
    if array.size == 0 or array.dtype.itemsize == 0:
        return True
    points = array.reshape(-1).view(np.uint32)
    return not bool(np.any((points > 0x10FFFF) | ((points >= 0xD800) & (points <= 0xDFFF))))


def _read(wanted: DatasetConfig, readers: Mapping[str, Reader]) -> Iterator[Dataset]:
    reader = readers.get(wanted.file.suffix.lower())
    if reader is None:
        kinds = ", ".join(sorted(readers))
        raise ConfigError(f"{wanted.file}: unknown kind of file {wanted.file.suffix!r}; allowed are {kinds}")
    for key, array in reader(wanted.file, wanted.only).items():
        where = f"{wanted.file}: {key!r}" if key else str(wanted.file)
        yield Dataset(
            name=_joined(wanted.name, key, where) if key else wanted.name,
            array=hold(array, where),
            private=wanted.private,
            tags=wanted.tags,
            description=wanted.description,
            source=str(wanted.file),
            agreement=wanted.policy.of(key),
            mock=wanted.mock,
        )


def _joined(name: str, key: str, where: str) -> str:
    """Return ``name/key``: keys come from files, so any printable text will do."""
    full = f"{name}/{key}"
    if not key.isprintable() or key != key.strip() or not key:
        raise ConfigError(
            f"{where}: {key!r} can't name an array: it is empty, starts or ends blank, or isn't printable"
        )
    if len(full) > NAME_LENGTH:
        raise ConfigError(f"{where}: the name {full!r} has {len(full)} characters; at most {NAME_LENGTH} are allowed")
    return full


def _add(datasets: dict[str, Dataset], dataset: Dataset) -> None:
    if dataset.name in datasets:
        raise ConfigError(f"two data sets are called {dataset.name!r}; rename one")
    if dataset.mock and len(dataset.name) > NAME_LENGTH - len(MOCK):
        most = f"with made-up data beside it, at most {NAME_LENGTH - len(MOCK)} are allowed"
        raise ConfigError(f"the name {dataset.name!r} has {len(dataset.name)} characters; {most}")
    datasets[dataset.name] = dataset


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield (full name, leaf) of a nested mapping, depth first."""
    if not isinstance(value, Mapping):
        yield name, value
        return
    for key, inner in value.items():
        if not isinstance(key, str):
            raise ConfigError(f"data[{name!r}]: key {key!r} is no str")
        yield from _leaves(_joined(name, key, f"data[{name!r}]"), inner)


def _as_array(value: Any, where: str) -> Array:
    if isinstance(value, np.ma.MaskedArray):
        raise ConfigError(f"{where}: a masked array would lose its mask; fill it first, with .filled(…)")
    try:
        return np.array(value, copy=True, order="C")
    except (ValueError, TypeError, OverflowError) as error:
        raise ConfigError(f"{where}: not an array ({error})") from error
