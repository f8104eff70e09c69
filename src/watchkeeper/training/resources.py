"""What a run takes of its machine: processor seconds, memory, and of a GPU its load, memory and energy."""

from __future__ import annotations

import importlib
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
        self._packages = {p: joules for p in RAPL.glob("*-rapl:?") if (joules := _joules(p / "energy_uj")) is not None}
        self._cpu_joules = 0.0 if self._packages else math.nan
        self._start = time.perf_counter(), time.process_time()
        self._gpu_start = gpu()[2] if gpu is not None else math.nan
        self._last = -math.inf

    def take(self) -> tuple[float, ...] | None:
        """Return what :data:`COLUMNS` names; None where the last time is less than ``least`` seconds ago."""
        now = time.perf_counter()
        if now - self._last < self._least:
            return None
        self._last = now
        seconds, cpu = self._start
        load, used, energy = self._gpu() if self._gpu is not None else (math.nan,) * 3
        memory = resident()
        return (
            now - seconds,
            time.process_time() - cpu,
            math.nan if memory is None else memory,
            self._add_joules(),
            load,
            used,
            energy - self._gpu_start,
        )

    def _add_joules(self) -> float:
        """Return the joules so far; a counter that went back has come to its end and begun anew."""
        for package, before in self._packages.items():
            now = _joules(package / "energy_uj")
            if now is None:
                self._cpu_joules = math.nan
                continue
            around = _joules(package / "max_energy_range_uj") or math.nan if now < before else 0.0
            self._cpu_joules += now - before + around
            self._packages[package] = now
        return self._cpu_joules


def _joules(counter: Path) -> float | None:
    try:
        return int(counter.read_text()) / 1e6
    except (OSError, ValueError):
        return None


def nvidia(uuid_or_index: str | int) -> Gpu | None:
    """Return a reader of an NVIDIA GPU by ``nvidia-ml-py``; None where that or the GPU is not there."""
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
        find = nvml.nvmlDeviceGetHandleByUUID if isinstance(uuid_or_index, str) else nvml.nvmlDeviceGetHandleByIndex
        handle = find(uuid_or_index)
    except nvml.NVMLError:
        return None
    return _reader(nvml, handle)


def _reader(nvml: Any, handle: Any) -> Gpu:
    def asked(question: Callable[[Any], float]) -> float:
        try:
            return float(question(handle))
        except nvml.NVMLError:  # a GPU tells no energy before Volta, and some share no load
            return math.nan

    def read() -> tuple[float, float, float]:
        return (
            asked(lambda h: nvml.nvmlDeviceGetUtilizationRates(h).gpu / 100),
            asked(lambda h: nvml.nvmlDeviceGetMemoryInfo(h).used),
            asked(lambda h: nvml.nvmlDeviceGetTotalEnergyConsumption(h) / 1e3),
        )

    return read
