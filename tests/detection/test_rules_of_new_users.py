"""What somebody new to rules of quality writes, and what they are told."""

from __future__ import annotations

import pytest

import watchkeeper as wk
from watchkeeper.errors import InvalidSchema


def test_a_minimum_above_the_maximum_is_refused() -> None:
    with pytest.raises(InvalidSchema, match="age: the minimum, 50, is above the maximum, 20"):
        wk.Rules.from_dict({"columns": {"age": {"minimum": 50, "maximum": 20}}})
    assert wk.Rules.from_dict({"columns": {"age": {"minimum": 20, "maximum": 20}}}).columns["age"].minimum == 20


def words(data: object, rules: dict[str, object]) -> dict[str, tuple[str, str]]:
    rows = wk.check(data, {"columns": rules}).to_dict()["rules"]
    return {row["rule"]: (row["verdict"], row["words"]) for row in rows}


def test_a_column_that_is_not_there_is_told_with_the_nearest() -> None:
    data = {"age": [20.0, 30.0] * 50, "comment": ["a", "b"] * 50}
    said = {"type": ("critical", "There is no column agee; did you mean age?")}
    assert words(data, {"agee": {"minimum": 3}}) == said == words(wk.profile(data), {"agee": {"minimum": 3}})
    assert words(data, {"zzzz": {"minimum": 3}}) == {"type": ("critical", "There is no column zzzz.")}
