"""Nothing in a hook waits for a device: shown on a device of whose numbers the host can see none, and on late copies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch_models import batch, mlp, train

from watchkeeper.training.pytorch import looking, stepping
from watchkeeper.training.pytorch.settings import Settings
from watchkeeper.training.pytorch.watched import watch

LOSS = nn.CrossEntropyLoss()
WAITS = {
    "_local_scalar_dense",
    "is_nonzero",
    "nonzero",
    "equal",
    "unique_dim",
    "_unique2",
    "masked_select",
    "bincount",
}


class Late:
    """A mark that the device comes past after it was asked so many times."""

    def __init__(self, times: float) -> None:
        self.left = times

    def query(self) -> bool:
        self.left -= 1
        return self.left < 0

    def synchronize(self) -> None:
        self.left = 0


class Closed:
    """A border at which a device is not open: copies arrive late, or, of a device without memory, never."""

    def __init__(self, late: float, device: str = "cpu") -> None:
        self.late, self.device, self.carried = late, device, 0

    def open(self, device: torch.device) -> bool:
        return device.type != self.device

    def carry(self, vector: torch.Tensor) -> tuple[torch.Tensor, Late]:
        self.carried += 1
        there = torch.zeros(vector.shape) if vector.is_meta else vector.detach().clone()
        return there, Late(self.late)


class NoWaiting(TorchDispatchMode):
    """Raises where an operation would make the host wait for a device, or brings host memory to it."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = {t.device.type for t in args if isinstance(t, torch.Tensor) and t.dim()}
        made = out.device.type if isinstance(out, torch.Tensor) else None
        crosses = "meta" in {made, *given} and "cpu" in {made, *given} - {None}
        if "meta" in {made, *given} and (crosses or func._schema.name.split("::")[1] in WAITS):
            raise AssertionError(f"{func} makes the host wait")
        return out


class NoMaking(TorchFunctionMode):
    """Raises where a tensor is made of Python's numbers on the device: they are copied from the host, which waits."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if func in {torch.tensor, torch.as_tensor} and made.is_meta and made.dim():
            raise AssertionError(f"{func} copies from the host")
        return made


def on_meta(steps: int, make_optimizer: Any = None, *, head: str = "cross_entropy") -> Closed:
    """Train a model of which the host can read nothing; a warning says that a hook failed, and warnings are errors."""
    border = Closed(float("inf"), "meta")
    model = nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3)
    ).to("meta")
    optimizer = (make_optimizer or (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)))(model.parameters())
    loss: nn.Module = nn.CrossEntropyLoss() if head == "cross_entropy" else nn.MSELoss()
    shape: tuple[int, ...] = (16,) if head == "cross_entropy" else (16, 3)
    y = torch.zeros(shape, dtype=torch.long if head == "cross_entropy" else torch.float32, device="meta")
    watched = watch(model, optimizer, loss, settings=Settings(every=5, early=10, histograms=20, border=border))
    with NoWaiting(), NoMaking():
        for step in range(steps):
            optimizer.zero_grad()
            value = loss(model(torch.zeros(16, 6, device="meta")), y)
            value.backward()
            if step % 3 == 0:
                watched.clip_grad_norm_(1.0)
            optimizer.step()
            watched.step(value)
    assert "loss" not in watched.run.series  # nothing has arrived
    return border


@pytest.mark.parametrize("head", ["cross_entropy", "mse"])
def test_no_hook_waits_for_a_device(head: str) -> None:
    border = on_meta(61, head=head)
    assert border.carried == 10 + 11  # one copy for all that five steps show


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.RMSprop])
def test_nor_with_other_optimizers(optimizer: Any) -> None:
    on_meta(25, lambda p: optimizer(p, lr=1e-2))


def broken_before(self: Any, optimizer: Any, args: Any, kwargs: Any) -> None:
    self.stepped = True
    self._parameters[0].grad.sum().item()


def broken_input(self: Any, args: Any, kwargs: Any) -> None:
    if bool((args[0] > 0).any()):
        self._batch_rows = 1


def broken_copy(self: Any, *args: Any) -> None:
    torch.ones(4).to(self._parameters[0].device)


def broken_making(self: Any, *args: Any) -> None:
    torch.tensor([1.0, 2.0], device=self._parameters[0].device)


@pytest.mark.parametrize(
    ("owner", "name", "hook"),
    [
        (stepping.Stepping, "_before", broken_before),
        (looking.Looking, "_input", broken_input),
        (stepping.Stepping, "_after", broken_copy),
        (stepping.Stepping, "_after", broken_making),
    ],
)
def test_a_hook_that_waits_is_caught(owner: type, name: str, hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, name, hook)
    with pytest.raises((RuntimeWarning, AssertionError)):
        on_meta(3)


@pytest.fixture(params=[0, 3, float("inf")])
def border(request: pytest.FixtureRequest) -> Closed:
    return Closed(request.param)


def test_late_copies_make_the_same_run(border: Closed) -> None:
    runs = []
    for settings in (Settings(resources=False), Settings(resources=False, border=border)):
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        watched = watch(model, optimizer, LOSS, settings=settings)
        train(watched, model, optimizer, LOSS, 70, data=batch)
        watched.close()
        runs.append(watched.run)
    at_once, late = runs
    assert border.carried > 20
    assert at_once.series.keys() == late.series.keys()
    for name, series in at_once.series.items():
        assert late.series[name].steps.tolist() == series.steps.tolist()
        np.testing.assert_allclose(late.series[name].rows, series.rows, rtol=1e-6)


class Slopeless(nn.Module):
    """Has no slope at nought."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.square().sqrt()


@pytest.mark.parametrize("scaled", [False, True])
def test_gradients_that_are_not_finite_are_seen_where_none_is_asked(scaled: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), Slopeless(), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watched = watch(model, optimizer, LOSS, settings=Settings(border=Closed(2)))
    scaler = torch.amp.GradScaler("cpu", enabled=scaled, init_scale=8.0)
    for step in range(12):
        if step == 7:
            with torch.no_grad():
                model[2].weight[0], model[2].bias[0] = 0.0, 0.0
        x, y = batch(step)
        optimizer.zero_grad()
        loss = LOSS(model(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        watched.step(loss)
    watched.close()
    seen = [(event.step, event.layer) for event in watched.run.of("non_finite")]
    assert seen == ([] if scaled else [(7, "2.bias")])


def test_copies_that_are_not_done_are_left_on_their_way() -> None:
    border = Closed(float("inf"))
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watched = watch(model, optimizer, LOSS, settings=Settings(border=border))
    train(watched, model, optimizer, LOSS, 10, data=batch)
    assert "loss" not in watched.run.series
    assert len(watched.findings) == 0  # asking waits
    assert len(watched.run.series["loss"]) == 10
