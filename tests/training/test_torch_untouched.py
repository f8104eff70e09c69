"""The watch changes nothing in the training, takes all its hooks away, and cannot stop it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch_models import batch, mlp, problems, train

from watchkeeper.training.pytorch import looking, probe, stepping
from watchkeeper.training.pytorch.settings import Settings
from watchkeeper.training.pytorch.watched import Watch, watch
from watchkeeper.training.watching import Watching

LOSS = nn.CrossEntropyLoss()


class AlwaysRandom(nn.Module):
    """Draws random numbers in evaluation too."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 0.01 * torch.randn_like(x)


def noisy() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), AlwaysRandom(), nn.Linear(8, 3)
    )


def hooks(*owners: Any) -> int:
    """Count the hooks on modules, optimizers and parameters."""
    held = 0
    for owner in owners:
        parts = [*owner.modules(), *owner.parameters()] if isinstance(owner, nn.Module) else [owner]
        for part in parts:
            kept = {name: value for name, value in vars(part).items() if name.endswith("hooks")}
            held += sum(len(value) for value in kept.values() if value is not None)
            held += len(getattr(part, "_backward_hooks", None) or ()) if isinstance(part, torch.Tensor) else 0
    return held


def test_weights_buffers_and_random_numbers_are_those_of_a_plain_run_bit_for_bit() -> None:
    found = []
    for watched in (False, True):
        model = noisy()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        settings = Settings(every=2, probe_share=1.0, histograms=10)
        seen = watch(model, optimizer, LOSS, settings=settings) if watched else None
        losses = train(seen, model, optimizer, LOSS, 130)
        if seen is not None:
            seen.close()
            assert len(seen.run.series["dead"]) > 10
            assert "watching_failed" not in problems(seen)
        found.append((losses, model.state_dict(), torch.get_rng_state(), model.training))
    plain, watched_run = found
    assert plain[0] == watched_run[0]
    assert torch.equal(plain[2], watched_run[2])
    assert plain[3] == watched_run[3]
    assert plain[1].keys() == watched_run[1].keys()
    assert all(torch.equal(plain[1][key], watched_run[1][key]) for key in plain[1])


def test_closing_takes_every_hook_away() -> None:
    model, loss = noisy(), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters())
    assert hooks(model, loss, optimizer) == 0
    seen = watch(model, optimizer, loss)
    assert hooks(model, loss, optimizer) == 4  # a call of the model, one of the loss, before and after a step
    train(seen, model, optimizer, loss, 30)
    seen.close()
    assert hooks(model, loss, optimizer) == 0
    seen.close()
    seen.step(1.0)


def test_two_networks_of_a_game_watched_apart_are_quiet() -> None:
    torch.manual_seed(0)
    maker = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    critic = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
    makes = torch.optim.Adam(maker.parameters(), lr=1e-3, betas=(0.5, 0.999))
    judges = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.999))
    sure = nn.BCEWithLogitsLoss()
    first, second = watch(maker, makes, "other", name="maker"), watch(critic, judges, "other", name="critic")
    ones, zeros = torch.ones(32, 1), torch.zeros(32, 1)
    for _ in range(220):
        real = torch.randn(32, 2) * 0.5 + 1
        judges.zero_grad()
        true_loss = sure(critic(real), ones)
        true_loss.backward()
        made = maker(torch.randn(32, 4))
        false_loss = sure(critic(made.detach()), zeros)
        false_loss.backward()
        judges.step()
        second.step(true_loss.detach() + false_loss.detach())
        makes.zero_grad()
        cheat = sure(critic(made), ones)
        cheat.backward()
        makes.step()
        first.step(cheat)
    for seen in (first, second):
        seen.close()
        assert [str(f) for f in seen.findings if f.severity != "info"] == []
        assert seen.run.step == 219


def test_an_optimizer_swapped_in_mid_run_is_followed_once_said() -> None:
    model = mlp()
    head = torch.optim.SGD(model[4].parameters(), lr=0.1)
    seen = watch(model, head, LOSS, settings=Settings(every=1))
    train(seen, model, head, LOSS, 5)
    assert "unused_parameter" in problems(seen)
    whole = torch.optim.Adam(model.parameters(), lr=1e-2)
    seen.optimizer(whole)
    train(seen, model, whole, LOSS, 5)
    assert hooks(head) == 0
    seen.close()
    assert len(seen.run.series["gradient"]) == 10
    assert (seen.run.series["gradient"].rows[5:] > 0).all()
    assert (seen.run.series["gradient"].rows[:5, :4] == 0).all()
    assert all(layer.optimized for layer in seen.run.layers)
    assert seen.run.optimizer == "Adam"
    assert seen.run.facts["optimizers"] == [[5, "Adam"]]


def boom(*args: Any, **kwargs: Any) -> Any:
    raise ZeroDivisionError("made to fail")


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (stepping.Stepping, "_before"),
        (stepping.Stepping, "_after"),
        (stepping.Stepping, "take"),
        (looking.Looking, "_forward"),
        (looking.Looking, "_loss"),
        (looking.Looking, "_backward"),
        (Watch, "_take"),
        (Watching, "loss"),
    ],
)
def test_an_error_in_a_hook_ends_the_watch_and_is_said_once(
    owner: type, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = mlp()
    train(None, plain, torch.optim.SGD(plain.parameters(), lr=0.1), LOSS, 12)
    monkeypatch.setattr(owner, name, boom)
    model, loss = mlp(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    seen = watch(model, optimizer, loss)
    with pytest.warns(RuntimeWarning, match="ZeroDivisionError: made to fail") as said:
        train(seen, model, optimizer, loss, 12)
    assert len(said) == 1
    assert hooks(model, loss, optimizer) == 0
    assert "watching_failed" in problems(seen)
    seen.close()
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), model.parameters(), strict=True))


def test_a_model_that_cannot_be_probed_is_watched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe.Probe, "run", boom)
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer, LOSS) as seen:
        train(seen, model, optimizer, LOSS, 30)
    assert "watching_failed" not in problems(seen)
    assert seen.run.facts["probe"] == "failed: ZeroDivisionError: made to fail"
    assert len(seen.run.series["gradient"]) == 21


def test_batches_are_not_kept_where_the_host_cannot_look_at_them() -> None:
    import gc
    import weakref

    class Closed:
        def open(self, device: torch.device) -> bool:
            return False

        def carry(self, vector: torch.Tensor) -> Any:
            return vector.clone(), type("Done", (), {"query": lambda self: True, "synchronize": lambda self: None})()

    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    seen = watch(model, optimizer, LOSS, settings=Settings(border=Closed()))
    train(seen, model, optimizer, LOSS, 25)
    x, y = batch(0)
    alive = weakref.ref(x)
    LOSS(model(x), y)
    del x
    gc.collect()
    assert alive() is None
    seen.close()
