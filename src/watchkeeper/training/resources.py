"""What a run takes of its machine: processor seconds, memory, and of a GPU its load, memory and energy."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from watchkeeper.client.meter import resident

COLUMNS = ("seconds", "cpu_seconds", "rss_bytes", "cpu_joules", "gpu_load", "gpu_bytes", "gpu_joules")
RAPL = Path("/sys/class/powercap")
Gpu = Callable[[], tuple[float, float, float]]
"""Returns the GPU's load (0 to 1), its bytes in use and the joules it has used since some time ago."""


class Resources:
    """Measures from when it is made, at most once in ``least`` seconds; what the machine does not tell is NaN.

    ``cpu_joules`` are those of the whole processor package (Intel's and AMD's RAPL, where it may be read); ``gpu_joules`` those
    of the whole GPU. Both count from the start of the run, as do ``seconds`` and ``cpu_seconds``.
    """

    def __init__(self, gpu: Gpu | None = None, *, least: float = 1.0) -> None:
        self._gpu, self._least = gpu, least
        self._packages = [p for p in RAPL.glob("*-rapl:?/energy_uj") if _joules([p]) == _joules([p])]
        self._start = time.perf_counter(), time.process_time(), _joules(self._packages)
        self._gpu_start = gpu()[2] if gpu is not None else math.nan
        self._last = -math.inf

    def take(self) -> tuple[float, ...] | None:
        """Return what :data:`COLUMNS` names; None where the last time is less than ``least`` seconds ago."""
        now = time.perf_counter()
        if now - self._last < self._least:
            return None
        self._last = now
        seconds, cpu, joules = self._start
        load, used, energy = self._gpu() if self._gpu is not None else (math.nan,) * 3
        memory = resident()
        return (
            now - seconds,
            time.process_time() - cpu,
            math.nan if memory is None else memory,
            _joules(self._packages) - joules,
            load,
            used,
            energy - self._gpu_start,
        )


def _joules(packages: list[Path]) -> float:
    try:
        return sum(int(p.read_text()) / 1e6 for p in packages) if packages else math.nan
    except (OSError, ValueError):
        return math.nan


def nvidia(uuid_or_index: str | int) -> Gpu | None:
    """Return a reader of an NVIDIA GPU by ``nvidia-ml-py``; None where that or the GPU is not there."""
    try:
        import pynvml
    except ImportError:
        return None
    nvml: Any = pynvml
    try:
        nvml.nvmlInit()
        find = nvml.nvmlDeviceGetHandleByUUID if isinstance(uuid_or_index, str) else nvml.nvmlDeviceGetHandleByIndex
        handle = find(uuid_or_index)
        read = _reader(nvml, handle)
        read()
    except nvml.NVMLError:
        return None
    return read


def _reader(nvml: Any, handle: Any) -> Gpu:
    def read() -> tuple[float, float, float]:
        load = nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
        used = float(nvml.nvmlDeviceGetMemoryInfo(handle).used)
        try:
            joules = nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3
        except nvml.NVMLError:  # older than Volta
            joules = math.nan
        return load, used, joules

    return read
