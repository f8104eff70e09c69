"""The retraining command that the docs show works as it stands."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from acted import World, made_once

from watchkeeper.response.operator import ActionSpec

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "act.md"


def test_the_command_of_the_docs_leaves_a_candidate(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "train.py").write_text(program)
    made = made_once(tmp_path_factory)
    with World(made.copy(tmp_path), made.better) as world:
        world.actions["retrain"] = ActionSpec("retrain", (sys.executable, str(tmp_path / "train.py")), 120.0)
        number = world.propose()
        world.run(120.0)
        action = world.get(number)
        assert action["state"] == "promoted", (action["log"], world.said())
        assert json.loads(world.path(number, "candidate.json").read_text())["version"] == f"retrained-{number}"
