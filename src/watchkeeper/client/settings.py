"""How a client behaves when rows come faster than they go, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tuning of a :class:`~watchkeeper.client.logger.Logger`; the defaults suit a service of 20,000 rows a second.

    Attributes
    ----------
    durability
        ``"memory"``: a row is safe once its batch is delivered or in the spool, after twice ``flush_interval`` at most;
        a process that is killed loses what is younger.
        ``"disk"``: it is in a file before the call returns, and survives ``kill -9`` of the process (not a loss of
        power); a call then costs about 50 microseconds.
    flush_interval
        Seconds after which what has gathered is sent.
    batch_rows
        Rows after which it is sent earlier; the most in one batch.
    queue_rows, queue_bytes
        What may wait in memory. Beyond it the newest rows are refused and counted.
    spool
        The folder for what could not be delivered. None: ``WATCHKEEPER_SPOOL``, else a folder of the user's own.
    spool_bytes
        What one process may keep there. Beyond it the newest batches are dropped and counted.
    exit_budget
        Seconds by which the exit of the process is delayed at most.
    deadline
        Seconds that one request may take as a whole.
    serving_every
        Seconds for which what the server said of the serving version is believed.
    process_metrics
        Whether batches of predictions tell the processor time and memory of the whole process (on Linux and macOS).
    """

    durability: Literal["memory", "disk"] = "memory"
    flush_interval: float = 0.5
    batch_rows: int = 1000
    queue_rows: int = 100_000
    queue_bytes: int = 128 * 2**20
    spool: str | None = None
    spool_bytes: int = 256 * 2**20
    exit_budget: float = 2.0
    deadline: float = 5.0
    serving_every: float = 30.0
    process_metrics: bool = True
