"""CSV: separators, spellings of null, types that hold to the last row."""

from __future__ import annotations

import datetime
import io
import string
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watchkeeper.capture.delimited import NULLS, DelimitedPart
from watchkeeper.capture.source import Source, open_source
from watchkeeper.errors import UnreadableSource


def rows(path: Path, content: str | bytes, block_bytes: int = 2**21) -> pa.Table:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = Source("rows", [DelimitedPart(path, block_bytes=block_bytes)])
    table = pa.Table.from_batches(list(source.batches()), source.schema)
    assert table.num_rows == source.rows
    return table


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends(delimiter: str, end: str, path: Path) -> None:
    content = end.join(
        delimiter.join(row) for row in [["a", '"b,;\t,;\t,;\t"', "c"], ["1", "x", '"p\nq"'], ["2", "", "'"]]
    )
    for text in (content, content + end, "\ufeff" + content):
        assert rows(path, text).to_pydict() == {"a": [1, 2], "b,;\t,;\t,;\t": ["x", None], "c": ["p\nq", "'"]}


def test_one_column(path: Path) -> None:
    assert rows(path, "a\n1\n\n2\n").to_pydict() == {"a": [1, 2]}


def test_nulls(path: Path) -> None:
    content = "n,t\n" + "".join(f'{null},"{null}"\n' for null in NULLS) + "1,x\n"
    assert rows(path, content).to_pydict() == {"n": [None] * len(NULLS) + [1], "t": [None] * len(NULLS) + ["x"]}


def test_types(path: Path) -> None:
    content = (
        "i,f,b,d,t,z,s,e\n1,1.5,true,2020-01-01,2020-01-01 10:00:00,2020-01-01T10:00:00Z,x,\n"
        "-2,1e3,False,2020-01-02,2020-01-01 10:00:00.5,2020-01-01T10:00:00+01:00,7,\n"
    )
    kinds = ["int64", "double", "bool", "date32[day]", "timestamp[ns]", "timestamp[s, tz=UTC]", "string", "null"]
    assert [str(kind) for kind in rows(path, content).schema.types] == kinds


LATE = {
    "integer then fraction": ("1", "2.5", pa.float64()),
    "integer then large": ("1", "99999999999999999999", pa.float64()),
    "integer then text": ("1", "x", pa.string()),
    "fraction then text": ("1.5", "x", pa.string()),
    "boolean then text": ("true", "x", pa.string()),
    "boolean then number": ("true", "2", pa.string()),
    "date then time": ("2020-01-01", "2020-01-01 10:00:00", pa.timestamp("s")),
    "time then fraction": ("2020-01-01 10:00:00", "2020-01-01 10:00:00.25", pa.timestamp("ns")),
    "time then text": ("2020-01-01 10:00:00", "yesterday", pa.string()),
    "time then zone": ("2020-01-01 10:00:00", "2020-01-01 10:00:00Z", pa.string()),
    "null then integer": ("", "3", pa.int64()),
    "null then time": ("NA", "2020-01-01 10:00:00", pa.timestamp("s")),
    "null then text": ("", "x", pa.string()),
    "number then a word of messages": ("1", "UTF8", pa.string()),
    "number then quote": ("1", '"a ""b"",\nc"', pa.string()),
}


@pytest.mark.parametrize("case", LATE)
@pytest.mark.parametrize("blank", ["", "\n\n\n"])
def test_late_values_widen(case: str, blank: str, path: Path) -> None:
    early, late, kind = LATE[case]
    body = [f"{early},{i}\n" for i in range(500)]
    body[430] = f"{late},430\n"
    table = rows(path, "v,i\n" + blank.join(body), block_bytes=200)
    assert table.schema.field("v").type == kind
    assert table["i"].to_pylist() == list(range(500))
    expected = rows(path, f"v,i\n{early},0\n{late},1\n")["v"] if case != "time then zone" else None
    if expected is not None:
        assert table["v"][429].as_py() == expected[0].as_py()
        assert table["v"][430].as_py() == expected[1].as_py()
    if kind == pa.string() and early not in NULLS:
        assert table["v"][0].as_py() == early


def test_late_value_in_a_file_larger_than_the_first_look(path: Path) -> None:
    count = 600_000
    content = io.BytesIO()
    content.write(b"n,v,late\n")
    content.write(b"".join(b"%d,%d,\n" % (i, i % 10) for i in range(count)))
    content.write(b"0,high,5.5\n")
    path.write_bytes(content.getvalue())
    source = open_source(path)
    assert [str(kind) for kind in source.schema.types] == ["int64", "string", "double"]
    assert source.rows == count + 1
    assert source.head(5)["v"].to_pylist() == ["0", "1", "2", "3", "4"]
    assert sum(batch.num_rows for batch in source.batches()) == count + 1
    *_, last = source.batches()
    assert last.to_pylist()[-1] == {"n": 0, "v": "high", "late": 5.5}


def test_surprises_in_many_columns_at_once(path: Path) -> None:
    names = [f"c{i}" for i in range(100)]
    lines = [",".join("1" for _ in names)] * 200 + [",".join("x" for _ in names)] + [",".join("1" for _ in names)] * 200
    table = rows(path, "\n".join([",".join(names), *lines]), block_bytes=1000)
    assert set(table.schema.types) == {pa.string()}
    assert table["c7"].to_pylist().count("x") == 1


def test_damage_far_into_the_file_is_found_when_opened(path: Path) -> None:
    body = b"1,a\n" * 5000
    with pytest.raises(UnreadableSource, match="row 5002, counting the header, has 1 fields"):
        rows(path, b"n,t\n" + body + b"7\n" + body, block_bytes=500)
    for bad, at in ((b"2,\xff\n", 2), (b"\xff,a\n", 0)):
        with pytest.raises(UnreadableSource, match=rf"byte {4 + len(body) + at} \(0xff\) is not UTF-8"):
            rows(path, b"n,t\n" + body + bad + body, block_bytes=500)


def test_unclosed_quote(path: Path) -> None:
    with pytest.raises(UnreadableSource, match=r"a row is longer than .*quote .* never closed"):
        rows(path, b'n,t\n1,"a\n' + b"1,a\n" * 5000, block_bytes=500)


def test_files_that_disagree_become_text_as_written(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("code\n007\n")
    (tmp_path / "b.csv").write_text("code\nx7\n")
    source = open_source(tmp_path)
    assert pa.Table.from_batches(list(source.batches()))["code"].to_pylist() == ["007", "x7"]
    assert source.head()["code"].to_pylist() == ["007", "x7"]


NUMBERS = st.one_of(st.none(), st.integers(-(2**53), 2**53))
FLOATS = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))
TIMES = st.one_of(st.none(), st.datetimes(datetime.datetime(1970, 1, 2), datetime.datetime(2200, 1, 1)))
WORDS = st.text(st.sampled_from(string.ascii_letters + " ,;\t\"'\n\r🛰é"), min_size=1).map(lambda text: "w" + text)
TEXTS = st.one_of(st.none(), WORDS)
KINDS = {
    "i": (NUMBERS, pa.int64()),
    "f": (FLOATS, pa.float64()),
    "t": (TIMES, pa.timestamp("ns")),
    "s": (TEXTS, pa.string()),
}


CELLS = st.lists(st.tuples(*(values for values, _ in KINDS.values())), max_size=30)


@given(cells=CELLS, block_bytes=st.sampled_from([64, 300, 2**21]))
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_comes_back(cells: list[tuple], block_bytes: int, path: Path) -> None:
    columns = [list(column) for column in zip(*cells, strict=True)] or [[] for _ in KINDS]
    arrays = [pa.array(values, kind) for values, (_, kind) in zip(columns, KINDS.values(), strict=True)]
    table = pa.Table.from_arrays(arrays, names=list(KINDS))
    pa.csv.write_csv(table, path)
    longest = max(map(len, path.read_bytes().split(b"\n"))) + sum(len(str(row).encode()) for row in cells)
    found = rows(path, path.read_bytes(), block_bytes=max(block_bytes, longest))
    assert found.cast(table.schema).equals(table)
