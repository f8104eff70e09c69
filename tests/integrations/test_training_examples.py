"""The examples run, find what they plant, and find nothing where nothing is planted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SOURCE = str(EXAMPLES.parent / "src")
PLANTED = {
    "lightning": ("as it should be", "softmax twice", "probabilities already"),
    "transformers": ("0.001", "10.0", "The loss began at"),
    "keras": ("scaled", "not scaled", "the greatest standard deviation"),
    "tensorflow": ("0.05", "1.2", "The loss"),
    "xgboost": ("healthy", "leak", "has 100% of the importance"),
    "lightgbm": ("0.1", "8.0", "The loss began at"),
}
HERE = ("pytorch", "sklearn")


def run(name: str, folder: Path) -> str:
    program = EXAMPLES / f"training_{name}.py"
    settings = os.environ | {
        "OMP_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": SOURCE,
    }
    done = subprocess.run(
        [sys.executable, program], cwd=folder, env=settings, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def parts(said: str) -> dict[str, str]:
    """Return what was said of each run, by its title."""
    found, title = {}, ""
    for line in said.splitlines():
        if not line.startswith(" ") and line.rstrip().endswith(":"):
            title = line.rstrip().rstrip(":").removeprefix("learning rate ")
        found[title] = found.get(title, "") + line
    return found


@pytest.mark.integrations
@pytest.mark.parametrize("name", PLANTED)
def test_frameworks(name: str, tmp_path: Path) -> None:
    healthy, faulty, words = PLANTED[name]
    said = parts(run(name, tmp_path))
    assert "warning at step" not in said[healthy]
    assert "critical at step" not in said[healthy]
    assert words in said[faulty]


@pytest.mark.integrations
def test_optuna(tmp_path: Path) -> None:
    said = run("optuna", tmp_path)
    rates = {line.split(":")[0]: line.split(": ")[1] for line in said.splitlines()}
    pruned = [float(rate.split()[1]) for rate, state in rates.items() if state.startswith("pruned")]
    done = [float(rate.split()[1]) for rate, state in rates.items() if state.startswith("complete")]
    assert min(pruned) > max(done) > 0
    assert len(pruned) + len(done) == 12


@pytest.mark.parametrize("name", HERE)
def test_what_is_in_the_ordinary_environment(name: str, tmp_path: Path) -> None:
    said = run(name, tmp_path)
    assert "critical at step" in said
    if name == "sklearn":
        assert "nothing found" in parts(said)["batches, learning rate 0.01"]
        assert "deep" in parts(said)["tree"]


def test_every_example_is_tried() -> None:
    names = {path.stem.removeprefix("training_") for path in EXAMPLES.glob("training_*.py")}
    assert names == {*PLANTED, *HERE, "optuna"}
