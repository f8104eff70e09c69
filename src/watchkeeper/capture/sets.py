"""Columns whose values are sets of labels: lists, or texts with the labels one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from watchkeeper.schema import label_text, split_labels


@dataclass(frozen=True, slots=True)
class LabelSets:
    """Members of sets: ``names[codes[i]]`` is in the set of row ``rows[i]``; ``there`` says which rows have a set."""

    names: list[str]
    codes: NDArray[np.int64]
    rows: NDArray[np.int64]
    there: NDArray[np.bool_]


def label_sets(column: pa.Array) -> LabelSets:
    """Return the sets of a column: of lists, of delimited texts (an empty one is the empty set), or of single values."""
    there = column.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type) or pa.types.is_fixed_size_list(column.type):
        rows = pc.list_parent_indices(column).to_numpy(zero_copy_only=False).astype(np.int64)
        encoded = pc.list_flatten(column).dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        return LabelSets(
            list(map(label_text, encoded.dictionary.to_pylist())), codes[codes >= 0], rows[codes >= 0], there
        )
    encoded = column.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return _split(encoded.dictionary.to_pylist(), codes, there)


def _split(texts: list[Any], codes: NDArray[np.int64], there: NDArray[np.bool_]) -> LabelSets:
    """Take the distinct texts apart, each once."""
    parts = [split_labels(text) for text in texts]
    names = list(dict.fromkeys(name for part in parts for name in part))
    place = {name: code for code, name in enumerate(names)}
    sizes = np.array([len(part) for part in parts] + [0], dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    members = np.array([place[name] for part in parts for name in part], dtype=np.int64)
    each = sizes[codes]
    rows = np.repeat(np.arange(len(codes)), each)
    offset = np.arange(len(rows)) - np.repeat(np.cumsum(each) - each, each)
    return LabelSets(names, members[starts[codes][rows] + offset], rows, there)
