"""Histograms by fixed bins agree with NumPy's, and become sketches whose quantiles lie in the right octave."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch_models import mlp, train

from watchkeeper.training.histograms import BINS, columns, edges, middles, sketch
from watchkeeper.training.pytorch.counting import MOST, counts
from watchkeeper.training.pytorch.settings import Settings
from watchkeeper.training.pytorch.watched import watch
from watchkeeper.training.run import Run

CE = nn.CrossEntropyLoss()
NUMBERS = st.floats(width=32, allow_subnormal=False) | st.sampled_from(
    [0.0, 2.0**-24, -(2.0**-24), 2.0**6, 2.0**7, -1.0]
)


def numpy_counts(values: np.ndarray) -> np.ndarray:
    """Count by NumPy: bins hold their end nearer to nought, the outermost all beyond."""
    values = values[np.isfinite(values)].astype(float)
    side = np.append(edges(), np.inf)
    up, down = (np.histogram(v[v >= edges()[0]], side)[0] for v in (values, -values))
    return np.concatenate([down[::-1], [len(values) - up.sum() - down.sum()], up])


@given(st.lists(NUMBERS, max_size=60))
def test_bins_hold_what_numpy_counts(numbers: list[float]) -> None:
    values = np.array(numbers, dtype=np.float32)
    made = counts([torch.from_numpy(values)])[0].numpy()
    assert made.shape == (BINS,)
    assert made.tolist() == numpy_counts(values).tolist()


def test_of_large_tensors_some_numbers_are_counted_spread_evenly() -> None:
    values = torch.randn(3 * MOST + 5, generator=torch.Generator().manual_seed(1))
    made = counts([values, values.half()])
    assert made.sum(dim=1).tolist() == [len(values[::4])] * 2
    assert made[0].tolist() == numpy_counts(values[::4].numpy()).tolist()


def test_each_bin_has_a_name_and_a_number_within_it() -> None:
    names, numbers = columns(), middles()
    assert len(names) == len(numbers) == BINS <= 64
    assert names[BINS // 2] == "0"
    assert numpy_counts(numbers).tolist() == [1] * BINS
    assert (numbers == -numbers[::-1]).all()


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_quantiles_of_the_sketch_lie_in_the_same_octave(quantile: float) -> None:
    model = mlp(width=64)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with watch(model, optimizer, CE, settings=Settings(histograms=20, resources=False)) as seen:
        train(seen, model, optimizer, CE, 45)
    run = seen.run
    assert run.series["histogram/gradient/2.weight"].steps.tolist() == [0, 20, 40]
    made = sketch(run, "2.weight", "weight")
    assert made is not None
    assert made.count == model[2].weight.numel()
    exact = float(np.quantile(model[2].weight.detach().numpy(), quantile))
    assert made.quantile(quantile) == pytest.approx(exact, rel=0.5)
    gradient = sketch(run, "2.weight")
    assert gradient is not None
    assert gradient.count == made.count
    assert sketch(run, "no such layer") is None
    assert sketch(Run(), "2.weight") is None


def test_none_are_made_unless_asked_for() -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer, CE) as seen:
        train(seen, model, optimizer, CE, 5)
    assert not [name for name in seen.run.series if name.startswith("histogram")]
