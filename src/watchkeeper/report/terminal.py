"""A comparison in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from watchkeeper.report.change_words import brief, brief_quality, changes
from watchkeeper.report.notices import notices
from watchkeeper.report.printing import STYLES, printable
from watchkeeper.report.ranking import ranked_columns
from watchkeeper.report.rules_report import rule_table
from watchkeeper.report.summary import headline, sentences
from watchkeeper.report.weak_words import OF_LOSSES, weak_name
from watchkeeper.report.words import budget_words, number, of_table, segment_name, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchkeeper.detection.columns import ColumnChange
    from watchkeeper.detection.comparison import Comparison
    from watchkeeper.detection.performance import MetricChange
    from watchkeeper.detection.verdict import Verdict

_MOST_COLUMNS = 12
_MOST_SEGMENTS = 8
_WIDE = 100


def render(comparison: Comparison, more: Sequence[str] = (), width: int = 120) -> RenderableType:
    """Return what a terminal shows: the headline, the sentences, and a table each of metrics, segments and columns.

    ``more`` are notices that the caller has. Below a width of 100 the estimates are left out.
    """
    parts: list[RenderableType] = [_title(comparison), ""]
    parts += [part for said in sentences(comparison) for part in (Text(printable(said)), "")]
    if comparison.performance:
        parts += [_performance(comparison, width), ""]
    if comparison.segments:
        parts += [_segments(comparison, width), ""]
    if comparison.weak:
        parts += [_weak(comparison), ""]
    if comparison.columns:
        parts += [_columns(comparison), ""]
    if comparison.rules and comparison.expected is not None:
        parts += [rule_table(comparison.rules, comparison.expected, "Rules"), ""]
    for change, verdict in comparison.table:
        if verdict is not None and verdict.name in {"warning", "critical"}:
            parts += [Text.assemble(_chip(verdict), "  ", printable(of_table(comparison, change, verdict))), ""]
    parts.append(Text(budget_words(comparison), style="dim"))
    parts += [Text(f"Note: {printable(said)}", style="dim") for said in (*more, *notices(comparison))]
    return Group(*parts)


def text(comparison: Comparison, more: Sequence[str] = (), width: int = 120) -> str:
    """Return the same as plain text."""
    console = Console(width=width, no_color=True, record=False, force_terminal=False, highlight=False)
    with console.capture() as capture:
        console.print(render(comparison, more, width))
    return capture.get()


def _title(comparison: Comparison) -> Text:
    name = comparison.verdict
    return Text.assemble(
        (f" {name.upper()} ", f"reverse {STYLES[name]}"), " ", (printable(headline(comparison)), "bold")
    )


def _chip(verdict: Verdict | None) -> Text:
    return Text("" if verdict is None else verdict.name, style=STYLES.get(verdict.name, "") if verdict else "")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        words = place == 0 or column in {"", "what changed"}
        table.add_column(column, justify="left" if words else "right", overflow="fold", no_wrap=not words)
    return table


def _performance(comparison: Comparison, width: int) -> Table:
    table = _table("Performance (95 % intervals)", *_headings(width, comparison.reference.schema.task == "regression"))
    for change, verdict in comparison.performance:
        table.add_row(change.metric.title, *_fitting(_values(change), _size(change), width), _chip(verdict))
    if any("~" in cell for change, _ in comparison.performance for cell in _values(change)):
        table.caption = "~ rests on too little: its interval is approximate"
    return table


def _values(change: MetricChange) -> list[str]:
    estimates = change.reference, change.current, change.estimated
    return [spread(e, change.metric.unit, change.metric.name) if e.known else "" for e in estimates]


def _headings(width: int, regression: bool) -> list[str]:
    return [
        "",
        "reference",
        "current",
        "n",
        *(["expected (DLE)" if regression else "expected (CBPE)"] if width >= _WIDE else []),
        "",
    ]


def _fitting(cells: list[str], n: int, width: int) -> list[str]:
    return [cells[0], cells[1], f"{n:,}", *([cells[2]] if width >= _WIDE else [])]


def _segments(comparison: Comparison, width: int) -> Table:
    judged = [(c, v) for c, v in comparison.segments if v is not None]
    judged.sort(
        key=lambda item: item[1].name not in {"critical", "warning"}
    )  # each part stays in the order of its cost
    title = judged[0][0].metric.title if judged else ""
    table = _table(
        f"By segment: {title}, those first that cost most",
        *_headings(width, comparison.reference.schema.task == "regression"),
        "cost",
    )
    for change, verdict in judged[:_MOST_SEGMENTS]:
        column, value = change.segment or ("", "")
        name = escape(printable(segment_name(column, value)))
        cost = comparison.costs.get((column, value))
        told = "" if cost is None else number(cost.share, "share") if cost.share == cost.share else number(cost.value)
        table.add_row(name, *_fitting(_values(change), _size(change), width), _chip(verdict), told)
    if comparison.costs:
        table.caption = "cost: rows times by how much their mean loss rose, as a share of the loss of all rows"
    if len(judged) > _MOST_SEGMENTS:
        table.caption = f"and {len(judged) - _MOST_SEGMENTS} more; {table.caption or ''}".rstrip("; ")
    return table


def _weak(comparison: Comparison) -> Table:
    first = comparison.weak[0]
    loss, where = OF_LOSSES[first.metric], "" if first.side == "current" else " in the reference"
    table = _table(f"Weak segments{where}: {loss}", "", "rows", "in it", "elsewhere", "cost", "before")
    for change in comparison.weak[:_MOST_SEGMENTS]:
        weak, unit = change.weak, "share" if change.metric == "error_rate" else None
        cells = [number(weak.share, "share"), spread(weak.inside, unit), number(weak.elsewhere, unit)]
        table.add_row(escape(printable(weak_name(change))), *cells, number(weak.cost.value, "share"), change.status)
    table.caption = (
        "found on one half of the sample and tested on the other; elsewhere: rows in no weak segment found up to this one; "
        "cost: a share of the loss of all rows"
    )
    return table


def _size(change: MetricChange) -> int:
    return change.current.n or change.estimated.n


def _columns(comparison: Comparison) -> Table:
    table = _table("Columns that changed most", "", "effect", "matters from", "p-value", "", "what changed")
    ranked, whole, changed = ranked_columns(comparison), comparison.column_verdicts(), changes(comparison)
    alarms = brief_quality(comparison)
    for change, verdict in ranked[:_MOST_COLUMNS]:
        found, parts = whole[change.name], changed.get(change.name, [])
        chip = Text(found or "", style=STYLES.get(found or "", ""))
        units = [part for part in parts if part["unit"] is not None]
        told = (
            ", ".join([*alarms[change.name], *filter(None, [brief(units)])]) if change.name in alarms else brief(parts)
        )
        table.add_row(escape(printable(change.name)), *_column_cells(change, verdict), chip, told)
    if len(ranked) > _MOST_COLUMNS:
        table.caption = f"and {len(ranked) - _MOST_COLUMNS} more"
    return table


def _column_cells(change: ColumnChange, verdict: Verdict | None) -> list[str]:
    if verdict is None:
        return ["", "", ""]
    evidence = verdict.evidence
    unit = " sd" if change.metric.name == "wasserstein" else " JS"
    p_value = "< 1e-12" if evidence.p_value < 1e-12 else f"{evidence.p_value:.2g}"
    return [number(evidence.effect) + unit, number(evidence.floor) + unit, p_value]
