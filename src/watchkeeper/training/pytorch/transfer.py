"""Carry small vectors from a device to the host without waiting for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch

from watchkeeper.sketches.kernel import Floats

Deliver = Callable[[Floats], None]


class Mark(Protocol):
    """A place in a device's work; ``torch.cuda.Event`` is one."""

    def query(self) -> bool:
        """Whether the device has come past it."""

    def synchronize(self) -> None:
        """Wait until it has."""


class Border(Protocol):
    """Between a device and the host: which memory the host sees at once, and how the rest is brought over."""

    def open(self, device: torch.device) -> bool:
        """Whether the host sees this device's memory at once, so that reading a number waits for nothing."""

    def carry(self, vector: torch.Tensor) -> tuple[torch.Tensor, Mark]:
        """Begin to copy a vector to the host; return where it will be, and the mark behind its copy."""


class CudaBorder:
    """CUDA's memory is brought over by pinned memory on the stream that made it; all other is taken as open."""

    def open(self, device: torch.device) -> bool:
        """Whether it is not CUDA's."""
        return bool(device.type != "cuda")

    def carry(self, vector: torch.Tensor) -> tuple[torch.Tensor, Mark]:
        """Begin to copy to pinned memory: neither the host nor the device waits."""
        there = torch.empty(vector.shape, dtype=vector.dtype, pin_memory=True)
        there.copy_(vector, non_blocking=True)
        mark = torch.cuda.Event()
        mark.record()
        return there, mark


class Transfer:
    """Vectors on their way. What is open arrives at once; the rest when :meth:`collect` next finds its copy done.

    A mark is asked, never waited for, until the run ends.
    """

    def __init__(self, border: Border) -> None:
        self._border = border
        self._way: deque[tuple[Mark, torch.Tensor, Deliver]] = deque()

    @property
    def waiting(self) -> bool:
        """Whether something is on its way."""
        return bool(self._way)

    def send(self, vector: torch.Tensor, deliver: Deliver) -> None:
        """Send a vector of any floating type; ``deliver`` gets it as float64, shape ``(n,)``."""
        vector = vector.detach().reshape(-1)
        if self._border.open(vector.device):
            deliver(_host(vector))
            return
        there, mark = self._border.carry(vector)
        self._way.append((mark, there, deliver))

    def send_all(self, vectors: Sequence[torch.Tensor], deliver: Sequence[Deliver]) -> None:
        """Send several, those of one device that is not open in one copy."""
        together: dict[torch.device, list[tuple[torch.Tensor, Deliver]]] = {}
        for vector, arrived in zip(vectors, deliver, strict=True):
            if self._border.open(vector.device):
                self.send(vector, arrived)
            else:
                together.setdefault(vector.device, []).append((vector.detach().reshape(-1).float(), arrived))
        for parts in together.values():
            sizes = [len(vector) for vector, _ in parts]
            self.send(torch.cat([vector for vector, _ in parts]), _Split(sizes, [arrived for _, arrived in parts]))

    def collect(self, *, wait: bool = False) -> None:
        """Deliver what has arrived, in order; with ``wait`` everything that was sent."""
        while self._way:
            mark, there, deliver = self._way[0]
            if wait:
                mark.synchronize()
            elif not mark.query():
                return
            self._way.popleft()
            deliver(_host(there))


class _Split:
    """Hands each part of a vector to whom it is for."""

    def __init__(self, sizes: Sequence[int], deliver: Sequence[Deliver]) -> None:
        self._ends = np.cumsum(sizes)[:-1]
        self._deliver = deliver

    def __call__(self, values: Floats) -> None:
        for part, deliver in zip(np.split(values, self._ends), self._deliver, strict=True):
            deliver(part)


def _host(vector: torch.Tensor) -> Floats:
    return np.asarray(vector.to(device="cpu", dtype=torch.float64).numpy())
