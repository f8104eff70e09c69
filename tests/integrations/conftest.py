"""Which of these tests are collected: those that need a framework only where `-m integrations` asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest

HEAVY = frozenset(
    f"test_{name}.py"
    for name in (
        "boosting_callbacks",
        "event_files_of_tensorboard",
        "keras_callback",
        "lightning_callback",
        "logs_of_frameworks",
        "sinks_of_others",
        "tensorflow_loop",
        "transformers_callback",
        "tuning",
    )
)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave them alone where the frameworks are not installed, so that nothing counts as skipped."""
    return True if collection_path.name in HEAVY and config.getoption("markexpr") != "integrations" else None
