"""One small run of PyTorch, healthy or with a fault: what plain `wk.watch` says of it is what each framework has to say."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

import watchkeeper as wk

ROWS, BATCH, STEPS = 1024, 32, 120
FAULTS = ("healthy", "rate", "scale", "double_softmax", "dead")


class Rows:
    """Rows in three classes, a network, and how it is trained."""

    def __init__(self, fault: str) -> None:
        torch.manual_seed(0)
        torch.set_num_threads(1)
        centres = 1.5 * torch.randn(3, 10)
        self.y = torch.randint(0, 3, (ROWS,))
        self.x = centres[self.y] + torch.randn(ROWS, 10)
        if fault == "scale":
            self.x[:, 3] *= 30
        layers: list[nn.Module] = [nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3)]
        if fault == "double_softmax":
            layers.append(nn.Softmax(dim=1))
        self.net = nn.Sequential(*layers)
        if fault == "dead":
            nn.init.constant_(self.net[0].bias, -50.0)
        self.rate = 300.0 if fault == "rate" else 0.05
        self.loss = nn.CrossEntropyLoss()

    def batches(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return [(self.x[i : i + BATCH], self.y[i : i + BATCH]) for step in range(STEPS) for i in [step * BATCH % ROWS]]


def plain(fault: str) -> Any:
    """Return the watch of the run in a loop of PyTorch."""
    made = Rows(fault)
    optimizer = torch.optim.SGD(made.net.parameters(), lr=made.rate)
    with wk.watch(made.net, optimizer, made.loss) as watch:
        for x, y in made.batches():
            optimizer.zero_grad()
            loss = made.loss(made.net(x), y)
            loss.backward()
            optimizer.step()
            watch.step(loss)
    return watch


def problems(findings: Any, least: str = "warning") -> set[str]:
    """Return the names of what was found that is at least so severe."""
    order = ["info", "warning", "critical"]
    return {f.problem for f in findings if order.index(f.severity) >= order.index(least)}
