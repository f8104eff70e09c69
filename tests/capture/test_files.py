"""Paths, folders and globs; several files as one source; what is wrong with a file is said in a sentence."""

from __future__ import annotations

import datetime
import gzip
import os
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from watchkeeper.capture.source import open_source
from watchkeeper.errors import EmptySource, InputError, SourceNotFound, UnreadableSource


def rows(data: object, **options) -> dict[str, list]:
    source = open_source(data)
    return pa.Table.from_batches(list(source.batches(**options))).to_pydict()


def write(folder: Path, **columns_by_name) -> None:
    for name, columns in columns_by_name.items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")


def test_folder_and_globs(tmp_path: Path) -> None:
    write(tmp_path, b={"x": [2]}, a={"x": [1]})
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / ".a.parquet.crc").write_bytes(b"crc")
    (tmp_path / "notes.md").write_text("not data")
    (tmp_path / "below").mkdir()
    write(tmp_path / "below", c={"x": [3]})
    assert rows(tmp_path) == {"x": [1, 2]}
    assert rows(str(tmp_path / "*.parquet")) == {"x": [1, 2]}
    assert rows(tmp_path / "**" / "*.parquet") == {"x": [1, 2, 3]}
    assert rows([tmp_path / "b.parquet", str(tmp_path / "below")]) == {"x": [2, 3]}
    assert open_source(tmp_path).head(2).to_pydict() == {"x": [1, 2]}
    assert open_source(tmp_path).rows == 2


def test_a_name_with_brackets_is_a_file(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), tmp_path / "run[1].parquet")
    assert rows(tmp_path / "run[1].parquet") == {"x": [1]}


def test_csv_and_parquet_together(tmp_path: Path) -> None:
    write(tmp_path, a={"x": [1.5], "s": ["p"]})
    (tmp_path / "b.csv").write_text("s,x\nq,2\n")
    assert rows(tmp_path) == {"x": [1.5, 2.0], "s": ["p", "q"]}


def test_missing_and_reordered_columns(tmp_path: Path) -> None:
    write(tmp_path, a={"x": [1], "y": ["p"]}, b={"z": [True], "x": [2]}, c={"w": [0]})
    assert rows(tmp_path) == {
        "x": [1, 2, None],
        "y": ["p", None, None],
        "z": [None, True, None],
        "w": [None, None, 0],
    }
    assert rows(tmp_path, columns=["w"]) == {"w": [None, None, 0]}


D = datetime.datetime
DICTIONARY = pa.dictionary(pa.int32(), pa.string())


@pytest.mark.parametrize(
    "one, other, wide",
    [
        (pa.array([1], pa.int32()), pa.array([2], pa.int64()), pa.int64()),
        (pa.array([1], pa.int8()), pa.array([2], pa.uint8()), pa.int16()),
        (pa.array([1], pa.int64()), pa.array([2.5]), pa.float64()),
        (pa.array([2**60 + 1], pa.int64()), pa.array([2.5]), pa.float64()),
        (pa.array([1.5], pa.float32()), pa.array([2.5]), pa.float64()),
        (pa.array([None]), pa.array(["a"]), pa.string()),
        (pa.array([None]), pa.array([1]), pa.int64()),
        (pa.array(["a"]), pa.array(["b"], pa.large_string()), pa.large_string()),
        (pa.array(["a"]).dictionary_encode(), pa.array(["b"]), pa.string()),
        (pa.array(["a"]).dictionary_encode(), pa.array([None]), DICTIONARY),
        (pa.array(["a"]).cast(pa.dictionary(pa.int8(), pa.string())), pa.array(["b"]).dictionary_encode(), DICTIONARY),
        (pa.array([datetime.date(2020, 1, 1)]), pa.array([D(2020, 1, 2, 3)], pa.timestamp("us")), pa.timestamp("us")),
        (
            pa.array([D(2020, 1, 1)], pa.timestamp("s")),
            pa.array([D(2020, 1, 2)], pa.timestamp("us")),
            pa.timestamp("us"),
        ),
        (
            pa.array([0], pa.timestamp("us", "Europe/Paris")),
            pa.array([1], pa.timestamp("us", "Asia/Tokyo")),
            pa.timestamp("us", "UTC"),
        ),
    ],
)
def test_widening(one: pa.Array, other: pa.Array, wide: pa.DataType) -> None:
    for pair in ([one, other], [other, one]):
        source = open_source([pa.table({"x": part}) for part in pair])
        assert source.schema.field("x").type == wide
        found = pa.Table.from_batches(list(source.batches()))["x"].to_pylist()
        assert found == [
            value
            for part in pair
            for value in (part.cast(wide, safe=False) if part.type != pa.null() else part).to_pylist()
        ]


@pytest.mark.parametrize(
    "one, other", [([1], ["a"]), ([True], [1]), ([D(2020, 1, 1)], [1]), ([b"a"], ["a"]), ([[1]], [1])]
)
def test_types_that_do_not_agree(one: list, other: list, tmp_path: Path) -> None:
    write(tmp_path, a={"x": one}, b={"x": other})
    with pytest.raises(
        InputError, match=r"Column 'x' is .+ in a\.parquet but .+ in b\.parquet\. Files of one source must"
    ):
        open_source(tmp_path)


def test_naive_and_zoned_times_do_not_agree() -> None:
    parts = [pa.table({"t": pa.array([0], pa.timestamp("us", zone))}) for zone in (None, "UTC")]
    with pytest.raises(InputError, match="Column 't' is"):
        open_source(parts)


@pytest.mark.parametrize("location", ["none.parquet", "none/*.csv", "rows*", "~/no such file of watchkeeper.csv"])
def test_not_found(location: str, tmp_path: Path) -> None:
    path = location if location.startswith("~") else str(tmp_path / location)
    with pytest.raises(SourceNotFound, match="There is no file at") as caught:
        open_source(path)
    assert caught.value.path == path


def damaged_page(content: bytes) -> bytes:
    return content[: len(content) // 3] + bytes(b ^ 0xFF for b in content[len(content) // 3 : -2000]) + content[-2000:]


def parquet_bytes() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"x": range(100_000), "s": [f"text {i}" for i in range(100_000)]}), sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    "name, content, reason",
    [
        ("a.parquet", b"", r"the file is empty \(0 bytes\)"),
        ("a.csv", b"", r"the file is empty \(0 bytes\)"),
        ("a.csv", b"\n \n", "it has no header line"),
        ("a.parquet", b"a,b\n1,2\n", r"does not begin as a Parquet file does \(PAR1\) but with b'a,b\\n'"),
        ("a.parquet", b"PAR1", "too small|magic bytes|smaller than"),
        ("a.parquet", b"PAR1" + b"x" * 100, "magic bytes not found in footer"),
        ("a.parquet", parquet_bytes()[:-100], "magic bytes not found in footer"),
        ("a.csv.gz", b"a,b\n1,2\n", "does not begin as a gzip file does"),
        (
            "a.csv.gz",
            gzip.compress(b"a,b\n" + random.Random(1).randbytes(10_000).hex().encode(), mtime=0)[:2000],
            "gzip data is damaged or cut short",
        ),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0)[:-8] + b"12345678", "gzip data is damaged or cut short"),
        ("a.csv", b"PK\x03\x04\0\0", "a zip archive or an Excel workbook; unpack it, or save the sheet as CSV"),
        ("a", b"SQLite format 3\0", "a SQLite database"),
        ("a.csv", b"\x89PNG\r\n\x1a\n\0\0", "binary data of an unknown kind"),
        ("a.csv", "a,b\n1,2\n".encode("utf-16"), "text in UTF-16; save it as UTF-8"),
        ("a.csv", b"a,b\n1,x\xe9\n", r"byte 7 \(0xe9\) is not UTF-8. Save the file as UTF-8"),
        ("a.csv", b"a,\xe9\n1,x\n", r"byte 2 \(0xe9\) is not UTF-8"),
        ("a.csv", b"\xef\xbb\xbfa,b\n1,x\xc3", "ends in the middle of a character"),
        ("a.csv", b"a,b\n1,2\n3\n", r"row 3, counting the header, has 1 fields where the header has 2: '3'"),
        ("a.csv", b"a,b\n1,2\n3,4,5\n", r"has 3 fields .*Quote values that contain ','"),
    ],
)
def test_unreadable(name: str, content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableSource, match=f"{name} cannot be read: .*({reason})") as caught:
        open_source(tmp_path / name)
    assert caught.value.path == str(tmp_path / name)
    assert caught.value.reason.endswith(".")


def test_damage_found_while_reading(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(damaged_page(parquet_bytes()))
    source = open_source(tmp_path / "a.parquet")
    assert source.rows == 100_000
    with pytest.raises(UnreadableSource, match=r"a\.parquet cannot be read: .+") as caught:
        list(source.batches())
    assert caught.value.path == str(tmp_path / "a.parquet")


def test_file_that_goes_away(tmp_path: Path) -> None:
    for name, content in (("a.csv", b"a\n1\n"), ("a.parquet", parquet_bytes())):
        path = tmp_path / name
        path.write_bytes(content)
        source = open_source(path)
        path.unlink()
        with pytest.raises(UnreadableSource, match="No such file"):
            list(source.batches())


def test_file_that_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a\n1\n")
    source = open_source(path)
    path.write_bytes(b"a\nx\n")
    with pytest.raises(UnreadableSource, match="conversion error to int64: invalid value 'x'"):
        list(source.batches())


def test_folder_without_data(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("not data")
    with pytest.raises(UnreadableSource, match=r"holds no Parquet or CSV file.*\*\*/\*\.parquet"):
        open_source(tmp_path)


def test_permission_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")

    def refused(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)  # the owner of the tests may be root, whom no mode keeps out
    with pytest.raises(UnreadableSource, match=r"permission denied\. Let the user that runs Watchkeeper read it"):
        open_source(tmp_path / "a.csv")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableSource, match="it is not a regular file"):
        open_source(tmp_path / "pipe")


def test_no_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({}), tmp_path / "a.parquet")
    with pytest.raises(EmptySource, match=r"a\.parquet has no columns"):
        open_source(tmp_path / "a.parquet")


def test_duplicate_names(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("a,a\n1,2\n")
    for name in ("a.parquet", "a.csv"):
        with pytest.raises(InputError, match=rf"{name} has more than one column named 'a'\. Rename one"):
            open_source(tmp_path / name)


def test_no_rows(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([], pa.int64())}), tmp_path / "a.parquet")
    for name, content in (("a.csv", "a,b\n"), ("b.csv", "a,b"), ("c.csv", '"a\nx",b\r\n\r\n'), ("d.csv", "a;b")):
        (tmp_path / name).write_text(content)
    for path in sorted(tmp_path.iterdir()):
        source = open_source(path)
        assert source.rows == 0
        assert source.head().num_rows == 0
        assert list(source.batches()) == []
    assert open_source(tmp_path / "c.csv").schema.names == ["a\nx", "b"]
    assert open_source(tmp_path / "d.csv").schema.names == ["a", "b"]
