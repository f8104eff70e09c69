"""A loop of PyTorch, watched: once as it should be, once with a learning rate that is too high."""

from __future__ import annotations

import torch
from torch import nn

import watchkeeper as wk
from watchkeeper.training.finding import Findings


def train(rate: float) -> Findings:
    """Train a small network on rows in three classes, and return what was found."""
    torch.manual_seed(0)
    y = torch.randint(0, 3, (2048,))
    x = 1.5 * torch.randn(3, 10)[y] + torch.randn(2048, 10)
    model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 3))
    optimizer, loss_fn = torch.optim.SGD(model.parameters(), lr=rate), nn.CrossEntropyLoss()
    with wk.watch(model, optimizer, loss_fn) as watch:
        for step in range(200):
            rows = slice(32 * step % 2048, 32 * step % 2048 + 32)
            optimizer.zero_grad()
            loss = loss_fn(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            watch.step(loss)
    return watch.findings


if __name__ == "__main__":
    torch.set_num_threads(1)
    for rate in (0.05, 300.0):
        print(f"learning rate {rate}:", *train(rate) or ["nothing found"], sep="\n  ")
