"""Models without gradients to look at: boosted trees and scikit-learn's SGD, which feed a run their losses round by round.

What is not installed is left out.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.training.bases import mlp
from benchmarks.training.planted import Fault, _fault
from benchmarks.training.program import Program
from watchkeeper.training.data_checks import check_data
from watchkeeper.training.journal import Journal
from watchkeeper.training.run import Event, Run
from watchkeeper.training.watching import Watching

ROUNDS, STEPS = 150, 400
Plan = Mapping[str, Any]


@contextmanager
def watched(folder: Path, name: str, run: Run) -> Iterator[Watching]:
    """Watch a run, with its journal in a folder."""
    run.name = name
    watching = Watching(run, [Journal(folder / f"{name}.jsonl")], quiet=True)
    yield watching
    watching.close()


def _table(plan: Plan) -> tuple[np.ndarray, np.ndarray, int]:
    """Return rows of 15 features, of which five tell the class; how many of the rows are trained on."""
    rng = np.random.default_rng(plan["seed"])
    rows = plan.get("rows", 2_000)
    x = rng.normal(size=(rows + 1_000, 15))
    chance = 1 / (1 + np.exp(-(x[:, 0] + x[:, 1] * x[:, 2] + np.abs(x[:, 3]) - x[:, 4] - 0.8)))
    y = (rng.random(len(x)) < chance).astype(int)
    if plan.get("noise"):
        y = rng.integers(0, 2, len(x))
    if plan.get("leak"):
        x[:, 7] = y + 0.1 * rng.normal(size=len(x))
    return x, y, rows


def _boosted(
    fit: Callable[[Plan, Any, Any, int], tuple[list[float], list[float], dict[str, float]]], plan: Plan
) -> Program:
    def loop(program: Program, folder: Path, name: str) -> None:
        train, held, importances = fit(plan, *_table(plan))
        run = Run(framework=plan["library"], loss="bce", classes=2, planned_steps=len(train), facts={"boosting": True})
        with watched(folder, name, run) as watching:
            for step, (a, b) in enumerate(zip(train, held, strict=True)):
                watching.add("validation/loss", step, b, ("loss",))
                watching.loss(step, a)
            watching.run.facts["importances"] = importances

    return replace(mlp(), loop=loop, facts=dict(plan), steps=ROUNDS)


def _xgboost(plan: Plan, x: Any, y: Any, rows: int) -> tuple[list[float], list[float], dict[str, float]]:
    import xgboost as xgb

    sets = {"train": xgb.DMatrix(x[:rows], y[:rows]), "val": xgb.DMatrix(x[rows:], y[rows:])}
    settings = {
        "objective": "binary:logistic",
        "max_depth": plan.get("depth", 2),
        "eta": plan.get("rate", 0.05),
        "nthread": 1,
    }
    found: dict[str, dict[str, list[float]]] = {}
    model = xgb.train(
        settings, sets["train"], ROUNDS, evals=[(d, n) for n, d in sets.items()], evals_result=found, verbose_eval=False
    )
    used = model.get_score(importance_type="total_gain")
    names = [f"f{place}" for place in range(x.shape[1])]
    return found["train"]["logloss"], found["val"]["logloss"], {n: float(used.get(n, 0.0)) for n in names}


def _lightgbm(plan: Plan, x: Any, y: Any, rows: int) -> tuple[list[float], list[float], dict[str, float]]:
    import lightgbm as lgb

    train = lgb.Dataset(x[:rows], y[:rows])
    settings = {
        "objective": "binary", "num_leaves": 2 ** plan.get("depth", 2), "learning_rate": plan.get("rate", 0.05),
        "verbose": -1, "num_threads": 1, "seed": 0, "min_data_in_leaf": 5,
    }  # fmt: skip
    found: dict[str, dict[str, list[float]]] = {}
    model = lgb.train(
        settings, train, ROUNDS, valid_sets=[train, train.create_valid(x[rows:], y[rows:])], valid_names=["train", "val"],
        callbacks=[lgb.record_evaluation(found)],
    )  # fmt: skip
    gains = model.feature_importance(importance_type="gain")
    names = [f"f{place}" for place in range(x.shape[1])]
    return (
        found["train"]["binary_logloss"],
        found["val"]["binary_logloss"],
        dict(zip(names, map(float, gains), strict=True)),
    )


def _sgd(plan: Plan) -> Program:
    """scikit-learn's SGDClassifier by ``partial_fit``: of each batch the loss before the step."""

    def loop(program: Program, folder: Path, name: str) -> None:
        from sklearn.linear_model import SGDClassifier
        from sklearn.metrics import log_loss

        (x, y), (held, wanted) = ((a.numpy(), b.numpy()) for a, b in (program.train, program.held))
        model = SGDClassifier("log_loss", learning_rate="constant", eta0=0.003 * plan.get("rate", 1), random_state=0)
        rng, classes = np.random.default_rng(plan["seed"]), np.arange(4)
        model.partial_fit(x[:1], y[:1], classes=classes)
        with watched(
            folder, name, Run(framework="sklearn", loss="cross_entropy", classes=4, planned_steps=STEPS)
        ) as watching:
            for found in check_data(x * plan.get("scale", 1), y, held * plan.get("scale", 1)):
                watching.note(Event(found.problem, 0, found.layer, found.numbers, found.words))
            for step in range(STEPS):
                rows = rng.integers(0, len(x), 32)
                watching.loss(
                    step, log_loss(y[rows], model.predict_proba(x[rows] * plan.get("scale", 1)), labels=classes)
                )
                model.partial_fit(x[rows] * plan.get("scale", 1), y[rows])
                if step % 40 == 39:
                    chances = model.predict_proba(held * plan.get("scale", 1))
                    watching.validation(step, {"loss": log_loss(wanted, chances, labels=classes)})

    return replace(mlp(), loop=loop, facts=dict(plan), steps=STEPS)


def _seed() -> int:
    return int(torch.randint(0, 2**31, ()))


def xgboost(**plan: Any) -> Program:
    """Shallow trees of XGBoost."""
    return _boosted(_xgboost, {"seed": _seed(), "library": "xgboost"} | plan)


def lightgbm(**plan: Any) -> Program:
    """Shallow trees of LightGBM."""
    return _boosted(_lightgbm, {"seed": _seed(), "library": "lightgbm"} | plan)


def sgd(**plan: Any) -> Program:
    """A linear model of scikit-learn."""
    return _sgd({"seed": _seed(), "library": "sklearn"} | plan)


MAKERS: dict[str, Callable[..., Program]] = {"xgboost": xgboost, "lightgbm": lightgbm, "sklearn": sgd}
CLASSIC: dict[str, Callable[[], Program]] = {
    name: MAKERS[name] for name in MAKERS if importlib.util.find_spec(name) is not None
}
"""Those that are installed."""
LEFT_OUT = [name for name in MAKERS if name not in CLASSIC]
TUNING_CLASSIC = frozenset({"xgboost", "sklearn"})


def _again(*libraries: str, **plan: Any) -> Callable[[Program], Program | None]:
    def change(program: Program) -> Program | None:
        known = program.facts
        return MAKERS[known["library"]](**(known | plan)) if known.get("library") in libraries else None

    return change


BOOST = ("xgboost", "lightgbm")
CLASSIC_FAULTS: tuple[Fault, ...] = (
    _fault(
        "F24", "deep trees, 300 rows", _again(*BOOST, depth=6, rate=0.3, rows=300), "boosting_overfit overfitting", 1.0
    ),
    _fault("F24", "boosted noise", _again(*BOOST, noise=True, depth=4, rate=0.2), "boosting_overfit not_learning", 1.0),
    _fault("F24", "a feature that leaks", _again(*BOOST, leak=True), "importance_concentration leakage", 1.0),
    _fault("F2", "eta0 x 3,000", _again("sklearn", rate=3_000), "divergence non_finite oscillation", 0.05),
    _fault("F3", "eta0 / 10,000", _again("sklearn", rate=1e-4), "not_learning", 0.25),
    _fault("F11", "inputs x 255 (SGD)", _again("sklearn", scale=255.0), "input_scale", 1),
)
