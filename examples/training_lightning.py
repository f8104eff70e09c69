"""Lightning, watched by a callback: once as it should be, once with a softmax before a loss that takes its own."""

from __future__ import annotations

import logging
import warnings

import lightning.pytorch as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from watchkeeper.integrations.lightning import WatchCallback
from watchkeeper.training.finding import Findings


class Classifier(pl.LightningModule):
    """A small network; ``twice`` takes the softmax twice."""

    def __init__(self, twice: bool) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 3), *([nn.Softmax(dim=1)] if twice else [])
        )
        self.loss = nn.CrossEntropyLoss()

    def training_step(self, batch: list[torch.Tensor], place: int) -> torch.Tensor:
        """Return the loss of a batch."""
        return self.loss(self.net(batch[0]), batch[1])

    def validation_step(self, batch: list[torch.Tensor], place: int) -> None:
        """Log the loss of a held-out batch."""
        self.log("val_loss", self.loss(self.net(batch[0]), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), lr=0.01)


def train(twice: bool) -> Findings:
    """Train it, and return what was found."""
    pl.seed_everything(0, verbose=False)
    y = torch.randint(0, 3, (2048,))
    rows = TensorDataset(1.5 * torch.randn(3, 10)[y] + torch.randn(2048, 10), y)
    train_rows, held = torch.utils.data.random_split(rows, [1536, 512])
    watch = WatchCallback(stop_on="critical")
    trainer = pl.Trainer(
        max_epochs=3, accelerator="cpu", callbacks=[watch], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Classifier(twice), DataLoader(train_rows, 32, shuffle=True), DataLoader(held, 256))
    return watch.findings


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    for twice in (False, True):
        print("softmax twice:" if twice else "as it should be:", *train(twice) or ["nothing found"], sep="\n  ")
