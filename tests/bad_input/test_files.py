"""Files that are not there, or not what they should be: the worker ends with 2 and one line that says what to do."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fedsock.worker.__main__ import main
from tests.bad_input.parts import WAIT_SECONDS


def npy(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]], *, pickled: bool = False) -> bytes:
    """Return the bytes of an .npy file."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()


def npz(member: bytes) -> bytes:
    """Return the bytes of an .npz file of one member, named x."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", member)
    return file.getvalue()


def lying(shape: tuple[int, ...]) -> bytes:
    """Return the bytes of an .npy file whose header announces this shape, with 8 bytes behind it."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(8)


GOOD = npy(np.arange(10.0))
OBJECTS = npy(np.array([{}], dtype=object), pickled=True)

FILES: dict[str, tuple[str, bytes, str]] = {
    "an npy that is none": ("x.npy", b"hello", "not an array file"),
    "an empty npy": ("x.npy", b"", "not an array file"),
    "a truncated npy": ("x.npy", GOOD[:-8], "truncated"),
    "an npy cut in its header": ("x.npy", GOOD[:40], "write it with numpy.save"),
    "an npy of pickled objects": ("x.npy", OBJECTS, "never loaded; save numbers"),
    "an npy of negative size": ("x.npy", GOOD.replace(b"(10,), ", b"(-1,), "), "negative size"),
    "an npy of overflowing size": ("x.npy", lying((2**32, 2**32)), "its header announces 147573952589676412928 bytes"),
    "an npz that is none": ("x.npz", b"hello", "write it with numpy.savez"),
    "a truncated npz": ("x.npz", npz(GOOD)[:-30], "write it with numpy.savez"),
    "an npz of pickled objects": ("x.npz", npz(OBJECTS), "never loaded; save numbers"),
    "an npz of a truncated array": ("x.npz", npz(GOOD[:-8]), "truncated"),
    "an empty csv": ("x.csv", b"", "its first line must name the columns"),
    "a csv with a line too long": ("x.csv", b"a,b\n1,2\n1,2,3,4\n", "more fields than"),
    "a csv that is no text": ("x.csv", b"a,b\n\xff\xfe\x00,1\n", "not a UTF-8 .csv file"),
    "a parquet that is none": ("x.parquet", b"hello", "not a .parquet table"),
    "a truncated parquet": ("x.parquet", b"PAR1" + bytes(100), "damaged"),
    "a kind that nobody reads": ("x.pickle", b"", ".npy"),
}
"""What is wrong -> the file's name, its bytes, words of the complaint."""

TOMLS: dict[str, tuple[str, str]] = {
    "malformed": ('name = "bob', "bob.toml"),
    "no TOML": ("\x00", "bob.toml"),
    "an unknown key": ('name = "bob"\ncolour = "red"', "colour"),
    "an unknown key of a limit": ('name = "bob"\n[limits]\nquota = 1', "quota"),
    "an unknown key of a data set": ('name = "bob"\n[datasets.x]\nfile = "x.npy"\npublic = true', "public"),
    "a text for a number": ('name = "bob"\n[limits]\nquota_bytes = "many"', "quota_bytes"),
    "a negative number": ('name = "bob"\n[limits]\nquota_bytes = -1', "quota_bytes"),
    "a NaN for a number": ('name = "bob"\n[limits]\nquota_bytes = nan', "quota_bytes"),
    "a number for a name": ("name = 7", "name"),
    "a text for a table": ('name = "bob"\ndatasets = "x.npy"', "datasets"),
    "a text for true or false": ('name = "bob"\n[datasets.x]\nfile = "x.npy"\nprivate = "no"', "private"),
    "a data set without a file": ('name = "bob"\n[datasets.x]\nprivate = true', "file"),
    "a file that is not there": ('name = "bob"\n[datasets.x]\nfile = "nowhere.npy"', "nowhere.npy"),
    "a hub that is none": ('name = "bob"\nhub = "http://x"', "hub"),
}
"""What is wrong -> the configuration, what the complaint names."""


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one line that a worker ends with 2 over."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("fedsock.worker: ") and "Traceback" not in err
    assert err.count("\n") == 1, err
    return err


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_array(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, content, words = FILES[case]
    (tmp_path / name).write_bytes(content)
    said = complaint(capsys, "--name", "bob", "--data", f"x={tmp_path / name}")
    assert words in said and name in said


@pytest.mark.parametrize("kind", ["npy", "npz", "csv", "parquet"])
def test_a_file_that_is_not_there(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = complaint(capsys, "--name", "bob", "--data", f"x={tmp_path}/nowhere.{kind}")
    assert "there is no such file" in said and f"nowhere.{kind}" in said


@pytest.mark.parametrize("case", TOMLS)
def test_a_configuration_that_is_wrong(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, word = TOMLS[case]
    (tmp_path / "x.npy").write_bytes(GOOD)
    config = tmp_path / "bob.toml"
    config.write_text(text, encoding="utf-8")
    said = complaint(capsys, "--config", str(config))
    assert word in said and str(config) in said


async def test_a_worker_process_ends_so_too(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(OBJECTS)
    config = tmp_path / "bob.toml"
    config.write_text('name = "bob"\n[datasets.x]\nfile = "x.npy"', encoding="utf-8")
    command = (sys.executable, "-W", "error", "-m", "fedsock.worker", "--config", str(config))
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    async with asyncio.timeout(WAIT_SECONDS):
        out, err = await process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert err.startswith(b"fedsock.worker: ") and err.count(b"\n") == 1 and b"save numbers" in err
