"""Formats, repeats, constants and duplicates against counting row by row; chance alone is no alarm."""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections import Counter
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import examples

import watchkeeper as wk
from watchkeeper.metrics import uniqueness
from watchkeeper.metrics.uniqueness import Repeats
from watchkeeper.profiles.formats import FORMATS, formats_of

KNOWN = {
    "integer": ["0", "-7", "+12", "90210"],
    "digits": ["007", "00", "012345"],
    "decimal": ["1.5", "-0,25", ".5", "1e5", "3."],
    "date": ["2024-02-30", "1999-12-31"],
    "datetime": ["2024-01-01T00:00", "2024-01-01 10:11:12.5", "2024-01-01T00:00:00Z", "2024-01-01 00:00+02:00"],
    "uuid": ["123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000"],
    "ip": ["10.0.0.1", "::1", "2001:db8::ff00:42:8329"],
    "email": ["a@b.de", "Ä.b+c@x-y.co.uk"],
    "url": ["https://a.b/c?d=e", "s3://bucket/key"],
    "phone": ["+49 30 123456", "(030) 12-34-56", "0171/2345678"],
    "code": ["AB-12", "X", "B6", "7Q_3"],
    "word": ["Ulm", "Köln", "x"],
    "blank": ["", " ", "\t"],
    "text": ["two words", "a-b", "a@b", "Mr. X", "http:/x", "a b@c.de"],
}


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_has_its_values(name: str) -> None:
    places = formats_of(pa.array([*KNOWN[name], None]))
    assert [FORMATS[place] for place in places[:-1]] == [name] * len(KNOWN[name])
    assert places[-1] == -1


@examples
@given(st.lists(st.one_of(st.dates(), st.datetimes(), st.uuids(), st.ip_addresses(), st.integers()), max_size=20))
def test_what_others_write_is_known(values: list[Any]) -> None:
    expected = []
    for value in values:
        kind = {datetime: "datetime", date: "date", uuid.UUID: "uuid", int: "integer"}.get(type(value), "ip")
        expected.append(kind)
    found = formats_of(pa.array([str(value) for value in values], pa.string()))
    assert [FORMATS[place] for place in found] == expected


@examples
@given(st.lists(st.text(max_size=12), max_size=30))
def test_any_text_has_one_format_and_numbers_are_python_s(values: list[str]) -> None:
    found = [FORMATS[place] for place in formats_of(pa.array(values, pa.string()))]
    for value, name in zip(values, found, strict=True):
        if re.fullmatch(r"[+-]?(0|[1-9][0-9]*)", value):
            assert name == "integer"
        if name in {"integer", "digits"}:
            int(value)
        if name == "ip" and "." in value and ":" not in value:
            assert value.count(".") == 3
            assert ipaddress.ip_address("1.1.1.1")


def column(values: list[Any], kind: str = "categorical") -> Any:
    schema = wk.Schema(kinds={"c": kind})  # type: ignore[dict-item]
    return wk.profile(pa.table({"c": values}), schema.freeze()).columns["c"]


@examples
@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=40))
def test_repeats_and_the_most_frequent(values: list[str]) -> None:
    counts, made = Counter(values), column(values)
    assert uniqueness.top_share(made).value == max(counts.values()) / len(values)
    repeats = uniqueness.repeats_of_column(made)
    assert repeats == Repeats(sum(n for n in counts.values() if n > 1), len(values), len(values))


def test_a_text_column_counts_the_formats_of_its_values() -> None:
    values = [f"https://example.org/{'x' * 40}/{i}" for i in range(30)] + ["a long sentence that is no address"] * 3
    counts = uniqueness.format_counts(column(values, "text"))
    assert counts is not None
    assert (counts["url"], counts["text"], sum(counts.values())) == (30, 3, 33)


def test_many_values_are_told_from_a_sample_and_those_that_are_frequent() -> None:
    values = [f"u{i}@example.org" for i in range(20_000)]
    assert uniqueness.repeated_share(column(values), column(values)).value == 0
    half = [f"u{i // 2}@example.org" for i in range(20_000)]
    assert uniqueness.repeated_share(column(half), column(values)).value == 1
    one = [*values[:19_000], *["same@example.org"] * 1000]
    assert 0.03 < uniqueness.repeated_share(column(one), column(values)).value < 0.08
    assert uniqueness.format_share(column(one), column(values)).value == 1


def profile(rows: dict[str, Any], by: str | None = None) -> wk.Profile:
    return wk.profile(pa.table(rows), wk.Schema(id=by))


def test_duplicates_are_counted_up_to_the_sample_and_estimated_above() -> None:
    rng = np.random.default_rng(1)
    few = profile({"id": [f"{i % 900}" for i in range(1000)], "x": rng.normal(size=1000)}, "id")
    found = uniqueness.duplicate_share(few)
    assert (found.value, found.n) == (0.1, 1000)
    whole = np.arange(60_000)
    ids = np.where(rng.random(60_000) < 0.08, whole // 2, whole)
    truth = 1 - len(np.unique(ids)) / len(ids)
    many = uniqueness.duplicate_share(profile({"id": ids.astype(str), "x": whole * 1.0}, "id"))
    assert abs(many.value - truth) < 4 * many.error
    assert many.low < truth < many.high
    rows = {"x": np.round(rng.normal(size=4000), 2), "c": rng.choice(["a", "b"], 4000)}
    pairs = Counter(zip(rows["x"].tolist(), rows["c"].tolist(), strict=True))
    assert uniqueness.duplicate_share(profile(rows)).value == 1 - len(pairs) / 4000


def test_the_estimate_of_duplicates_is_unbiased_and_its_interval_holds() -> None:
    hits, values, truth = 0, [], 0.1
    for seed in range(60):
        rng = np.random.default_rng(seed)
        base = rng.permutation(20_000)[:18_000]
        ids = np.concatenate([base, rng.choice(base, 2000, replace=False)])
        salt = [f"{seed}-{i}" for i in ids]
        found = uniqueness.duplicate_share(profile({"id": salt, "x": ids * 1.0}, "id"))
        values.append(found.value)
        hits += found.low <= truth <= found.high
    assert abs(np.mean(values) - truth) < 4 * np.std(values) / 60**0.5
    assert hits >= 54


def alarms(before: dict[str, Any], after: dict[str, Any], by: str | None = None) -> set[str]:
    report = wk.compare(pa.table(before), pa.table(after), schema=wk.Schema(id=by))
    quality = [(q.metric.name, v) for _, q, v in report.comparison.quality]
    quality += [(q.metric.name, v) for q, v in report.comparison.table]
    return {name for name, v in quality if v is not None and v.name in {"warning", "critical"}}


def words(rng: np.random.Generator, n: int, population: int) -> list[str]:
    return [f"u{i}" for i in rng.integers(0, population, n)]


def naive(now: Repeats, before: Repeats) -> float:
    """Return what does not heed that more rows have more pairs: the share of repeats compared as any share is."""
    del now, before
    return 0.0


def birthday(runs: int = 20) -> int:
    found = 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        found += bool(
            alarms({"name": words(rng, 1000, 10**6)}, {"name": words(rng, 40_000, 10**6)})
            & {"repeated_share", "duplicate_share"}
        )
    return found


def test_more_rows_of_the_same_kind_repeat_more_and_that_is_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    assert birthday(6) == 0
    monkeypatch.setattr(uniqueness, "chance_of_repeats", naive)
    assert birthday(2) == 2  # the gate catches a build that does not heed it


def test_what_breaks_is_told() -> None:
    rng = np.random.default_rng(2)
    n = 2000
    before = {
        "id": [f"r{i}" for i in range(n)],
        "mail": [f"u{i}@example.org" for i in range(n)],
        "amount": rng.lognormal(size=n),
        "flag": rng.choice(["a", "b"], n),
    }
    assert alarms(before, before | {"id": [f"s{i}" for i in range(n)]}, "id") == set()
    after = before | {
        "id": [f"r{i % 1500}" for i in range(n)],
        "mail": [f"u{i // 2} at example.org" for i in range(n)],
        "amount": [f"{v:.3f} €" if v > 2 else f"{v:.3f}" for v in rng.lognormal(size=n)],
        "flag": ["a"] * n,
    }
    assert {"duplicate_share", "format_share", "repeated_share", "mistyped_share", "top_share"} <= alarms(
        before, after, "id"
    )
