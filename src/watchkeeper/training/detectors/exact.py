"""What a collector saw and is certain of: each event becomes a finding as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from watchkeeper.training.finding import CERTAIN, Finding, Severity
from watchkeeper.training.run import Run


@dataclass(frozen=True, slots=True)
class Seen:
    """Events of one kind, which bears the problem's name."""

    problem: str
    severity: Severity
    needs: tuple[str, ...] = ()
    confidence: float = CERTAIN

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield the first event for each layer."""
        for event in run.of(self.problem):
            severity: Severity = "info" if event.numbers.get("minor") else self.severity
            yield Finding(self.problem, event.step, event.words, severity, event.layer, event.numbers, self.confidence)


SEEN = (
    Seen("stale_gradient", "critical"),
    Seen("head_mismatch", "critical"),
    Seen("evaluation_mode", "warning"),
    Seen("rank_desync", "critical"),
    Seen("mixed_precision", "warning"),
    Seen("no_step", "warning"),
    Seen("not_told", "warning"),
    Seen("leakage", "warning"),
    Seen("split_shift", "warning"),
    Seen("input_scale", "warning"),
    Seen("train_eval_gap", "warning"),
    Seen("watching_failed", "warning"),
)
