"""Watchkeeper watches machine-learning models from their first gradient to their last prediction.

>>> import watchkeeper as wk
>>> report = wk.compare("reference.parquet", "current.parquet")  # doctest: +SKIP

Names load when they are first used: importing the package imports neither NumPy nor pyarrow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchkeeper.client.connection import connect as connect
    from watchkeeper.client.logger import Logger as Logger
    from watchkeeper.detection.rules import Rules as Rules
    from watchkeeper.errors import WatchkeeperError as WatchkeeperError
    from watchkeeper.metrics.class_report import classification_report as classification_report
    from watchkeeper.metrics.curves import calibration_curve as calibration_curve
    from watchkeeper.metrics.curves import lift_curve as lift_curve
    from watchkeeper.metrics.curves import precision_recall_curve as precision_recall_curve
    from watchkeeper.metrics.curves import roc_curve as roc_curve
    from watchkeeper.metrics.curves import threshold_curve as threshold_curve
    from watchkeeper.metrics.learning import Judging as Judging
    from watchkeeper.metrics.learning import learning_curve as learning_curve
    from watchkeeper.metrics.learning import validation_curve as validation_curve
    from watchkeeper.metrics.value import value_curve as value_curve
    from watchkeeper.monitor import check as check
    from watchkeeper.monitor import compare as compare
    from watchkeeper.monitor import infer_schema as infer_schema
    from watchkeeper.monitor import profile as profile
    from watchkeeper.monitor import suggest_rules as suggest_rules
    from watchkeeper.profiles.profile import Profile as Profile
    from watchkeeper.profiles.profile import merge as merge
    from watchkeeper.report.report import Report as Report
    from watchkeeper.schema import Schema as Schema
    from watchkeeper.training.pytorch.watched import watch as watch

_HOMES = {
    "Judging": "watchkeeper.metrics.learning",
    "Logger": "watchkeeper.client.logger",
    "Profile": "watchkeeper.profiles.profile",
    "Report": "watchkeeper.report.report",
    "Rules": "watchkeeper.detection.rules",
    "Schema": "watchkeeper.schema",
    "WatchkeeperError": "watchkeeper.errors",
    "calibration_curve": "watchkeeper.metrics.curves",
    "check": "watchkeeper.monitor",
    "classification_report": "watchkeeper.metrics.class_report",
    "compare": "watchkeeper.monitor",
    "connect": "watchkeeper.client.connection",
    "infer_schema": "watchkeeper.monitor",
    "learning_curve": "watchkeeper.metrics.learning",
    "lift_curve": "watchkeeper.metrics.curves",
    "merge": "watchkeeper.profiles.profile",
    "precision_recall_curve": "watchkeeper.metrics.curves",
    "profile": "watchkeeper.monitor",
    "roc_curve": "watchkeeper.metrics.curves",
    "suggest_rules": "watchkeeper.monitor",
    "threshold_curve": "watchkeeper.metrics.curves",
    "validation_curve": "watchkeeper.metrics.learning",
    "value_curve": "watchkeeper.metrics.value",
    "watch": "watchkeeper.training.pytorch.watched",
}
__all__ = [
    "Judging",
    "Logger",
    "Profile",
    "Report",
    "Rules",
    "Schema",
    "WatchkeeperError",
    "__version__",
    "calibration_curve",
    "check",
    "classification_report",
    "compare",
    "connect",
    "infer_schema",
    "learning_curve",
    "lift_curve",
    "merge",
    "precision_recall_curve",
    "profile",
    "roc_curve",
    "suggest_rules",
    "threshold_curve",
    "validation_curve",
    "value_curve",
    "watch",
]


def __getattr__(name: str) -> object:
    import importlib

    if name == "__version__":
        from importlib.metadata import version

        return version("watchkeeper")
    if name in _HOMES:
        try:
            return getattr(importlib.import_module(_HOMES[name]), name)
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            from watchkeeper.errors import MissingExtra

            raise MissingExtra("torch", "torch", "Watching a training in PyTorch") from error
    from watchkeeper.errors import nearest

    near = nearest(name, __all__)
    raise AttributeError(
        f"module 'watchkeeper' has no attribute {name!r}." + (f" Did you mean {near!r}?" if near else "")
    )


def __dir__() -> list[str]:
    return sorted(__all__)
