"""An action as a value: its states and which may follow which, the id of a decision, and the evidence it rests on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

State = Literal[
    "proposed", "awaiting approval", "running", "comparing", "unknown", "promoted", "kept", "done", "failed",
    "refused", "stopped", "expired", "dry run",
]  # fmt: skip
LIVE: tuple[State, ...] = ("proposed", "awaiting approval", "running", "comparing", "unknown")
"""The states of an action that is not over."""
ASKING: tuple[State, ...] = ("awaiting approval", "unknown")
"""Those in which a person is asked: whether to run it, or to run it again."""
_NEXT: Mapping[State, tuple[State, ...]] = {
    "awaiting approval": ("proposed", "refused", "expired", "stopped"),
    "proposed": ("running", "dry run", "failed", "stopped"),
    "running": ("comparing", "done", "failed", "unknown", "stopped"),
    "comparing": ("promoted", "kept", "failed", "stopped"),
    "unknown": ("proposed", "refused", "expired", "stopped"),
}


def may_follow(before: State, after: State) -> bool:
    """Return whether an action may go from one state to another; nothing follows an end."""
    return after in _NEXT.get(before, ())


def decision_id(incident: int, action: str, version: int, window: tuple[str, int, int]) -> str:
    """Return the id of a decision: the same for the same incident, action, version and sealed window, whenever it is made.

    It is also the idempotency key of the command and the name of its folder, so it holds nothing that anybody called something.

    Examples
    --------
    >>> decision_id(17, "retrain", 3, ("day", 0, 86_400_000_000))
    'act-180cc5d1968837b9edd3'
    """
    told = json.dumps([incident, action, version, *window]).encode()
    return f"act-{hashlib.sha256(told).hexdigest()[:20]}"


def evidence_hash(findings: Iterable[Mapping[str, Any]]) -> str:
    """Return the digest of findings as plain values; an approval names it, and so approves this evidence and no other."""
    return hashlib.sha256(json.dumps(list(findings), sort_keys=True).encode()).hexdigest()[:32]
