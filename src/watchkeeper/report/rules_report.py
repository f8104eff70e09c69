"""What became of rules: in words, as a table in a terminal, as plain values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from watchkeeper.detection.rules import ColumnRules, Rules
from watchkeeper.detection.rules_checked import RuleCheck
from watchkeeper.detection.verdict import Verdict, VerdictName, worst
from watchkeeper.report.printing import STYLES, printable
from watchkeeper.report.words import number

if TYPE_CHECKING:
    from rich.console import RenderableType

Checked = tuple[RuleCheck, Verdict]
_WHAT = {
    "duplicate_share": "of rows repeat another",
    "null_share": "is missing",
    "mistyped_share": "is of another type",
    "infinite_share": "is infinite",
    "out_of_range_share": "lies outside {range}",
    "new_category_share": "is not among the {allowed} allowed",
    "repeated_share": "of rows share their value with another",
    "format_share": "has not the format {format}",
}
_RANK = {"critical": 0, "not enough data": 1, "ok": 2}
EXIT_CODES = {"ok": 0, "warning": 1, "critical": 2, "not enough data": 3}


class RuleReport:
    """What holding a table against rules found. Shows itself as a table.

    Parameters
    ----------
    name, rows
        Of the data.
    rules
        What was checked.
    checked
        Each rule with its verdict.
    """

    def __init__(self, name: str, rows: int, rules: Rules, checked: list[Checked]) -> None:
        self.name, self.rows, self.rules, self.checked = name, rows, rules, checked

    @property
    def verdict(self) -> VerdictName:
        """``critical`` where a rule is broken, else ``ok``; ``not enough data`` only where all are."""
        return worst(verdict.name for _, verdict in self.checked)

    def exit_code(self, strict: bool = False) -> int:
        """Return 0 ok, 2 critical, 3 not enough data: where all are or, with ``strict``, where any is and none is broken."""
        code = EXIT_CODES[self.verdict]
        few = any(verdict.name == "not enough data" for _, verdict in self.checked)
        return EXIT_CODES["not enough data"] if strict and code == 0 and few else code

    def to_dict(self) -> dict[str, Any]:
        """Return the whole report as plain values."""
        rows = rule_rows(self.checked, self.rules)
        return {"name": self.name, "rows": self.rows, "verdict": self.verdict, "rules": rows}

    def to_json(self, indent: int | None = None) -> str:
        """Return the whole report as JSON."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    def to_terminal(self) -> RenderableType:
        """Return what :mod:`rich` prints: rules that are broken first."""
        many = "" if len(self.checked) == 1 else "s"
        title = f"{self.name}: {self.rows:,} rows against {len(self.checked)} rule{many}"
        return rule_table(self.checked, self.rules, title)

    def __repr__(self) -> str:
        rows = rule_rows(self.checked, self.rules)
        return "\n".join([self.verdict.upper(), *(f"{row['verdict']}: {row['words']}" for row in rows)])


def rule_words(check: RuleCheck, verdict: Verdict, rules: Rules) -> str:
    """Return what became of one rule."""
    name = check.column or ""
    if check.broken is not None:
        return check.broken
    told = rules.columns.get(name, ColumnRules())
    if check.rule == "type":
        return _type_words(name, check, str(told.type))
    if not check.found.known:
        return f"{name or 'The table'}: {check.rule} cannot be told."
    least, most = ("∞" if end is None else number(end) for end in (told.minimum, told.maximum))
    ends = f"{'-' if told.minimum is None else ''}{least} to {most}"
    what = _WHAT[check.rule].format(range=ends, allowed=len(told.allowed or ()), format=told.format)
    text = (
        f"{number(check.found.value, 'share')} of {name} {what}"
        if name
        else f"{number(check.found.value, 'share')} {what}"
    )
    text = text.replace(f"of {name} of rows", f"of the rows of {name}")
    limit = "none may" if check.bound == 0 else f"at most {number(check.bound, 'share')} may"
    tail = {"ok": "", "critical": "", "warning": ""}.get(verdict.name, " So few rows may show that by chance.")
    return f"{text}; {limit}.{tail}"


def _type_words(name: str, check: RuleCheck, kind: str) -> str:
    what, share = "time" if kind == "datetime" else "number", check.found.value
    if share == 0:
        return f"{name} is {kind}."
    return (
        f"No value of {name} is a {what}."
        if share == 1
        else f"{number(share, 'share')} of {name} is no {what}; none may."
    )


def rule_rows(checked: Sequence[Checked], rules: Rules) -> list[dict[str, Any]]:
    """Return every rule as plain values, in the order of the file."""
    return [
        {
            "column": check.column,
            "rule": check.rule,
            "verdict": verdict.name,
            "bound": check.bound,
            "value": check.found.value if check.found.known else None,
            "n": check.found.n,
            "words": rule_words(check, verdict, rules),
        }
        for check, verdict in checked
    ]


def rule_table(checked: Sequence[Checked], rules: Rules, title: str, most: int = 40) -> RenderableType:
    """Return a table of rules, those that are broken first; of those that are kept only the number."""
    from rich import box
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("column", "rule", "", "what was found"):
        table.add_column(heading, overflow="fold")
    ranked = sorted(checked, key=lambda item: _RANK.get(item[1].name, 0))
    told = [item for item in ranked if item[1].name != "ok"]
    for check, verdict in told[:most]:
        chip = Text(verdict.name, style=STYLES[verdict.name])
        said = escape(printable(rule_words(check, verdict, rules)))
        table.add_row(escape(printable(check.column or "all rows")), check.rule, chip, said)
    kept = _kept_words(len(checked), len(checked) - len(told))
    table.caption = f"{kept}; {len(told) - most} more are not" if len(told) > most else kept
    head = Text(printable(title), style="bold")
    return Group(head, table) if told else Group(head, f"{kept}.")


def _kept_words(count: int, kept: int) -> str:
    if count == 1:
        return "The rule is kept" if kept else "The rule is not kept"
    return f"{kept} of {count} rules are kept"
