"""Open a watch in a framework that has no hooks of PyTorch's: the run, and where it is told to."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from watchkeeper.training.finding import Findings, Severity
from watchkeeper.training.journal import Journal
from watchkeeper.training.run import Event, Run
from watchkeeper.training.watching import Sink, Watching

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What a run is called, and where it is told to: ``folder/name.jsonl``, and sinks."""

    name: str = "run"
    folder: str | Path | None = None
    sinks: Iterable[Sink] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "sinks", tuple(self.sinks))  # each run is told to all of them

    def watching(self, run: Run) -> Watching:
        """Begin to watch a run."""
        journal = [Journal(Path(self.folder) / f"{self.name}.jsonl")] if self.folder is not None else []
        return Watching(run, [*self.sinks, *journal])


class Watcher:
    """What callbacks have in common: the run being watched, its findings, and whether to stop.

    Parameters
    ----------
    telling
        What the run is called, and where it is told to.
    stop_on
        Whether the callback stops a run in which something as severe was found; None: never.
    """

    def __init__(self, telling: Telling, stop_on: Severity | None) -> None:
        self._telling = telling
        self._stop_on = stop_on
        self.failed = False
        self.watching = telling.watching(Run(telling.name))

    def begin(self, run: Run) -> Watching:
        """Begin to watch another run; one that failed before its end is ended."""
        if self.watching.run.step >= 0 and not self.failed:
            self.watching.close()
        self.failed = False
        self.watching = self._telling.watching(run)
        return self.watching

    @property
    def findings(self) -> Findings:
        """What was found in the latest run, the worst first."""
        return self.watching.findings

    @property
    def unchecked(self) -> dict[str, str]:
        """What could not be looked for, and why."""
        return self.watching.unchecked

    @property
    def stops(self) -> bool:
        """Whether the run is to be stopped."""
        return self.watching.reached(self._stop_on)


def never_raises(hook: F) -> F:
    """Return a hook of a :class:`Watcher` that never raises: what goes wrong ends the watch, and the run goes on."""

    @functools.wraps(hook)
    def guarded(self: Watcher, *args: Any, **kwargs: Any) -> Any:
        if self.failed:
            return None
        try:
            return hook(self, *args, **kwargs)
        except Exception as error:  # whatever it is, training goes on
            self.failed = True
            step = max(self.watching.run.step, 0)
            words = f"Watching stopped at step {step:,}: {type(error).__name__}: {error}."
            with contextlib.suppress(Exception):  # of a sink, which may be what failed
                self.watching.note(Event("watching_failed", step, words=words))
                self.watching.look()
            warnings.warn(f"{words} The run goes on unwatched.", RuntimeWarning, stacklevel=2)
            return None

    return cast(F, guarded)
