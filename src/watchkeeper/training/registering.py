"""At the end of a training: the version, what it does on held-out rows, and how its run went, told to a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from watchkeeper.capture.source import open_source
from watchkeeper.client.connection import Connection, connect
from watchkeeper.errors import InputError, InvalidSchema
from watchkeeper.inference import infer
from watchkeeper.monitor import profile
from watchkeeper.schema import Schema
from watchkeeper.training.overlap import overlap
from watchkeeper.training.report import RunReport

SAMPLE_ROWS = 100_000
"""Rows that a reference keeps whole: from 10,000 on estimates without labels heed features."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A version that a server knows now.

    Attributes
    ----------
    model, version, rows
        Which, and how many held-out rows are its reference.
    facts
        What was told of its run.
    notices
        What somebody should know about the reference.
    """

    model: str
    version: str
    rows: int
    facts: dict[str, Any] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


def register_version(
    model: str,
    version: str,
    held_out: object,
    schema: Schema | None = None,
    *,
    training: object | None = None,
    run: RunReport | None = None,
    connection: Connection | None = None,
) -> Registered:
    """Register a version at the end of its training, so that it is monitored from its first prediction on.

    The server gets a reference profile of the held-out predictions, with it the schema and the calibrator for estimates
    without labels, and the last metrics of the run as facts. Nothing is registered where anything is wrong.

    ::

        wk.register_version("credit-risk", "4", held_out, roles, training=train, run=watch.report())

    Parameters
    ----------
    model, version
        Their names. The environment is production; for another one see :meth:`Connection.set_reference`.
    held_out
        A table of rows that the version was not trained on: features, target, and what it predicts of them (prediction,
        score). Anything that :func:`compare` takes, read twice; so no iterator.
    schema
        Which columns these are; what is left open is guessed.
    training
        The table that the version was trained on. Held-out rows that are in it are an error: by ids where the schema names
        them and both have them, else by every column that both have, beyond the chance with which training rows are equal
        among themselves.
    run
        ``watch.report()``, or that of a callback.
    connection
        The server; None: ``WATCHKEEPER_URL`` and ``WATCHKEEPER_KEY``.

    Returns
    -------
    What was registered, with notices.

    Raises
    ------
    InputError
        A table cannot be read, or held-out rows were trained on.
    InvalidSchema
        The held-out table has no target, or neither prediction nor score.
    ServerRefused
        The server does not answer, or says what is wrong.
    """
    source = open_source(held_out, flat=True)
    whole = infer(source.head(), schema)
    if whole.target is None or (whole.prediction is None and whole.score is None):
        raise InvalidSchema(
            "A reference has a target and a prediction or a score of each held-out row; "
            f"of target, prediction and score there are {whole.target!r}, {whole.prediction!r} and {whole.score!r}. "
            "Name them: schema=wk.Schema(target=..., prediction=..., score=...)."
        )
    notices = _check(held_out, training, whole) if training is not None else []
    made = profile(held_out, whole, sample_rows=SAMPLE_ROWS)
    facts = run.facts() if run is not None else {}
    server = connection or connect()
    told = server.set_reference(model, version, made)
    if facts:
        server.register(model, version, facts=facts)
    return Registered(model, version, made.rows, facts, [*notices, *told.get("notices", [])])


def _check(held_out: object, training: object, schema: Schema) -> list[str]:
    """Return notices; raise where rows were trained on."""
    without = [name for name in (schema.prediction, schema.score) if isinstance(name, str)]
    found = overlap(open_source(held_out, flat=True), open_source(training, flat=True), without, schema.id)
    if found.trained_on:
        by = found.by[0] if found.exact else f"{len(found.by)} columns"
        raise InputError(
            f"{found.found:,} of {found.rows:,} held-out rows are in the training table (by {by}). What a model does on rows "
            "that it was trained on is no reference: hand in rows that were kept apart, or out-of-fold predictions."
        )
    if found.blurred:
        return [
            f"{found.usual:.0%} of the training rows are equal to another one, so whether held-out rows are among them "
            "cannot be told. Name a column of ids."
        ]
    return []
