"""Names of held-out metrics: each framework marks them in a way of its own, a run knows one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_HELD_OUT = re.compile(r"^(?:val|valid|validation|eval|held_out|test)[_/ .-]+(?=\w)", re.IGNORECASE)
_NO_METRICS = re.compile(r"runtime|_per_second|^epoch$|^step$|jit_compilation_time")


def held_out(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics whose name says that they are of held-out rows, without that mark: ``val_loss`` is ``loss``.

    What is no single number, and times, are left out.
    """
    found = {}
    for name, value in metrics.items():
        bare = _HELD_OUT.sub("", name, count=1)
        if bare == name or _NO_METRICS.search(bare):
            continue
        try:
            found[bare] = float(value)
        except (TypeError, ValueError):
            continue
    return found
