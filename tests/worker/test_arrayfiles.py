"""numpy's files: what was saved comes back, and files that lie are refused before they cost memory."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fedsock.errors import ConfigError
from fedsock.worker.arrayfiles import read_npy, read_npz

DTYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(sizes=(16, 32, 64), endianness="?"),
    hnp.complex_number_dtypes(sizes=(64, 128)),
    hnp.unicode_string_dtypes(max_len=5),
    hnp.datetime64_dtypes(),
    hnp.timedelta64_dtypes(),
)
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))


@given(array=ARRAYS, fortran=st.booleans())
def test_npy_and_npz_come_back_as_saved(tmp_path_factory: Any, array: np.ndarray[Any, Any], fortran: bool) -> None:
    folder = tmp_path_factory.mktemp("arrays")
    saved = np.asarray(array, order="F" if fortran else "C")
    np.save(folder / "x.npy", saved)
    np.savez_compressed(folder / "x.npz", a=saved, b=np.arange(3))
    for found in (read_npy(folder / "x.npy")[""], read_npz(folder / "x.npz")["a"]):
        assert found.dtype == saved.dtype
        assert found.shape == saved.shape
        np.testing.assert_array_equal(found, saved)


def test_npz_keys_can_be_chosen(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=1, b=2, c=3)
    assert list(read_npz(tmp_path / "x.npz")) == ["a", "b", "c"]
    assert list(read_npz(tmp_path / "x.npz", ("c", "a"))) == ["c", "a"]
    with pytest.raises(ConfigError, match=r"x\.npz: no array 'd' .*allowed: a, b, c"):
        read_npz(tmp_path / "x.npz", ("d",))


def npy(header: str, body: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header.encode("latin1") + b"\n"
    length = len(text).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + length + text + body


def saved(array: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


HUGE = 2**62
WRONG = {
    "empty": (b"", "not an array file"),
    "text": (b"1,2,3\n4,5,6\n", "not an array file"),
    "a zip": (b"PK\x03\x04" + bytes(100), "not an array file"),
    "pickle": (saved(np.array([{}, None], dtype=object)), "pickled Python objects, which are never loaded"),
    "truncated body": (saved(np.arange(100))[:-8], "announces 800 bytes and 792 follow; it is truncated"),
    "truncated header": (saved(np.arange(100))[:40], "not an array file"),
    "two arrays": (saved(np.arange(3)) * 2, "holds more than one array"),
    "huge": (npy(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({HUGE},)}}"), "it is truncated"),
    "overflowing": (
        npy(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({HUGE}, 4, 0)}}"),
        "impossible shape",
    ),
    "negative": (
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -8)}", bytes(64)),
        "negative size -8",
    ),
    "no header": (npy("import os"), "not an array file"),
    "wrong keys": (npy("{'descr': '<f8'}"), "not an array file"),
    "odd dtype": (npy("{'descr': 'zz', 'fortran_order': False, 'shape': ()}"), "not an array file"),
    "deep header": (npy("(" * 5_000), "not an array file"),
    "long header": (
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (" + "1," * 20_000 + ")}"),
        "not an array file",
    ),
    "future": (npy("{}", version=b"\x09\x00"), "not an array file|format"),
    "bool": (
        npy("{'descr': '|b1', 'fortran_order': False, 'shape': (2,)}", b"\x01\x02"),
        "bool bytes other than 0 and 1",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_array_file_is_named_alone_and_in_an_archive(tmp_path: Path, case: str) -> None:
    content, said = WRONG[case]
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(ConfigError, match=f"x\\.npy: .*({said})"):
        read_npy(tmp_path / "x.npy")
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("good.npy", saved(np.arange(3)))
        archive.writestr("bad.npy", content)
    with pytest.raises(ConfigError, match=f"x\\.npz: 'bad': .*({said})"):
        read_npz(tmp_path / "x.npz")
    assert list(read_npz(tmp_path / "x.npz", ("good",))) == ["good"]


@pytest.mark.parametrize("size", [2**61, 2**80])
def test_an_archive_that_lies_about_a_size_costs_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    header = npy(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({size},)}}")
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("bad.npy", header)
    read = zipfile.ZipFile.infolist

    def lying(self: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
        found = read(self)
        found[0].file_size = size + len(header)
        return found

    monkeypatch.setattr(zipfile.ZipFile, "infolist", lying)
    with pytest.raises(ConfigError, match=r"x\.npz: 'bad': there is no memory for its"):
        read_npz(tmp_path / "x.npz")


def test_format_3_is_for_structured_dtypes(tmp_path: Path) -> None:
    header = "{'descr': [('ä', '<f8')], 'fortran_order': False, 'shape': (1,)}"
    (tmp_path / "x.npy").write_bytes(npy(header, bytes(8), version=b"\x03\x00"))
    with pytest.raises(ConfigError, match="structured dtypes"):
        read_npy(tmp_path / "x.npy")


def test_only_means_nothing_in_an_npy_file(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", 1)
    with pytest.raises(ConfigError, match=r"`only` chooses among several arrays, but an \.npy file is one"):
        read_npy(tmp_path / "x.npy", ("a",))


@pytest.mark.parametrize("reader", [read_npy, read_npz])
def test_a_missing_file_is_said(tmp_path: Path, reader: Any) -> None:
    with pytest.raises(ConfigError, match=r"gone: can't be read: No such file"):
        reader(tmp_path / "gone")


def test_a_damaged_archive_is_said(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", a=np.random.default_rng(1).random(1_000))
    whole = (tmp_path / "x.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[:-200])
    flipped = bytearray(whole)
    flipped[400] ^= 0xFF
    (tmp_path / "flipped.npz").write_bytes(bytes(flipped))
    (tmp_path / "text.npz").write_bytes(b"not a zip")
    with zipfile.ZipFile(tmp_path / "none.npz", "w"):
        pass
    for name in ("cut", "flipped", "text"):
        with pytest.raises(ConfigError, match=rf"{name}\.npz: not an \.npz file, or a damaged one"):
            read_npz(tmp_path / f"{name}.npz")
    with pytest.raises(ConfigError, match="holds no array"):
        read_npz(tmp_path / "none.npz")
