"""Errors: one class a code, each built from the wire with its message."""

from __future__ import annotations

import pickle

import pytest

from fedsock import errors
from fedsock.errors import BY_CODE, FedsockError, RemoteError, from_wire

CLASSES = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, FedsockError)]


def test_every_class_has_a_code_of_its_own() -> None:
    assert len(BY_CODE) == len(CLASSES) == len({cls.code for cls in CLASSES})
    assert set(BY_CODE.values()) == set(CLASSES)
    assert all(cls.__doc__ and cls.__name__ in (errors.__doc__ or "") for cls in CLASSES)


@pytest.mark.parametrize("code", BY_CODE)
def test_every_code_builds_with_its_message(code: str) -> None:
    error = from_wire(code, "what 'happened'", op="add", object_id=7, worker="w")
    assert type(error) is BY_CODE[code] and error.code == code
    assert str(error) == "what 'happened'"
    if isinstance(error, RemoteError):
        assert (error.op, error.object_id, error.worker) == ("add", 7, "w")
    bare = BY_CODE[code]()
    assert str(bare) == ""
    with pytest.raises(BY_CODE[code]):
        raise error


def test_unknown_code_is_a_remote_error() -> None:
    error = from_wire("from_the_future", "text", worker="w")
    assert type(error) is RemoteError and str(error) == "text" and error.worker == "w"


@pytest.mark.parametrize("code", ["op_axis", "op_key", "unknown_object"])
def test_messages_without_arguments(code: str) -> None:
    error = BY_CODE[code]("x")
    error.args = ()
    assert str(error) == ""


def test_worker_lost_says_whether_it_ran() -> None:
    assert errors.WorkerLost("gone").ran == "maybe"
    assert errors.WorkerLost("gone", ran="no").ran == "no"


def test_plain_errors_pickle() -> None:
    again = pickle.loads(pickle.dumps(errors.BadMessage("x")))  # noqa: S301
    assert type(again) is errors.BadMessage and str(again) == "x"


def test_what_anybody_sent_commands_no_terminal() -> None:
    error = from_wire("op_value", "a\nb\x1b[2J\r\u202ec\x07", op="add", worker="w")
    assert str(error) == "a\nb\ufffd[2J\ufffd\ufffdc\ufffd"
