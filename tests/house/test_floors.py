"""Data rises, imports fall: each module imports lower floors or its own package only, and nothing in a circle.

Every import counts: those inside functions and those for types too.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = "watchkeeper"
SOURCE = Path(__file__).parents[2] / "src" / ROOT
FLOORS = {
    1: "errors config",
    2: "schema inference window sketches",
    3: "capture",
    4: "profiles",
    5: "metrics engines client",
    6: "detection",
    7: "response",
    8: "store report",
    9: "monitor pipeline",
    10: "integrations training explanation testing diagnosis",
    11: "server demo __init__",  # __init__ is the public face: nothing inside may import it
    12: "cli",
    13: "__main__",
}
BESIDE = {("inference", "schema"), ("integrations", "training")}  # on one floor, and the first may import the second
FLOOR = {unit: floor for floor, units in FLOORS.items() for unit in units.split()}


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}


def unit(module: str) -> str:
    """Return the file or folder right under the root in which ``module`` stands."""
    return module.split(".")[1] if "." in module else "__init__"


def imports(source: str, module: str, *, package: bool) -> set[str]:
    """Return the modules of this project that ``source``, the text of ``module``, imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            here = module.split(".")
            here = here[: len(here) - node.level + package] if node.level else []
            base = ".".join(here + (node.module.split(".") if node.module else []))
            names = [f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in node.names]
        else:
            continue
        found |= {name for name in names if name.split(".")[0] == ROOT}
    return found


GRAPH = {
    module: imports(path.read_text(encoding="utf-8"), module, package=path.name == "__init__.py")
    for module, path in MODULES.items()
}


@pytest.mark.parametrize("module", MODULES)
def test_imports_fall(module: str) -> None:
    here = unit(module)
    assert here in FLOOR, f"{module} stands on no floor: give {here!r} one in {Path(__file__).name}"
    for name in GRAPH[module]:
        there = unit(name)
        assert there in FLOOR, f"{module} imports {name}, which stands on no floor"
        fine = there == here or FLOOR[there] < FLOOR[here] or (here, there) in BESIDE
        assert fine, f"{module} (floor {FLOOR[here]}) imports {name} (floor {FLOOR[there]}): imports fall"


def test_no_circles() -> None:
    left = {module: GRAPH[module] - {module} for module in MODULES}
    while free := [module for module, needs in left.items() if not needs & left.keys()]:
        for module in free:
            del left[module]
    assert not left, f"these modules import each other in a circle, or lead into one: {sorted(left)}"


def test_the_reader_of_imports_sees_every_form() -> None:
    source = "import os, watchkeeper.errors\nfrom . import schema\ndef f():\n    from .demo import flights"
    expected = {"watchkeeper.errors", "watchkeeper.schema", "watchkeeper.demo.flights"}
    assert imports(source, "watchkeeper", package=True) == expected
    assert imports("from .flights import load", "watchkeeper.demo.model", package=False) == {"watchkeeper.demo.flights"}
    assert imports("from ..errors import X", "watchkeeper.demo", package=True) == {"watchkeeper.errors"}
    assert imports("from watchkeeper import compare", "watchkeeper.demo.model", package=False) == {"watchkeeper"}
