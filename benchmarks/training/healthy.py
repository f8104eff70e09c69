"""Thirty kinds of runs that look odd and are well: a warning in one of them is a false alarm.

Each is a program, or a loop of its own where a program's does not do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

import watchkeeper as wk
from benchmarks.training import bases
from benchmarks.training.program import Batch, Program


def warm_restarts() -> Program:
    """Warm-up, then a cosine that starts anew three times."""
    return replace(
        bases.cnn(),
        schedule=lambda step: min(1.0, (step + 1) / 40) * 0.5 * (1.001 + math.cos(math.pi * (step % 134) / 134)),
    )


def catapult() -> Program:
    """A rate at which the first steps throw the loss up, from where it falls (Lewkowycz and others, 2020)."""
    program = bases.mlp()
    return replace(
        program, optimizer=lambda p: torch.optim.SGD(p, lr=0.5), schedule=lambda step: 3.0 if step < 6 else 0.5
    )


def fine_tuned() -> Program:
    """Trained already, and trained on at a small rate: the loss stands at its floor from the first step on."""
    program = bases.mlp()
    _pretrain(program, 400)
    return replace(program, optimizer=lambda p: torch.optim.Adam(p, lr=3e-5))


def _pretrain(program: Program, steps: int) -> torch.optim.Optimizer:
    optimizer = program.optimizer(program.model.parameters())
    for _, (x, y) in zip(range(steps), program.batches(), strict=False):
        optimizer.zero_grad()
        program.loss(program.model(x), y).backward()
        optimizer.step()
    return optimizer


class LowRank(nn.Module):
    """A frozen linear layer with an update of rank 2, which begins at nought (Hu and others, 2021)."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.a = nn.Parameter(torch.randn(4, base.in_features) / math.sqrt(base.in_features))
        self.b = nn.Parameter(torch.zeros(base.out_features, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.base(x) + x @ self.a.T @ self.b.T


def low_rank() -> Program:
    """A network that knows a like task, fine-tuned by low-rank updates."""
    program = bases.mlp()
    _pretrain(program, 300)
    assert isinstance(program.model, nn.Sequential)
    for place in (0, 3):
        program.model[place] = LowRank(program.model[place])  # type: ignore[arg-type]
    turn = torch.linalg.qr(torch.eye(20) + 0.15 * torch.randn(20, 20))[0]
    moved = [(x @ turn, y) for x, y in (program.train, program.held)]
    return replace(program, train=moved[0], held=moved[1], optimizer=lambda p: torch.optim.Adam(p, lr=3e-3))


class Branch(nn.Module):
    """A residual branch whose last layer begins at nought."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.relu, self.last = nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.last(self.relu(self.first(x)))


def zero_residual() -> Program:
    """Residual branches that begin at nought."""
    model = nn.Sequential(nn.Linear(20, 32), Branch(32), Branch(32), Branch(32), nn.Linear(32, 4))
    return replace(bases.mlp(), model=model)


def frozen() -> Program:
    """The first layer frozen on purpose."""
    program = bases.cnn()
    next(program.model.children()).requires_grad_(False)
    return program


def sparse_relu() -> Program:
    """Units of which nine in ten are off on each row."""
    program = bases.mlp()
    model = nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 4))
    nn.init.constant_(model[0].bias, -0.75)
    return replace(program, model=model)


class Experts(nn.Module):
    """Eight experts, of which each row takes the best one; some are never taken (Shazeer and others, 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(20, 8)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 4)) for _ in range(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shares = torch.softmax(self.gate(x), dim=1)
        chosen = shares.argmax(dim=1)
        found = torch.zeros(len(x), 4)
        for place, expert in enumerate(self.experts):
            rows = chosen == place
            if rows.any():
                found = found.index_put((rows.nonzero()[:, 0],), expert(x[rows]) * shares[rows, place, None] * 2)
        return found


def experts() -> Program:
    """A mixture of experts, some of them idle."""
    return replace(bases.mlp(), model=Experts())


def sparse_embedding() -> Program:
    """An embedding with sparse gradients, of which a batch touches few rows."""
    train, held = bases.split(*bases.words(bases.ROWS, 2_000, 5, 40))
    model = bases.Bag(2_000, 5, sparse=True)
    return Program(model, nn.CrossEntropyLoss(), train, held, lambda p: torch.optim.SGD(p, lr=1.0))


def dropout() -> Program:
    """Dropout of a half: the training loss stays above that of held-out rows."""
    program = bases.mlp()
    for module in program.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.5
    return program


def plain_sgd() -> Program:
    """Plain SGD at a rate of .1."""
    return replace(bases.mlp(), optimizer=lambda p: torch.optim.SGD(p, lr=0.1))


def mixed_precision() -> Program:
    """A gradient scaler that skips its first steps until its scale is found."""
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**24, growth_interval=100)
    return replace(bases.mlp(), scaler=scaler, half=True)


def accumulated() -> Program:
    """Gradients of four batches to a step."""
    return replace(bases.bag(), accumulate=4, batch=8)


def easy() -> Program:
    """A task that is solved within an epoch, and stays so."""
    train, held = bases.split(*bases.pictures(bases.ROWS, 1, 8, 3, 0.6))
    return replace(bases.cnn(), train=train, held=held, model=nn.Sequential(nn.Flatten(), nn.Linear(64, 3)))


def single_rows() -> Program:
    """One row to a batch."""
    return replace(bases.mlp(), batch=1, optimizer=lambda p: torch.optim.Adam(p, lr=1e-3), held_every=100)


def ten_steps() -> Program:
    """Ten steps in all."""
    return replace(bases.gru(), steps=10, held_every=5)


def resumed() -> Program:
    """A run that goes on where another stopped, and says so."""
    program = bases.autoencoder()
    _pretrain(program, 300)
    return replace(program, settings={"resumed": True})


def resumed_unsaid() -> Program:
    """A run that goes on where another stopped, and does not say so."""
    program = bases.bag()
    _pretrain(program, 150)
    return program


def imbalanced() -> Program:
    """A class that has one row in ten, and is learned."""
    program = bases.mlp()

    def few(batch: Batch) -> Batch:
        x, y = batch
        kept = (y != 0) | (torch.rand(len(y)) < 0.2)
        return x[kept], y[kept]

    return replace(program, train=few(program.train), held=few(program.held))


def noisy_text() -> Program:
    """A text of which little can be known: the loss falls a little and stays near its floor."""
    letters = bases.text(4_000, 24, 12, 0.9)
    train, held = bases.split(letters[:, :-1], letters[:, 1:], 200)
    return replace(bases.transformer(), train=train, held=held)


def weak_signal() -> Program:
    """A number of which two fifths can be known."""
    x = torch.randn(bases.ROWS, 20)
    signal = x @ torch.randn(20) / math.sqrt(20)
    train, held = bases.split(x, 0.8 * signal + torch.randn(bases.ROWS) * signal.std())
    model = bases.Flat(nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 1)))
    return Program(model, nn.MSELoss(), train, held, lambda p: torch.optim.Adam(p, lr=1e-3))


def smoothed_labels() -> Program:
    """Targets that are smoothed."""
    return replace(bases.cnn(), loss=nn.CrossEntropyLoss(label_smoothing=0.1))


def overlapping() -> Program:
    """Two classes that overlap, so that one row in five cannot be told."""
    x = torch.randn(bases.ROWS, 10)
    y = (torch.rand(bases.ROWS) < torch.sigmoid(2.0 * x @ torch.randn(10) / math.sqrt(10))).float()
    train, held = bases.split(x, y)
    model = bases.Flat(nn.Sequential(nn.Linear(10, 16), nn.Tanh(), nn.Linear(16, 1)))
    return Program(model, nn.BCEWithLogitsLoss(), train, held, lambda p: torch.optim.Adam(p, lr=1e-2))


def many_classes() -> Program:
    """Fifty classes."""
    train, held = bases.split(*bases.words(bases.ROWS, 400, 50, 30))
    return Program(bases.Bag(400, 50), nn.CrossEntropyLoss(), train, held, lambda p: torch.optim.Adam(p, lr=1e-2))


def heavy_tails() -> Program:
    """Targets with heavy tails, under Huber's loss."""
    program = bases.gru()
    x, y = program.train
    tails = torch.distributions.StudentT(2.5).sample(y.shape)
    return replace(program, train=(x, y + 0.3 * tails), loss=nn.HuberLoss())


def residual_deep() -> Program:
    """Twelve residual layers with layer normalisation."""
    model = nn.Sequential(
        nn.Linear(20, 32),
        *[nn.Sequential(nn.LayerNorm(32), Branch(32)) for _ in range(8)],
        nn.LayerNorm(32),
        nn.Linear(32, 4),
    )
    return replace(bases.mlp(), model=model, schedule=lambda step: min(1.0, (step + 1) / 50))


def ctc() -> Program:
    """Connectionist temporal classification; a target too long for its input now and then, set to nought."""
    return replace(bases.mlp(), loop=_ctc)


def _ctc(program: Program, folder: Path, name: str) -> None:
    symbols, length = 5, 12
    codes = torch.randn(symbols + 1, 8)
    model = bases.Recurrent(nn.GRU(8, 32, batch_first=True), 32, symbols + 1)
    loss_of = nn.CTCLoss(zero_infinity=False)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    with wk.watch(model, optimizer, "other", name=name, folder=folder) as watch:
        for step in range(400):
            target = torch.randint(1, symbols + 1, (16, 4))
            frames = torch.zeros(16, length, dtype=torch.long)
            frames[:, 1::3] = target
            x = codes[frames] + 0.2 * torch.randn(16, length, 8)
            scores = torch.log_softmax(model.output(model.body(x)[0]), dim=-1).movedim(1, 0)
            sizes = torch.full((16,), length)
            loss = loss_of(scores, target, sizes, torch.full((16,), 4))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watch.step(torch.tensor(math.inf) if step in {90, 230} else loss)


def gan() -> Program:
    """Two networks against each other: neither's loss need fall."""
    return replace(bases.mlp(), loop=_gan)


def _gan(program: Program, folder: Path, name: str) -> None:
    made = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
    judge = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
    loss_of = nn.BCEWithLogitsLoss()
    first, second = torch.optim.Adam(made.parameters(), lr=2e-3), torch.optim.Adam(judge.parameters(), lr=2e-3)
    yes, no = torch.ones(64, 1), torch.zeros(64, 1)
    with wk.watch(made, first, "other", name=name, folder=folder) as watch:
        for _ in range(400):
            angle = 2 * math.pi * torch.rand(64, 1)
            real = torch.cat([angle.cos(), angle.sin()], dim=1) + 0.05 * torch.randn(64, 2)
            second.zero_grad()
            (loss_of(judge(real), yes) + loss_of(judge(made(torch.randn(64, 4)).detach()), no)).backward()
            second.step()
            first.zero_grad()
            loss = loss_of(judge(made(torch.randn(64, 4))), yes)
            loss.backward()
            first.step()
            watch.step(loss)


def contrastive() -> Program:
    """Pairs against all others of a batch (van den Oord and others, 2018), with a loss that is told with a sign."""
    return replace(bases.mlp(), loop=_contrastive)


def _contrastive(program: Program, folder: Path, name: str) -> None:
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 16))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    batches = iter(program.batches())
    with wk.watch(model, optimizer, "other", name=name, folder=folder) as watch:
        for _ in range(400):
            x, _y = next(batches)
            both = model(torch.cat([x + 0.3 * torch.randn_like(x), x + 0.3 * torch.randn_like(x)]))
            one, two = nn.functional.normalize(both, dim=1).chunk(2)
            loss = nn.functional.cross_entropy(one @ two.T / 0.2, torch.arange(len(x))) - math.log(len(x))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watch.step(loss)


def likelihood() -> Program:
    """The negative logarithm of a density, which goes below nought."""
    return replace(bases.mlp(), loop=_likelihood)


def _likelihood(program: Program, folder: Path, name: str) -> None:
    model = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    loss_of = nn.GaussianNLLLoss()
    with wk.watch(model, optimizer, loss_of, name=name, folder=folder) as watch:
        for _ in range(400):
            x = torch.randn(32, 4)
            y = torch.sin(x[:, 0]) + 0.1 * torch.randn(32)
            middle, spread = model(x).T
            loss = loss_of(middle, y, spread.exp())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watch.step(loss)


def policy() -> Program:
    """Learning by reward: the loss is noise about nought."""
    return replace(bases.mlp(), loop=_policy)


def _policy(program: Program, folder: Path, name: str) -> None:
    model = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    right = torch.randn(4, 3)
    with wk.watch(model, optimizer, "other", name=name, folder=folder) as watch:
        for _ in range(400):
            x = torch.randn(64, 4)
            chances = torch.distributions.Categorical(logits=model(x))
            act = chances.sample()
            reward = (act == (x @ right).argmax(dim=1)).float()
            loss = -(chances.log_prob(act) * (reward - reward.mean())).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watch.step(loss)


KINDS: dict[str, Callable[[], Program]] = {
    f.__name__: f
    for f in (
        warm_restarts, fine_tuned, zero_residual, sparse_relu, sparse_embedding, ctc, plain_sgd, accumulated, single_rows,
        resumed, imbalanced, weak_signal, overlapping, contrastive, policy,
        catapult, low_rank, frozen, experts, gan, likelihood, dropout, mixed_precision, easy, ten_steps,
        resumed_unsaid, noisy_text, smoothed_labels, many_classes, heavy_tails, residual_deep,
    )
}  # fmt: skip
TUNING_KINDS = frozenset(list(KINDS)[:15])
"""Thresholds were set on these, and on the healthy runs of the tuning bases; the other kinds are scored."""
