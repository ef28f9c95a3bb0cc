"""Token files and loopback addresses."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from fedsock.errors import ConfigError
from fedsock.hub.registry import Registry, is_loopback

BOB, ANY, SESSION = (secrets.token_hex(32) for _ in range(3))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"# who may join\n\nbob worker {BOB}\n  * worker   {ANY}  \n* session {SESSION}\n\t# end\n")
    return path


@pytest.mark.parametrize(
    ("name", "role", "token", "user"),
    [
        ("bob", "worker", BOB, "bob"),
        ("bob", "worker", ANY, "anonymous"),
        ("alice", "worker", ANY, "anonymous"),
        ("alice", "worker", BOB, None),
        ("bob", "session", BOB, None),
        ("s-bob", "session", BOB, None),
        ("s-1", "session", SESSION, "anonymous"),
        ("bob", "worker", SESSION, None),
        ("*", "worker", BOB, None),
        ("bob", "worker", BOB[:-1], None),
        ("bob", "worker", BOB + "0", None),
        ("bob", "worker", "", None),
        ("bob", "worker", None, None),
        ("bob", "worker", "é\ud800"[:1], None),
    ],
)
def test_whose_a_token_is(file: Path, name: str, role: str, token: str | None, user: str | None) -> None:
    assert Registry.read(file).user(name, role, token) == user


ANN, LAPTOP, BEN, ONE = (secrets.token_hex(32) for _ in range(4))


@pytest.mark.parametrize(
    ("name", "role", "token", "user"),
    [
        ("s-1", "session", ANN, "ann"),
        ("s-ben", "session", ANN, "ann"),
        ("s-ben", "session", LAPTOP, "ann"),
        ("s-ann", "session", BEN, "ben"),
        ("ben", "worker", BEN, None),
        ("ann", "worker", ANN, "ann"),
        ("ben", "worker", ANN, None),
        ("s-one", "session", ONE, "s-one"),
        ("s-two", "session", ONE, None),
    ],
)
def test_a_sessions_user_is_its_tokens_whatever_it_calls_itself(
    tmp_path: Path, name: str, role: str, token: str, user: str | None
) -> None:
    path = tmp_path / "tokens"
    path.write_text(
        f"ann session {ANN}\nann session {LAPTOP}\nben session {BEN}\ns-one session {ONE}\nann worker {ANN}\n"
    )
    assert Registry.read(path).user(name, role, token) == user


@pytest.mark.parametrize("names", [("ann", "ben"), ("*", "ann"), ("ann", "s-1"), ("s-1", "s-2")])
def test_one_token_for_two_users_is_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"# comment\n{names[0]} session {ANN}\n{names[0]} session {ANN}\n{names[1]} session {ANN}\n")
    with pytest.raises(ConfigError, match=r"line 4: the token of line 2, for another user") as caught:
        Registry.read(path)
    assert ANN not in str(caught.value)


def test_every_line_is_compared_whatever_matched_before(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def counting(one: bytes, other: bytes) -> bool:
        compared.append(len(one) == len(other) == 32)
        return one == other

    monkeypatch.setattr("fedsock.hub.registry.hmac.compare_digest", counting)
    registry = Registry.read(file)
    assert registry.user("bob", "worker", BOB) == "bob"
    assert registry.user("bob", "worker", "x") is None
    assert compared == [True] * 6


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bob worker", "has 2 words"),
        ("bob worker TOKEN more", "has 4 words"),
        ("Bob worker TOKEN", "the name must be"),
        ("b*b worker TOKEN", "the name must be"),
        ("bob boss TOKEN", "the role must be worker or session"),
        ("Bob session TOKEN", "the name must be"),
        ("s-bob worker TOKEN", "names of workers don't begin with 's-'"),
        ("bob worker short", "too short"),
        ("bob worker " + "x" * 513, "too short, too long"),
        ("bob worker TOKEN\x07", "not printable"),
    ],
)
def test_a_malformed_line_is_named_and_its_token_is_not(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"# comment\n\n{line.replace('TOKEN', BOB)}\n")
    with pytest.raises(ConfigError) as caught:
        Registry.read(path)
    assert f"{path}, line 3: " in str(caught.value)
    assert words in str(caught.value)
    assert BOB not in str(caught.value)


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_a_file_without_tokens_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tokens"
    path.write_text(text)
    with pytest.raises(ConfigError, match="holds no token"):
        Registry.read(path)


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere: No such file"):
        Registry.read(tmp_path / "nowhere")
    path = tmp_path / "tokens"
    path.write_bytes(b"bob worker \xff\xff\n")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        Registry.read(path)


def test_a_repr_shows_no_token(file: Path) -> None:
    registry = Registry.read(file)
    assert repr(registry) == "<Registry of 3 tokens>"
    assert BOB not in repr(registry._grants)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.1", "example.org", "localhost.example.org"])  # noqa: S104
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)
