"""Watch a training run: what is recorded of it is one value, a `Run`, and every detector is a pure function of that.

Collectors (``pytorch``, and the callbacks in :mod:`watchkeeper.integrations`) add to a run; detectors read it; a run can
be written, read again and judged anew, with the same findings. The names here are what one does about a training:
``wk.training.lr_range_test(...)``. They load when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchkeeper.training.noise_scale import BatchSize as BatchSize
    from watchkeeper.training.noise_scale import NoiseScale as NoiseScale
    from watchkeeper.training.pytorch.batch_noise import gradient_noise_scale as gradient_noise_scale
    from watchkeeper.training.pytorch.changes import AddDecay as AddDecay
    from watchkeeper.training.pytorch.changes import Clip as Clip
    from watchkeeper.training.pytorch.changes import Forget as Forget
    from watchkeeper.training.pytorch.changes import ScaleRate as ScaleRate
    from watchkeeper.training.pytorch.checkpoints import Checkpoint as Checkpoint
    from watchkeeper.training.pytorch.checkpoints import Checkpoints as Checkpoints
    from watchkeeper.training.pytorch.curves import Fits as Fits
    from watchkeeper.training.pytorch.curves import learning_curve as learning_curve
    from watchkeeper.training.pytorch.curves import validation_curve as validation_curve
    from watchkeeper.training.pytorch.gradient_checking import GradientCheck as GradientCheck
    from watchkeeper.training.pytorch.gradient_checking import gradient_check as gradient_check
    from watchkeeper.training.pytorch.guarding import Guard as Guard
    from watchkeeper.training.pytorch.one_batch import OneBatch as OneBatch
    from watchkeeper.training.pytorch.one_batch import fit_one_batch as fit_one_batch
    from watchkeeper.training.pytorch.racing import Race as Race
    from watchkeeper.training.pytorch.racing import Racer as Racer
    from watchkeeper.training.pytorch.racing import race_optimizers as race_optimizers
    from watchkeeper.training.pytorch.rate_range import RateRange as RateRange
    from watchkeeper.training.pytorch.rate_range import lr_range_test as lr_range_test
    from watchkeeper.training.pytorch.settings import Settings as Settings
    from watchkeeper.training.pytorch.snapshot import Parts as Parts
    from watchkeeper.training.pytorch.trials import Trial as Trial
    from watchkeeper.training.pytorch.trials import trial as trial
    from watchkeeper.training.repair import Repair as Repair
    from watchkeeper.training.stopping import BestStep as BestStep
    from watchkeeper.training.stopping import best_step as best_step

_HOMES = {
    "AddDecay": "watchkeeper.training.pytorch.changes",
    "BatchSize": "watchkeeper.training.noise_scale",
    "BestStep": "watchkeeper.training.stopping",
    "Checkpoint": "watchkeeper.training.pytorch.checkpoints",
    "Checkpoints": "watchkeeper.training.pytorch.checkpoints",
    "Clip": "watchkeeper.training.pytorch.changes",
    "Fits": "watchkeeper.training.pytorch.curves",
    "Forget": "watchkeeper.training.pytorch.changes",
    "GradientCheck": "watchkeeper.training.pytorch.gradient_checking",
    "Guard": "watchkeeper.training.pytorch.guarding",
    "NoiseScale": "watchkeeper.training.noise_scale",
    "OneBatch": "watchkeeper.training.pytorch.one_batch",
    "Parts": "watchkeeper.training.pytorch.snapshot",
    "Race": "watchkeeper.training.pytorch.racing",
    "Racer": "watchkeeper.training.pytorch.racing",
    "RateRange": "watchkeeper.training.pytorch.rate_range",
    "Repair": "watchkeeper.training.repair",
    "ScaleRate": "watchkeeper.training.pytorch.changes",
    "Settings": "watchkeeper.training.pytorch.settings",
    "Trial": "watchkeeper.training.pytorch.trials",
    "best_step": "watchkeeper.training.stopping",
    "fit_one_batch": "watchkeeper.training.pytorch.one_batch",
    "gradient_check": "watchkeeper.training.pytorch.gradient_checking",
    "gradient_noise_scale": "watchkeeper.training.pytorch.batch_noise",
    "learning_curve": "watchkeeper.training.pytorch.curves",
    "lr_range_test": "watchkeeper.training.pytorch.rate_range",
    "race_optimizers": "watchkeeper.training.pytorch.racing",
    "trial": "watchkeeper.training.pytorch.trials",
    "validation_curve": "watchkeeper.training.pytorch.curves",
}
__all__ = [
    "AddDecay",
    "BatchSize",
    "BestStep",
    "Checkpoint",
    "Checkpoints",
    "Clip",
    "Fits",
    "Forget",
    "GradientCheck",
    "Guard",
    "NoiseScale",
    "OneBatch",
    "Parts",
    "Race",
    "Racer",
    "RateRange",
    "Repair",
    "ScaleRate",
    "Settings",
    "Trial",
    "best_step",
    "fit_one_batch",
    "gradient_check",
    "gradient_noise_scale",
    "learning_curve",
    "lr_range_test",
    "race_optimizers",
    "trial",
    "validation_curve",
]


def __getattr__(name: str) -> object:
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module 'watchkeeper.training' has no attribute {name!r}. It has {', '.join(__all__)}.")
    try:
        return getattr(importlib.import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        from watchkeeper.errors import MissingExtra

        raise MissingExtra("torch", "torch", f"watchkeeper.training.{name}") from error


def __dir__() -> list[str]:
    return sorted(__all__)
