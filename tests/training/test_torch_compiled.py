"""Hooks break no graph and cause no compilation, whether torch.compile comes before the watch or after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters
from torch_models import mlp, problems, train

from watchkeeper.training.pytorch.settings import Settings
from watchkeeper.training.pytorch.watched import Watch, watch

LOSS = nn.CrossEntropyLoss()
STEPS = 25


class Net(nn.Module):
    """Has a forward of its own: torch.compile in place leaves out PyTorch's containers."""

    def __init__(self) -> None:
        super().__init__()
        self.body = mlp()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def compiled(how: str, watched: bool, backend: str) -> tuple[dict[str, int], Watch | None, nn.Module]:
    torch._dynamo.reset()
    counters.clear()
    model = Net()
    called: nn.Module = model
    seen = None
    settings = Settings(every=1, probe_share=1.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    if how == "before":
        called = torch.compile(model, backend=backend)
    elif how == "in place, before":
        model.compile(backend=backend)
    if watched:
        seen = watch(called, optimizer, LOSS, settings=settings)
    if how == "after":
        called = torch.compile(model, backend=backend)
    elif how == "in place, after":
        model.compile(backend=backend)
    train(seen, called, optimizer, LOSS, STEPS)
    counted = {
        "graphs": counters["stats"]["unique_graphs"],
        "breaks": sum(counters["graph_break"].values()),
        "frames": counters["frames"]["total"],
        "recompiled": sum(counters["recompiles"].values()),
    }
    return counted, seen, model


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("how", ["before", "after", "in place, before", "in place, after"])
def test_no_graph_is_broken_and_none_made_again(how: str, backend: str) -> None:
    plain, _, model = compiled(how, False, backend)
    with_watch, seen, other = compiled(how, True, backend)
    assert plain["graphs"] == 1
    assert with_watch == plain
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    assert seen is not None
    seen.close()
    assert "watching_failed" not in problems(seen)
    assert len(seen.run.series["gradient"]) == STEPS
    assert seen.run.has("head")
    assert seen.run.has("input")
    assert len(seen.run.series["dead"]) == 2


def test_a_watch_that_begins_in_mid_run_compiles_nothing_again() -> None:
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    called = torch.compile(model, backend="eager")
    train(None, called, optimizer, LOSS, 3)
    seen = watch(called, optimizer, LOSS)
    train(seen, called, optimizer, LOSS, 5)
    seen.close()
    train(None, called, optimizer, LOSS, 3)
    assert counters["stats"]["unique_graphs"] == 1


def test_a_hook_that_breaks_the_graph_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    from watchkeeper.training.pytorch import looking

    monkeypatch.setattr(looking, "_uncompiled", lambda *_: lambda *args: torch._dynamo.graph_break())
    plain, _, _ = compiled("after", False, "eager")
    broken, seen, _ = compiled("after", True, "eager")
    assert broken != plain
    assert seen is not None
    seen.close()
