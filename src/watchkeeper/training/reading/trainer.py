"""Read a run from ``trainer_state.json``, which the Trainer of Hugging Face's Transformers writes into each checkpoint.

References
----------
Transformers, ``TrainerState``: ``log_history`` has a dict for each log, with ``step``; ``loss`` is the mean since the last.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from watchkeeper.errors import UnreadableSource
from watchkeeper.training.reading.log import Log, log_of_rows
from watchkeeper.training.reading.tables import numbers

FILE = "trainer_state.json"
_AT_THE_END = "train_runtime"
"""The last dict has this, and beside it the mean loss of the whole run."""


def read_trainer(path: Path) -> Log:
    """Read a state of the Trainer.

    Raises
    ------
    UnreadableSource
        It is no JSON, or has no history of logs.
    """
    try:
        state: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UnreadableSource(str(path), f"it is no whole JSON ({error}).") from error
    history = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(history, list) or not history:
        raise UnreadableSource(str(path), "it has no log_history: the Trainer had logged nothing yet.")
    rows = [numbers(row) for row in history if isinstance(row, dict) and _AT_THE_END not in row]
    planned = state.get("max_steps") or None
    log = Log(_name(path), "Transformers' Trainer", planned_steps=planned)
    log.ended = planned is None or state.get("global_step", 0) >= planned
    log_of_rows(log, rows, "step" if any("step" in row for row in rows) else None)
    log.loss = "loss" if "loss" in log.points else None
    return log


def _name(path: Path) -> str:
    folder = path.resolve().parent
    return f"{folder.parent.name}/{folder.name}" if folder.name.startswith("checkpoint") else folder.name
