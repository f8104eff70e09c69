"""Every problem has a section where its link leads, which says what it means, its numbers and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from watchkeeper.training.advice import ADVICE
from watchkeeper.training.finding import DOCS, Finding
from watchkeeper.training.judge import DETECTORS

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "training-problems.md"


def sections() -> dict[str, str]:
    """Return the text of each section by its anchor, as GitHub makes it of the heading."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {head.lower().replace(" ", "-"): text for head, text in zip(parts[1::2], parts[2::2], strict=True)}


@pytest.mark.parametrize("problem", ADVICE)
def test_a_problem_s_link_leads_to_its_section(problem: str) -> None:
    link = Finding(problem, 0, "so").link
    assert link.startswith(f"{DOCS}#")
    text = sections()[link.partition("#")[2]]
    assert "**Numbers.**" in text
    assert "**What to do.**" in text


def test_what_detectors_find_has_advice() -> None:
    assert {d.problem for d in DETECTORS} <= set(ADVICE)
    assert DOCS.endswith(PAGE.name)
