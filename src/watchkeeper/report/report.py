"""The report of a comparison: show it, save it, ask it."""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchkeeper.detection.comparison import Comparison
from watchkeeper.errors import Unwritable
from watchkeeper.report import html, tables
from watchkeeper.report.summary import headline, sentences
from watchkeeper.report.view import view

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import RenderableType

    from watchkeeper.detection.verdict import VerdictName

EXIT_CODES: dict[str, int] = {"ok": 0, "warning": 1, "critical": 2, "not enough data": 3}
"""Verdicts as exit codes of the command line."""


class Report:
    """What comparing two tables found.

    In a notebook it shows itself as a page, in a terminal as tables.

    Parameters
    ----------
    comparison
        Changes and verdicts.
    title
        For the page.
    notices
        What had to be left out or guessed on the way here.
    """

    def __init__(self, comparison: Comparison, title: str = "", notices: list[str] | None = None) -> None:
        self.comparison = comparison
        self.title = title or f"{comparison.current.name} against {comparison.reference.name}"
        self._more = notices or []

    @property
    def verdict(self) -> VerdictName:
        """The worst verdict: ``ok``, ``warning``, ``critical``; ``not enough data`` only where all are."""
        return self.comparison.verdict

    @property
    def headline(self) -> str:
        """The one sentence that matters most."""
        return headline(self.comparison)

    @property
    def sentences(self) -> list[str]:
        """What changed most, how, and what it did to the model."""
        return sentences(self.comparison)

    def exit_code(self, strict: bool = False) -> int:
        """Return the exit code: 0 ok, 1 warning, 2 critical, 3 not enough data.

        3 only when every verdict is "not enough data", or, with ``strict``, when any is and none is worse than ok.
        """
        code = EXIT_CODES[self.verdict]
        if strict and code == 0 and any(v.name == "not enough data" for v in self.comparison.verdicts):
            return EXIT_CODES["not enough data"]
        return code

    def measurements(self) -> pa.Table:
        """Return every measurement as an Arrow table; columns as :data:`watchkeeper.report.tables.MEASUREMENTS`."""
        return tables.measurements(self.comparison)

    def verdicts(self) -> pa.Table:
        """Return every verdict as an Arrow table; columns as :data:`watchkeeper.report.tables.VERDICTS`."""
        return tables.verdicts(self.comparison)

    @cached_property
    def _view(self) -> dict[str, Any]:
        return view(self.comparison, self.title, self._more)

    def to_dict(self) -> dict[str, Any]:
        """Return the whole report as plain values: the document that the page draws."""
        copied: dict[str, Any] = json.loads(self.to_json())
        return copied

    def to_json(self, indent: int | None = None) -> str:
        """Return the whole report as JSON."""
        return json.dumps(self._view, indent=indent, ensure_ascii=False, allow_nan=False)

    def to_html(self) -> str:
        """Return the page: one file that opens without a network."""
        return html.render(self._view)

    def save(self, path: str | os.PathLike[str], kind: str | None = None) -> None:
        """Write the page or, where ``kind`` or the path's suffix says json, the document.

        Raises
        ------
        Unwritable
            The path cannot be written.
        """
        target = Path(path)
        as_json = kind == "json" or (kind is None and target.suffix == ".json")
        content = self.to_json(indent=1) if as_json else self.to_html()
        try:
            target.write_text(content, encoding="utf-8")
        except OSError as error:
            raise Unwritable(str(path), error.strerror or str(error)) from error

    def to_terminal(self, width: int = 120) -> RenderableType:
        """Return what :mod:`rich` prints in a terminal of this width."""
        from watchkeeper.report import terminal  # rich loads when something is printed

        return terminal.render(self.comparison, self._more, width)

    def __repr__(self) -> str:
        from watchkeeper.report import terminal

        return terminal.text(self.comparison, self._more)

    def _repr_html_(self) -> str:
        return html.embed(self._view)
