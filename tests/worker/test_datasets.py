"""Data sets: read-only, checked, named; from files and from mappings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fedsock.errors import ConfigError
from fedsock.policy.facts import OPEN, Facts, Group, Rowwise
from fedsock.worker.config import DatasetConfig, WorkerConfig, load
from fedsock.worker.datasets import datasets_from_mapping, hold, load_datasets, must_remember
from fedsock.worker.readers import READERS

WORKERS = Path(__file__).resolve().parents[2] / "workers"


def config(*datasets: DatasetConfig) -> WorkerConfig:
    return WorkerConfig(name="bob", datasets={one.name: one for one in datasets})


def test_every_kind_of_file_becomes_data_sets(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(3))
    np.savez(tmp_path / "z.NPZ", a=np.ones(2), b=np.zeros(2))
    (tmp_path / "z.NPZ.npz").rename(tmp_path / "z.NPZ")
    (tmp_path / "t.csv").write_text("age (years),name\n30,Bo\n")
    found = load_datasets(
        config(
            DatasetConfig(name="x", file=tmp_path / "x.npy", tags=("#t",), description="three"),
            DatasetConfig(name="z", file=tmp_path / "z.NPZ", private=False),
            DatasetConfig(name="t", file=tmp_path / "t.csv", only=("age (years)",)),
        ),
        READERS,
    )
    assert list(found) == ["x", "z/a", "z/b", "t/age (years)"]
    assert [one.name for one in found.values()] == list(found)
    x, a = found["x"], found["z/a"]
    assert (x.private, x.tags, x.description, x.source) == (True, ("#t",), "three", str(tmp_path / "x.npy"))
    assert x.facts == Facts(frozenset({"x"}), Rowwise(Group("x", 3), 0, raw="x"))
    assert (a.private, a.facts) == (False, OPEN)
    assert x.array.tolist() == [0, 1, 2]


def test_the_workers_folder_loads_and_holds_all_digits() -> None:
    halves = [load_datasets(load(WORKERS / f"{name}.toml"), READERS) for name in ("bob", "alice")]
    for half in halves:
        pixels, labels = half["digits/pixels"], half["digits/labels"]
        assert pixels.array.shape == (labels.array.size, 64)
        assert (pixels.array.dtype, labels.array.dtype) == (np.dtype("uint8"), np.dtype("uint8"))
        assert int(pixels.array.max()) == 16
        assert set(labels.array.tolist()) == set(range(10))
        assert pixels.tags == labels.tags == ("#digits",)
        assert not pixels.private
        assert not labels.private
        assert half["visits"].private
    assert sum(half["digits/labels"].array.size for half in halves) == 1_797


def test_a_held_array_is_read_only_for_good(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    arrays = [
        load_datasets(config(DatasetConfig(name="x", file=tmp_path / "x.npy")), READERS)["x"].array,
        datasets_from_mapping({"x": np.arange(6.0).reshape(2, 3)})["x"].array,
    ]
    for array in arrays:
        assert array.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True


WRONG_FILES = {
    "structured": (np.zeros(2, dtype=[("a", "<f8"), ("b", "<i4")]), "a structured dtype with fields a, b"),
    "bytes": (np.array([b"ab"]), r"can't hold dtype \|S2"),
    "void": (np.zeros(2, dtype="V3"), r"can't hold dtype \|V3"),
    "long double": (np.zeros(2, dtype=np.longdouble), "can't hold dtype float128|^$"),
    "objects": (np.array([{}], dtype=object), "pickled Python objects"),
    "surrogates": (np.array([0xD800], dtype=np.uint32).view("U1"), "text that isn't Unicode"),
    "beyond Unicode": (np.array([0x110000], dtype=np.uint32).view("U1"), "text that isn't Unicode"),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_an_array_that_cannot_be_held_is_named(tmp_path: Path, case: str) -> None:
    array, said = WRONG_FILES[case]
    np.savez(tmp_path / "x.npz", a=array)
    wanted = DatasetConfig(name="x", file=tmp_path / "x.npz", where="bob.toml: datasets.x")
    with pytest.raises(ConfigError, match=rf"bob\.toml: datasets\.x: .*x\.npz: 'a': .*({said})"):
        load_datasets(config(wanted), READERS)


def test_a_kind_of_file_that_no_reader_takes_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.xlsx").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"unknown kind of file '\.xlsx'; allowed are \.csv, \.npy, \.npz, \.parquet"):
        load_datasets(config(DatasetConfig(name="x", file=tmp_path / "x.xlsx")), READERS)


def test_two_data_sets_of_one_name_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "b.npy", 1)
    np.savez(tmp_path / "a.npz", b=1)
    one = DatasetConfig(name="a/b", file=tmp_path / "b.npy")
    with pytest.raises(ConfigError, match="two data sets are called 'a/b'"):
        load_datasets(config(one, DatasetConfig(name="a", file=tmp_path / "a.npz")), READERS)


@pytest.mark.parametrize("key", ["", " a", "a\n", "\x1b[1m", "k" * 200])
def test_a_key_that_cannot_be_a_name_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=r"can't name an array|at most 200"):
        datasets_from_mapping({"x": {key: 1}})


@given(
    hnp.arrays(
        st.sampled_from(["?", "i1", ">i4", "u8", "f2", ">f8", "c8", "U3", "M8[s]", ">m8[D]"]),
        hnp.array_shapes(min_dims=0, max_side=3),
    )
)
def test_a_mapping_is_copied_into_native_order(array: np.ndarray[Any, Any]) -> None:
    held = datasets_from_mapping({"x": array}, private=False)["x"]
    assert held.array.shape == array.shape
    assert held.array.dtype == array.dtype.newbyteorder("=")
    assert held.array.dtype.isnative
    np.testing.assert_array_equal(held.array, array)
    assert not np.shares_memory(held.array, array)
    assert (held.private, held.source) == (False, "")


def test_a_nested_mapping_gives_joined_names() -> None:
    found = datasets_from_mapping({"a": {"b": [1, 2], "c": {"d": "text"}}, "e": 1.5}, private=True)
    assert {name: one.array.tolist() for name, one in found.items()} == {
        "a/b": [1, 2],
        "a/c/d": "text",
        "e": 1.5,
    }
    assert all(one.private for one in found.values())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([1, 2], r"data: expected a mapping of names to arrays, not list"),
        ({"a b": 1}, r"'a b' can't name a data set; a name is 1 to 200 letters"),
        ({"/a": 1}, r"can't name a data set"),
        ({1: 1}, r"1 can't name a data set"),
        ({"x" * 201: 1}, r"can't name a data set"),
        ({"x": {1: 2}}, r"data\['x'\]: key 1 is no str"),
        ({"x": [[1, 2], [3]]}, r"data\['x'\]: not an array"),
        ({"x": [object()]}, r"data\['x'\]: can't hold Python objects \(dtype object\)"),
        ({"x": None}, r"data\['x'\]: can't hold Python objects"),
        ({"x": [2**70]}, r"data\['x'\]: can't hold Python objects"),
        ({"x": b"raw"}, r"data\['x'\]: can't hold dtype \|S3"),
        ({"x": "\ud800"}, r"data\['x'\]: holds text that isn't Unicode"),
        ({"x": np.ma.masked_equal([1, 2], 2)}, r"data\['x'\]: a masked array would lose its mask"),
        ({"x": {"y": 1}, "x/y": 2}, r"two data sets are called 'x/y'"),
    ],
)
def test_a_wrong_mapping_is_named(data: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        datasets_from_mapping(data)


def test_hold_copies_nothing_that_is_right_already() -> None:
    array = np.arange(4)
    assert np.shares_memory(hold(array, "x"), array)


def test_arrays_of_one_file_and_length_are_one_row_group(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", pixels=np.ones((5, 2)), labels=np.arange(5), means=np.ones(2), total=np.array(3.0))
    np.save(tmp_path / "ages.npy", np.arange(5.0))
    (tmp_path / "bob.toml").write_text(
        'name = "bob"\n[datasets.d]\nfile = "d.npz"\n[datasets.ages]\nfile = "ages.npy"\nrows = "d/pixels"\n'
    )
    found = load_datasets(load(tmp_path / "bob.toml"), READERS)
    groups = {name: dataset.group for name, dataset in found.items()}
    assert groups == {
        "d/pixels": Group("d/pixels", 5),
        "d/labels": Group("d/pixels", 5),
        "d/means": Group("d/means", 2),
        "d/total": None,
        "ages": Group("d/pixels", 5),
    }
    assert found["d/total"].facts == Facts(frozenset({"d/total"}))


def test_rows_that_are_joined_must_be_as_many(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones(5))
    np.save(tmp_path / "b.npy", np.ones(6))
    (tmp_path / "bob.toml").write_text(
        'name = "bob"\n[datasets.a]\nfile = "a.npy"\n[datasets.b]\nfile = "b.npy"\nrows = "a"\n'
    )
    with pytest.raises(ConfigError, match=r"datasets\.b: the row group 'a' has 5 rows, but b has 6"):
        load_datasets(load(tmp_path / "bob.toml"), READERS)


def test_a_mapping_of_one_length_is_one_row_group() -> None:
    found = datasets_from_mapping({"x": np.ones((4, 2)), "y": np.ones(4)})
    assert {dataset.group for dataset in found.values()} == {Group("data", 4)}
    with pytest.raises(ConfigError, match=r"policy: datasets\.z: there is no such data set"):
        datasets_from_mapping({"x": [1]}, policy={"datasets": {"z": {}}})


@pytest.mark.parametrize(
    ("private", "policy", "remembers"),
    [
        (True, None, False),
        (True, "aggregate", True),
        (True, {"users": {"ann": {"export": "public"}}}, True),
        (False, "aggregate", False),
    ],
)
def test_a_memory_is_needed_where_something_private_may_leave(private: bool, policy: Any, remembers: bool) -> None:
    assert must_remember(datasets_from_mapping({"x": [1]}, private, policy)) is remembers


def test_a_name_leaves_room_for_that_of_its_mock(tmp_path: Path) -> None:
    fits, long = "x" * 195, "x" * 196
    assert [one.mock for one in datasets_from_mapping({fits: [1.0]}, mock=True).values()] == [True]
    assert not datasets_from_mapping({long: [1.0]})[long].mock
    with pytest.raises(ConfigError, match="has 196 characters; with made-up data beside it, at most 195"):
        datasets_from_mapping({long: [1.0]}, mock=True)
    np.savez(tmp_path / "z.npz", **{"k" * 194: np.ones(2)})
    with pytest.raises(ConfigError, match="at most 195 are allowed"):
        load_datasets(config(DatasetConfig(name="z", file=tmp_path / "z.npz", mock=True)), READERS)
