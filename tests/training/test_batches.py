"""Batches as loaders give them: pairs, several inputs, mappings, models that compute their own loss."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from watchkeeper.errors import InputError  # noqa: E402
from watchkeeper.training.pytorch import batches  # noqa: E402

torch.set_num_threads(1)
X, Z, Y = torch.arange(6.0).reshape(6, 1), torch.ones(6, 1), torch.zeros(6, 1)


class Model(nn.Module):
    """Takes one input or two; computes its own loss where it is given labels."""

    def forward(self, x: Any, z: Any = 0.0, labels: Any = None) -> Any:
        found = x + z
        return found if labels is None else SimpleNamespace(logits=found, loss=(found - labels).square().mean())


MEAN_OF_SQUARES = 55 / 6


@pytest.mark.parametrize(
    ("batch", "loss", "expected"),
    [
        ((X, Y), nn.MSELoss(), MEAN_OF_SQUARES),
        ([X, Y], nn.MSELoss(), MEAN_OF_SQUARES),
        ((X, Z, Y), nn.MSELoss(), 91 / 6),
        (((X, Z), Y), nn.MSELoss(), 91 / 6),
        (({"x": X, "z": Z}, Y), nn.MSELoss(), 91 / 6),
        ({"x": X, "target": Y}, nn.MSELoss(), MEAN_OF_SQUARES),
        ({"x": X, "labels": Y}, None, MEAN_OF_SQUARES),
        (({"x": X, "labels": Y}, None), None, MEAN_OF_SQUARES),
    ],
)
def test_the_loss_of_a_batch(batch: Any, loss: Any, expected: float) -> None:
    assert float(batches.loss_on(Model(), loss, batch)) == pytest.approx(expected)
    assert batches.rows(batch) == 6
    part = batches.cut(batch, 0, 2)
    assert batches.rows(part) == 2
    assert type(part) is type(batch)
    assert float(batches.loss_on(Model(), loss, part)) < expected


def test_what_is_no_batch_is_said() -> None:
    with pytest.raises(InputError, match="this one is a Tensor"):
        batches.split(X)
    with pytest.raises(InputError, match="reduction='mean'"):
        batches.loss_on(Model(), nn.MSELoss(reduction="none"), (X, Y))


def test_batches_begin_anew_as_often_as_it_takes() -> None:
    assert list(batches.endless(["a", "b"], 5)) == ["a", "b", "a", "b", "a"]
