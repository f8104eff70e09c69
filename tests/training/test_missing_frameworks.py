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
    "optuna": ("optuna", "optuna"),
    "sklearn": ("sklearn", "demo"),
    "sklearn_trees": ("sklearn", "demo"),
    "tensorflow": ("tensorflow", "tensorflow"),
    "transformers": ("transformers", "transformers"),
    "xgboost": ("xgboost", "xgboost"),
}


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
    assert files == set(INTEGRATIONS)


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
