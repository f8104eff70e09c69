"""A search ends trials whose training goes wrong, says why, and returns the best of the rest."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

import watchkeeper as wk
from watchkeeper.errors import InputError

pytestmark = pytest.mark.integrations


def objective_of(rates: tuple[float, float]) -> Any:
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = torch.randn(256, 4)
    y = x @ torch.ones(4, 1)

    def objective(trial: Any, sink: Any) -> float:
        torch.manual_seed(1)
        model, loss_of = nn.Linear(4, 1), nn.MSELoss()
        rate = trial.suggest_float("rate", *rates, log=True)
        optimizer = torch.optim.SGD(model.parameters(), lr=rate)
        with wk.watch(model, optimizer, loss_of, sinks=[sink]) as watch:
            for _ in range(60):
                optimizer.zero_grad()
                loss = loss_of(model(x), y)
                loss.backward()
                optimizer.step()
                watch.step(loss)
                sink.prune()
        sink.prune()
        return float(loss.detach())

    return objective


@pytest.fixture
def tune() -> Any:
    import_module("optuna").logging.set_verbosity(30)
    return import_module("watchkeeper.integrations.tuning").tune


def test_what_diverges_ends_early_and_the_best_is_found(tune: Any) -> None:
    said: list[str] = []
    found = tune(objective_of((1e-3, 1e2)), trials=12, progress=said.append)
    assert found.value < 0.1 < found.parameters["rate"] * 10 < 10
    assert found.lost
    assert all(any(p in words for p in ("divergence", "non_finite", "not_learning")) for words in found.lost.values())
    rates = {t.number: t.params["rate"] for t in found.study.trials}
    assert all(rates[number] > 0.9 for number in found.lost)
    assert len(said) == 12 and said[-1].startswith("Trial 12 of 12")
    again = tune(objective_of((1e-3, 1e2)), trials=12)
    assert again.parameters == found.parameters  # by its seed
    assert "Best of 12 trials" in str(found)


def test_where_none_comes_to_its_end_that_is_said(tune: Any) -> None:
    with pytest.raises(InputError, match="None of 2 trials came to its end: ended with"):
        tune(objective_of((1e2, 1e3)), trials=2)
    with pytest.raises(InputError, match="got 0"):
        tune(objective_of((1.0, 2.0)), trials=0)
