"""Nine small programs that train well: made data, 400 steps, about half a second each."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from benchmarks.training.program import Batch, Program

ROWS = 8_000


def split(x: torch.Tensor, y: torch.Tensor, held: int = 400) -> tuple[Batch, Batch]:
    return (x[held:], y[held:]), (x[:held], y[:held])


def teacher(rows: int, features: int, classes: int) -> Batch:
    """Return rows whose class is what a random network with one hidden layer says."""
    x = torch.randn(rows, features)
    hidden = torch.tanh(x @ torch.randn(features, 16) / math.sqrt(features) * 2)
    scores = hidden @ torch.randn(16, classes)
    return x, (scores - scores.mean(dim=0)).argmax(dim=1)


def pictures(rows: int, channels: int, side: int, classes: int, noise: float = 1.0) -> Batch:
    """Return pictures: a smooth pattern for each class, moved by up to a pixel, in noise."""
    coarse = torch.randn(classes, channels, side // 2, side // 2)
    patterns = nn.functional.interpolate(coarse, size=side, mode="bilinear")
    y = torch.randint(classes, (rows,))
    moves = torch.stack([torch.roll(patterns, by, dims=-1) for by in (-1, 0, 1)])
    return moves[torch.randint(3, (rows,)), y] + noise * torch.randn(rows, channels, side, side), y


def mlp() -> Program:
    """Tabular classes, two hidden layers with ReLU and dropout, Adam."""
    train, held = split(*teacher(ROWS, 20, 4))
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 4))
    return Program(model, nn.CrossEntropyLoss(), train, held, lambda p: torch.optim.Adam(p, lr=3e-3))


def cnn() -> Program:
    """Pictures of five classes, two convolutions, SGD with momentum."""
    train, held = split(*pictures(ROWS, 1, 8, 5, 1.5))
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Dropout(0.1), nn.Linear(256, 5),
    )  # fmt: skip
    return Program(model, nn.CrossEntropyLoss(), train, held, lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9))


class Residual(nn.Module):
    """A residual block with batch normalisation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu2(x + self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x))))))


def resnet() -> Program:
    """Pictures in colour, residual blocks with batch normalisation, SGD with momentum."""
    train, held = split(*pictures(ROWS, 3, 8, 6, 2.5))
    model = nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU(), Residual(12), Residual(12),
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(192, 6),
    )  # fmt: skip
    return Program(
        model, nn.CrossEntropyLoss(), train, held, lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9), steps=300
    )


class Transformer(nn.Module):
    """Two layers of attention over characters."""

    def __init__(self, symbols: int, width: int = 32, length: int = 24) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, width)
        self.place = nn.Parameter(0.02 * torch.randn(length, width))
        layer = nn.TransformerEncoderLayer(width, 2, 64, dropout=0.1, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.output = nn.Linear(width, symbols)
        self.register_buffer("mask", torch.triu(torch.full((length, length), -math.inf), 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(self.body(self.embedding(x) + self.place, mask=self.mask)).movedim(-1, 1)


def text(rows: int, length: int, symbols: int, sharpness: float = 2.0) -> torch.Tensor:
    """Return a text of symbols, of which each depends on the one before it."""
    chances = torch.softmax(sharpness * torch.randn(symbols, symbols), dim=1)
    found = [torch.randint(symbols, (rows,))]
    for _ in range(length):
        found.append(torch.multinomial(chances[found[-1]], 1)[:, 0])
    return torch.stack(found, dim=1)


def transformer() -> Program:
    """The next character of a text, AdamW with warm-up."""
    letters = text(4_000, 24, 12)
    train, held = split(letters[:, :-1], letters[:, 1:], 200)
    return Program(
        Transformer(12), nn.CrossEntropyLoss(), train, held, lambda p: torch.optim.AdamW(p, lr=3e-3),
        steps=300, batch=16, schedule=lambda step: min(1.0, (step + 1) / 30), clip=1.0,
    )  # fmt: skip


class Recurrent(nn.Module):
    """A recurrent layer and a head over its last state."""

    def __init__(self, body: nn.Module, width: int, outputs: int, *, flat: bool = False) -> None:
        super().__init__()
        self.body, self.output, self.flat = body, nn.Linear(width, outputs), flat

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = self.output(self.body(x)[0][:, -1])
        return found[:, 0] if self.flat else found


def _sequences(rows: int, length: int) -> torch.Tensor:
    return torch.randn(rows, length, 4) + torch.randn(rows, 1, 4) * 0.5


def lstm() -> Program:
    """Classes of sequences by which feature has the greatest sum, Adam, clipped."""
    x = _sequences(ROWS, 16)
    train, held = split(x, x[:, :, :3].sum(dim=1).argmax(dim=1))
    model = Recurrent(nn.LSTM(4, 24, batch_first=True), 24, 3)
    return Program(model, nn.CrossEntropyLoss(), train, held, lambda p: torch.optim.Adam(p, lr=1e-2), clip=5.0)


def gru() -> Program:
    """A number from a sequence, AdamW."""
    x = _sequences(ROWS, 16)
    y = x[:, -6:, 0].mean(dim=1) * 2 + torch.tanh(x[:, :, 1].sum(dim=1)) + 0.1 * torch.randn(len(x))
    train, held = split(x, y)
    model = Recurrent(nn.GRU(4, 24, batch_first=True), 24, 1, flat=True)
    return Program(model, nn.MSELoss(), train, held, lambda p: torch.optim.AdamW(p, lr=1e-2))


class Flat(nn.Module):
    """A model whose outputs are one number a row."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)[:, 0]


def logistic() -> Program:
    """Logistic regression, plain SGD."""
    x = torch.randn(ROWS, 20)
    y = (torch.rand(len(x)) < torch.sigmoid(3 * x @ torch.randn(20) / math.sqrt(20))).float()
    train, held = split(x, y)
    return Program(Flat(nn.Linear(20, 1)), nn.BCEWithLogitsLoss(), train, held, lambda p: torch.optim.SGD(p, lr=0.3))


def autoencoder() -> Program:
    """Deep regression of rows onto themselves through three numbers, Adam."""
    hidden = torch.randn(ROWS, 3)
    x = torch.tanh(hidden @ torch.randn(3, 16)) + 0.1 * torch.randn(ROWS, 16)
    train, held = split(x, x)
    sizes = [16, 32, 16, 3, 16, 32]
    layers: list[nn.Module] = []
    for place in range(len(sizes) - 1):
        layers += [nn.Linear(sizes[place], sizes[place + 1]), nn.Identity() if sizes[place + 1] == 3 else nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(32, 16))
    return Program(model, nn.MSELoss(), train, held, lambda p: torch.optim.Adam(p, lr=3e-3))


class Bag(nn.Module):
    """Words, embedded and averaged, and a hidden layer."""

    def __init__(self, words: int, classes: int, *, sparse: bool = False) -> None:
        super().__init__()
        self.embedding = nn.EmbeddingBag(words, 24, mode="mean", sparse=sparse)
        self.hidden, self.relu, self.output = nn.Linear(24, 32), nn.ReLU(), nn.Linear(32, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(self.relu(self.hidden(self.embedding(x))))


def words(rows: int, vocabulary: int, classes: int, length: int = 20) -> Batch:
    """Return texts as bags of words, of which each class prefers some."""
    chances = torch.softmax(0.7 * torch.randn(classes, vocabulary), dim=1)
    y = torch.randint(classes, (rows,))
    return torch.multinomial(chances[y], length, replacement=True), y


def bag() -> Program:
    """Texts as bags of words, Adam."""
    train, held = split(*words(ROWS, 200, 5))
    return Program(Bag(200, 5), nn.CrossEntropyLoss(), train, held, lambda p: torch.optim.Adam(p, lr=1e-2))


BASES: dict[str, Callable[[], Program]] = {
    f.__name__: f for f in (mlp, cnn, lstm, logistic, resnet, transformer, gru, autoencoder, bag)
}
TUNING = frozenset({"mlp", "cnn", "lstm", "logistic"})
"""Thresholds were set on these; the others are scored."""
