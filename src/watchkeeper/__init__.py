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
    from watchkeeper.errors import WatchkeeperError as WatchkeeperError
    from watchkeeper.monitor import compare as compare
    from watchkeeper.monitor import infer_schema as infer_schema
    from watchkeeper.monitor import profile as profile
    from watchkeeper.profiles.profile import Profile as Profile
    from watchkeeper.profiles.profile import merge as merge
    from watchkeeper.report.report import Report as Report
    from watchkeeper.schema import Schema as Schema

_HOMES = {
    "Logger": "watchkeeper.client.logger",
    "Profile": "watchkeeper.profiles.profile",
    "Report": "watchkeeper.report.report",
    "Schema": "watchkeeper.schema",
    "WatchkeeperError": "watchkeeper.errors",
    "compare": "watchkeeper.monitor",
    "connect": "watchkeeper.client.connection",
    "infer_schema": "watchkeeper.monitor",
    "merge": "watchkeeper.profiles.profile",
    "profile": "watchkeeper.monitor",
}
__all__ = [
    "Logger",
    "Profile",
    "Report",
    "Schema",
    "WatchkeeperError",
    "__version__",
    "compare",
    "connect",
    "infer_schema",
    "merge",
    "profile",
]


def __getattr__(name: str) -> object:
    import importlib

    if name == "__version__":
        from importlib.metadata import version

        return version("watchkeeper")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    from watchkeeper.errors import nearest

    near = nearest(name, __all__)
    raise AttributeError(
        f"module 'watchkeeper' has no attribute {name!r}." + (f" Did you mean {near!r}?" if near else "")
    )


def __dir__() -> list[str]:
    return sorted(__all__)
