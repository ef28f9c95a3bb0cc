"""Lines of requests and answers, and what follows from them."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from fedsock.errors import ConfigError
from fedsock.worker.requestbook import (
    ANSWERS,
    REQUESTS,
    Approved,
    Asked,
    Book,
    Denied,
    Used,
    append_answer,
    approval,
    denial,
    parsed_answer,
    read_book,
    stamp,
    whole_lines,
)

NOON = datetime(2100, 1, 1, 12, tzinfo=UTC)
ASKED = Asked(1, stamp(NOON), 1, "ann", "d" * 64, "why", "float64[]", "np.sum(data['x'])", 0)


def book() -> Book:
    made = Book()
    made.add(ASKED)
    return made


def test_where_a_request_stands() -> None:
    made = book()
    assert made.stand(1, NOON) == "waiting"
    made.answers[1] = denial(ASKED, "no", NOON)
    assert made.stand(1, NOON) == "denied"
    yes = made.answers[1] = approval(ASKED, 2, 30, NOON)
    assert (yes.user, yes.digest, yes.number) == ("ann", "d" * 64, 1)
    assert (made.stand(1, NOON), made.left(yes)) == ("approved", 2)
    assert made.stand(1, NOON + timedelta(days=30)) == "approved"
    assert made.stand(1, NOON + timedelta(days=30, seconds=1)) == "expired"
    for number in (2, 3):
        made.add(Used(number, stamp(NOON), 1, yes.id))
    assert (made.stand(1, NOON), made.left(yes)) == ("used", 0)


def test_a_later_approval_has_a_count_of_its_own() -> None:
    made = book()
    first, second = approval(ASKED, 1, 30, NOON), approval(ASKED, 1, 30, NOON)
    assert first.id != second.id
    made.answers[1] = first
    made.add(Used(2, stamp(NOON), 1, first.id))
    made.answers[1] = second
    assert made.stand(1, NOON) == "approved"


def test_times_are_in_the_order_of_their_texts() -> None:
    moments = [NOON + timedelta(milliseconds=37 * step) for step in range(100)]
    assert sorted(map(stamp, moments)) == list(map(stamp, moments))


def test_an_answer_is_appended_whole_behind_what_was_torn(tmp_path: Path) -> None:
    path = tmp_path / ANSWERS
    given = [denial(ASKED, "one", NOON), approval(ASKED, 1, 30, NOON)]
    append_answer(path, given[0])
    with path.open("ab") as file:
        file.write(b'{"t":"denied","id":"half')
    append_answer(path, given[1])
    assert [parsed_answer(line, path) for line, _ in whole_lines(path, 0)] == given
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"half")
    append_answer(path, given[0])
    assert [parsed_answer(line, path) for line, _ in whole_lines(path, 0)] == given[:1]


WRITER = """
import sys
from pathlib import Path
from fedsock.worker.requestbook import Asked, append_answer, denial, utc
asked = Asked(1, "", int(sys.argv[2]), "ann", "", "", "", "", 0)
for number in range(20):
    append_answer(Path(sys.argv[1]), denial(asked, "r" * 3000, utc()))
"""


def test_several_processes_write_no_line_into_another(tmp_path: Path) -> None:
    path = tmp_path / ANSWERS
    children = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(number)]) for number in (1, 2, 3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    numbers = [parsed_answer(line, path).number for line, _ in whole_lines(path, 0)]
    assert sorted(numbers) == [1] * 20 + [2] * 20 + [3] * 20


def test_half_a_line_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one\ntwo\nthr")
    assert list(whole_lines(path, 0)) == [(b"one", 4), (b"two", 8)]
    assert list(whole_lines(path, 4)) == [(b"two", 8)]


def test_a_book_is_read_beside_a_running_worker(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing was asked for yet"):
        read_book(tmp_path)
    lines = [ASKED, Used(2, stamp(NOON), 1, "a")]
    (tmp_path / REQUESTS).write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines) + b'{"t":')
    yes = Approved("a", stamp(NOON), 1, "ann", "d" * 64, 2, stamp(NOON))
    append_answer(tmp_path / ANSWERS, yes)
    append_answer(tmp_path / ANSWERS, Denied("b", stamp(NOON), 7, "of what is gone"))
    made = read_book(tmp_path)
    assert (made.asked, made.answers, made.left(yes)) == ({1: ASKED}, {1: yes}, 1)


@pytest.mark.parametrize("name", [REQUESTS, ANSWERS])
def test_a_malformed_line_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / REQUESTS).write_bytes(msgspec.json.encode(ASKED) + b"\n")
    with (tmp_path / name).open("ab") as file:
        file.write(b'{"t":"denied","more":1}\n')
    with pytest.raises(ConfigError, match=f"{name}.*malformed"):
        read_book(tmp_path)


WAITER = """
import sys
from pathlib import Path
from fedsock.worker.requestbook import Asked, append_answer, denial, utc
print("ready", flush=True)
append_answer(Path(sys.argv[1]), denial(Asked(1, "", 1, "ann", "", "", "", "", 0), "no", utc()))
"""


def test_one_process_waits_for_another(tmp_path: Path) -> None:
    path = tmp_path / ANSWERS
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        child = subprocess.Popen([sys.executable, "-c", WAITER, str(path)], stdout=subprocess.PIPE)
        assert child.stdout is not None and child.stdout.readline() == b"ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.5)
        assert path.read_bytes() == b""
    assert child.wait(60) == 0
    child.stdout.close()
    assert len(list(whole_lines(path, 0))) == 1
