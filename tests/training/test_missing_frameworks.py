"""Where a framework is missing, its integration says what to install; nothing inside imports an integration."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from watchkeeper.errors import MissingExtra

REPOSITORY = Path(__file__).parents[2]
INTEGRATIONS = {
    "keras": ("keras", "keras"),
    "lightgbm": ("lightgbm", "lightgbm"),
    "lightning": ("lightning", "lightning"),
    "mlflow": ("mlflow", "mlflow"),
    "optuna": ("optuna", "optuna"),
    "sklearn": ("sklearn", "demo"),
    "sklearn_trees": ("sklearn", "demo"),
    "tensorflow": ("tensorflow", "tensorflow"),
    "tuning": ("optuna", "optuna"),
    "transformers": ("transformers", "transformers"),
    "xgboost": ("xgboost", "xgboost"),
}
NEEDS_NOTHING = {"prometheus", "tensorboard"}  # the latter until it makes a writer


@pytest.mark.parametrize("name", INTEGRATIONS)
def test_a_missing_package_is_named_with_what_installs_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package, extra = INTEGRATIONS[name]
    hidden = [module for module in sys.modules if module.split(".")[0] == package]
    for module in {*hidden, package, *(["lightning.pytorch", "pytorch_lightning"] if package == "lightning" else [])}:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"watchkeeper.integrations.{name}", raising=False)
    with pytest.raises(MissingExtra, match=re.escape(f"pip install '.[{extra}]'")):
        importlib.import_module(f"watchkeeper.integrations.{name}")
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extra in extras


def test_there_is_one_for_each_file() -> None:
    files = {path.stem for path in (REPOSITORY / "src" / "watchkeeper" / "integrations").glob("*.py")} - {"__init__"}
    assert files == set(INTEGRATIONS) | NEEDS_NOTHING


def test_a_folder_for_tensorboard_needs_its_writer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from watchkeeper.integrations.tensorboard import TensorBoardSink

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtra, match=re.escape("pip install '.[tensorboard]'")):
        TensorBoardSink(tmp_path)
    TensorBoardSink(object())


def test_nothing_inside_imports_an_integration() -> None:
    source = REPOSITORY / "src" / "watchkeeper"
    outside = [path for path in source.rglob("*.py") if "integrations" not in path.relative_to(source).parts]
    assert [path for path in outside if "import watchkeeper.integrations" in path.read_text()] == []
    assert [path for path in outside if "from watchkeeper.integrations" in path.read_text()] == []


def test_the_parts_they_share_need_no_framework() -> None:
    program = (
        "import watchkeeper.training.opening, watchkeeper.training.boosting, watchkeeper.training.naming, sys; "
        "print([m for m in ('torch', 'sklearn', 'keras', 'tensorflow') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
