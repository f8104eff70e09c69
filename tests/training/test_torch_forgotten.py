"""What a user forgets is said: the step of the watch; and findings print as sentences."""

from __future__ import annotations

import torch
from torch import nn

import watchkeeper as wk


def trained(told: bool) -> object:
    torch.manual_seed(0)
    model, loss_of = nn.Linear(4, 2), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with wk.watch(model, optimizer, loss_of) as watch:
        for _ in range(12):
            rows = torch.randn(16, 4)
            loss = loss_of(model(rows), (rows[:, 0] > 0).long())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if told:
                watch.step(loss)
    return watch.findings


def test_a_loop_that_never_tells_the_watch_is_told_so() -> None:
    assert "watch.step(loss) was never called" in str(trained(told=False))


def test_a_loop_that_does_is_not() -> None:
    assert str(trained(told=True)) == "nothing found"
