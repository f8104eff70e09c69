"""Optuna, with trials pruned by what is found in their training: a loop of PyTorch over learning rates."""

from __future__ import annotations

import optuna
import torch
from torch import nn

import watchkeeper as wk
from watchkeeper.integrations.optuna import FOUND, TrialSink, WatchPruner


def objective(trial: optuna.Trial) -> float:
    """Train a small network with the trial's learning rate; return its last loss."""
    torch.manual_seed(0)
    y = torch.randint(0, 3, (1024,))
    x = 1.5 * torch.randn(3, 10)[y] + torch.randn(1024, 10)
    model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 3))
    rate = trial.suggest_float("rate", 1e-3, 1e3, log=True)
    optimizer, loss_fn = torch.optim.SGD(model.parameters(), lr=rate), nn.CrossEntropyLoss()
    with wk.watch(model, optimizer, loss_fn, sinks=[TrialSink(trial)]) as watch:
        for step in range(128):
            rows = slice(32 * step % 1024, 32 * step % 1024 + 32)
            optimizer.zero_grad()
            loss = loss_fn(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            watch.step(loss)
            if step % 16 == 15:
                trial.report(loss.item(), step)
                if trial.should_prune():
                    raise optuna.TrialPruned
    return loss.item()


if __name__ == "__main__":
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), pruner=WatchPruner())
    study.optimize(objective, n_trials=12)
    for trial in study.trials:
        found = ", ".join(f["problem"] for f in trial.user_attrs.get(FOUND, []) if f["severity"] == "critical")
        print(f"rate {trial.params['rate']:.3g}: {trial.state.name.lower()} {found}")
