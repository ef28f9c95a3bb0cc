"""Reading TOML key by key: types, paths, unknown keys, malformed files."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsock.errors import ConfigError
from fedsock.worker.settings import Settings, read_settings


def settings(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "w.toml"
    path.write_text(text, encoding="utf-8")
    return read_settings(path)


def test_every_kind_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(b"")
    read = settings(tmp_path, 't = "a"\ni = 3\nf = false\nl = ["b", "c", "b"]\nfile = "x.npy"\n[sub]\nk = "v"\n')
    assert read.text("t") == "a"
    assert read.integer("i", 0, low=0, high=9) == 3
    assert read.flag("f", True) is False
    assert read.texts("l") == ("b", "c")
    assert read.file("file") == tmp_path / "x.npy"
    assert read.table("sub").text("k") == "v"
    read.table("sub")
    read.finish()


def test_absent_keys_give_defaults(tmp_path: Path) -> None:
    read = settings(tmp_path, "")
    assert read.text("t") is None
    assert read.text("t", "d") == "d"
    assert read.integer("i", 7, low=0, high=9) == 7
    assert read.flag("f", True) is True
    assert read.texts("l") == ()
    assert read.file("file") is None
    assert read.table("sub").tables() == {}
    read.finish()


@pytest.mark.parametrize(
    ("text", "ask", "said"),
    [
        ("k = 1", lambda s: s.text("k"), r"w\.toml: k: expected text, not a whole number \(1\)"),
        ('k = ""', lambda s: s.text("k"), r"k: expected text of 1 to 2000 characters, not 0"),
        (f'k = "{"x" * 2001}"', lambda s: s.text("k"), r"not 2001"),
        (
            "k = true",
            lambda s: s.integer("k", 0, low=0, high=9),
            r"k: expected a whole number, not true or false",
        ),
        ("k = 1.0", lambda s: s.integer("k", 0, low=0, high=9), r"k: expected a whole number, not a decimal"),
        (
            "k = -1",
            lambda s: s.integer("k", 0, low=0, high=9),
            r"k: expected a whole number from 0 to 9, not -1",
        ),
        ("k = 1", lambda s: s.flag("k", True), r"k: expected true or false, not a whole number"),
        ('k = "#a"', lambda s: s.texts("k"), r"k: expected a list, not text"),
        ('k = ["#a", 1]', lambda s: s.texts("k"), r"k: expected a list of texts; 1 is a whole number"),
        ("k = 2024-01-02", lambda s: s.table("k"), r"k: expected a table, not a date"),
        ("[t]\nk = 1", lambda s: s.table("t").text("k"), r"w\.toml: t\.k: expected text"),
        ('[t."a/b"]\nk = 1', lambda s: s.table("t").tables()["a/b"].text("k"), r't\."a/b"\.k: expected text'),
        ("[t]\nk = 1", lambda s: s.table("t").tables(), r"t\.k: expected a table, not a whole number"),
        (
            'k = "gone.npy"',
            lambda s: s.file("k"),
            r"k: 'gone\.npy': there is no such file \(looked for .*gone\.npy",
        ),
        ('k = "."', lambda s: s.file("k"), r"k: '\.': that is a folder"),
        ('k = "a\\u0000b"', lambda s: s.file("k"), r"there is no such file"),
        ('k = "a\\u0000b"', lambda s: s.folder("k"), r"k: .*zero byte"),
        ('k = "w.toml"', lambda s: s.folder("k"), r"k: 'w\.toml': .*w\.toml is no folder"),
        ("k = 1", lambda s: s.folder("k"), r"k: expected text"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, text: str, ask: object, said: str) -> None:
    read = settings(tmp_path, text)
    with pytest.raises(ConfigError, match=said):
        ask(read)  # type: ignore[operator]


def test_an_unknown_key_is_refused_with_the_one_meant(tmp_path: Path) -> None:
    read = settings(tmp_path, "[limits]\nquota_byte = 1").table("limits")
    read.integer("quota_bytes", 1, low=1, high=9)
    with pytest.raises(ConfigError, match=r"limits\.quota_byte: unknown key; did you mean 'quota_bytes'\? \(allowed:"):
        read.finish()


def test_malformed_toml_says_where(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"w\.toml: malformed TOML: .*line 2"):
        settings(tmp_path, 'a = 1\nname = "bob\n')


def test_deep_nesting_is_malformed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="malformed TOML"):
        settings(tmp_path, "a = " + "[" * 100_000)


def test_not_utf8_is_said(tmp_path: Path) -> None:
    (tmp_path / "w.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(ConfigError, match=r"not UTF-8 text.*byte 8"):
        read_settings(tmp_path / "w.toml")


def test_a_missing_file_or_a_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml: can't be read: No such file"):
        read_settings(tmp_path / "gone.toml")
    with pytest.raises(ConfigError, match="can't be read"):
        read_settings(tmp_path)


def test_a_folder_is_there_or_may_be_made(tmp_path: Path) -> None:
    read = settings(tmp_path, 'here = "."\nlater = "later"')
    assert (read.folder("here"), read.folder("later"), read.folder("absent")) == (tmp_path, tmp_path / "later", None)
    assert not (tmp_path / "later").exists()
