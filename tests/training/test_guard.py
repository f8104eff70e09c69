"""A guard repairs what fails, leaves alone what is well, and keeps a change only where a trial speaks for it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import watchkeeper as wk  # noqa: E402
from watchkeeper.errors import InputError, UnknownKey  # noqa: E402
from watchkeeper.training.finding import Finding  # noqa: E402
from watchkeeper.training.journal import read_journal  # noqa: E402
from watchkeeper.training.pytorch.changes import CATALOGUE, random_change  # noqa: E402
from watchkeeper.training.pytorch.settings import Settings  # noqa: E402
from watchkeeper.training.pytorch.snapshot import untouched  # noqa: E402
from watchkeeper.training.run import Event, Run  # noqa: E402

torch.set_num_threads(1)
kit = wk.training


class Task:
    """A regression that a small network learns at the rate .02, and that diverges at .3."""

    def __init__(self, rate: float) -> None:
        torch.manual_seed(0)
        x = torch.randn(1024, 8)
        y = x @ torch.randn(8, 1) + 0.1 * torch.randn(1024, 1)
        self.batches = [(x[i : i + 32], y[i : i + 32]) for i in range(0, 768, 32)]
        self.held = [(x[768:], y[768:])]
        self.loss = nn.MSELoss()
        self.model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=rate)
        self.parts = kit.Parts(self.model, [self.optimizer])
        self.trial = functools.partial(kit.trial, loss=self.loss, data=self.batches, held_out=self.held, steps=30)

    def run(
        self,
        folder: Path,
        repair: Any = None,
        steps: int = 300,
        change: Callable[[int, Any], Any] = lambda step, x: x,
        settings: Any = None,
    ) -> tuple[Any, Any]:
        """Train under a guard; return it with the watch."""
        watch = wk.watch(self.model, self.optimizer, self.loss, folder=folder, settings=settings)
        guard = kit.Guard(watch, folder / "checkpoints", repair, every=25)
        for step in range(steps):
            x, y = self.batches[step % len(self.batches)]
            self.optimizer.zero_grad()
            loss = self.loss(self.model(change(step, x)), y)
            loss.backward()
            self.optimizer.step()
            watch.step(loss)
            if not guard.step():
                break
        watch.close()
        return guard, watch

    @property
    def rate(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def score(self) -> float:
        x, y = self.held[0]
        with torch.no_grad():
            return float(self.loss(self.model(x), y))


def test_a_rate_too_high_is_halved_and_the_run_then_learns(tmp_path: Path) -> None:
    task = Task(0.3)
    guard, watch = task.run(tmp_path, kit.Repair(prove=task.trial))
    assert task.rate == pytest.approx(0.15)
    assert task.score() < 0.1 < task.batches[0][1].var()
    last = guard.done[-1]
    assert (last.action, last.kept, last.finding.severity) == ("lower_rate", True, "critical")
    assert "better than both" in last.words
    assert watch.run.facts["repairs"][-1]["reason"] == last.finding.words
    assert watch.run.of("repair")[-1].words == last.words
    assert watch.findings.worst != "critical"
    without = Task(0.3)
    without.run(tmp_path / "without", kit.Repair(ladders={}))
    assert not without.score() < 1e3


def test_what_was_repaired_reads_the_same_from_its_journal(tmp_path: Path) -> None:
    _, watch = Task(0.3).run(tmp_path)
    again = read_journal(tmp_path / "run.jsonl")
    assert again.run.step == watch.run.step < 299
    assert again.run.series["loss"].values.tolist() == watch.run.series["loss"].values.tolist()
    assert again.run.facts["repairs"] == watch.run.facts["repairs"]
    assert [str(f) for f in again.findings] == [str(f) for f in watch.findings]


@pytest.mark.parametrize("rate", [0.003, 0.02])
def test_a_healthy_run_is_not_touched(rate: float, tmp_path: Path) -> None:
    task, alone = Task(rate), Task(rate)
    guard, watch = task.run(tmp_path, kit.Repair(allowed=frozenset({"loss_spike", "gradient_spike", "plateau"})))
    assert guard.done == [] and watch.run.of("repair") == []
    for step in range(300):
        x, y = alone.batches[step % len(alone.batches)]
        alone.optimizer.zero_grad()
        alone.loss(alone.model(x), y).backward()
        alone.optimizer.step()
    for ours, theirs in zip(task.model.parameters(), alone.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_broken_batch_is_skipped(tmp_path: Path) -> None:
    task = Task(0.02)
    guard, watch = task.run(tmp_path, change=lambda step, x: x * float("nan") if step == 110 else x)
    assert [(d.action, d.back_to) for d in guard.done] == [("skip", 100)]
    assert watch.steps == 300 - 11
    assert task.rate == 0.02
    assert task.score() < 0.1


def test_batches_that_are_always_broken_end_the_run(tmp_path: Path) -> None:
    task = Task(0.02)
    guard, _ = task.run(tmp_path, change=lambda step, x: x * float("nan") if step > 60 else x)
    assert [d.action for d in guard.done] == ["skip", "lower_rate", "lower_rate", "lower_rate", "clip", "stop"]
    assert guard.stopped
    assert task.rate == pytest.approx(0.0025)  # each on top of the one before
    few, _ = Task(0.02).run(tmp_path / "few", kit.Repair(most=1), change=lambda step, x: x * float("nan"))
    assert [d.action for d in few.done] == ["skip", "stop"]
    assert all(bool(torch.isfinite(p).all()) for p in few.parts.parameters)


def test_overfitting_ends_with_the_best_weights_where_that_is_allowed(tmp_path: Path) -> None:
    task = Task(0.02)
    watch = wk.watch(task.model, task.optimizer, task.loss)
    guard = kit.Guard(watch, tmp_path, kit.Repair(allowed=frozenset({"overfitting"})))
    guard.validation(loss=0.5)
    before = [p.detach().clone() for p in task.model.parameters()]
    task.optimizer.zero_grad()
    task.loss(task.model(task.batches[0][0]), task.batches[0][1]).backward()
    task.optimizer.step()
    guard.validation(loss=0.9)
    guard.finding(watch.run, Finding("overfitting", 1, "It rose."))
    assert not guard.step()
    assert all(torch.equal(a, b) for a, b in zip(before, task.model.parameters(), strict=True))
    assert guard.done[0].action == "restore"
    watch.close()


def test_only_what_is_critical_or_allowed_makes_it_act() -> None:
    plain = kit.Repair()
    assert plain.heeds(Finding("divergence", 1, "", "critical"))
    assert not plain.heeds(Finding("divergence", 1, "", "warning"))
    assert not plain.heeds(Finding("head_mismatch", 1, "", "critical"))  # nothing that would help
    assert kit.Repair(allowed=frozenset({"divergence"})).heeds(Finding("divergence", 1, "", "warning"))
    with pytest.raises(UnknownKey, match="divergance"):
        kit.Repair(allowed=frozenset({"divergance"}))
    with pytest.raises(UnknownKey, match="pray"):
        kit.Repair(ladders={"divergence": ("pray",)})  # type: ignore[dict-item]
    with pytest.raises(InputError, match="rate < 1"):
        kit.Repair(rate=2.0)


def test_a_run_goes_on_from_an_earlier_one_only_where_that_is_said(tmp_path: Path) -> None:
    first = Task(0.02)
    first.run(tmp_path, steps=50)
    with pytest.raises(InputError, match="earlier run"):
        Task(0.02).run(tmp_path, steps=1)
    second = Task(0.02)
    guard, _ = second.run(tmp_path, steps=25, settings=Settings(resumed=True))
    assert guard.checkpoints.last.step == 75


def test_a_run_goes_back() -> None:
    run = Run()
    for step in range(60):
        run.add_loss(step, 1.0 - step / 100 if step < 50 else 0.1)
    run.note(Event("input_scale", 40))
    best = run.best_step
    run.rewind(35)
    assert run.step == 34 and best == 59 and run.best_step == 34
    assert run.events == [] and run.series["loss"].count == 35
    run.add_loss(35, 0.5)
    run.rewind(0)
    assert run.step == -1 and not run.has("loss") and run.best_smooth == float("inf")


# --- trials -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        kit.ScaleRate(1.0),
        kit.ScaleRate(1.01),
        kit.AddDecay(1e-7),
        kit.ScaleRate(1e-3),
        kit.Clip(1e6),
        lambda parts: None,
    ],
    ids=["same", "hardly", "decay", "worse", "idle", "nothing"],
)
def test_a_useless_repair_is_not_kept(change: Any) -> None:
    task = Task(0.02)
    before = [p.detach().clone() for p in task.model.parameters()]
    verdict = task.trial(task.parts, change)
    assert not verdict.kept and task.rate == 0.02
    assert "not shown to be better than" in str(verdict)
    assert all(torch.equal(a, b) for a, b in zip(before, task.model.parameters(), strict=True))
    assert len(task.optimizer._optimizer_step_pre_hooks) == 0


@pytest.mark.parametrize("other", [kit.ScaleRate(2.0), kit.AddDecay(1e-2), kit.Forget(), kit.ScaleRate(0.5)], ids=str)
def test_a_repair_that_helps_is_kept(other: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchkeeper.training.pytorch.trials.random_change", lambda *_: other)
    task = Task(0.3)
    verdict = task.trial(task.parts, kit.ScaleRate(0.1))
    assert verdict.kept, str(verdict)
    assert task.rate == pytest.approx(0.03)
    assert verdict.against_nothing.high < 0 and verdict.against_random.high < 0


def test_the_random_change_is_drawn_by_seed_and_is_another() -> None:
    drawn = [random_change(seed, kit.Clip(1.0)) for seed in range(200)]
    assert drawn == [random_change(seed, kit.Clip(1.0)) for seed in range(200)]
    assert set(drawn) == set(CATALOGUE) - {kit.Clip(1.0)}


def test_what_beats_nothing_but_not_chance_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the random arm this change would be kept: any change of that kind does as much."""
    monkeypatch.setattr("watchkeeper.training.pytorch.trials.random_change", lambda *_: kit.ScaleRate(0.1))
    task = Task(0.3)
    verdict = task.trial(task.parts, kit.ScaleRate(0.001))
    assert verdict.against_nothing.high < 0
    assert not verdict.kept


def test_the_three_have_the_same_batches_and_chance() -> None:
    task = Task(0.02)
    seen: list[float] = []
    task.model.insert(1, nn.Dropout(0.5))
    loader = torch.utils.data.DataLoader([*zip(*[t[:64] for t in task.batches[0]], strict=True)], 8, shuffle=True)
    task.model[1].register_forward_hook(
        lambda m, a, out: seen.append(float(out.detach().sum())) if m.training else None
    )
    kit.trial(task.parts, lambda parts: None, loss=task.loss, data=loader, held_out=task.held, steps=6, seed=9)
    assert len(seen) == 18
    assert seen[:6] == seen[6:12] != seen[12:]  # the third is the random change


def test_a_metric_of_ones_own() -> None:
    task = Task(0.3)

    def errors(model: Any) -> Any:
        x, y = task.held[0]
        return (model(x) - y).abs().reshape(-1)

    verdict = kit.trial(task.parts, kit.ScaleRate(0.1), loss=task.loss, data=task.batches, held_out=errors, steps=30)
    assert verdict.kept and verdict.against_nothing.n == 256
    with pytest.raises(InputError, match="there are 2"):
        kit.trial(task.parts, kit.Clip(1.0), loss=task.loss, data=task.batches, held_out=lambda m: [1.0, 2.0], steps=2)


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    task = Task(0.02)
    with wk.watch(task.model, task.optimizer) as watch:
        monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
        monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
        with pytest.raises(InputError, match="one process"):
            kit.Guard(watch, tmp_path)


def test_a_schedule_is_scaled_too() -> None:
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.8)
    warm = torch.optim.lr_scheduler.LinearLR(optimizer, 0.5, 1.0, 4)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm, cosine], [4])
    reference = []
    for scaled in (False, True):
        rates = []
        parts = kit.Parts(model, [optimizer], schedule)
        with untouched(parts):  # the same schedule from its start both times
            if scaled:
                kit.ScaleRate(0.5)(parts)
            for _ in range(12):
                rates.append(optimizer.param_groups[0]["lr"])
                optimizer.step()
                schedule.step()
        reference.append(rates)
    assert [b / a for a, b in zip(*reference, strict=True)] == pytest.approx([0.5] * 12)
