"""Rules suggested from a reference: read and edited, kept by what is like it, broken by what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import watchkeeper as wk
from watchkeeper.cli import run
from watchkeeper.detection import rules_checked
from watchkeeper.detection.rules_suggested import upper
from watchkeeper.errors import InvalidSchema, SourceNotFound, UnknownColumn, UnknownKey


def orders(n: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "order": [f"{seed}-{i}" for i in range(n)],
        "age": pa.array(rng.integers(15, 95, n).astype(float), mask=rng.random(n) < 0.02),
        "country": rng.choice(["DE", "FR", "IT"], n, p=[0.6, 0.39, 0.01]),
        "mail": [f"u{i}@example.org" for i in rng.integers(0, 10**12, n)],
        "amount": rng.lognormal(3, 1, n),
        "no": rng.choice([True, False], n),
    }


def table(n: int, seed: int = 0, **changes: Any) -> pa.Table:
    return pa.table(orders(n, seed) | changes)


RULES = wk.suggest_rules(table(3000), wk.Schema(id="order"))


def broken(data: Any, rules: Any = RULES) -> set[tuple[str | None, str]]:
    return {(c.column, c.rule) for c, v in wk.check(data, rules).checked if v.name == "critical"}


def test_what_is_suggested_is_read_back_from_yaml(tmp_path: Path) -> None:
    text = RULES.to_yaml("A title\nof two lines")
    path = tmp_path / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    assert wk.Rules.from_yaml(path) == RULES == wk.Rules.from_dict(RULES.to_dict())
    assert yaml.safe_load(text) == RULES.to_dict()
    assert "# at most; " in text
    assert '  "no":' in text  # which YAML would read as false
    told = RULES.columns
    assert (told["age"].type, told["age"].minimum, told["age"].maximum) == ("numeric", 15, 94)
    assert told["country"].allowed == ("DE", "FR", "IT")
    assert (told["mail"].unique, told["mail"].format) == (True, "email")
    assert 0.02 < (told["age"].null_share or 0) < 0.05


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=8), st.lists(st.text(max_size=6), max_size=4), max_size=4))
def test_any_names_and_categories_come_back(columns: dict[str, list[str]]) -> None:
    rules = wk.Rules.from_dict({"columns": {name: {"allowed": allowed} for name, allowed in columns.items()}})
    assert wk.Rules.from_dict(yaml.safe_load(rules.to_yaml()) or {}) == rules


def test_chance_breaks_no_rule_in_any_size() -> None:
    found = [broken(table(n, seed)) for seed, n in enumerate([40, 200, 1000, 3000, 9000] * 12, start=1)]
    assert sum(map(bool, found)) <= 3  # 60 runs at 5 % at the very most, and bounds have room


def test_without_the_test_chance_would(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = wk.Rules.from_dict(
        {"columns": {"age": {"null_share": 0.02}, "country": {"allowed": ["DE", "FR"], "new_category_share": 0.01}}}
    )
    runs = [table(300, seed) for seed in range(20)]
    assert sum(bool(broken(data, rules)) for data in runs) <= 3
    monkeypatch.setattr(rules_checked, "ALPHA", 2.0)
    assert sum(bool(broken(data, rules)) for data in runs) > 5


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"age": pa.array([None] * 100 + [30.0] * 1900)}, ("age", "null_share")),
        ({"age": ["12 years"] * 200 + ["30"] * 1800}, ("age", "mistyped_share")),
        ({"age": [500.0] * 40 + [30.0] * 1960}, ("age", "out_of_range_share")),
        ({"country": ["XX"] * 40 + ["DE"] * 1960}, ("country", "new_category_share")),
        ({"mail": ["a@b.de", "a@b.de", *[f"x{i}@b.de" for i in range(1998)]]}, ("mail", "repeated_share")),
        ({"mail": [f"x{i} at b.de" for i in range(2000)]}, ("mail", "format_share")),
        ({"order": [f"{i % 1900}" for i in range(2000)]}, (None, "duplicate_share")),
    ],
)
def test_what_breaks_a_rule_is_named(changes: dict[str, Any], expected: tuple[str | None, str]) -> None:
    assert expected in broken(table(2000, 5, **changes))


def test_a_column_that_is_gone_breaks_its_type_unless_it_is_optional() -> None:
    rest = table(500, 3).drop_columns(["age"])
    assert broken(rest) == {("age", "type")}
    told = RULES.to_dict()
    told["columns"]["age"]["optional"] = True
    assert broken(rest, told) == set()
    with pytest.raises(UnknownColumn):
        wk.check(table(50).drop_columns(["order"]), RULES)
    assert broken({"b": [1, 2]}, {"columns": {"a": {"null_share": 0}}}) == {("a", "type")}
    assert wk.check({"b": [1, 2]}, {}).exit_code() == 3  # no rule, nothing that could be told
    made = wk.profile({"a": [1.0, 2.0] * 50})
    assert broken(made, {"columns": {"a": {"type": "categorical"}}}) == {("a", "type")}


@pytest.mark.parametrize(
    ("rules", "error", "says"),
    [
        ({"colums": {}}, UnknownKey, "columns"),
        ({"columns": {"age": {"null_shar": 0.1}}}, UnknownKey, "null_share"),
        ({"columns": {"age": {"type": "number"}}}, UnknownKey, "numeric"),
        ({"columns": {"age": {"format": "mail"}}}, UnknownKey, "email"),
        ({"columns": {"age": {"null_share": 2}}}, InvalidSchema, "from 0 to 1"),
        ({"columns": {"age": {"unique": "yes"}}}, InvalidSchema, "true or false"),
        ({"columns": {"age": {"allowed": "DE"}}}, InvalidSchema, "a list"),
        ({"columns": ["age"]}, InvalidSchema, "by column"),
        ({"columns": {"age": 3}}, InvalidSchema, "keys and values"),
        ({"id": 3}, InvalidSchema, "a name"),
    ],
)
def test_what_is_no_rule_is_refused(rules: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        wk.Rules.from_dict(rules)


def test_files_that_are_no_rules(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound):
        wk.check(table(50), tmp_path / "none.yaml")
    path = tmp_path / "rules.yaml"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InvalidSchema, match="is not a YAML file"):
        wk.check(table(50), path)


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad, rules = tmp_path / "good.parquet", tmp_path / "bad.parquet", tmp_path / "rules.yaml"
    pq.write_table(table(2000, 7), good)
    pq.write_table(table(2000, 8, country=["XX"] * 2000), bad)
    assert run(["quality", "suggest", str(good), "-o", str(rules), "--id", "order"]) == 0
    assert run(["quality", "suggest", str(good), "-o", str(rules)]) == 64  # edits are not written over
    assert run(["quality", "check", str(good), "--rules", str(rules)]) == 0
    capsys.readouterr()
    assert run(["quality", "check", str(bad), "--rules", str(rules), "--json"]) == 2
    assert '"column": "country"' in capsys.readouterr().out
    assert run(["compare", str(good), str(good), "--rules", str(rules), "--id", "order"]) == 0
    rules.write_text(rules.read_text(encoding="utf-8").replace("null_share", "nul_share"), encoding="utf-8")
    assert run(["quality", "check", str(bad), "--rules", str(rules)]) == 64
    assert "null_share" in capsys.readouterr().err


def test_a_comparison_holds_them_too() -> None:
    report = wk.compare(
        table(2000, 1), table(2000, 2, country=["XX"] * 2000), schema=wk.Schema(id="order"), rules=RULES
    )
    assert report.verdict == "critical"
    families = {(row["what"], row["verdict"]) for row in report.verdicts().to_pylist() if row["family"] == "rules"}
    assert ("new_category_share (country)", "critical") in families
    assert any(row["rule"] == "new_category_share" for row in report.to_dict()["rules"])
    assert "is not among the 3 allowed" in repr(report)


def test_upper_limits_hold() -> None:
    from scipy.stats import binom

    for count, n in [(0, 50), (3, 100), (40, 1000)]:
        limit = upper(count, n, 0.01)
        assert binom.cdf(count, n, limit) <= 0.01 * 1.0001
        assert binom.cdf(count, n, limit * 0.9) > 0.002


def test_texts_that_are_dates_are_not_listed_for_time_goes_on() -> None:
    days = [f"2024-01-{i % 28 + 1:02d}" for i in range(400)]
    told = wk.suggest_rules({"day": days, "code": ["A1", "B2"] * 200}).columns
    assert (told["day"].format, told["day"].allowed) == ("date", None)
    assert (told["code"].format, told["code"].allowed) == (None, ("A1", "B2"))
