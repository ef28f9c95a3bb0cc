from __future__ import annotations

from pathlib import Path

import pytest

from fedsock.errors import ConfigError
from fedsock.hub.registry import check_host, permitted, read_tokens


def test_a_token_lets_its_name_and_role_in(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("# who may come\nbob worker aaa\n\n* session bbb  # anybody\n")
    grants = read_tokens(file)
    assert permitted(grants, "bob", "worker", "aaa")
    assert permitted(grants, "s-1", "session", "bbb")
    for name, role, token in [
        ("alice", "worker", "aaa"),
        ("bob", "session", "aaa"),
        ("bob", "worker", "bbb"),
        ("bob", "worker", None),
        ("bob", "worker", "é"),
    ]:
        assert not permitted(grants, name, role, token)
    assert "aaa" not in repr(grants)


@pytest.mark.parametrize("text", ["bob worker", "bob owner secret-token", "", "# nothing"])
def test_bad_lines_are_named_without_their_tokens(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(text)
    with pytest.raises(ConfigError, match="tokens") as caught:
        read_tokens(file)
    assert "secret-token" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_tokens(tmp_path / "none")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_tokens(tmp_path / "bytes")


def test_without_tokens_loopback_only() -> None:
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        check_host(host, tokens=False)
    check_host("0.0.0.0", tokens=True)  # noqa: S104
    for host in ("0.0.0.0", "192.0.2.1", "example.org"):  # noqa: S104
        with pytest.raises(ConfigError, match="token"):
            check_host(host, tokens=False)
