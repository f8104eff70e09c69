"""Carry small vectors from a device to the host without waiting for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
import torch

from watchkeeper.sketches.kernel import Floats

Deliver = Callable[[Floats], None]


class Transfer:
    """Vectors on their way. On a CPU they arrive at once; from a GPU when :meth:`collect` next finds their copy done.

    A copy goes to pinned memory on the stream that made the vector, with an event behind it, so neither the host nor the
    device waits; an event is asked, never waited for, until the run ends.
    """

    def __init__(self) -> None:
        self._way: deque[tuple[torch.cuda.Event, torch.Tensor, Deliver]] = deque()

    def send(self, vector: torch.Tensor, deliver: Deliver) -> None:
        """Send a vector of any floating type; ``deliver`` gets it as float64, shape ``(n,)``."""
        vector = vector.detach().reshape(-1)
        if vector.device.type != "cuda":
            deliver(_host(vector))
            return
        there = torch.empty(vector.shape, dtype=vector.dtype, pin_memory=True)
        there.copy_(vector, non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        self._way.append((event, there, deliver))

    def collect(self, *, wait: bool = False) -> None:
        """Deliver what has arrived, in order; with ``wait`` everything that was sent."""
        while self._way:
            event, there, deliver = self._way[0]
            if wait:
                event.synchronize()
            elif not event.query():
                return
            self._way.popleft()
            deliver(_host(there))


def _host(vector: torch.Tensor) -> Floats:
    return np.asarray(vector.to(device="cpu", dtype=torch.float64).numpy())
