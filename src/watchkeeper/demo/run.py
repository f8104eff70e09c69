"""The main job on real flights, told as it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from watchkeeper.demo.tables import prepare
from watchkeeper.monitor import Tell, compare
from watchkeeper.report.report import Report
from watchkeeper.schema import Schema

TITLE = "Late flights from New York: July against March 2013"


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo made: the report, and where its files lie."""

    report: Report
    page: Path
    document: Path
    reference: Path
    current: Path
    schema: Path


def run_demo(folder: Path, tell: Callable[[str], None], progress: Tell | None = None) -> Demo:
    """Fit a model on January and February, and compare its July with its March.

    Parameters
    ----------
    folder
        Where tables, schema, page and document are written; made if it is not there.
    tell
        Is told each step in a sentence.
    progress
        As for :func:`watchkeeper.monitor.compare`.

    Raises
    ------
    MissingExtra
        scikit-learn is not installed.
    """
    reference, current, _ = prepare(folder, tell)
    schema = folder / "schema.yaml"
    tell("Comparing July with March.")
    report = compare(reference, current, schema=Schema.from_yaml(schema), title=TITLE, progress=progress)
    made = Demo(report, folder / "report.html", folder / "report.json", reference, current, schema)
    report.save(made.page)
    report.save(made.document)
    return made
