"""Two profiles compared: every change with its verdict, within one budget of false alarms."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from watchkeeper.detection.baseline import Baseline
from watchkeeper.detection.columns import ColumnChange, QualityChange, column_changes, table_changes
from watchkeeper.detection.importance import importance_shares, weighed
from watchkeeper.detection.multivariate import JointChange, multivariate_changes
from watchkeeper.detection.performance import MetricChange, leading, performance_changes, segment_changes
from watchkeeper.detection.rules import Rules
from watchkeeper.detection.rules_checked import RuleCheck, check_rules
from watchkeeper.detection.segment_cost import Cost, Segment, by_cost, segment_costs
from watchkeeper.detection.verdict import Evidence, Verdict, VerdictName, judge, worst
from watchkeeper.detection.weak import WeakChange, weak_changes
from watchkeeper.profiles.profile import Profile

ALPHA = 0.05
"""The chance that comparing two samples of one and the same thing gives any warning: the budget of one comparison."""
SHARES = {"performance": 0.5, "segments": 0.15, "drift": 0.25, "quality": 0.1, "multivariate": 0.15}
"""How the budget is divided between families that have checks; within one, each check may spend as much.

Performance has half: it is what matters, drift only explains it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every change between two profiles with its verdict; a verdict of None: shown, never judged.

    Segments come in the order of what they cost, which ``costs`` says.
    """

    reference: Profile
    current: Profile
    alpha: float
    checks: int
    performance: list[tuple[MetricChange, Verdict | None]]
    segments: list[tuple[MetricChange, Verdict | None]]
    columns: list[tuple[ColumnChange, Verdict | None]]
    quality: list[tuple[ColumnChange, QualityChange, Verdict | None]]
    multivariate: list[tuple[JointChange, Verdict | None]] = field(default_factory=list)
    costs: dict[Segment, Cost] = field(default_factory=dict)
    table: list[tuple[QualityChange, Verdict | None]] = field(default_factory=list)
    rules: list[tuple[RuleCheck, Verdict]] = field(default_factory=list)
    expected: Rules | None = None
    weak: list[WeakChange] = field(default_factory=list)

    @property
    def main_metric(self) -> str | None:
        """The metric that leads, over all rows and by segment: the first headline metric of the task that is known."""
        return leading(self.reference.schema.task or "", [change for change, _ in self.performance])

    @property
    def verdicts(self) -> list[Verdict]:
        """Every verdict there is."""
        found = [v for _, v in self.performance] + [v for _, v in self.segments] + [v for _, v in self.columns]
        found += [v for _, _, v in self.quality] + [v for _, v in (*self.table, *self.multivariate)]
        return [v for v in found if v is not None] + [v for _, v in self.rules]

    @property
    def importances(self) -> dict[str, float]:
        """Which part of all importance each column has, as the reference says; empty where it does not."""
        return importance_shares(self.reference.schema)

    @property
    def pages(self) -> bool:
        """Whether somebody should be told now: the model got worse, or may have where labels cannot say.

        Drift is not harm. With labels, only performance pages. Without, so does a critical change of a column that the model
        does not ignore, for what performance is estimated to be rests on inputs being what they were.
        """
        alarms = ("warning", "critical")
        if any(v is not None and v.name in alarms for _, v in (*self.performance, *self.segments)):
            return True
        if any(v is not None and not c.from_estimate and v.name == "ok" for c, v in self.performance):
            return False
        columns = [v for _, v in self.columns] + [v for _, _, v in self.quality]
        return any(v is not None and v.name == "critical" for v in columns)

    def column_verdicts(self) -> dict[str, VerdictName | None]:
        """Return the verdict on each column: an alarm of drift or quality, else that on drift; None where none was judged."""
        found = {change.name: verdict.name if verdict is not None else None for change, verdict in self.columns}
        for change, _, verdict in self.quality:
            if verdict is not None and verdict.name in {"warning", "critical"}:
                before = found[change.name]
                found[change.name] = verdict.name if before is None else worst([before, verdict.name])
        return found

    @property
    def verdict(self) -> VerdictName:
        """The worst verdict."""
        return worst(v.name for v in self.verdicts)


def compare_profiles(
    reference: Profile | Baseline, current: Profile, alpha: float = ALPHA, *, multivariate: bool = False
) -> Comparison:
    """Compare two profiles of one schema. A :class:`Baseline` saves time where many are compared with one reference.

    Every check may spend an equal part of its family's share of ``alpha`` (Bonferroni), so that the chance of any false
    warning stays at or below ``alpha`` whatever the dependence between checks. Rows of one day count as one block where
    there is a timestamp with at least five days. ``multivariate``: look at columns together too, which takes seconds.

    Raises
    ------
    SchemaMismatch
        The profiles have different schemas.
    """
    baseline = reference if isinstance(reference, Baseline) else Baseline(reference)
    baseline.profile.schema.check_same(current.schema)
    performance = performance_changes(baseline, current)
    segments = list(segment_changes(baseline, current, performance))
    costs = segment_costs(baseline.profile.schema.task or "", segments, performance)
    segments = by_cost(segments, costs)
    columns = column_changes(baseline, current)
    quality = [(column, change) for column in columns for change in column.quality]
    table = table_changes(baseline, current)
    joint = multivariate_changes(baseline.profile, current) if multivariate else []
    families: dict[str, list[Evidence | None]] = {
        "performance": [c.evidence for c in performance],
        "segments": [c.evidence for c in segments],
        "drift": [c.evidence for c in columns],
        "quality": [c.evidence for _, c in quality] + [c.evidence for c in table],
        "multivariate": [c.evidence for c in joint],
    }
    verdicts = _judge(families, alpha)
    schema = baseline.profile.schema
    of_table, verdicts["quality"] = verdicts["quality"][len(quality) :], verdicts["quality"][: len(quality)]
    verdicts["drift"] = weighed([c.name for c in columns], verdicts["drift"], schema)
    verdicts["quality"] = weighed([c.name for c, _ in quality], verdicts["quality"], schema)
    return Comparison(
        baseline.profile,
        current,
        alpha,
        sum(v is not None for family in (*verdicts.values(), of_table) for v in family),
        list(zip(performance, verdicts["performance"], strict=True)),
        list(zip(segments, verdicts["segments"], strict=True)),
        list(zip(columns, verdicts["drift"], strict=True)),
        [(column, change, v) for (column, change), v in zip(quality, verdicts["quality"], strict=True)],
        list(zip(joint, verdicts["multivariate"], strict=True)),
        costs,
        list(zip(table, of_table, strict=True)),
    )


def with_weak_segments(comparison: Comparison) -> Comparison:
    """Return a comparison that says where the model is weak: shown, never judged, for it need not be a change."""
    return replace(comparison, weak=weak_changes(comparison.reference, comparison.current))


def with_rules(comparison: Comparison, rules: Rules) -> Comparison:
    """Return a comparison whose current side is held against rules too; they have a budget of their own."""
    return replace(comparison, rules=check_rules(comparison.current, rules), expected=rules)


def _judge(families: dict[str, list[Evidence | None]], alpha: float) -> dict[str, list[Verdict | None]]:
    counts = {family: sum(e is not None for e in found) for family, found in families.items()}
    whole = sum(SHARES[family] for family, count in counts.items() if count)
    judged: dict[str, list[Verdict | None]] = {}
    for family, found in families.items():
        each = alpha * SHARES[family] / whole / counts[family] if counts[family] else 0.0
        judged[family] = [judge(e, each) if e is not None else None for e in found]
    return judged
