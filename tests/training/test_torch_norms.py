"""The norm of a recorded gradient is that of torch.nn.utils.get_total_norm in the same step, however the step is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch_models import batch, mlp

from watchkeeper.training.pytorch.settings import Settings
from watchkeeper.training.pytorch.watched import Watch, watch

STEPS = 6
EACH = Settings(every=1, resources=False)
LOSS = nn.CrossEntropyLoss()


def total(model: nn.Module) -> float:
    return float(torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None]))


def recorded(watched: Watch, name: str = "gradient") -> np.ndarray:
    watched.close()
    assert not [f for f in watched.findings if f.problem == "watching_failed"]
    return np.sqrt(np.square(watched.run.series[name].rows).sum(axis=1))


OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-2),
    "foreach": lambda p: torch.optim.AdamW(p, lr=1e-2, foreach=True),
    "single": lambda p: torch.optim.Adam(p, lr=1e-2, foreach=False),
    "fused": lambda p: torch.optim.Adam(p, lr=1e-2, fused=True),
    "capturable": lambda p: torch.optim.SGD(p, lr=torch.tensor(0.1), momentum=0.9),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_of_each_optimizer(name: str) -> None:
    model = mlp()
    optimizer = OPTIMIZERS[name](model.parameters())
    watched, wanted = watch(model, optimizer, LOSS, settings=EACH), []
    for step in range(STEPS):
        x, y = batch(step)
        optimizer.zero_grad()
        loss = LOSS(model(x), y)
        loss.backward()
        wanted.append(total(model))
        optimizer.step()
        watched.step(loss)
    assert recorded(watched) == pytest.approx(wanted, rel=1e-5)
    assert watched.run.series["learning_rate"].values == pytest.approx(float(optimizer.param_groups[0]["lr"]))


def test_of_accumulated_gradients_and_the_mean_of_their_losses() -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watched, wanted, losses = watch(model, optimizer, LOSS, settings=EACH), [], []
    for step in range(STEPS):
        parts = []
        for part in range(4):
            x, y = batch(4 * step + part)
            loss = LOSS(model(x), y)
            (loss / 4).backward()
            parts.append(loss.item())
            if part == 3:
                wanted.append(total(model))
                optimizer.step()
                optimizer.zero_grad()
            watched.step(loss)
        losses.append(np.mean(parts))
    assert recorded(watched) == pytest.approx(wanted, rel=1e-5)
    assert watched.run.series["loss"].values == pytest.approx(losses, rel=1e-6)
    assert not watched.run.of("stale_gradient")


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_of_mixed_precision_is_without_the_scale(fused: bool, half: torch.dtype) -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    watched, wanted = watch(model, optimizer, LOSS, settings=EACH), []
    for step in range(STEPS):
        x, y = batch(step)
        optimizer.zero_grad()
        with torch.autocast("cpu", half):
            loss = LOSS(model(x), y)
        scaler.scale(loss).backward()
        wanted.append(total(model) / scaler.get_scale())
        scaler.step(optimizer)
        scaler.update()
        watched.step(loss)
    assert recorded(watched) == pytest.approx(wanted, rel=1e-5)
    assert watched.run.series["scale"].values[0] == 1024
    assert not watched.run.of("mixed_precision")


@pytest.mark.parametrize("fused", [False, True])
def test_steps_that_a_scaler_skips_are_no_fault(fused: bool) -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**20, growth_interval=100)
    watched = watch(model, optimizer, LOSS, settings=EACH)
    for step in range(STEPS):
        x, y = batch(step)
        optimizer.zero_grad()
        loss = LOSS(model(x), y)
        scaler.scale(loss * (1e36 if step == 2 else 1.0)).backward()
        scaler.step(optimizer)
        scaler.update()
        watched.step(loss)
    watched.close()
    assert not watched.run.of("non_finite")


def test_before_clipping_by_the_watch_and_after_clipping_by_hand() -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watched, before, after = watch(model, optimizer, LOSS, settings=EACH), [], []
    for step in range(STEPS):
        x, y = batch(step)
        optimizer.zero_grad()
        loss = LOSS(model(x), y)
        loss.backward()
        before.append(total(model))
        norm = watched.clip_grad_norm_(0.01) if step % 2 else nn.utils.clip_grad_norm_(model.parameters(), 0.01)
        assert float(norm) == pytest.approx(before[-1], rel=1e-5)
        after.append(total(model))
        optimizer.step()
        watched.step(loss)
    assert recorded(watched) == pytest.approx(after, rel=1e-5)
    clip = watched.run.series["clip"]
    assert clip.values == pytest.approx(before[1::2], rel=1e-5)
    assert clip.rows[:, 1] == pytest.approx(0.01)


def test_of_several_optimizers_on_one_model_together() -> None:
    model = mlp()
    first = torch.optim.SGD(model[0].parameters(), lr=0.1)
    rest = torch.optim.Adam([*model[2].parameters(), *model[4].parameters()], lr=1e-2)
    watched, wanted = watch(model, [first, rest], LOSS, settings=EACH), []
    for step in range(STEPS):
        x, y = batch(step)
        model.zero_grad()
        loss = LOSS(model(x), y)
        loss.backward()
        wanted.append(total(model))
        first.step()
        rest.step()
        watched.step(loss)
    assert recorded(watched) == pytest.approx(wanted, rel=1e-5)
    assert len(watched.run.series["gradient"]) == STEPS


def test_of_sparse_gradients_with_repeated_rows() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.EmbeddingBag(20, 5, sparse=True), nn.Linear(5, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watched, wanted = watch(model, optimizer, LOSS, settings=EACH), []
    for step in range(STEPS):
        g = torch.Generator().manual_seed(step)
        x, y = torch.randint(6, (8, 4), generator=g), torch.randint(3, (8,), generator=g)
        optimizer.zero_grad()
        loss = LOSS(model(x), y)
        loss.backward()
        dense = [p.grad.to_dense() if p.grad.is_sparse else p.grad for p in model.parameters()]
        wanted.append(float(torch.nn.utils.get_total_norm(dense)))
        optimizer.step()
        watched.step(loss)
    assert recorded(watched) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_of_other_types_of_numbers(dtype: torch.dtype) -> None:
    model = mlp().to(dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watched, wanted = watch(model, optimizer, LOSS, settings=EACH), []
    for step in range(STEPS):
        x, y = batch(step)
        optimizer.zero_grad()
        loss = LOSS(model(x.to(dtype)), y)
        loss.backward()
        wanted.append(float(torch.nn.utils.get_total_norm([p.grad.double() for p in model.parameters()])))
        optimizer.step()
        watched.step(loss)
    assert recorded(watched) == pytest.approx(wanted, rel=1e-5)


def test_updates_are_those_of_plain_gradient_descent() -> None:
    model = mlp(width=40)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watched = watch(model, optimizer, LOSS, settings=EACH)
    x, y = batch(0)
    weights = [p.detach().clone() for p in model.parameters()]
    loss = LOSS(model(x), y)
    loss.backward()
    wanted = []
    for p, w in zip(model.parameters(), weights, strict=True):
        some = slice(None, None, -(-w.numel() // 512))
        wanted.append(0.1 * p.grad.reshape(-1)[some].norm() / w.reshape(-1)[some].norm())
    optimizer.step()
    watched.step(loss)
    watched.close()
    assert watched.run.series["update"].rows[0] == pytest.approx([float(w) for w in wanted], rel=1e-3)
    whole = float(torch.cat([p.detach().reshape(-1) for p in model.parameters()]).norm())
    assert recorded(watched, "weight") == pytest.approx([whole], rel=1e-5)


class Tied(nn.Module):
    """Has one weight in two places, a parameter without numbers and one of complex numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = nn.Embedding(10, 8), nn.Linear(8, 10, bias=False)
        self.out.weight = self.embed.weight
        self.none = nn.Parameter(torch.empty(0))
        self.turn = nn.Parameter(torch.ones(8, dtype=torch.complex64))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.out(self.embed(tokens) * (self.turn * self.turn.conj()).real).transpose(1, 2)


def test_of_tied_empty_and_complex_parameters() -> None:
    torch.manual_seed(0)
    model = Tied()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watched, wanted = watch(model, optimizer, LOSS, settings=Settings(every=1, histograms=1)), []
    for _ in range(STEPS):
        tokens = torch.randint(10, (4, 6))
        optimizer.zero_grad()
        loss = LOSS(model(tokens), tokens)
        loss.backward()
        wanted.append(total(model))
        optimizer.step()
        watched.step(loss)
    assert recorded(watched) == pytest.approx(wanted, rel=1e-5)
    assert (watched.run.series["update"].rows[:, 1:] > 0).all()  # all but the empty one
    assert watched.run.series["histogram/gradient/turn"].rows.sum(axis=1).tolist() == [16] * STEPS


def test_of_a_step_that_is_given_a_closure() -> None:
    model = nn.Linear(6, 3)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)
    watched, wanted = watch(model, optimizer, LOSS, settings=EACH), []
    x, y = batch(0)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = LOSS(model(x), y)
        loss.backward()
        return loss

    for _ in range(STEPS):
        loss = optimizer.step(closure)
        wanted.append(total(model))
        watched.step(loss)
    assert recorded(watched) == pytest.approx(wanted, rel=1e-5)
