"""What the model makes of each column, and what that does to a verdict: what it ignores pages nobody."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from watchkeeper.detection.series import Finding
from watchkeeper.detection.verdict import Verdict
from watchkeeper.schema import Schema

NEGLIGIBLE = 0.01
"""Below this part of all importance a column is never critical, and opens no incident."""


def importance_shares(schema: Schema) -> dict[str, float]:
    """Return which part of all importance each column has; empty where none are known.

    Absolute values, so that signed weights may be given as they are. A column that is not named is not known, and judged as if
    it mattered.

    Examples
    --------
    >>> importance_shares(Schema(importances={"age": 3.0, "city": -1.0}))
    {'age': 0.75, 'city': 0.25}
    """
    total = sum(map(abs, schema.importances.values()))
    return {name: abs(value) / total for name, value in schema.importances.items()} if total > 0 else {}


def ignored(schema: Schema) -> dict[str, float]:
    """Return the columns of which the model makes next to nothing, with their shares."""
    return {name: share for name, share in importance_shares(schema).items() if share < NEGLIGIBLE}


def weighed(names: Sequence[str], verdicts: Sequence[Verdict | None], schema: Schema) -> list[Verdict | None]:
    """Return the verdicts on columns, those on ignored ones at most a warning."""
    hints = ignored(schema)
    return [
        replace(verdict, name="warning")
        if verdict is not None and verdict.name == "critical" and name in hints
        else verdict
        for name, verdict in zip(names, verdicts, strict=True)
    ]


def unpaged(findings: Sequence[Finding], schema: Schema, opening: Collection[str]) -> list[Finding]:
    """Return findings, those on ignored columns ``ok`` where their monitor opens incidents, at most a warning elsewhere."""
    hints = ignored(schema)
    return [
        _hint(f, hints[f.column], f.monitor in opening) if f.alarming and f.column in hints else f for f in findings
    ]


def _hint(finding: Finding, share: float, opens: bool) -> Finding:
    words = f"{finding.words}; the model makes {100 * share:.2g} % of it, so nobody is told"
    return replace(finding, verdict="ok" if opens else "warning", words=words)
