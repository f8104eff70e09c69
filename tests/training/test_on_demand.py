"""Checks on demand against what is known: a wrong backward pass, the greatest stable rate, a covariance in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import watchkeeper as wk  # noqa: E402
from watchkeeper.errors import InputError  # noqa: E402
from watchkeeper.training.text_plot import text_plot  # noqa: E402

torch.set_num_threads(1)
kit = wk.training


class _Square(torch.autograd.Function):
    """x squared; ``factor`` 2 is right."""

    @staticmethod
    def forward(ctx: Any, x: Any, factor: float) -> Any:
        ctx.save_for_backward(x)
        ctx.factor = factor
        return x**2

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        (x,) = ctx.saved_tensors
        return gradient * ctx.factor * x, None


class Square(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Any) -> Any:
        return _Square.apply(x, self.factor)


class Block(nn.Module):
    """A module whose own code, not that of a part of it, may be wrong."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.inner, self.factor = nn.Linear(8, 8), factor

    def forward(self, x: Any) -> Any:
        return x + _Square.apply(self.inner(x), self.factor)


def rows(n: int = 16, features: int = 4) -> tuple[Any, Any]:
    torch.manual_seed(0)
    x = torch.randn(n, features)
    return x, torch.randint(0, 3, (n,))


# --- gradient_check -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1.0, 2.02, -2.0])
def test_a_wrong_backward_is_found_and_named(factor: float) -> None:
    x, y = rows()
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), Square(factor), nn.Linear(8, 3))
    found = kit.gradient_check(model, nn.CrossEntropyLoss(), x, y)
    assert not found
    assert found.module == "2"
    assert set(found.layers) == {"0.weight", "0.bias"}  # what lies behind it is right
    ratio = [w.backward / w.difference for w in found.wrong]
    assert np.allclose(ratio, factor / 2, rtol=1e-3)


def test_the_innermost_module_that_is_wrong_is_named() -> None:
    x, y = rows()
    model = nn.Sequential(nn.Linear(4, 8), Block(1.0), nn.Linear(8, 3))
    found = kit.gradient_check(model, nn.CrossEntropyLoss(), x, y)
    assert found.module == "1"
    loss = kit.gradient_check(nn.Linear(4, 3), lambda o, t: nn.functional.cross_entropy(_Square.apply(o, 1.0), t), x, y)
    assert loss.module is None
    assert "outside of any module" in str(loss)


@pytest.mark.parametrize("scale", [1.0, 1e-4])
def test_small_gradients_are_not_passed_over(scale: float) -> None:
    x, y = rows()
    model = nn.Sequential(nn.Linear(4, 8), Square(1.0), nn.Linear(8, 3))
    assert not kit.gradient_check(model, lambda o, t: scale * nn.functional.cross_entropy(o, t), x, y)


MODELS = {
    "right": nn.Sequential(nn.Linear(4, 8), Square(2.0), Block(2.0), nn.Linear(8, 3)),
    "dropout and batch statistics": nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3)
    ),
    "kinks at zero": nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 3)),
    "gates": nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.LayerNorm(8), nn.Softmax(dim=1), nn.Linear(8, 3)),
}


@pytest.mark.parametrize("name", MODELS)
def test_what_is_right_passes(name: str) -> None:
    x, y = rows()
    model = MODELS[name]
    if name == "kinks at zero":
        nn.init.zeros_(model[0].bias)
        x = torch.zeros_like(x)
    found = kit.gradient_check(model, nn.CrossEntropyLoss(), x, y, share=1.0)
    assert found, str(found)
    assert found.checked > 20


def test_a_loss_that_is_no_number_is_said() -> None:
    x, y = rows()
    with pytest.raises(InputError, match="loss of these rows is nan"):
        kit.gradient_check(nn.Linear(4, 3), lambda o, t: (o - t.max() - 9).sum().log(), x, y)


# --- fit_one_batch ------------------------------------------------------------------------------------------------


def network(width: int = 32) -> Any:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Dropout(0.5), nn.Linear(width, 3))


def test_a_model_fits_sixteen_rows() -> None:
    found = kit.fit_one_batch(network(), nn.CrossEntropyLoss(), rows(64))
    assert found
    assert found.losses[-1] <= found.goal < 0.02
    assert found.reasons == []


def _dead() -> Any:
    model = network()
    nn.init.constant_(model[0].bias, -100.0)
    return model


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("dead", "output is the same for every row"),
        ("contradiction", "equal inputs and different targets"),
        ("slow", "raise the learning rate"),
        ("left out", "optimizer does not have 0.weight, 0.bias"),
        ("flipped", "The loss rose"),
        ("spread", "each row is compared with every other"),
        ("not finite", "The loss is nan at step 0"),
    ],
)
def test_why_not(case: str, said: str) -> None:
    model, loss, batch, optimizer = network(), nn.CrossEntropyLoss(), rows(16), None
    if case == "dead":
        model = _dead()
    elif case == "contradiction":
        batch = torch.zeros_like(batch[0]), batch[1]
    elif case == "slow":
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-7)
    elif case == "left out":
        optimizer = torch.optim.Adam(model[3].parameters(), lr=1e-9)
    elif case == "flipped":
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, maximize=True)
    elif case == "spread":
        model, loss, batch = nn.Linear(4, 1), nn.MSELoss(), (batch[0], batch[1].float())
        with pytest.warns(UserWarning, match="target size"):
            found = kit.fit_one_batch(model, loss, batch, steps=100)
    elif case == "not finite":
        batch = batch[0] * float("nan"), batch[1]
    if case != "spread":
        found = kit.fit_one_batch(model, loss, batch, optimizer=optimizer, steps=100)
    assert not found
    assert said in found.words


# --- lr_range_test ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("curvature", [0.1, 1.0, 30.0])
def test_the_suggestion_lies_below_the_greatest_stable_rate(curvature: float) -> None:
    torch.manual_seed(0)
    x = torch.randn(64, 4) * curvature**0.5
    y = x @ torch.ones(4, 1)
    stable = 2 / float(torch.linalg.eigvalsh(2 * x.T @ x / 64)[-1])  # of gradient descent on this loss
    model = nn.Linear(4, 1, bias=False)
    nn.init.zeros_(model.weight)
    found = kit.lr_range_test(
        model, torch.optim.SGD(model.parameters(), lr=1.0), nn.MSELoss(), [(x, y)], low=stable * 1e-5, high=stable * 1e3
    )
    assert found.suggestion is not None and found.diverging is not None
    assert stable / 100 < found.suggestion < stable
    assert stable / 2 < found.diverging < stable * 100
    assert len(found.rates) == len(found.losses) < 100  # it stopped


def test_without_a_gradient_there_is_no_suggestion() -> None:
    x, y = rows(64)
    model = network()
    found = kit.lr_range_test(
        model, torch.optim.SGD(model.parameters(), lr=1.0), nn.CrossEntropyLoss(), [(x, y)], low=1e-12, high=1e-9
    )
    assert found.suggestion is None and found.diverging is None
    assert "At none did the loss fall" in str(found)


def test_an_iterator_would_be_used_up() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    with pytest.raises(InputError, match="use up"):
        kit.lr_range_test(model, optimizer, nn.CrossEntropyLoss(), iter([rows()]))
    with pytest.raises(InputError, match="empty"):
        kit.lr_range_test(model, optimizer, nn.CrossEntropyLoss(), [])


def test_groups_keep_the_ratio_of_their_rates() -> None:
    model = network()
    seen = []
    groups = [{"params": model[0].parameters(), "lr": 0.1}, {"params": model[3].parameters(), "lr": 0.01}]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    optimizer.register_step_post_hook(lambda o, *_: seen.append([g["lr"] for g in o.param_groups]))
    kit.lr_range_test(model, optimizer, nn.CrossEntropyLoss(), [rows(64)], low=1e-5, high=1e-2, steps=20)
    assert np.allclose([a / b for a, b in seen], 10)
    assert [g["lr"] for g in optimizer.param_groups] == [0.1, 0.01]


def test_a_plot_has_its_ends() -> None:
    drawn = text_plot(np.linspace(3, 1, 120), width=40, height=5, marks={60: "S"}).splitlines()
    assert drawn[0].startswith("2.983 │•") and drawn[4].endswith("•")
    assert len(drawn) == 6 and drawn[5].index("S") == drawn[0].index("│") + 1 + 20
    assert text_plot([float("nan")]) == "(nothing to plot)"


# --- gradient_noise_scale -----------------------------------------------------------------------------------------


def known_noise(features: int, way: float, noise: float) -> float:
    """Return tr(S)/|G|^2 of ``(x w - y)^2`` at a distance ``way`` from w, for standard normal x and noise of y.

    A row's gradient is 2 r x with r = x d + e. E g = 2 d, and E|g|^2 = 4 [(|d|^2 + s^2) k + 2 |d|^2].
    """
    second = 4 * ((way**2 + noise**2) * features + 2 * way**2)
    return (second - 4 * way**2) / (4 * way**2)


def test_the_noise_scale_of_a_regression_is_the_known_one() -> None:
    torch.manual_seed(2)
    model = nn.Linear(10, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(2.0 / 10**0.5)
    x = torch.randn(100, 64, 10)
    batches = [(rows_, 1.0 * torch.randn(64, 1)) for rows_ in x]
    found = kit.gradient_noise_scale(model, nn.MSELoss(), batches, steps=100)
    truth = known_noise(10, 2.0, 1.0)
    assert found.low < truth < found.high
    assert found.high / found.low < 1.6
    assert found.verdict == "fine"


def simulated(seed: int, *, wrong: bool = False) -> Any:
    """Return a noise scale from gradients of 16 dimensions, mean 1 along each, variance 9 of a row: truth 9."""
    random = np.random.default_rng(seed)
    found = kit.NoiseScale(decay=None)
    for _ in range(40):
        parts = 1 + random.standard_normal((4, 16)) * 3 / np.sqrt(5)
        small, large = (parts**2).sum(axis=1).mean(), (parts.mean(axis=0) ** 2).sum()
        found.add(small * (1.2 if wrong else 1.0), 5, large, 20)
    return found


def test_numerator_and_denominator_have_no_bias_and_the_interval_holds() -> None:
    found = [simulated(seed) for seed in range(400)]
    for of, truth in (("noise", 144.0), ("signal", 16.0)):
        values = np.array([getattr(f, of) for f in found])
        assert abs(values.mean() - truth) < 4 * values.std() / 20, of
    held = np.mean([f.interval()[0] <= 9.0 <= f.interval()[1] for f in found])
    assert 0.91 < held < 0.985
    broken = np.mean(
        [f.interval()[0] <= 9.0 <= f.interval()[1] for f in (simulated(s, wrong=True) for s in range(100))]
    )
    assert broken < 0.5


def test_the_moving_average_forgets_its_start() -> None:
    found = kit.NoiseScale(decay=0.9)
    found.add(10.0, 1, 4.0, 4)
    assert found.value == pytest.approx(8.0 / 2.0)  # corrected for its start
    for _ in range(200):
        found.add(5.0, 1, 5.0, 4)
    assert found.noise == pytest.approx(0.0, abs=1e-6)
    assert found.value < 1e-6
    for _ in range(200):
        found.add(9.0, 1, 2.0, 4)
    assert found.value == float("inf")  # no gradient in it
    with pytest.raises(InputError, match="second larger"):
        found.add(1.0, 4, 1.0, 4)


@pytest.mark.parametrize(("rows_", "verdict"), [(8, "small"), (100, "fine"), (2000, "wasteful"), (13, "unknown")])
def test_what_a_batch_size_is(rows_: int, verdict: str) -> None:
    said = kit.BatchSize(130.0, 120.0, 150.0, rows_)
    assert said.verdict == verdict
    assert f"{rows_:,}" in str(said)
