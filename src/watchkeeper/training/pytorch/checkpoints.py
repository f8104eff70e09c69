"""Checkpoints in a folder: each written whole or not at all, the best and the last few kept."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from watchkeeper.errors import InputError, SourceNotFound, UnreadableSource, Unwritable
from watchkeeper.training.pytorch.snapshot import Parts, Snapshot

FORMAT = "watchkeeper.checkpoint/1"
_ENDING, _PARTIAL = ".checkpoint", ".partial"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One file: the state before a step.

    Attributes
    ----------
    path
        Where it is.
    step
        How many steps had been taken.
    value
        What it is judged by, lower is better; NaN where that is unknown.
    held_out
        Whether the value is of held-out rows, or the smoothed training loss.
    """

    path: Path
    step: int
    value: float
    held_out: bool

    @classmethod
    def at(cls, path: Path) -> Checkpoint | None:
        """Read a file's name; None where it is no checkpoint's."""
        name = path.name.removesuffix(_ENDING)
        step, _, rest = name.removeprefix("step-").partition("-")
        kind, _, value = rest.partition("-")
        if not path.name.endswith(_ENDING) or not step.isdigit() or kind not in {"train", "held"}:
            return None
        with contextlib.suppress(ValueError):
            return cls(path, int(step), float(value), kind == "held")
        return None

    def load(self) -> Snapshot:
        """Read the state, on the CPU; it is put where the model is when it is restored.

        Raises
        ------
        UnreadableSource
            The file is damaged, or no checkpoint of this release.
        """
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception as error:  # whatever a damaged file makes of itself
            raise UnreadableSource(str(self.path), f"{type(error).__name__}: {error}") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise UnreadableSource(str(self.path), f"it is no checkpoint of this release ({FORMAT}).")
        return Snapshot(content["state"])


class Checkpoints:
    """The checkpoints of a folder.

    A file is written beside its place, made durable and then renamed, so that a process that is killed leaves the files of
    before as they were.

    Parameters
    ----------
    folder
        Where; it is made where it is missing.
    keep
        How many of the last are kept, besides the best.

    Raises
    ------
    InputError
        ``keep`` is below 1.
    """

    def __init__(self, folder: str | Path, *, keep: int = 3) -> None:
        if keep < 1:
            raise InputError(f"At least one checkpoint has to be kept; got keep={keep}.")
        self.folder, self._keep = Path(folder), keep

    @property
    def all(self) -> list[Checkpoint]:
        """Those that are whole, by step."""
        there = self.folder.glob(f"step-*{_ENDING}") if self.folder.is_dir() else []
        return sorted((c for p in there if (c := Checkpoint.at(p)) is not None), key=lambda c: (c.step, c.held_out))

    @property
    def last(self) -> Checkpoint | None:
        """That of the latest step; None where there is none."""
        return next(reversed(self.all), None)

    @property
    def best(self) -> Checkpoint | None:
        """That with the least value, of held-out rows where any has one; the first of equals."""
        known = [c for c in self.all if not math.isnan(c.value)]
        held = [c for c in known if c.held_out]
        return min(held or known, key=lambda c: c.value, default=self.last)

    def near(self, step: int) -> Checkpoint | None:
        """Return the one nearest to a step, the earlier of two; None where there is none."""
        return min(self.all, key=lambda c: (abs(c.step - step), c.step), default=None)

    def write(self, parts: Parts, step: int, value: float = math.nan, *, held_out: bool = False) -> Checkpoint | None:
        """Keep the state of a training; return None, and write nothing, where a weight is not a finite number.

        Raises
        ------
        Unwritable
            The folder cannot be written.
        """
        state = Snapshot.of(parts)
        if not state.finite:
            return None
        name = f"step-{step:09d}-{'held' if held_out else 'train'}-{value!r}{_ENDING}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _replace(self.folder / name, {"format": FORMAT, "state": state.content})
        except OSError as error:
            raise Unwritable(str(self.folder / name), str(error)) from error
        self._prune(step)
        return Checkpoint(self.folder / name, step, value, held_out)

    def _prune(self, step: int) -> None:
        known, best = self.all, self.best
        steps = sorted({c.step for c in known})[-self._keep :]
        gone = [c.path for c in known if c.step not in steps and c != best]
        if any(c.held_out for c in known if c.step == step):
            gone += [c.path for c in known if c.step == step and not c.held_out]
        _remove([*gone, *self.folder.glob(f"*{_PARTIAL}")])

    def forget_after(self, step: int) -> None:
        """Remove those of later steps, which were gone back over."""
        _remove(c.path for c in self.all if c.step > step)

    def restore(self, parts: Parts, which: Checkpoint | None = None, *, chance: bool = True) -> int:
        """Put a checkpoint's state (the last one's) into a training; return how many steps had been taken.

        Parameters
        ----------
        parts
            What it is put into.
        which
            The checkpoint.
        chance
            Whether random numbers go back too: so that a run that is resumed goes on as it would have.

        Raises
        ------
        SourceNotFound
            There is no checkpoint.
        InputError
            It is of another model.
        """
        which = which or self.last
        if which is None:
            raise SourceNotFound(str(self.folder / f"step-*{_ENDING}"))
        which.load().restore(parts, chance=chance)
        return which.step


def _replace(target: Path, content: dict[str, Any]) -> None:
    partial = target.with_name(f"{target.name}{_PARTIAL}")
    with partial.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(target)
    with contextlib.suppress(OSError):  # where a folder cannot be opened, names are as durable as they get
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
