"""Tell a run to Prometheus: a text file with a few gauges, for the textfile collector of its node exporter.

References
----------
Prometheus, *Exposition formats*, text format 0.0.4; node exporter, *Textfile collector*: files are replaced, not written to.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from watchkeeper.errors import InputError, Unwritable
from watchkeeper.training.finding import SEVERITIES, Finding
from watchkeeper.training.run import Event, Run

MOST_METRICS = 20
"""Of so many held-out metrics at most there is a gauge each."""
_HELP = {
    "step": "The optimizer's step.",
    "loss": "Loss of the latest step.",
    "loss_smooth": "Mean loss of about 20 steps.",
    "best_loss": "Least mean loss so far.",
    "learning_rate": "Greatest learning rate.",
    "gradient_norm": "Norm of the gradient over all layers.",
    "validation": "Held-out metrics.",
    "findings": "Problems found so far by severity.",
    "found": "The step at which a problem showed, as bad as it is.",
    "ended": "Whether the run has ended.",
    "updated_seconds": "When this was written.",
}
Sample = tuple[str, dict[str, str], float]


class PrometheusFile:
    """Writes gauges of a run to a file: ``wk.watch(..., sinks=[PrometheusFile("/var/lib/node_exporter/trial.prom")])``.

    Labels are ``run``, ``metric`` (20 at most), ``severity`` and ``problem``, which is one of a fixed list; there are none of
    layers or steps, so a run makes less than a hundred series however long it is.

    Parameters
    ----------
    path
        The file, whose name ends in ``.prom``; of each run another one. It is replaced whole, so that no half is scraped.
    every
        Seconds between two writes; at findings and at the end it is written at once.

    Raises
    ------
    InputError
        The name does not end in ``.prom``: the collector would not read it.
    """

    def __init__(self, path: str | Path, *, every: float = 15.0) -> None:
        self._path = Path(path)
        if self._path.suffix != ".prom":
            raise InputError(f"{path} does not end in .prom, and Prometheus' textfile collector reads nothing else.")
        self._every = every
        self._written = -math.inf
        self._found: dict[str, Finding] = {}

    def row(self, run: Run, name: str, step: int, values: Sequence[float]) -> None:
        """Write the gauges where that is due."""
        if time.monotonic() - self._written >= self._every:
            self._write(run)

    def event(self, run: Run, event: Event) -> None:
        """Nothing: what counts of it becomes a finding."""

    def finding(self, run: Run, finding: Finding) -> None:
        """Keep the worst finding of each problem, and write."""
        known = self._found.get(finding.problem)
        if known is None or SEVERITIES.index(finding.severity) > SEVERITIES.index(known.severity):
            self._found[finding.problem] = finding
        self._write(run)

    def close(self, run: Run) -> None:
        """Write once more."""
        self._write(run)

    def _write(self, run: Run) -> None:
        self._written = time.monotonic()
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")  # the collector passes over other endings
        try:
            part.write_text(exposition([*gauges(run), *self._findings(run)]), encoding="utf-8")
            part.replace(self._path)
        except OSError as error:
            raise Unwritable(str(self._path), error.strerror or str(error)) from error

    def _findings(self, run: Run) -> Iterator[Sample]:
        for severity in SEVERITIES:
            count = sum(finding.severity == severity for finding in self._found.values())
            yield "findings", {"run": run.name, "severity": severity}, count
        for problem, finding in self._found.items():
            yield "found", {"run": run.name, "problem": problem, "severity": finding.severity}, finding.step


def gauges(run: Run) -> Iterator[Sample]:
    """Yield name, labels and value of each gauge of a run."""
    labels, series = {"run": run.name}, run.series
    yield "step", labels, run.step
    if "loss" in series:
        yield "loss", labels, series["loss"].last
        yield "loss_smooth", labels, float(series["loss"].rows[-1, 1])
        if math.isfinite(run.best_smooth):
            yield "best_loss", labels, run.best_smooth
    if "learning_rate" in series:
        yield "learning_rate", labels, float(series["learning_rate"].rows[-1].max())
    if "gradient" in series:
        yield "gradient_norm", labels, float(np.sqrt(np.square(series["gradient"].rows[-1]).sum()))
    held = [name for name in series if name.startswith("validation/")]
    for name in held[:MOST_METRICS]:
        yield "validation", labels | {"metric": name.removeprefix("validation/")}, series[name].last
    yield "ended", labels, float(bool(run.facts.get("ended")))
    yield "updated_seconds", labels, time.time()


def exposition(samples: Sequence[Sample]) -> str:
    """Return samples in Prometheus' text format, those of a name together."""
    lines = []
    for name in dict.fromkeys(sample[0] for sample in samples):
        lines += [f"# HELP watchkeeper_training_{name} {_HELP[name]}", f"# TYPE watchkeeper_training_{name} gauge"]
        for known, labels, value in samples:
            if known == name:
                said = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
                lines.append(f"watchkeeper_training_{name}{{{said}}} {_number(value)}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return repr(float(value)) if math.isfinite(value) else "+Inf" if value > 0 else "-Inf"
