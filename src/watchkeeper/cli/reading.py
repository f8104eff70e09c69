"""Progress bars on standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bars:
    """A progress bar for each thing that is read; nothing where standard error is no terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[rows]:,} rows"),
            TimeElapsedColumn(),
        )
        console = Console(stderr=True)
        self._progress: Progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._tasks: dict[str, TaskID] = {}

    def tell(self, side: str, rows: int, share: float | None) -> None:
        """Say how many rows of a side were read, and the share of it where that is known."""
        if side not in self._tasks:
            self._tasks[side] = self._progress.add_task(f"reading {side}", total=None if share is None else 1.0, rows=0)
        total = None if share is None else 1.0
        self._progress.update(self._tasks[side], total=total, completed=share or 0.0, rows=rows)

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
