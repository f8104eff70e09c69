"""A race gives every optimizer the same; curves and the best step say what is known of made-up tasks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import watchkeeper as wk  # noqa: E402
from watchkeeper.errors import InputError  # noqa: E402
from watchkeeper.metrics.estimate import Estimate  # noqa: E402
from watchkeeper.training.pytorch import racing  # noqa: E402
from watchkeeper.training.run import Run  # noqa: E402

torch.set_num_threads(1)
kit = wk.training


def regression(rows: int = 512, noise: float = 0.3) -> tuple[Any, Any]:
    torch.manual_seed(4)
    x = torch.randn(rows, 6)
    return x, torch.sin(2 * x[:, :1]) + x[:, 1:2] + noise * torch.randn(rows, 1)


def batches(rows: int = 512) -> tuple[list[Any], list[Any]]:
    x, y = regression(rows + 256)
    return [(x[i : i + 32], y[i : i + 32]) for i in range(0, rows, 32)], [(x[rows:], y[rows:])]


class Pairs(torch.utils.data.Dataset):
    def __init__(self, tensors: tuple[Any, Any]) -> None:
        self.all = tensors

    def __len__(self) -> int:
        return len(self.all[0])

    def __getitem__(self, row: int) -> tuple[Any, Any]:
        return self.all[0][row], self.all[1][row]


def network(width: int = 16) -> Any:
    return nn.Sequential(nn.Linear(6, width), nn.Tanh(), nn.Linear(width, 1))


# --- the race -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("halving", [False, True])
def test_a_race_is_fair(halving: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: dict[str, int] = dict.fromkeys(racing.OPTIMIZERS, 0)
    first: dict[str, set[float]] = {name: set() for name in racing.OPTIMIZERS}

    def counted(name: str, make: Any) -> Any:
        def made(parameters: Any, rate: float) -> Any:
            held = list(parameters)
            first[name].add(float(held[0].detach().sum()))
            optimizer = make(held, rate)
            optimizer.register_step_post_hook(lambda *_: steps.update({name: steps[name] + 1}))
            return optimizer

        return made

    monkeypatch.setattr(racing, "OPTIMIZERS", {n: counted(n, m) for n, m in racing.OPTIMIZERS.items()})
    said: list[str] = []
    data = batches()
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    race = kit.race_optimizers(
        network, data, nn.MSELoss(), budget=6 * 5 * 40, seeds=2, halving=halving, progress=said.append
    )
    assert torch.equal(torch.get_rng_state(), before[0]) and np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002
    whole = (40 + 20 + 10 + 10 if halving else 4 * 40) + 2 * 40
    diverged = {r.name for r in race.racers if math.inf in r.searched.values() and not halving}
    assert {
        n for n, count in steps.items() if count != whole
    } <= diverged  # the same number for each that went to its end
    assert max(steps.values()) == whole
    assert all(starts == next(iter(first.values())) for starts in first.values())  # from the same weights
    assert len(said) == 5 * 6 and "30 of 30, about 0 s left" in said[-1]
    assert {r.name for r in race.racers} == set(racing.OPTIMIZERS)
    assert [r.loss.value for r in race.racers] == sorted(r.loss.value for r in race.racers)
    assert race.best.loss.value < 1.5 and race.best.behind is None
    for racer in race.racers:
        assert racer.loss.value == pytest.approx(np.mean(racer.losses)) and len(racer.losses) == 2
        assert racer.searched[racer.rate] == min(racer.searched.values())
        assert f"{racer.name:<18} {racer.rate:>7g}" in str(race)


def test_what_cannot_be_told_apart_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    sgd = torch.optim.SGD
    makes = {
        "good": lambda p, rate: sgd(p, lr=rate),
        "the same": lambda p, rate: sgd(p, lr=rate, nesterov=True, momentum=1e-12),
        "idle": lambda p, rate: sgd(p, lr=0.0),
        "wild": lambda p, rate: sgd(p, lr=1e9),
    }
    monkeypatch.setattr(racing, "OPTIMIZERS", makes)
    monkeypatch.setattr(racing, "RATES", dict.fromkeys(makes, (0.05, 0.1)))
    race = kit.race_optimizers(network, batches(), nn.MSELoss(), budget=4 * 8 * 60, seeds=4)
    assert set(race.alike) == {"good", "the same"}
    assert race.racers[-1].name == "wild" and math.isinf(race.racers[-1].loss.value)
    assert "diverged" in race.table() and "not told apart" in race.table()
    behind = next(r.behind for r in race.racers if r.name == "idle")
    assert isinstance(behind, Estimate) and behind.low > 0


def test_a_race_needs_a_budget_and_rows() -> None:
    with pytest.raises(InputError, match="450 steps"):
        kit.race_optimizers(network, batches(), nn.MSELoss(), budget=100)
    with pytest.raises(InputError, match="no held-out rows"):
        kit.race_optimizers(network, (batches()[0], []), nn.MSELoss(), budget=1000)


# --- curves -------------------------------------------------------------------------------------------------------


def test_a_line_underfits_a_curve_and_more_rows_do_not_help() -> None:
    x, y = regression(1200, noise=0.1)
    found = kit.learning_curve(
        lambda: (m := nn.Linear(6, 1), torch.optim.Adam(m.parameters(), lr=0.05)),
        nn.MSELoss(),
        (x, y),
        fits=kit.Fits(steps=150),
        judging=wk.Judging(better="lower", floor=0.05, target=0.05),
    )
    assert (found.verdict, found.more_data) == ("underfits", "no")
    assert found.sizes == [120, 240, 480, 960]
    assert found.train[-1].value > 0.2  # what a line cannot say of a sine


def test_a_large_network_overfits_few_rows() -> None:
    x, y = regression(500, noise=0.5)
    data = torch.utils.data.TensorDataset(x[:80], y[:80])
    found = kit.learning_curve(
        lambda: (m := network(64), torch.optim.Adam(m.parameters(), lr=0.01)),
        nn.MSELoss(),
        data,
        (x[80:], y[80:]),
        fits=kit.Fits(steps=250),
        judging=wk.Judging(better="lower", floor=0.05, target=0.3),
    )
    assert found.sizes == [10, 20, 40, 80]
    assert found.verdict == "overfits"
    assert found.gap.value > 0.2


def test_a_validation_curve_finds_the_width() -> None:
    x, y = regression(900, noise=0.1)
    found = kit.validation_curve(
        lambda width: (m := network(width), torch.optim.Adam(m.parameters(), lr=0.02)),
        [1, 24],
        nn.MSELoss(),
        (x[:600], y[:600]),
        (x[600:], y[600:]),
        fits=kit.Fits(steps=200),
    )
    assert found.best == 24
    assert found.verdicts == ["underfits", "fits"]


def test_a_score_of_ones_own_and_what_cannot_be_done() -> None:
    x, y = regression(100)
    data = x, y

    def within(model: Any, batch: Any) -> float:
        return float(((model(batch[0]) - batch[1]).abs() < 1).float().mean())

    before = torch.get_rng_state()
    pairs = Pairs(data)  # a data set of pairs gives what tensors give
    kept = [kit.learning_curve(network, nn.MSELoss(), d, sizes=[20, 40], fits=kit.Fits(steps=3)) for d in (data, pairs)]
    assert str(kept[0]) == str(kept[1])
    found = kit.learning_curve(
        network, nn.MSELoss(), data, data, sizes=[20, 40], fits=kit.Fits(steps=5, score=within), judging=wk.Judging()
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert all(0 <= e.value <= 1 for e in found.validation)
    with pytest.raises(InputError, match="there are 80 rows"):
        kit.learning_curve(network, nn.MSELoss(), data, sizes=[50, 200])
    with pytest.raises(InputError, match="2 repetitions"):
        kit.learning_curve(network, nn.MSELoss(), data, data, fits=kit.Fits(repetitions=1))


# --- the best step ------------------------------------------------------------------------------------------------


def run_of(values: Any) -> Run:
    run = Run()
    for place, value in enumerate(values):
        run.add_validation(10 * place, {"loss": float(value)})
    return run


def turning(random: Any, noise: float) -> Any:
    at = np.arange(40)
    return 1 + 0.002 * (at - 15.0) ** 2 + noise * random.standard_normal(40)


def test_the_best_step_is_that_of_the_curve_not_of_its_noise() -> None:
    random = np.random.default_rng(5)
    smooth, raw = [], []
    for _ in range(300):
        values = turning(random, 0.1)
        found = kit.best_step(run_of(values))
        assert found.verdict == "stop"
        assert 0.04 < found.noise < 0.18
        smooth.append(abs(found.step - 150))
        raw.append(abs(10 * int(np.argmin(values)) - 150))
    assert np.mean(smooth) < 0.85 * np.mean(raw)


def test_noise_alone_stops_nothing() -> None:
    random = np.random.default_rng(6)
    found = [kit.best_step(run_of(1 + 0.1 * random.standard_normal(40))).verdict for _ in range(400)]
    assert found.count("flat") > 0.9 * 400
    falling = [kit.best_step(run_of(3 - np.arange(40) / 20 + 0.01 * random.standard_normal(40))) for _ in range(50)]
    assert {f.verdict for f in falling} == {"go on"}


def test_higher_may_be_better_and_few_evaluations_say_nothing(tmp_path: Path) -> None:
    values = -turning(np.random.default_rng(7), 0.02)
    run = Run()
    for place, value in enumerate(values):
        run.add_validation(place, {"accuracy": value})
    found = kit.best_step(run, "accuracy", better="higher")
    assert found.verdict == "stop" and abs(found.step - 15) < 4 and found.value > found.now
    with pytest.raises(InputError, match="there are 3"):
        kit.best_step(run_of([1, 2, 3]))
    model = nn.Linear(2, 2)
    parts, kept = kit.Parts(model, [torch.optim.SGD(model.parameters(), lr=0.1)]), kit.Checkpoints(tmp_path, keep=9)
    assert kept.near(3) is None
    for step in (0, 10, 20):
        kept.write(parts, step)
    assert [kept.near(s).step for s in (4, 5, 6, 99)] == [0, 0, 10, 20]
