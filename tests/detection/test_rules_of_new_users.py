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
    assert "lies outside 25.00 to ∞" in broken


PROSE = {"comment": [f"It came {i} days late" for i in range(100)], "age": ["n/a"] * 10 + ["30"] * 90}


def test_a_type_is_broken_by_values_that_cannot_be_read_as_it() -> None:
    said = words(PROSE, {"comment": {"type": "numeric", "maximum": 3}})
    assert said["type"] == ("critical", "No value of comment is a number.")
    assert wk.check(PROSE, {"columns": {"comment": {"type": "numeric", "maximum": 3}}}).exit_code() == 2
    said = words(PROSE, {"age": {"type": "numeric", "null_share": 0}})
    assert said["type"] == ("critical", "10 % of age is no number; none may.")
    assert said["null_share"][0] == "ok"
    assert words({"age": ["30", None] * 9}, {"age": {"type": "numeric"}}) == {"type": ("ok", "age is numeric.")}


def test_what_is_no_time_is_not_called_missing() -> None:
    said = words(PROSE, {"comment": {"type": "datetime", "null_share": 0}})
    assert said["type"] == ("critical", "No value of comment is a time.")
    assert said["null_share"][0] == "ok"
    gone = {"comment": [None] * 50 + ["late"] * 50}
    assert words(gone, {"comment": {"type": "datetime", "null_share": 0}})["null_share"][1].startswith(
        "50 % of comment"
    )


def test_a_share_of_mistyped_values_that_is_allowed_breaks_no_type() -> None:
    said = words(PROSE, {"age": {"type": "numeric", "mistyped_share": 0.2}})
    assert {verdict for verdict, _ in said.values()} == {"ok"}
    assert words(PROSE, {"age": {"type": "numeric", "mistyped_share": 0.01}})["mistyped_share"][0] == "critical"
