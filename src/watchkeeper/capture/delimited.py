"""One CSV file: separator, types found by reading it once, rows streamed."""

from __future__ import annotations

import codecs
import contextlib
import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc

from watchkeeper.capture.part import own_columns, reading, sentence
from watchkeeper.capture.prefetch import prefetched
from watchkeeper.capture.widening import check_unique, conform, wider
from watchkeeper.errors import UnreadableSource

NULLS = ("", "NA", "N/A", "null", "NULL", "NaN", "nan", "None")
BLOCK_BYTES = 2 * 2**20
_LOOK_BYTES = 32 * 2**20
_LINE = re.compile(r'(?:[^"\r\n]|"[^"]*(?:"|\Z))*')

Types = dict[str, pa.DataType]


class DelimitedPart:
    """Rows of the CSV file at ``path``; the separator is the commonest of comma, tab and semicolon in the first line.

    The types are found by reading the file once from end to end when the part is made. The first 4 MiB
    suggest them; a later block that contradicts is looked at afresh, widens the types of all columns that it
    surprises, to text in the end, and the check starts again. Batches that were handed on could not be recalled, so a
    type guessed from the beginning alone would make the last row of a file fail. The price is a second pass; the
    gain, besides types that hold, is that the number of rows is known and that damage anywhere is reported before any
    row is used.

    Memory stays flat: a few blocks. Null is spelled as in :data:`NULLS`, quoted or not, so that an empty text comes
    back as null; empty lines are skipped, in a file of one column as well.
    """

    def __init__(self, path: Path, *, compressed: bool = False, block_bytes: int = BLOCK_BYTES) -> None:
        self.name, self.path = path.name, str(path)
        self._compressed, self._block_bytes = compressed, block_bytes
        self._delimiter = ","
        with self._explained():
            header, rows_follow = self._first_line()
            self._delimiter = max(",\t;", key=re.sub(r'"[^"]*"', "", header).count)
            names = next(csv.reader([header], delimiter=self._delimiter))
            check_unique(names, self.name)
            types, rows = self._discover() if rows_follow else (dict.fromkeys(names, pa.null()), 0)
        self.schema: pa.Schema = pa.schema(list(types.items()))
        self.rows: int | None = rows

    def read(self, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield all rows; parsing runs ahead of the consumer in a thread."""
        return prefetched(self._parse(schema))

    def peek(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield rows from the start."""
        return self._parse(schema)

    def _parse(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        if not self.rows:
            return
        columns = own_columns(self.schema, schema)
        # A column that another file makes text is read as text here too, so that 007 does not come back as 7.
        texts = {field.name for field in schema if pa.types.is_string(field.type)}
        types = {name: pa.string() if name in texts else self.schema.field(name).type for name in columns}
        with self._explained(), self._open(types, columns) as reader:
            for batch in reader:
                yield conform(batch, schema)

    def _discover(self) -> tuple[Types, int]:
        """Return types that every value fits, and the number of rows. Ends because each round widens some type."""
        look = 2 * self._block_bytes
        types = self._suggested(0, look)
        while True:
            rows, surprise = self._check(types)
            if surprise is None:
                return types, rows
            look = min(2 * look, _LOOK_BYTES)  # Wide sparse tables surprise often; larger looks keep the rounds few.
            types = self._widened(types, self._suggested(rows, look), surprise)

    def _suggested(self, skip: int, look: int) -> Types:
        """Return the types that the ``look`` bytes after ``skip`` rows suggest."""
        with self._open({}, skip=skip, block_bytes=look) as reader:
            schema = reader.schema
        if any(pa.types.is_binary(kind) for kind in schema.types):
            raise UnreadableSource(self.path, self._foreign_byte())
        return dict(zip(schema.names, schema.types, strict=True))

    def _check(self, types: Types) -> tuple[int, pa.ArrowInvalid | None]:
        """Return how many rows fit ``types``, and what the first block that does not fit was refused for."""
        rows = 0
        with self._open(types) as reader:
            try:
                for batch in reader:
                    rows += batch.num_rows
            except pa.ArrowInvalid as error:
                if "conversion error" not in str(error) or "invalid UTF8 data" in str(error):
                    raise
                return rows, error
        return rows, None

    def _widened(self, types: Types, found: Types, surprise: pa.ArrowInvalid) -> Types:
        wide = {name: wider(kind, found[name]) or pa.string() for name, kind in types.items()}
        if wide == types:  # Skipping counts empty lines, which rows do not, so the look has missed the value.
            column = re.search(r"column #(\d+)", str(surprise))
            name = list(types)[int(column[1]) if column else 0]
            kind = wider(types[name], _kind_of(str(surprise)))
            wide[name] = pa.string() if kind is None or kind == types[name] else kind
        return wide

    def _open(
        self, types: Types, columns: list[str] | None = None, skip: int = 0, block_bytes: int | None = None
    ) -> pc.CSVStreamingReader:
        return pc.open_csv(
            self._stream(),
            # One thread gives errors their row number and is as fast: blocks are parsed in turn anyway.
            pc.ReadOptions(use_threads=False, block_size=block_bytes or self._block_bytes, skip_rows_after_names=skip),
            pc.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
            pc.ConvertOptions(column_types=types, include_columns=columns, null_values=NULLS, strings_can_be_null=True),
        )

    def _stream(self) -> pa.NativeFile:
        raw = pa.OSFile(self.path)
        return pa.CompressedInputStream(raw, "gzip") if self._compressed else raw

    def _first_line(self) -> tuple[str, bool]:
        """Return the header, and whether its line ends, as it must before rows can follow."""
        with self._stream() as stream:
            start = stream.read(self._block_bytes)
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(start).lstrip("\r\n")
        found = _LINE.match(text)
        header = found[0] if found else ""
        if not header.strip():
            raise UnreadableSource(self.path, "it has no header line: there is nothing but white space at its start.")
        return header, len(header) < len(text)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        with reading(self.path):
            try:
                yield
            except PermissionError:
                raise
            except (pa.ArrowInvalid, UnicodeDecodeError, OSError, csv.Error) as error:
                raise UnreadableSource(self.path, self._reason(error)) from error

    def _reason(self, error: Exception) -> str:
        text = str(error)
        if isinstance(error, UnicodeDecodeError) or "invalid UTF8 data" in text:
            return self._foreign_byte()
        fields = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+): (.{0,80})", text, re.DOTALL)
        if fields:
            row = f"row {fields[1]}, counting the header," if fields[1] else "a row"
            return (
                f"{row} has {fields[3]} fields where the header has {fields[2]}: {fields[4]!r}. "
                f"Quote values that contain {self._delimiter!r}, or mend the row."
            )
        if "straddles two block boundaries" in text:
            size = self._block_bytes // 2**20
            return f'a row is longer than {size} MiB. Most likely a quote (") is opened somewhere and never closed.'
        if self._compressed and isinstance(error, OSError):
            return f"its gzip data is damaged or cut short ({text.rstrip('.')}). Compress or download it again."
        return sentence(error)

    def _foreign_byte(self) -> str:
        """Say where the first byte stands that is not UTF-8."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        done = 0
        with self._stream() as stream:
            while chunk := stream.read(BLOCK_BYTES):
                kept = len(decoder.getstate()[0])
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError as error:
                    at = done - kept + error.start
                    return f"byte {at} ({error.object[error.start]:#04x}) is not UTF-8. Save the file as UTF-8."
                done += len(chunk)
        return "it ends in the middle of a character, so it is not UTF-8. Save the file as UTF-8."


def _kind_of(surprise: str) -> pa.DataType:
    """Return the type that inference gives the value which a message of pyarrow's quotes."""
    value = re.search(r"invalid value '(.*)'", surprise, re.DOTALL)
    if value is None:
        return pa.string()
    line = '"' + value[1].replace('"', '""') + '"'
    content = pa.BufferReader(f"value\n{line}\n".encode())
    options = pc.ParseOptions(newlines_in_values=True)
    return pc.read_csv(content, parse_options=options).schema.types[0]
