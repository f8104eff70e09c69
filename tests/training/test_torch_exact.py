"""What is exact is found at its step with its layer, and what only looks like it is left alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch_models import Batch, batch, mlp, problems, train

from watchkeeper.training.finding import Finding
from watchkeeper.training.pytorch.settings import Settings
from watchkeeper.training.pytorch.watched import Watch, watch

CE = nn.CrossEntropyLoss()


def found(seen: Watch, problem: str) -> list[Finding]:
    return [finding for finding in seen.findings if finding.problem == problem]


def watched(model: nn.Module, loss: nn.Module, steps: int, data: Callable[[int], Batch] = batch) -> Watch:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    with watch(model, optimizer, loss) as seen:
        train(seen, model, optimizer, loss, steps, data=data)
    assert "watching_failed" not in problems(seen)
    return seen


# gradients that were not reset


def test_gradients_that_are_never_reset_are_found_at_the_second_step() -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with watch(model, optimizer, CE) as seen:
        for step in range(4):
            x, y = batch(step)
            loss = CE(model(x), y)
            loss.backward()
            optimizer.step()
            seen.step(loss)
    assert [f.step for f in found(seen, "stale_gradient")] == [1]


ACCUMULATE: dict[str, Callable[[torch.optim.Optimizer, int], None]] = {
    "after the step": lambda o, part: o.zero_grad() if part == 3 else None,
    "to zeros": lambda o, part: o.zero_grad(set_to_none=False) if part == 3 else None,
    "before the first part": lambda o, part: None,
}


@pytest.mark.parametrize("how", ACCUMULATE)
def test_accumulated_gradients_are_not_stale(how: str) -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with watch(model, optimizer, CE) as seen:
        for step in range(8):
            for part in range(4):
                if how == "before the first part" and part == 0:
                    optimizer.zero_grad()
                x, y = batch(4 * step + part)
                loss = CE(model(x), y) / 4
                loss.backward()
                if part == 3:
                    optimizer.step()
                ACCUMULATE[how](optimizer, part)
                seen.step(loss * 4)
    assert seen.run.step == 7
    assert not found(seen, "stale_gradient")


# parameters


def test_a_parameter_in_no_optimizer_is_named() -> None:
    model = mlp()
    optimizer = torch.optim.SGD([*model[0].parameters(), model[2].weight, *model[4].parameters()], lr=0.05)
    with watch(model, optimizer, CE) as seen:
        train(seen, model, optimizer, CE, 3)
    assert [f.layer for f in found(seen, "unused_parameter")] == ["2.bias"]


def test_one_that_is_frozen_on_purpose_is_not() -> None:
    model = mlp()
    model[0].requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.05)
    with watch(model, optimizer, CE) as seen:
        train(seen, model, optimizer, CE, 40)
    assert not found(seen, "unused_parameter")


# output and loss


def floats(outputs: int, *, flat: bool = False, binary: bool = False) -> Callable[[int], Batch]:
    def data(step: int) -> Batch:
        x, _ = batch(step)
        y = (x[:, :outputs] > 0).float() if binary else x[:, :outputs]
        return x, y.reshape(-1) if flat else y

    return data


def with_end(end: nn.Module, outputs: int = 3) -> nn.Sequential:
    model = nn.Sequential(*mlp(outputs=outputs), end)
    with torch.no_grad():
        model[4].weight *= 8  # outputs that differ from row to row
    return model


WRONG: dict[str, tuple[Callable[[], nn.Module], nn.Module, Callable[[int], Batch], int]] = {
    "softmax twice": (lambda: with_end(nn.Softmax(dim=1)), CE, batch, 1),
    "sigmoid twice": (lambda: with_end(nn.Sigmoid(), 1), nn.BCEWithLogitsLoss(), floats(1, binary=True), 12),
    "nll of logits": (mlp, nn.NLLLoss(), batch, 1),
    "broadcast": (lambda: mlp(outputs=1), nn.MSELoss(), floats(1, flat=True), 1),
    "one output": (lambda: mlp(outputs=1), CE, lambda s: (batch(s)[0], torch.zeros(16, dtype=torch.long)), 1),
}
RIGHT: dict[str, tuple[Callable[[], nn.Module], nn.Module, Callable[[int], Batch], int]] = {
    "cross entropy": (mlp, CE, batch, 30),
    "binary": (lambda: mlp(outputs=1), nn.BCEWithLogitsLoss(), floats(1, binary=True), 30),
    "binary of sigmoids": (lambda: with_end(nn.Sigmoid(), 1), nn.BCELoss(), floats(1, binary=True), 30),
    "nll": (lambda: with_end(nn.LogSoftmax(dim=1)), nn.NLLLoss(), batch, 30),
    "squares": (lambda: mlp(outputs=2), nn.MSELoss(), floats(2), 30),
}


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("name", WRONG)
def test_a_loss_that_does_not_fit_the_outputs(name: str) -> None:
    make, loss, data, steps = WRONG[name]
    seen = watched(make(), loss, steps, data)
    assert [f.severity for f in found(seen, "head_mismatch")] == ["critical"]


@pytest.mark.parametrize("name", RIGHT)
def test_and_one_that_does(name: str) -> None:
    make, loss, data, steps = RIGHT[name]
    assert not found(watched(make(), loss, steps, data), "head_mismatch")


# modes and batch normalisation


def normalised() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def test_evaluation_mode_left_on() -> None:
    model = normalised().eval()
    assert [f.step for f in found(watched(model, CE, 6), "evaluation_mode")] == [2]


def test_statistics_frozen_on_purpose_are_left_alone() -> None:
    model = normalised()
    model[1].eval()
    seen = watched(model, CE, 10)
    assert not model[1].training
    assert not found(seen, "evaluation_mode")


def test_an_evaluation_between_steps_is_no_mode_left_on() -> None:
    model = normalised()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    with watch(model, optimizer, CE) as seen:
        for _ in range(6):
            train(seen, model, optimizer, CE, 1)
            model.eval()
            with torch.no_grad():
                seen.validation(loss=float(CE(model(batch(99)[0]), batch(99)[1])))
            model.train()
    assert not found(seen, "evaluation_mode")


def test_a_momentum_of_nought_is_named() -> None:
    model = normalised()
    model[1].momentum = 0.0
    assert [(f.step, f.layer) for f in found(watched(model, CE, 2), "train_eval_gap")] == [(0, "1")]


# not finite


@pytest.mark.parametrize("at", [0, 3, 13])
@pytest.mark.parametrize("layer", [0, 2, 4])
def test_the_module_that_makes_nan_is_named_at_its_step(layer: int, at: int) -> None:
    model = mlp()

    def data(step: int) -> Batch:
        if step == at:
            with torch.no_grad():
                model[layer].weight[0, 0] = math.nan
        return batch(step)

    seen = watched(model, CE, at + 2, data)
    first = found(seen, "non_finite")[0]
    assert (first.step, first.layer, first.severity) == (at, str(layer), "critical")
    assert {f.problem for f in seen.findings if f.severity != "info"} == {"non_finite"}


def test_nan_in_a_batch_is_told_from_nan_in_the_model() -> None:
    def data(step: int) -> Batch:
        x, y = batch(step)
        return (x.index_fill(0, torch.tensor([3]), math.nan), y) if step == 4 else (x, y)

    first = found(watched(mlp(), CE, 6, data), "non_finite")[0]
    assert (first.step, first.layer) == (4, "0")
    assert "comes into module" in first.words


class Root(nn.Module):
    """The root of a square: at nought it has no slope."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.square().sqrt()


def test_a_root_of_nought_in_the_backward_pass() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), Root(), nn.Linear(8, 3))
    with torch.no_grad():
        model[0].weight[0], model[0].bias[0] = 0.0, 0.0
    first = found(watched(model, CE, 2), "non_finite")[0]
    assert (first.step, first.layer) == (0, "0.bias")
    assert "The outputs are finite" in first.words


class LogLoss(nn.Module):
    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        chances = output.softmax(dim=1)[torch.arange(len(target)), target]
        return -(chances * (chances > 0.4)).log().mean()


def test_a_logarithm_of_nought_in_the_loss() -> None:
    first = found(watched(mlp(), LogLoss(), 2), "non_finite")[0]
    assert (first.step, first.severity) == (0, "critical")


# mixed precision


def test_float16_without_a_scaler() -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for half, expected in ((torch.float16, 1), (torch.bfloat16, 0)):
        with watch(model, optimizer, CE) as seen:
            for step in range(3):
                x, y = batch(step)
                optimizer.zero_grad()
                with torch.autocast("cpu", half):
                    loss = CE(model(x), y)
                loss.backward()
                optimizer.step()
                seen.step(loss)
        assert len(found(seen, "mixed_precision")) == expected


def test_a_scale_that_goes_on_falling() -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    with watch(model, optimizer, CE, settings=Settings(every=1)) as seen:
        for step in range(40):
            x, y = batch(step)
            optimizer.zero_grad()
            loss = CE(model(x), y)
            scaler.scale(loss).backward()
            if step % 2:
                model[0].weight.grad[0, 0] = math.inf
            scaler.step(optimizer)
            scaler.update()
            seen.step(loss)
    assert found(seen, "mixed_precision")
    assert "is down to" in found(seen, "mixed_precision")[0].words
