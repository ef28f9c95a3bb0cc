"""Tables: columns become arrays, and a column that can't is named."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import ConfigError
from fedsock.worker import tables
from fedsock.worker.tables import read_csv, read_parquet


def csv_columns(tmp_path: Path, text: str | bytes, *only: str) -> dict[str, np.ndarray[Any, Any]]:
    path = tmp_path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return dict(read_csv(path, only))


def test_csv_columns_have_the_dtypes_of_what_they_hold(tmp_path: Path) -> None:
    found = csv_columns(
        tmp_path,
        "id,minutes,late,name,day,at\n1,2.5,true,Åsa,2024-01-02,2024-01-02T03:04:05\n2,,false,Bo,2024-02-03,2024-02-03T00:00:00\n",
    )
    assert {key: array.dtype for key, array in found.items()} == {
        "id": np.dtype("int64"),
        "minutes": np.dtype("float64"),
        "late": np.dtype("bool"),
        "name": np.dtype("U3"),
        "day": np.dtype("datetime64[D]") if found["day"].dtype == "datetime64[D]" else found["day"].dtype,
        "at": np.dtype("datetime64[us]"),
    }
    assert found["id"].tolist() == [1, 2]
    np.testing.assert_array_equal(found["minutes"], [2.5, np.nan])
    assert found["late"].tolist() == [True, False]
    assert found["name"].tolist() == ["Åsa", "Bo"]
    assert found["day"].astype("datetime64[D]").tolist() == [dt.date(2024, 1, 2), dt.date(2024, 2, 3)]
    assert found["at"][0] == np.datetime64("2024-01-02T03:04:05")


def test_a_late_decimal_makes_the_whole_column_decimal(tmp_path: Path) -> None:
    found = csv_columns(tmp_path, "x\n" + "1\n" * 2_000 + "0.5\n")
    assert found["x"].dtype == np.float64
    assert found["x"][-1] == 0.5


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    assert list(csv_columns(tmp_path, b"\xef\xbb\xbfa,b\n1,2\n")) == ["a", "b"]


def test_columns_can_be_chosen(tmp_path: Path) -> None:
    assert list(csv_columns(tmp_path, ",b,c\n0,1,2\n", "c", "b")) == ["c", "b"]
    with pytest.raises(ConfigError, match=r"t\.csv: no column 'minute'; did you mean 'minutes'\?"):
        csv_columns(tmp_path, "minutes\n1\n", "minute")


WRONG = {
    "empty": ("", "is empty; its first line must name the columns"),
    "unnamed": (",a\n1,2\n", "column 1 has no name; name it, or list"),
    "twice": ("a,b,a\n1,2,3\n", "several columns are called 'a'"),
    "long row": ("a,b\n1,2,3\n", r"not a \.csv table, or a damaged one"),
    "latin": (b"a,b\n\xe5,1\n", r"not a (UTF-8 )?\.csv"),
    "latin header": (b"\xe5,b\n1,1\n", r"not a UTF-8 \.csv"),
    "binary": (bytes(range(128, 256)) * 9, r"not a UTF-8 \.csv"),
    "missing int": (
        "a,b\n1,2\n3,\n",
        r"column 'b' \(Int64\): 1 values are missing, the first in row 2; fill them in",
    ),
    "missing text": ("a,b\n1,\n3,x\n", r"column 'b' \(String\): 1 values are missing, the first in row 1"),
    "missing date": ("a,b\n1,2024-01-02\n3,\n", r"column 'b' \(Date\): 1 values are missing"),
    "huge int": ("a\n99999999999999999999\n", r"column 'a': .*can't become an array; leave it out"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_csv_is_named_with_its_column(tmp_path: Path, case: str) -> None:
    text, said = WRONG[case]
    with pytest.raises(ConfigError, match=rf"t\.csv: {said}"):
        csv_columns(tmp_path, text)


@given(
    st.lists(
        st.tuples(
            st.integers(-(2**63), 2**63 - 1),
            st.floats(width=64),
            st.booleans(),
            st.text("abcåß,\"' ", min_size=1),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_parquet_comes_back_as_written(tmp_path_factory: Any, rows: list[tuple[int, float, bool, str]]) -> None:
    path = tmp_path_factory.mktemp("tables") / "t.parquet"
    table = pl.DataFrame(rows, schema={"i": pl.Int64, "f": pl.Float64, "b": pl.Boolean, "s": pl.String}, orient="row")
    table.write_parquet(path)
    found = read_parquet(path)
    for key, values in zip("ifbs", zip(*rows, strict=True), strict=True):
        np.testing.assert_array_equal(found[key], np.array(values))
    assert [found[key].dtype.kind for key in "ifbs"] == ["i", "f", "b", "U"]


def test_parquet_kinds_that_numpy_has_no_own_word_for(tmp_path: Path) -> None:
    pl.DataFrame(
        {
            "small": pl.Series([1, 2], dtype=pl.UInt8),
            "kind": pl.Series(["x", "yy"], dtype=pl.Categorical),
            "money": pl.Series(["1.50", "2.25"]).cast(pl.Decimal(10, 2)),
            "time": [dt.time(1), dt.time(0, 0, 1)],
            "span": [dt.timedelta(1), dt.timedelta(2)],
            "at": pl.Series([dt.datetime(2024, 1, 1), None])
            .dt.replace_time_zone("UTC")
            .fill_null(dt.datetime(2024, 1, 2, tzinfo=dt.UTC)),
        }
    ).write_parquet(tmp_path / "t.parquet")
    found = read_parquet(tmp_path / "t.parquet")
    assert found["small"].dtype == np.uint8
    assert found["kind"].tolist() == ["x", "yy"]
    assert found["money"].tolist() == [1.5, 2.25]
    assert found["time"].astype("timedelta64[s]").tolist() == [dt.timedelta(hours=1), dt.timedelta(seconds=1)]
    assert found["span"].astype("timedelta64[D]").astype(int).tolist() == [1, 2]
    assert found["at"][1] == np.datetime64("2024-01-02")


@pytest.mark.parametrize("values", [[[1, 2], [3]], [{"a": 1}, {"a": 2}], [b"x", b"y"]])
def test_nested_and_binary_columns_are_named(tmp_path: Path, values: list[Any]) -> None:
    pl.DataFrame({"good": [1, 2], "bad": values}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(ConfigError, match=r"t\.parquet: column 'bad': .*can't become an array"):
        read_parquet(tmp_path / "t.parquet")
    assert list(read_parquet(tmp_path / "t.parquet", ("good",))) == ["good"]


def test_a_wrong_parquet_file_is_said(tmp_path: Path) -> None:
    pl.DataFrame({"a": range(1_000)}).write_parquet(tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    for content in (b"", b"a,b\n1,2\n", whole[:-20], whole[:50]):
        (tmp_path / "t.parquet").write_bytes(content)
        with pytest.raises(ConfigError, match=r"t\.parquet: not a \.parquet table, or a damaged one"):
            read_parquet(tmp_path / "t.parquet")


@pytest.mark.parametrize("reader", [read_csv, read_parquet])
def test_a_missing_table_is_said(tmp_path: Path, reader: Any) -> None:
    with pytest.raises(ConfigError, match=r"gone: can't be read: .*No such file"):
        reader(tmp_path / "gone")


@pytest.mark.parametrize("reader", [read_csv, read_parquet])
def test_without_polars_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: Any) -> None:
    monkeypatch.setattr(tables, "pl", None)
    with pytest.raises(ConfigError, match=r"needs polars; install it with: pip install 'fedsock\[tables\]'"):
        reader(tmp_path / "t.csv")
