"""What somebody new to rules of quality writes, and what they are told."""

from __future__ import annotations

import pytest

import watchkeeper as wk
from watchkeeper.errors import InvalidSchema


def test_a_minimum_above_the_maximum_is_refused() -> None:
    with pytest.raises(InvalidSchema, match="age: the minimum, 50, is above the maximum, 20"):
        wk.Rules.from_dict({"columns": {"age": {"minimum": 50, "maximum": 20}}})
    assert wk.Rules.from_dict({"columns": {"age": {"minimum": 20, "maximum": 20}}}).columns["age"].minimum == 20
