"""A worker's configuration: the TOML file, the options over it, and every way to get them wrong."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from fedsock.errors import ConfigError
from fedsock.worker.config import DatasetConfig, Limits, WorkerConfig, from_options, load, merge, read_token

FULL = """
name = "bob"
hub = "wss://hub.example.org:444/x"
token_file = "token"
state = "remember"

[limits]
quota_bytes = 1_000
quota_objects = 10
op_seconds = 60
threads = 3

[datasets.digits]
file = "digits.npz"
only = ["pixels"]
tags = ["#digits", "#8x8"]
description = "images"
private = false

[datasets."a/b"]
file = "b.npy"
mock = true

[policy]
export = "deny"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("digits.npz", "b.npy"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "token").write_text("s3cret\n")
    return tmp_path


def load_text(folder: Path, text: str) -> WorkerConfig:
    path = folder / "bob.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def test_every_key_is_read(folder: Path) -> None:
    config = load_text(folder, FULL)
    assert (config.name, config.hub) == ("bob", "wss://hub.example.org:444/x")
    assert config.token_file == folder / "token"
    assert config.state == folder / "remember"
    assert not config.state.exists()
    assert config.limits == Limits(quota_bytes=1_000, quota_objects=10, op_seconds=60, threads=3)
    where = f"{folder / 'bob.toml'}: datasets"
    assert dict(config.datasets) == {
        "digits": DatasetConfig(
            name="digits",
            file=folder / "digits.npz",
            only=("pixels",),
            tags=("#digits", "#8x8"),
            description="images",
            private=False,
            where=f"{where}.digits",
        ),
        "a/b": DatasetConfig(name="a/b", file=folder / "b.npy", private=True, mock=True, where=f'{where}."a/b"'),
    }


def test_defaults(folder: Path) -> None:
    config = load_text(folder, 'name = "bob"')
    assert config.hub == "ws://127.0.0.1:8765"
    assert config.token_file is None
    assert config.state is None
    assert (config.limits.quota_bytes, config.limits.quota_objects) == (4 * 2**30, 1_000_000)
    assert config.limits.op_seconds == 86_400
    assert config.limits.threads >= 1
    assert dict(config.datasets) == {}


def test_a_configuration_is_frozen(folder: Path) -> None:
    config = load_text(folder, FULL)
    with pytest.raises(FrozenInstanceError):
        config.name = "eve"  # type: ignore[misc]
    with pytest.raises(TypeError):
        config.datasets["x"] = config.datasets["digits"]  # type: ignore[index]


WRONG = {
    "no name": ('hub = "ws://h"', r"bob\.toml: name: is missing; a worker's name is 1 to 63"),
    "name": ('name = "Bob!"', r"bob\.toml: name: 'Bob!': can't name a worker; a name is 1 to 63 of a-z"),
    "unknown key": (
        'name = "bob"\nhup = "ws://h"',
        r"bob\.toml: hup: unknown key; did you mean 'hub'\? \(allowed: .*token",
    ),
    "a task without a function": ('name = "bob"\n[tasks.train]', r"train\.function: expected .module:function."),
    "hub type": ('name = "bob"\nhub = 8765', r"hub: expected text, not a whole number"),
    "hub http": (
        'name = "bob"\nhub = "http://h:1"',
        r"hub: 'http://h:1': not a WebSocket URL; a hub's URL is like ws://",
    ),
    "hub port": ('name = "bob"\nhub = "ws://h:99999"', r"hub: 'ws://h:99999': not a URL \(Port out of range"),
    "hub no host": ('name = "bob"\nhub = "ws://"', r"not a WebSocket URL"),
    "hub brackets": ('name = "bob"\nhub = "ws://[::1"', r"not a URL"),
    "hub user": ('name = "bob"\nhub = "ws://me:pw@h"', r"takes no user, password"),
    "token file": ('name = "bob"\ntoken_file = "gone"', r"token_file: 'gone': there is no such file"),
    "state": ('name = "bob"\nstate = 1', r"state: expected text"),
    "state file": ('name = "bob"\nstate = "b.npy"', r"state: 'b\.npy': .*b\.npy is no folder"),
    "state byte": ('name = "bob"\nstate = "a\\u0000b"', r"state: .* can't be a path"),
    "state name": (f'name = "bob"\nstate = "{"a" * 300}"', r"state: .* can't be a path \(File name too long"),
    "token name": (f'name = "bob"\ntoken_file = "{"a" * 300}"', r"token_file: .*there is no such file"),
    "session's name": ('name = "s-bob"', r"name: 's-bob': can't name a worker; .*not 's-' at its beginning"),
    "limits": ('name = "bob"\nlimits = 1', r"limits: expected a table, not a whole number"),
    "limits key": ('name = "bob"\n[limits]\nquota = 1', r"limits\.quota: unknown key; did you mean 'quota_"),
    "quota": (
        'name = "bob"\n[limits]\nquota_bytes = 0',
        r"limits\.quota_bytes: expected a whole number from 1 to",
    ),
    "quota type": (
        'name = "bob"\n[limits]\nquota_objects = "1"',
        r"limits\.quota_objects: expected a whole number, not text",
    ),
    "op seconds": (
        'name = "bob"\n[limits]\nop_seconds = 0',
        r"limits\.op_seconds: expected a whole number from 1 to",
    ),
    "threads": (
        'name = "bob"\n[limits]\nthreads = true',
        r"limits\.threads: expected a whole number, not true or false",
    ),
    "datasets": ('name = "bob"\ndatasets = ["x"]', r"datasets: expected a table, not a list"),
    "one data set": ('name = "bob"\n[datasets]\nx = "b.npy"', r"datasets\.x: expected a table, not text"),
    "no file": ('name = "bob"\n[datasets.x]', r"datasets\.x\.file: is missing"),
    "file gone": (
        'name = "bob"\n[datasets.x]\nfile = "gone.npy"',
        r"datasets\.x\.file: 'gone\.npy': there is no such file",
    ),
    "file folder": ('name = "bob"\n[datasets.x]\nfile = "."', r"datasets\.x\.file: '\.': that is a folder"),
    "data set key": (
        'name = "bob"\n[datasets.x]\nfile = "b.npy"\npublic = true',
        r"datasets\.x\.public: unknown key; .*\(allowed: description, file, mock, only, policy, private, rows, tags\)",
    ),
    "policy of what is published": (
        'name = "bob"\n[datasets.x]\nfile = "b.npy"\nprivate = false\n[datasets.x.policy]\nexport = "deny"',
        r"datasets\.x\.policy: holds for private data only",
    ),
    "private": (
        'name = "bob"\n[datasets.x]\nfile = "b.npy"\nprivate = 0',
        r"datasets\.x\.private: expected true or false",
    ),
    "mock": (
        'name = "bob"\n[datasets.x]\nfile = "b.npy"\nmock = "yes"',
        r"datasets\.x\.mock: expected true or false, not text",
    ),
    "tag": (
        'name = "bob"\n[datasets.x]\nfile = "b.npy"\ntags = ["digits"]',
        r"datasets\.x\.tags: 'digits': a tag is \"#\"",
    ),
    "blank tag": ('name = "bob"\n[datasets.x]\nfile = "b.npy"\ntags = ["#a b"]', r"'#a b': a tag is"),
    "tags": (
        f'name = "bob"\n[datasets.x]\nfile = "b.npy"\ntags = {[f"#{i}" for i in range(101)]}',
        r"datasets\.x\.tags: at most 100 tags are allowed, not 101",
    ),
    "only": (
        'name = "bob"\n[datasets.x]\nfile = "b.npy"\nonly = "pixels"',
        r"datasets\.x\.only: expected a list",
    ),
    "data set name": (
        'name = "bob"\n[datasets."a b"]\nfile = "b.npy"',
        r'datasets\."a b": can\'t name a data set',
    ),
    "rule": (
        'name = "bob"\n[policy]\nexport = "allow"',
        r"policy\.export: unknown value 'allow' \(allowed: aggregate, ask, deny, dp, public\)",
    ),
    "policy": (
        'name = "bob"\n[policy]\nexports = "deny"',
        r"policy\.exports: unknown key; did you mean 'export'\?",
    ),
    "toml": ('name = "bob', r"bob\.toml: malformed TOML"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused_with_key_and_remedy(folder: Path, case: str) -> None:
    text, said = WRONG[case]
    with pytest.raises(ConfigError, match=said):
        load_text(folder, text)


def test_a_missing_configuration_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml: can't be read: No such file"):
        from_options(config=tmp_path / "gone.toml")


def test_options_alone_make_a_configuration(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    config = from_options(name="carol", data=["x=b.npy"], public=["y=digits.npz"])
    assert config.state is None
    assert dict(config.datasets) == {
        "x": DatasetConfig(name="x", file=Path("b.npy"), private=True, where="--data x"),
        "y": DatasetConfig(name="y", file=Path("digits.npz"), private=False, where="--public y"),
    }


def test_options_win_over_the_file(folder: Path) -> None:
    (folder / "bob.toml").write_text(FULL.replace('state = "remember"', ""), encoding="utf-8")
    token = folder / "other"
    token.write_text("t")
    config = from_options(
        config=folder / "bob.toml",
        name="eve",
        hub="ws://h:1",
        token_file=token,
        data=[f"digits={folder / 'b.npy'}"],
    )
    assert (config.name, config.hub, config.token_file) == ("eve", "ws://h:1", token)
    assert config.state is None
    # A replaced data set gives way whole: what was published under its name isn't any more.
    assert config.datasets["digits"] == DatasetConfig(name="digits", file=folder / "b.npy", where="--data digits")
    assert set(config.datasets) == {"digits", "a/b"}
    assert merge(config, state="s").state == Path("s")
    assert merge(config, state=folder).state == folder


def test_merging_nothing_changes_nothing(folder: Path) -> None:
    config = load_text(folder, FULL)
    assert merge(config) == config


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, r"a worker needs a name: give --name NAME, or --config FILE"),
        ({"name": ""}, r"--name : can't name a worker"),
        ({"name": "b", "hub": "localhost:8765"}, r"--hub localhost:8765: not a WebSocket URL"),
        ({"name": "b", "token_file": "gone"}, r"--token-file: there is no such file: 'gone'"),
        ({"name": "b", "token_file": "a" * 300}, r"--token-file: there is no such file: 'aaa"),
        ({"name": "s-b"}, r"--name s-b: can't name a worker; .*not 's-' at its beginning"),
        ({"name": "b", "state": "b.npy"}, r"--state: 'b\.npy' is no folder"),
        ({"name": "b", "state": "a" * 300}, r"--state: 'aaa.*can't be a path"),
        ({"name": "b", "data": ["x"]}, r"--data x: expected NAME=FILE, such as --data x=x\.npy"),
        ({"name": "b", "data": ["x="]}, r"--data x=: expected NAME=FILE"),
        (
            {"name": "b", "public": ["a b=b.npy"]},
            r"--public a b=b\.npy: 'a b' can't name a data set; a name is",
        ),
        ({"name": "b", "public": ["x=gone.npy"]}, r"--public x: there is no such file: 'gone\.npy'"),
        (
            {"name": "b", "data": ["x=b.npy"], "public": ["x=b.npy"]},
            r"--public x=b\.npy: a data set 'x' was given already",
        ),
    ],
)
def test_a_wrong_option_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object], said: str
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigError, match=said):
        from_options(**options)  # type: ignore[arg-type]


def test_the_token_is_the_file_s_one_line(folder: Path) -> None:
    config = load_text(folder, FULL)
    assert read_token(config) == "s3cret"
    assert read_token(WorkerConfig(name="b")) is None


@pytest.mark.parametrize("text", [b"", b"\n", b"a\nb\n", b"a b", b"\xff"])
def test_a_wrong_token_file_is_named(folder: Path, text: bytes) -> None:
    (folder / "token").write_bytes(text)
    with pytest.raises(ConfigError, match="token: "):
        read_token(load_text(folder, FULL))


def test_data_of_an_option_keeps_the_policy_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "x.npy").touch()
    datasets = '[datasets.x]\nfile = "x.npy"\n[datasets.x.policy]\nexport = "deny"\n'
    (tmp_path / "bob.toml").write_text(f'name = "bob"\n[policy]\nexport = "public"\n{datasets}')
    file = tmp_path / "x.npy"
    made = from_options(config=tmp_path / "bob.toml", data=[f"x={file}", f"y={file}"])
    exports = {name: one.policy.of("").everybody.export for name, one in made.datasets.items()}
    assert exports == {"x": "deny", "y": "public"}
