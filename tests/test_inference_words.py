"""What inference says of roles that do not fit the data."""

from __future__ import annotations

import pyarrow as pa
import pytest

import watchkeeper as wk
from watchkeeper.errors import InvalidSchema
from watchkeeper.inference import infer


def test_a_positive_class_that_the_target_lacks_is_named_with_those_it_has() -> None:
    table = pa.table({"churned": [0, 1] * 10})
    with pytest.raises(InvalidSchema, match=r"'yes' is no class of churned; it has 0, 1\."):
        infer(table, wk.Schema(target="churned", positive="yes"))
    assert infer(table, wk.Schema(target="churned", positive=0)).positive == "0"


@pytest.mark.parametrize("edges", [[1, 2], ["2013-01-01"]])
def test_bins_of_texts_are_refused(edges: list[object]) -> None:
    regions = pa.array(["north", "south", None] * 5)
    for column in (regions, regions.dictionary_encode()):
        said = r"segment_bins names 'region', which holds texts \('north', \.\.\.\); bins are for numbers and times\."
        with pytest.raises(InvalidSchema, match=said):
            infer(pa.table({"region": column}), wk.Schema(segments=["region"], segment_bins={"region": edges}))


def test_bins_of_numbers_that_came_as_texts_are_taken() -> None:
    table = pa.table({"age": ["17", "70", "unknown"]})
    assert infer(table, wk.Schema(segments=["age"], segment_bins={"age": [18]})).kinds["age"] == "numeric"


def test_bins_of_a_column_in_no_segment_are_a_notice() -> None:
    table = pa.table({"age": [17.5, 70.0, 30.0] * 20, "y": [0, 1, 1] * 20, "predicted": [0, 1, 0] * 20})
    schema = wk.Schema(target="y", prediction="predicted", segment_bins={"age": [18]})
    told = " ".join(wk.compare(table, table, schema=schema).to_dict()["notices"])
    assert "segment_bins names 'age', which is in no segment" in told
    within = wk.compare(table, table, schema=schema.replace(segments=["age"])).to_dict()["notices"]
    assert "in no segment" not in " ".join(within)
