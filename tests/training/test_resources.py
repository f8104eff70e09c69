"""A run's processor time, memory and energy are those of the process, and NaN where the machine does not tell."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch_models import mlp, train

from watchkeeper.training import resources
from watchkeeper.training.pytorch.settings import Settings
from watchkeeper.training.pytorch.watched import watch
from watchkeeper.training.resources import COLUMNS, Resources, nvidia


def named(row: tuple[float, ...] | None) -> dict[str, float]:
    assert row is not None
    return dict(zip(COLUMNS, row, strict=True))


def test_processor_time_and_memory_are_those_of_the_process() -> None:
    before = time.process_time()
    meter = Resources(least=0)
    sum(range(2_000_000))
    taken = named(meter.take())
    assert 0 < taken["cpu_seconds"] <= time.process_time() - before
    assert taken["seconds"] > 0
    if sys.platform == "linux":
        assert taken["rss_bytes"] > 1e6
    assert math.isnan(taken["gpu_load"])
    assert math.isnan(taken["gpu_joules"])


def test_it_is_asked_no_oftener_than_said() -> None:
    meter = Resources(least=3600)
    assert meter.take() is not None
    assert meter.take() is None


def test_energy_counts_from_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package, joules in (("intel-rapl:0", 5_000_000), ("intel-rapl:1", 1_000_000)):
        (tmp_path / package).mkdir()
        (tmp_path / package / "energy_uj").write_text(f"{joules}\n")
    monkeypatch.setattr(resources, "RAPL", tmp_path)
    gpu = iter([(0.1, 1e9, 100.0), (0.5, 2e9, 130.0), (0.5, 2e9, 131.0)])
    meter = Resources(lambda: next(gpu), least=0)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("9000000\n")
    taken = named(meter.take())
    assert taken["cpu_joules"] == pytest.approx(4.0)
    assert (taken["gpu_load"], taken["gpu_bytes"], taken["gpu_joules"]) == (0.5, 2e9, 30.0)
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("500000\n")  # it began anew at 3 joules
    (tmp_path / "intel-rapl:1" / "max_energy_range_uj").write_text("3000000\n")
    assert named(meter.take())["cpu_joules"] == pytest.approx(4.0 + 2.5)


class NVMLError(Exception):
    pass


def nvml(**changes: Any) -> Any:
    def refuse(*args: Any) -> Any:
        raise NVMLError

    calls = {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetHandleByUUID": lambda uuid: uuid,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetUtilizationRates": lambda handle: SimpleNamespace(gpu=40),
        "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(used=3_000),
        "nvmlDeviceGetTotalEnergyConsumption": lambda handle: 2_500,
    }
    refused = {name: refuse for name, value in changes.items() if value is None}
    return SimpleNamespace(NVMLError=NVMLError, **(calls | refused))


def test_a_gpu_is_read_by_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml())
    read = nvidia("GPU-1")
    assert read is not None
    assert read() == (0.4, 3_000.0, 2.5)
    monkeypatch.setitem(sys.modules, "pynvml", nvml(nvmlDeviceGetTotalEnergyConsumption=None))
    read = nvidia(0)
    assert read is not None
    assert math.isnan(read()[2])


@pytest.mark.parametrize("missing", ["nvmlInit", "nvmlDeviceGetHandleByIndex"])
def test_one_that_is_not_there_is_none(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml(**{missing: None}))
    assert nvidia(0) is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert nvidia(0) is None


@pytest.mark.parametrize("asked", [True, False])
def test_a_run_records_them(asked: bool) -> None:
    model, loss = mlp(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer, loss, settings=Settings(resources=asked)) as seen:
        train(seen, model, optimizer, loss, 3)
    assert ("resources" in seen.run.series) == asked
    if asked:
        assert seen.run.series["resources"].columns == list(COLUMNS)
