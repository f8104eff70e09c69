"""What a watched step costs, as a ratio to a plain one; beside histograms of every gradient, as other tools take them.

All arms train in one process, in turn, ten steps at a time and in another order each time, on the same batches from the
same seed. On a CPU time is that of the process, so that other processes' work does not count; on a GPU it is the wall's, with
the device waited for only at the two ends of a turn. A ratio is that of total times, in rounds of 100 steps that are drawn
again for its interval (95 %, by bootstrap): rare work such as the probe has its share. The worst and best twentieth of the
rounds are left out. The first 100 steps, where more is looked at, stand in a line of their own.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from watchkeeper.training.pytorch.watched import Watch, watch

TURN, ROUND = 10, 100
Batch = tuple[torch.Tensor, torch.Tensor]


class Block(nn.Module):
    """One layer of a transformer over tokens, with a head over their mean."""

    def __init__(self, width: int, tokens: int, classes: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(tokens, width)
        layers = [nn.TransformerEncoderLayer(width, 4, 2 * width, batch_first=True) for _ in range(2)]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(width, classes)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(self.embed(tokens)).mean(dim=1))


def mlp() -> nn.Module:
    """Return seven layers: 14 tensors, about 0.9 million parameters."""
    sizes = (64, 416, 416, 416, 416, 416, 416)
    layers = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], 10))


def cnn() -> nn.Module:
    """Return three convolutions with batch normalisation."""
    parts: list[nn.Module] = []
    for a, b in ((3, 16), (16, 32), (32, 32)):
        parts += [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(128, 10))


def transformer() -> nn.Module:
    """Return two layers of width 64 over 32 tokens."""
    return Block(64, 100, 10)


def floats(shape: Sequence[int]) -> Callable[[torch.Generator], Batch]:
    """Return a maker of batches of normal numbers in ten classes."""
    return lambda g: (torch.randn(*shape, generator=g), torch.randint(10, (shape[0],), generator=g))


def tokens(rows: int, length: int) -> Callable[[torch.Generator], Batch]:
    """Return a maker of batches of tokens in ten classes."""
    return lambda g: (torch.randint(100, (rows, length), generator=g), torch.randint(10, (rows,), generator=g))


MODELS = {
    "MLP": (mlp, floats((128, 64))),
    "CNN": (cnn, floats((32, 3, 16, 16))),
    "transformer": (transformer, tokens(16, 32)),
}


@dataclass(slots=True)
class Arm:
    """One way of training: a model, its optimizer, and what is done after a step."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: nn.Module
    after: Callable[[torch.Tensor], None] = lambda loss: None
    seconds: list[float] = field(default_factory=list)

    def train(self, batches: Sequence[Batch]) -> None:
        """Take steps, and their time together."""
        start = _now(self.model)
        for x, y in batches:
            self.optimizer.zero_grad()
            loss = self.loss(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            self.after(loss)
        self.seconds.append(_now(self.model) - start)


def _now(model: nn.Module) -> float:
    if next(model.parameters()).is_cuda:
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def arms(make: Callable[[], nn.Module], device: str) -> tuple[dict[str, Arm], Watch]:
    """Return the arms, all from one seed, and the watch of the watched one."""
    made = {}
    for name in ("plain", "plain again", "watched", "histograms", "histograms/100", "TensorBoard"):
        torch.manual_seed(0)
        model = make().to(device)
        made[name] = Arm(model, torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9), nn.CrossEntropyLoss())
    seen = watch(made["watched"].model, made["watched"].optimizer, made["watched"].loss)
    made["watched"].after = seen.step
    made["histograms"].after = histograms(made["histograms"].model, 1)
    made["histograms/100"].after = histograms(made["histograms/100"].model, 100)
    board = tensorboard(made["TensorBoard"].model, 100)
    if board is None:
        del made["TensorBoard"]
    else:
        made["TensorBoard"].after = board
    return made, seen


def histograms(model: nn.Module, every: int) -> Callable[[torch.Tensor], None]:
    """Return what ``wandb.watch`` does: a histogram of 64 bins of each gradient, brought to the host; it waits."""
    step = 0

    def after(loss: torch.Tensor) -> None:
        nonlocal step
        if step % every == 0:
            for parameter in model.parameters():
                if parameter.grad is not None:
                    flat = parameter.grad.detach().float().reshape(-1)
                    low, high = flat.min().item(), flat.max().item()
                    flat.histc(64, low, high).cpu().tolist()
        step += 1

    return after


def tensorboard(model: nn.Module, every: int) -> Callable[[torch.Tensor], None] | None:
    """Return ``add_histogram`` of each gradient; None where TensorBoard is not installed."""
    try:
        import tempfile

        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    writer: Any = SummaryWriter(tempfile.mkdtemp())
    step = 0

    def after(loss: torch.Tensor) -> None:
        nonlocal step
        if step % every == 0:
            for name, parameter in model.named_parameters():
                if parameter.grad is not None:
                    writer.add_histogram(name, parameter.grad, step)
        step += 1

    return after


def measure(name: str, rounds: int, device: str, only: Sequence[str] | None) -> None:
    """Train one model by every arm, or by some, and print the table's lines."""
    make, batch = MODELS[name]
    generator = torch.Generator().manual_seed(1)
    order = np.random.default_rng(2)
    made, seen = arms(make, device)
    made = {arm: m for arm, m in made.items() if not only or arm in {"plain", *only}}
    data = [tuple(t.to(device) for t in batch(generator)) for _ in range(50)]
    for arm in made.values():
        arm.train(data[:1])  # what is made at the first step is not measured
        arm.seconds.clear()
    if device == "cuda" and "watched" in made:
        prove(made["watched"], data[: 2 * ROUND], seen)
    for turn in range((rounds + 1) * ROUND // TURN):
        some = [data[(turn * TURN + i) % len(data)] for i in range(TURN)]
        for arm in order.permutation(list(made)):
            made[arm].train(some)
    times = {arm: np.reshape(m.seconds, (rounds + 1, -1)).sum(axis=1) for arm, m in made.items()}
    plain = times.pop("plain")
    milliseconds = 1e3 * np.median(plain[1:]) / ROUND
    for arm, taken in times.items():
        ratio, low, high = interval(taken[1:], plain[1:])
        start = f"; first {ROUND} steps {taken[0] / plain[0]:.3f}" if arm == "watched" else ""
        print(f"{name:12} {milliseconds:6.2f} ms  {arm:15} {ratio:.3f} ({low:.3f} to {high:.3f}){start}", flush=True)
    if any(f.problem == "watching_failed" for f in seen.findings):
        raise RuntimeError(f"the watch failed: {list(seen.findings)}")
    seen.close()


def prove(arm: Arm, batches: Sequence[Any], seen: Watch) -> None:
    """Train with every synchronisation of the GPU an error: the loop has none, so it would be one of the watch."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        arm.train(batches)
    finally:
        torch.cuda.set_sync_debug_mode("default")
        arm.seconds.clear()
    failed = [str(f) for f in seen.findings if f.problem == "watching_failed"]
    print(f"set_sync_debug_mode('error') over {len(batches)} steps: {failed or 'nothing waited'}")


def interval(taken: np.ndarray, plain: np.ndarray) -> tuple[float, float, float]:
    """Return the ratio of total times, rounds with the least and greatest twentieth of ratios left out, and its interval."""
    kept = np.argsort(taken / plain)[(cut := len(plain) // 20) : len(plain) - cut]
    taken, plain = taken[kept], plain[kept]
    draws = np.random.default_rng(3).integers(len(plain), size=(2000, len(plain)))
    low, high = np.quantile(taken[draws].sum(axis=1) / plain[draws].sum(axis=1), (0.025, 0.975))
    return float(taken.sum() / plain.sum()), float(low), float(high)


def main(options: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks training overhead")
    parser.add_argument("--rounds", type=int, default=20, help=f"of {ROUND} steps an arm")
    parser.add_argument("--model", choices=MODELS, action="append")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--arm", action="append", help="only these, beside the plain one")
    given = parser.parse_args(options or [])
    warnings.simplefilter("ignore")
    logging.getLogger("watchkeeper.training").setLevel(logging.CRITICAL)
    torch.set_num_threads(1)
    print(f"PyTorch {torch.__version__} on {given.device}, one thread; {given.rounds} rounds of {ROUND} steps an arm.")
    for name in given.model or MODELS:
        measure(name, given.rounds, given.device, given.arm)
    if tensorboard(nn.Linear(1, 1), 1) is None:
        print("TensorBoard is not installed, so it has no line.")
    if given.device == "cpu":
        print("There is no GPU here: its ratios, and the proof that nothing waits for it, are not measured.")
