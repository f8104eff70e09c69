"""What README, the tutorials and some of the how-tos tell people to type works."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from watchkeeper import cli
from watchkeeper.demo import tables

REPOSITORY = Path(__file__).parents[2]
PAGES = [
    REPOSITORY / "README.md",
    *sorted((REPOSITORY / "docs" / "tutorials").glob("*.md")),
    REPOSITORY / "docs" / "how-to" / "repair-a-training.md",
]
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(kind, code, id=f"{page.stem}-{place}")
    for page in PAGES
    for place, (kind, code) in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")))
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    tables.prepare(folder, lambda sentence: None)
    return folder


@pytest.mark.parametrize(("kind", "code"), BLOCKS)
def test_what_is_written_works(
    kind: str, code: str, demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(demo, tmp_path / "here"))
    monkeypatch.chdir(folder)
    if kind == "python":
        exec(compile(code, "block", "exec"), {})
        return
    for line in code.splitlines():
        program, *arguments = shlex.split(line)
        if program == "watchkeeper":
            assert cli.run(arguments) in {0, 1, 2}
        else:
            assert program == "make", f"{line!r} is not tested: teach this test how"


def test_the_tutorial_shows_the_schema_that_the_demo_writes() -> None:
    shown = re.search(
        r"```yaml\n(.*?)```", (REPOSITORY / "docs/tutorials/compare-two-tables.md").read_text(), re.DOTALL
    )
    assert shown is not None
    assert shown[1] == tables.SCHEMA.split("\n", 1)[1]
