"""What somebody new to rules of quality writes, and what they are told."""

from __future__ import annotations

import pytest
from rich.console import Console

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


def drawn(rules: dict[str, object]) -> str:
    console = Console(width=120, no_color=True, highlight=False)
    with console.capture() as capture:
        console.print(wk.check({"age": [20.0, 30.0] * 50}, {"columns": rules}).to_terminal())
    return capture.get()


def test_where_all_rules_are_kept_no_empty_table_is_drawn() -> None:
    kept = "the data: 100 rows against 1 rule\nThe rule is kept.\n"
    assert drawn({"age": {"minimum": 3}}) == kept
    assert drawn({"age": {"minimum": 3, "null_share": 0}}).endswith("2 rules\n2 of 2 rules are kept.\n")
    broken = drawn({"age": {"minimum": 25}})
    assert broken.startswith("the data: 100 rows against 1 rule\n")
    assert "what was found" in broken
    assert "lies outside 25 to ∞" in broken
