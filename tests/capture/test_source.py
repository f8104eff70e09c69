"""Every kind of input gives the same rows; reading is in order, repeatable and sized."""

from __future__ import annotations

import decimal
import warnings
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from watchkeeper.capture.source import Source, open_source
from watchkeeper.errors import EmptySource, InputError, UnknownColumn, UnsupportedSource

ROWS = 1000
COLUMNS = {
    "n": list(range(ROWS)),
    "x": [i / 4 if i % 7 else None for i in range(ROWS)],
    "c": [f"name {i % 5}" if i % 11 else None for i in range(ROWS)],
    "b": [i % 3 == 0 for i in range(ROWS)],
}
TABLE = pa.table(COLUMNS)


def collected(source: Source, **options) -> pa.Table:
    """Return all rows as one table with the source's types, dictionaries and large strings as plain text."""
    batches = list(source.batches(**options))
    return plain(pa.Table.from_batches(batches, batches[0].schema if batches else source.schema))


def plain(table: pa.Table) -> pa.Table:
    text = {pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int32(), pa.large_string())}
    kinds = [pa.string() if kind in text else kind for kind in table.schema.types]
    return table.cast(pa.schema(list(zip(table.schema.names, kinds, strict=True)))).combine_chunks()


def parquet(folder: Path, table: pa.Table = TABLE, name: str = "rows.parquet") -> Path:
    pq.write_table(table, folder / name)
    return folder / name


def delimited(folder: Path, table: pa.Table = TABLE, name: str = "rows.csv") -> Path:
    pa.csv.write_csv(table, folder / name)
    return folder / name


def gzipped(folder: Path) -> Path:
    with pa.CompressedOutputStream(str(folder / "rows.csv.gz"), "gzip") as stream:
        pa.csv.write_csv(TABLE, stream)
    return folder / "rows.csv.gz"


def tabbed(folder: Path) -> Path:
    options = pa.csv.WriteOptions(delimiter="\t")
    pa.csv.write_csv(TABLE, folder / "rows.tsv", options)
    return folder / "rows.tsv"


class Exporter:
    """An object of nobody's library that exports Arrow."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return TABLE.__arrow_c_stream__(requested_schema)


class ArrayExporter:
    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        return TABLE.to_batches()[0].__arrow_c_array__(requested_schema)


INPUTS = {
    "parquet": parquet,
    "parquet as text": lambda folder: str(parquet(folder)),
    "parquet without extension": lambda folder: parquet(folder, name="rows"),
    "csv": delimited,
    "csv without extension": lambda folder: delimited(folder, name="rows"),
    "csv.gz": gzipped,
    "tsv": tabbed,
    "paths": lambda folder: [
        parquet(folder, TABLE.slice(0, 300), "a.parquet"),
        parquet(folder, TABLE.slice(300), "b.parquet"),
    ],
    "pandas": lambda _: TABLE.to_pandas(),
    "pandas without gaps": lambda _: (
        pd.concat([TABLE.to_pandas(), TABLE.to_pandas()]).iloc[:ROWS].iloc[np.arange(ROWS)]
    ),
    "polars": lambda _: pl.DataFrame(COLUMNS),
    "polars lazy": lambda _: pl.LazyFrame(COLUMNS),
    "table": lambda _: TABLE,
    "batch": lambda _: TABLE.to_batches()[0],
    "reader": lambda _: TABLE.to_reader(max_chunksize=100),
    "duckdb": lambda _: duckdb.from_arrow(TABLE),
    "stream": lambda _: Exporter(),
    "array": lambda _: ArrayExporter(),
    "lists": lambda _: COLUMNS,
    "numpy": lambda _: {
        "n": np.arange(ROWS),
        "x": np.array(COLUMNS["x"], dtype=float),
        "c": np.array(COLUMNS["c"], dtype=object),
        "b": np.array(COLUMNS["b"]),
    },
    "series": lambda _: dict(zip(COLUMNS, (pl.Series(values) for values in COLUMNS.values()), strict=True)),
    "rows": lambda _: TABLE.to_pylist(),
    "batches": lambda _: iter(TABLE.to_batches(max_chunksize=100)),
    "tables": lambda _: (TABLE.slice(start, 100) for start in range(0, ROWS, 100)),
    "frames": lambda _: (TABLE.slice(start, 100).to_pandas() for start in range(0, ROWS, 100)),
    "list of tables": lambda _: [TABLE.slice(0, 600), TABLE.slice(600)],
}


@pytest.mark.parametrize("kind", INPUTS)
def test_same_rows(kind: str, tmp_path: Path) -> None:
    source = open_source(INPUTS[kind](tmp_path))
    assert source.rows in {ROWS, None}
    assert plain(source.head(10)).equals(TABLE.slice(0, 10))
    assert plain(source.head(ROWS * 2)).equals(TABLE)
    assert collected(source).equals(TABLE)


@pytest.mark.parametrize("kind", INPUTS)
def test_batches_are_sized_and_counted(kind: str, tmp_path: Path) -> None:
    source = open_source(INPUTS[kind](tmp_path))
    sizes, positions = [], []
    for batch in source.batches(["b", "n"], batch_rows=300):
        assert batch.schema.names == ["b", "n"]
        sizes.append(batch.num_rows)
        positions.append(source.position())
    assert sum(sizes) == ROWS
    assert max(sizes) <= 300
    assert min(sizes[:-1]) >= 100
    if source.rows is None:
        assert set(positions) == {None}
    else:
        assert positions == sorted(positions)
        assert positions[-1] == 1.0


@pytest.mark.parametrize("kind", ["parquet", "csv", "csv.gz", "pandas", "polars", "table", "lists", "duckdb"])
def test_reads_again(kind: str, tmp_path: Path) -> None:
    source = open_source(INPUTS[kind](tmp_path))
    assert collected(source).equals(collected(source, batch_rows=7))


@pytest.mark.parametrize("kind", ["reader", "stream", "array", "batches", "tables", "frames"])
def test_reads_once(kind: str, tmp_path: Path) -> None:
    source = open_source(INPUTS[kind](tmp_path), name="flights")
    assert source.head(3).equals(source.head(3))
    assert sum(batch.num_rows for batch in source.batches()) == ROWS
    with pytest.raises(InputError, match=r"flights is an iterator whose rows have been read already"):
        list(source.batches())
    with pytest.raises(InputError, match="Hand in a new one"):
        source.head()


def test_head_takes_no_more_than_it_needs() -> None:
    taken = []

    def numbers():
        for i in range(100):
            taken.append(i)
            yield pa.record_batch({"x": list(range(1000 * i, 1000 * i + 1000))})

    source = open_source(numbers())
    assert len(taken) == 10
    assert source.head(11_500).num_rows == 11_500
    assert len(taken) == 12
    assert sum(b.num_rows for b in source.batches()) == 100_000


def test_iterator_with_late_types() -> None:
    parts = [{"x": [None], "y": [1]}, {"x": [None], "y": [2.5]}, {"x": ["a"]}]
    source = open_source(pa.table(part) for part in parts)
    assert collected(source).to_pydict() == {"x": [None, None, "a"], "y": [1.0, 2.5, None]}


def test_iterator_that_changes_its_columns() -> None:
    first = pa.table({"x": range(20_000)})
    with pytest.raises(InputError, match=r"has a column 'y' that the first batches lack"):
        list(open_source(iter([first, pa.table({"x": [1], "y": [2]})])).batches())
    with pytest.raises(InputError, match=r"The rows of list_iterator cannot be read: Failed to parse string: 'a'"):
        list(open_source(iter([first, pa.table({"x": ["a"]})])).batches())


def test_own_error_of_an_iterator_passes() -> None:
    def failing():
        yield TABLE
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        open_source(failing())


def test_slices_are_not_copied() -> None:
    table = pa.table({"x": np.arange(1_000_000, dtype=float)})
    before = pa.total_allocated_bytes()
    batches = list(open_source(table).batches())
    assert pa.total_allocated_bytes() == before
    assert [b.num_rows for b in batches] == [65_536] * 15 + [16_960]


def test_tiny_batches_are_put_together() -> None:
    table = pa.concat_tables([TABLE.slice(i, 1) for i in range(ROWS)])
    assert [b.num_rows for b in open_source(table).batches(batch_rows=400)] == [200] * 5
    encoded = [TABLE.slice(i, 10).select(["c"]).to_pandas().astype("category") for i in range(0, ROWS, 10)]
    assert collected(open_source(iter(encoded))).equals(TABLE.select(["c"]))


def test_names(tmp_path: Path) -> None:
    assert open_source(parquet(tmp_path)).name == "rows.parquet"
    assert open_source(TABLE).name == "Table"
    assert open_source(TABLE, name="mine").name == "mine"
    assert open_source(str(tmp_path / "*.parquet")).name == "rows.parquet"
    parquet(tmp_path, name="more.parquet")
    assert open_source(str(tmp_path / "*.parquet")).name == str(tmp_path / "*.parquet")
    assert repr(open_source(TABLE)) == "<Source 'Table': 1000 rows, 4 columns>"
    assert repr(open_source(iter([TABLE]))) == "<Source 'list_iterator': rows unknown, 4 columns>"


@pytest.mark.parametrize(
    "data, type_name",
    [
        (3, "int"),
        (None, "NoneType"),
        (b"a,b", "bytes"),
        (pd.Series([1]), "Series"),
        (pl.Series([1]), "Series"),
        (pa.array([1]), "Int64Array"),
        (pa.chunked_array([[1]]), "ChunkedArray"),
        (np.arange(3), "ndarray"),
        ([1, 2], "int"),
        (iter([1]), "int"),
        ({1, 2}, "set"),
    ],
)
def test_unsupported(data: object, type_name: str) -> None:
    with pytest.raises(UnsupportedSource, match=f"Cannot read rows from {type_name}") as caught:
        open_source(data)
    assert caught.value.type_name == type_name


@pytest.mark.parametrize("data", [{}, [], pa.table({}), pd.DataFrame(), pl.DataFrame(), iter([])])
def test_no_columns(data: object) -> None:
    with pytest.raises(EmptySource, match="mine has no columns") as caught:
        open_source(data, name="mine")
    assert caught.value.what == "columns"


def test_no_rows() -> None:
    for data in (TABLE.slice(0, 0), TABLE.slice(0, 0).to_pandas(), {"x": []}, iter([TABLE.slice(0, 0)])):
        source = open_source(data)
        assert source.rows in {0, None}
        assert source.head().num_rows == 0
        assert list(source.batches()) == []
    assert open_source({"x": []}).position() == 1.0


def test_wrong_columns() -> None:
    source = open_source(TABLE)
    with pytest.raises(UnknownColumn, match=r"Did you mean 'n'\?") as caught:
        source.batches(["N"])
    assert caught.value.existing == list(COLUMNS)
    with pytest.raises(InputError, match="Name at least one"):
        source.batches([])
    with pytest.raises(InputError, match="batch_rows must be at least 1, but is 0"):
        source.batches(batch_rows=0)


def test_mixed_types_become_text() -> None:
    expected = {"m": ["1", "a", None, "2.5"], "o": [1, 2, 3, 4]}
    mixed = {"m": [1, "a", None, 2.5], "o": [1, 2, 3, 4]}
    assert collected(open_source(mixed)).to_pydict() == expected
    assert collected(open_source(pd.DataFrame(mixed))).to_pydict() == expected
    assert (
        collected(
            open_source([dict(zip(mixed, row, strict=True)) for row in zip(*mixed.values(), strict=True)])
        ).to_pydict()
        == expected
    )
    indexed = pd.DataFrame(mixed).set_index(pd.Index([9, 8, 7, 6], name="key"))
    assert collected(open_source(indexed)).to_pydict() == {"key": [9, 8, 7, 6], **expected}
    odd = {"m": [pd.NA, pd.NaT, float("nan"), object, 10**30]}
    assert collected(open_source(odd)).to_pydict() == {"m": [None, None, None, "<class 'object'>", str(10**30)]}


def test_rows_with_missing_keys() -> None:
    assert collected(open_source([{"a": 1}, {"b": "x", "a": 2}])).to_pydict() == {"a": [1, 2], "b": [None, "x"]}


def test_nan_is_null_where_nothing_else_could_be() -> None:
    nan = float("nan")
    for data in (
        {"x": [1.0, nan]},
        {"x": np.array([1.0, nan])},
        pd.DataFrame({"x": [1.0, nan]}),
        [{"x": 1.0}, {"x": nan}],
    ):
        assert collected(open_source(data))["x"].null_count == 1
    assert collected(open_source(pl.DataFrame({"x": [1.0, nan]})))["x"].null_count == 0


def test_vectors() -> None:
    source = open_source({"v": np.arange(6.0).reshape(3, 2)})
    assert source.schema.field("v").type == pa.list_(pa.float64(), 2)
    assert collected(source).to_pydict() == {"v": [[0, 1], [2, 3], [4, 5]]}


def test_bad_mappings() -> None:
    with pytest.raises(InputError, match="'a' has 2 values and 'b' has 1"):
        open_source({"a": [1, 2], "b": [1]})
    with pytest.raises(InputError, match="Column 'a' must be a sequence of values, one per row, but is str"):
        open_source({"a": "text"})
    with pytest.raises(InputError, match="Column 'a' must be a sequence"):
        open_source({"a": 1})


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame([[1, 2]], columns=["1", "1"]),
        pd.DataFrame([[1, "x"], ["y", 2]], columns=["1", 1]),
        pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["1", "1"]),
        pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["1", "1"]).to_reader(),
        {"1": [1], 1: [2]},
    ],
)
def test_duplicate_names(data: object) -> None:
    with pytest.raises(InputError, match="has more than one column named '1'"):
        open_source(data)


def test_pandas_index() -> None:
    frame = pd.DataFrame({"x": [1, 2, 3]})
    assert open_source(frame[frame.x > 1]).schema.names == ["x"]
    assert open_source(frame.set_index(pd.Index([3, 2, 1], name="day"))).schema.names == ["x", "day"]


def test_pandas_index_in_a_file(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1, 2, 3]})
    frame[frame.x > 1].to_parquet(tmp_path / "a.parquet")
    assert collected(open_source(tmp_path / "a.parquet")).to_pydict() == {"x": [2, 3]}


def test_polars_types() -> None:
    frame = pl.DataFrame(
        {
            "c": pl.Series(["u", None, "v"], dtype=pl.Categorical),
            "e": pl.Series(["u", "v", None], dtype=pl.Enum(["u", "v"])),
            "l": [["q"], [], None],
            "s": [{"a": "b"}, None, {"a": None}],
            "d": [decimal.Decimal("1.5"), None, decimal.Decimal("2.25")],
        }
    )
    source = open_source(frame)
    assert source.schema.field("c").type == pa.dictionary(pa.int32(), pa.large_string())
    assert collected(source).to_pydict() == {
        "c": ["u", None, "v"],
        "e": ["u", "v", None],
        "l": [["q"], [], None],
        "s": [{"a": "b"}, None, {"a": None}],
        "d": [decimal.Decimal("1.50"), None, decimal.Decimal("2.25")],
    }


def test_run_ends() -> None:
    data = pa.table({"r": pa.RunEndEncodedArray.from_arrays([2, 3], ["a", "b"])})
    assert collected(open_source(data)).to_pydict() == {"r": ["a", "a", "b"]}


ODD_NAMES = ["", " ", "a b", "new\nline", 'quo"te', "a,b", "🛰️", "a.b", "a", "tab\t", "'", "__index__", "x" * 5000]


@pytest.mark.parametrize(
    "write", [parquet, delimited, lambda folder, table: table, lambda folder, table: table.to_pydict()]
)
def test_odd_names(write, tmp_path: Path) -> None:
    table = pa.table({name: [i, i + 1] for i, name in enumerate(ODD_NAMES)})
    source = open_source(write(tmp_path, table))
    assert source.schema.names == ODD_NAMES
    assert collected(source).equals(table)
    for name in ODD_NAMES:
        assert collected(source, columns=[name]).equals(table.select([name]))


@pytest.mark.parametrize("write", [parquet, delimited])
def test_ten_thousand_columns(write, tmp_path: Path) -> None:
    table = pa.table({f"column {i}": [i, i + 1] for i in range(10_000)})
    source = open_source(write(tmp_path, table))
    assert len(source.schema) == 10_000
    assert [b.num_rows for b in source.batches()] == [2]
    assert collected(source, columns=["column 9999"]).to_pydict() == {"column 9999": [9999, 10_000]}


def test_no_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        head = open_source(pd.DataFrame({"t": pd.to_datetime(["2020-01-01"])})).head()
    assert head.num_rows == 1
