"""Checks on demand leave model, optimizer, chance, modes and gradients as they were, bit for bit, and unseen by a watch."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

import watchkeeper as wk  # noqa: E402

torch.set_num_threads(1)


class Training:
    """A small training in the middle of its course: dropout, batch statistics, momentum, a gradient left over."""

    def __init__(self, optimizer: str = "AdamW") -> None:
        torch.manual_seed(3)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
        self.loss = nn.CrossEntropyLoss()
        kinds = {"AdamW": torch.optim.AdamW, "SGD": torch.optim.SGD}
        options = {"AdamW": {}, "SGD": {"momentum": 0.9}}[optimizer]
        self.optimizer = kinds[optimizer](self.model.parameters(), lr=0.01, **options)
        x = torch.randn(96, 4)
        self.data = TensorDataset(x, x[:, :3].argmax(dim=1))
        self.loader = DataLoader(self.data, batch_size=32, shuffle=True, generator=torch.Generator().manual_seed(1))
        self.step()
        self.model[4].eval()  # a mode of its own

    def step(self) -> None:
        for x, y in self.loader:
            self.optimizer.zero_grad()
            self.loss(self.model(x), y).backward()
            self.optimizer.step()

    def bits(self) -> list[bytes]:
        """Return everything that may change, as bytes."""
        state = self.optimizer.state_dict()
        tensors = [*self.model.state_dict().values(), *(p.grad for p in self.model.parameters())]
        tensors += [v for s in state["state"].values() for v in s.values() if isinstance(v, torch.Tensor)]
        tensors += [torch.get_rng_state(), self.loader.generator.get_state()]
        plain = [m.training for m in self.model.modules()], state["param_groups"], random.getstate()
        return [*(t.numpy().tobytes() for t in tensors), repr((*plain, np.random.get_state())).encode()]  # noqa: NPY002


def checks(t: Training) -> dict[str, Callable[[], Any]]:
    x, y = t.data.tensors
    kit = wk.training
    return {
        "gradient_check": lambda: kit.gradient_check(t.model, t.loss, x[:8], y[:8]),
        "fit_one_batch": lambda: kit.fit_one_batch(t.model, t.loss, (x, y), steps=30),
        "fit_one_batch with it": lambda: kit.fit_one_batch(t.model, t.loss, (x, y), optimizer=t.optimizer, steps=30),
        "lr_range_test": lambda: kit.lr_range_test(t.model, t.optimizer, t.loss, t.loader),
        "gradient_noise_scale": lambda: kit.gradient_noise_scale(t.model, t.loss, t.loader, steps=5),
    }


@pytest.mark.parametrize("optimizer", ["AdamW", "SGD"])
@pytest.mark.parametrize("name", list(checks(Training())))
def test_everything_is_as_it_was(name: str, optimizer: str) -> None:
    training = Training(optimizer)
    kept = [id(p.grad) for p in training.model.parameters()]
    before = training.bits()
    checks(training)[name]()
    assert training.bits() == before
    assert [id(p.grad) for p in training.model.parameters()] == kept


def test_the_bytes_would_show_a_step() -> None:
    training = Training()
    before = training.bits()
    training.step()
    assert sum(a != b for a, b in zip(before, training.bits(), strict=True)) > len(before) / 2


@pytest.mark.parametrize("name", list(checks(Training())))
def test_an_error_in_the_middle_leaves_it_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training()
    before = training.bits()
    calls = [0]

    def breaks(output: Any, target: Any) -> Any:
        calls[0] += 1
        if calls[0] > 2:
            raise ZeroDivisionError
        return nn.functional.cross_entropy(output, target)

    training.loss = breaks
    with pytest.raises(ZeroDivisionError):
        checks(training)[name]()
    assert training.bits() == before


@pytest.mark.parametrize("name", list(checks(Training())))
def test_a_watch_does_not_see_them(name: str) -> None:
    training = Training()
    watch = wk.watch(training.model, training.optimizer, training.loss)
    for x, y in training.loader:
        training.optimizer.zero_grad()
        loss = training.loss(training.model(x), y)
        loss.backward()
        training.optimizer.step()
        watch.step(loss)
    counts = {n: s.count for n, s in watch.run.series.items()}
    checks(training)[name]()
    assert {n: s.count for n, s in watch.run.series.items()} == counts
    loss = training.loss(training.model(x), y)
    loss.backward()
    training.optimizer.step()
    watch.step(loss)
    assert watch.run.series["loss"].count == counts["loss"] + 1
    watch.close()
