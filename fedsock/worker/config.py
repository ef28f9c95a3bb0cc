"""A worker's configuration: a TOML file of its owner, options of the command line merged over it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from fedsock.errors import ConfigError
from fedsock.policy.terms import Agreement
from fedsock.worker.datasets import NAME, NAME_LENGTH, NAME_RULE
from fedsock.worker.names import WORKER_NAME_RULE, worker_name_fault
from fedsock.worker.policies import DatasetPolicy, read_dataset_policy, read_policy
from fedsock.worker.settings import Settings, folder_fault, is_file, read_settings
from fedsock.worker.taskmodules import TaskConfig, read_tasks

DEFAULT_HUB = "ws://127.0.0.1:8765"
"""Where a hub on this machine listens unless told otherwise."""

LARGEST = 2**53 - 1
"""The largest number that every JSON reader takes exactly."""

_TAG = re.compile(r"#\S{1,99}")
_TAGS = 100  # as many as a message may list


def _cores() -> int:
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a worker spends.

    Attributes:
        quota_bytes: bytes that one session's objects may take; default 4 GiB.
        quota_objects: objects that one session may have; default 1,000,000.
        op_seconds: how long an op may be expected to take; a longer one is refused; default: a day.
        threads: large ops that run at the same time; default: one a core.
    """

    quota_bytes: int = 4 * 2**30
    quota_objects: int = 1_000_000
    op_seconds: int = 86_400
    threads: int = field(default_factory=_cores)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetConfig:
    """One data set that the owner offers.

    Attributes:
        name: what it is called; a file of several arrays gives ``name/key`` for each.
        file: where it is.
        only: keys of an .npz file or columns of a table to take; all if empty.
        tags: words it can be searched by, each beginning with "#".
        description: the owner's words.
        private: neither it nor what derives from it leaves, unless the policy says so.
        rows: the row group that its owner puts it into; None: one of its own.
        policy: what may leave of it, and for whom.
        mock: made-up data of its shapes and dtypes are offered beside it.
        where: the place in the configuration, for complaints.
    """

    name: str
    file: Path
    only: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    description: str = ""
    private: bool = True
    rows: str | None = None
    policy: DatasetPolicy = field(default_factory=DatasetPolicy)
    mock: bool = False
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """All that a worker's owner says.

    Attributes:
        name: the worker's name.
        hub: URL of its hub, ws:// or wss://.
        token_file: the file that holds its token; None: no token.
        state: the folder of what it must remember; None: ``NAME.state``, beside the TOML file or in the current
            folder; see ``state.default_folder``.
        limits: what it spends.
        policy: what may leave of data sets of which nothing else is said.
        datasets: what it offers, by name; read-only.
        tasks: functions that it offers, by name; read-only.
    """

    name: str
    hub: str = DEFAULT_HUB
    token_file: Path | None = None
    state: Path | None = None
    limits: Limits = field(default_factory=Limits)
    policy: Agreement = field(default_factory=Agreement)
    datasets: Mapping[str, DatasetConfig] = field(default_factory=lambda: MappingProxyType({}))
    tasks: Mapping[str, TaskConfig] = field(default_factory=lambda: MappingProxyType({}))


def load(path: str | os.PathLike[str]) -> WorkerConfig:
    """Return the configuration in a TOML file; paths in it are relative to its folder.

    Args:
        path: the file, such as ``workers/bob.toml``.

    Raises:
        ConfigError: no such file, malformed TOML, an unknown key, a wrong type or value, or a file it names
            that isn't there; names the file, the key's dotted path and what is allowed.
    """
    settings = read_settings(Path(path))
    name = settings.text("name")
    if name is None:
        raise settings.complaint("name", f"is missing; a worker's name is {WORKER_NAME_RULE}")
    config = WorkerConfig(
        name=_checked(settings, "name", worker_name_fault(name), name),
        hub=_checked(settings, "hub", _hub_url(hub := settings.text("hub", DEFAULT_HUB)), hub),
        token_file=settings.file("token_file"),
        state=settings.folder("state"),
        limits=_limits(settings.table("limits")),
        policy=(policy := read_policy(settings.table("policy"))),
        datasets=_datasets(settings.table("datasets"), policy),
        tasks=MappingProxyType(read_tasks(settings.table("tasks"))),
    )
    settings.finish()
    return config


def from_options(
    *,
    config: str | os.PathLike[str] | None = None,
    name: str | None = None,
    hub: str | None = None,
    token_file: str | os.PathLike[str] | None = None,
    state: str | os.PathLike[str] | None = None,
    data: Iterable[str] = (),
    public: Iterable[str] = (),
) -> WorkerConfig:
    """Return the configuration that the command line's options make.

    Args:
        config: the TOML file; None: none, then ``name`` must be given.
        name: see ``merge``, as are the others.
        hub: URL.
        token_file: path.
        state: path of a folder.
        data: ``NAME=FILE`` each.
        public: ``NAME=FILE`` each.

    Raises:
        ConfigError: as ``load`` and ``merge``.
    """
    if config is None and name is None:
        raise ConfigError("a worker needs a name: give --name NAME, or --config FILE with a name in it")
    base = WorkerConfig(name=name or "") if config is None else load(config)
    return merge(base, name=name, hub=hub, token_file=token_file, state=state, data=data, public=public)


def merge(
    config: WorkerConfig,
    *,
    name: str | None = None,
    hub: str | None = None,
    token_file: str | os.PathLike[str] | None = None,
    state: str | os.PathLike[str] | None = None,
    data: Iterable[str] = (),
    public: Iterable[str] = (),
) -> WorkerConfig:
    """Return a configuration with options merged over it; None leaves what it says.

    Relative paths are relative to the current folder, as the shell means them.

    Args:
        config: the configuration below.
        name: the worker's name.
        hub: URL.
        token_file: path.
        state: path of a folder.
        data: private data sets, ``NAME=FILE`` each; a configured one of the same name gives way, but for its policy.
        public: the same, published.

    Raises:
        ConfigError: an option is wrong; names it and what is allowed.
    """
    changes: dict[str, Any] = {}
    if name is not None:
        changes["name"] = _option("--name", name, worker_name_fault(name))
    if hub is not None:
        changes["hub"] = _option("--hub", hub, _hub_url(hub))
    if token_file is not None:
        changes["token_file"] = _existing("--token-file", token_file)
    if state is not None:
        changes["state"] = _folder("--state", state)
    given: dict[str, DatasetConfig] = {}
    for option, texts, private in (("--data", data, True), ("--public", public, False)):
        for text in texts:
            wanted = _dataset_option(option, text, private)
            known = config.datasets.get(wanted.name)
            # The file gives way, what its owner said of who may have it doesn't.
            policy = DatasetPolicy(config.policy) if known is None else known.policy
            wanted = replace(wanted, policy=policy, rows=None if known is None else known.rows)
            if wanted.name in given:
                raise ConfigError(f"{option} {text}: a data set {wanted.name!r} was given already")
            given[wanted.name] = wanted
    changes["datasets"] = MappingProxyType({**config.datasets, **given})
    return replace(config, **changes)


def read_token(config: WorkerConfig) -> str | None:
    """Return the token in the configuration's token file, or None without one.

    Raises:
        ConfigError: the file can't be read, or isn't one line of printable text.
    """
    if config.token_file is None:
        return None
    try:
        token = config.token_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{config.token_file}: the token can't be read: {error}") from error
    if not token.isprintable() or not token or " " in token:
        raise ConfigError(f"{config.token_file}: expected one line that holds the token and nothing else")
    return token


def _limits(settings: Settings) -> Limits:
    default = Limits()
    limits = Limits(
        quota_bytes=settings.integer("quota_bytes", default.quota_bytes, low=1, high=LARGEST),
        quota_objects=settings.integer("quota_objects", default.quota_objects, low=1, high=LARGEST),
        op_seconds=settings.integer("op_seconds", default.op_seconds, low=1, high=LARGEST),
        threads=settings.integer("threads", default.threads, low=1, high=1_024),
    )
    settings.finish()
    return limits


def _datasets(settings: Settings, policy: Agreement) -> Mapping[str, DatasetConfig]:
    tables = settings.tables().items()
    return MappingProxyType({name: _dataset(name, settings, table, policy) for name, table in tables})


def _dataset(name: str, parent: Settings, settings: Settings, policy: Agreement) -> DatasetConfig:
    if not NAME.fullmatch(name):
        raise parent.complaint(name, f"can't name a data set; a name is {NAME_RULE}")
    file = settings.file("file")
    if file is None:
        raise settings.complaint("file", "is missing; a data set needs the path of its file")
    tags = settings.texts("tags")
    if len(tags) > _TAGS:
        raise settings.complaint("tags", f"at most {_TAGS} tags are allowed, not {len(tags)}")
    for tag in tags:
        if not _TAG.fullmatch(tag) or not tag.isprintable():
            raise settings.complaint("tags", f'{tag!r}: a tag is "#" and 1 to 99 characters, none of them blank')
    if (table := settings.table("policy")).given and not settings.flag("private", True):
        raise table.complaint("", "holds for private data only; leave it out, or write private = true")
    config = DatasetConfig(
        name=name,
        file=file,
        only=settings.texts("only"),
        tags=tags,
        description=settings.text("description", ""),
        private=settings.flag("private", True),
        rows=settings.text("rows", limit=NAME_LENGTH),
        policy=read_dataset_policy(settings.table("policy"), policy),
        mock=settings.flag("mock", False),
        where=f"{settings.source}: {settings.path}",
    )
    settings.finish()
    return config


def _dataset_option(option: str, text: str, private: bool) -> DatasetConfig:
    name, equals, file = text.partition("=")
    if not equals or not file:
        raise ConfigError(f"{option} {text}: expected NAME=FILE, such as {option} x=x.npy")
    if not NAME.fullmatch(name):
        raise ConfigError(f"{option} {text}: {name!r} can't name a data set; a name is {NAME_RULE}")
    path = _existing(f"{option} {name}", file)
    return DatasetConfig(name=name, file=path, private=private, where=f"{option} {name}")


def _existing(option: str, file: str | os.PathLike[str]) -> Path:
    path = Path(file)
    if not is_file(path):
        raise ConfigError(f"{option}: there is no such file: {str(path)!r}")
    return path


def _folder(option: str, folder: str | os.PathLike[str]) -> Path:
    path = Path(folder)
    if fault := folder_fault(path):
        raise ConfigError(f"{option}: {str(path)!r} {fault}")
    return path


def _option(option: str, value: str, wrong: str | None) -> str:
    if wrong:
        raise ConfigError(f"{option} {value}: {wrong}")
    return value


def _checked(settings: Settings, key: str, wrong: str | None, value: str) -> str:
    if wrong:
        raise settings.complaint(key, f"{value!r}: {wrong}")
    return value


def _hub_url(url: str) -> str | None:
    """Return what is wrong with a hub's URL."""
    example = f"a hub's URL is like {DEFAULT_HUB} or wss://hub.example.org"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises on a port that is no number from 0 to 65535
    except ValueError as error:
        return f"not a URL ({error}); {example}"
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        return f"not a WebSocket URL; {example}"
    if "@" in parts.netloc or parts.fragment or not url.isprintable() or " " in url:
        return f"takes no user, password, fragment or blanks; {example}"
    return None
