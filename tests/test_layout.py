"""Tables of the command line: within the width of a terminal no word is broken, and in a pipe a row is one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from watchkeeper.cli.layout import table
from watchkeeper.cli.tables import show_table

COLUMNS = ("start", "model", "metric", "words", "value", "n")
WORDS = "it fell by more than what days differ among themselves, for the third time"
ROWS: list[dict[str, Any]] = [
    {
        "start": f"2026-05-{day:02}T08:15:33.123456Z", "model": "credit-risk", "metric": metric, "words": WORDS,
        "value": 0.123456, "n": 12345 + day,
    }
    for day in (1, 2)
    for metric in ("roc_auc", "kolmogorov_smirnov")
]  # fmt: skip
FEW = [row | {"words": f"{row['metric']} and so on, {WORDS}"} for row in ROWS]


def tokens(lines: Iterable[str]) -> set[str]:
    return {word.strip(":;") for line in lines for word in line.split()}


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_terminal_s_width_is_kept_and_no_word_is_broken(width: int) -> None:
    lines = list(table(FEW, COLUMNS, width))
    assert max(map(len, lines)) <= width
    end = next((place for place, line in enumerate(lines) if line.startswith("No room")), len(lines))
    assert tokens(lines[:end]) <= tokens(table(FEW, COLUMNS, None))


def test_what_is_the_same_everywhere_is_said_once() -> None:
    lines = list(table(ROWS, COLUMNS, 80))
    gap = lines.index("")
    assert " ".join(lines[:gap]) == f"model: credit-risk; words: {WORDS}; value: 0.1235"
    assert lines[gap + 1].split() == ["start", "(UTC)", "metric", "n"]
    assert len(lines) == gap + 2 + len(ROWS)


def test_times_are_to_the_minute_with_one_mark_of_the_zone() -> None:
    lines = list(table(ROWS, ("start", "metric"), 80))
    assert lines[0].startswith("start (UTC)")
    assert lines[1].startswith("2026-05-01 08:15  ")
    zone = timezone(timedelta(hours=2))
    there = [{"at": datetime(2026, 5, 1, tzinfo=zone)}, {"at": datetime(2026, 5, 2, tzinfo=UTC)}]
    assert list(table(there, ("at",), None)) == ["at", "2026-05-01 00:00+02:00", "2026-05-02 00:00 UTC"]


def test_what_has_no_room_is_named() -> None:
    lines = list(table(FEW, COLUMNS, 40))
    assert " ".join(lines).endswith("--json has all.")
    assert any("No room for" in line for line in lines)


def test_without_a_width_a_row_is_one_line_with_every_column() -> None:
    lines = list(table([row | {"words": "two\nlines"} for row in ROWS], COLUMNS, None))
    assert len(lines) == len(ROWS) + 1
    assert all("credit-risk" in line and "two lines" in line for line in lines[1:])


def test_ids_can_be_copied_and_counts_be_read() -> None:
    assert list(table([{"id": 12345, "rows": 12345}], ("id", "rows"), None))[1].split() == ["12345", "12,345"]


def test_counts_that_are_0_everywhere_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    show_table([{"model": "m", "pending": 0, "duplicates": 3}], ("model",), "", ("pending", "duplicates"))
    assert capsys.readouterr().out.splitlines() == ["model  duplicates", "m               3"]


@pytest.mark.parametrize("columns", [80, 120])
def test_a_real_terminal_says_how_wide_it_is(columns: int) -> None:
    script = f"from watchkeeper.cli.tables import show_table; show_table({FEW!r}, {COLUMNS!r}, '')"
    outside, inside = os.openpty()
    env = {**os.environ, "COLUMNS": str(columns)}
    subprocess.run([sys.executable, "-c", script], stdout=inside, env=env, check=True)
    os.close(inside)
    with os.fdopen(outside, "rb", buffering=0) as read:
        got = b""
        while b"05-02" not in got:
            got += read.read(65536)
    lines = got.decode().splitlines()
    assert len(lines) > len(FEW) + 1
    assert max(map(len, lines)) <= columns
