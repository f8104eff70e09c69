"""The reference is what the source says, and names all of it."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

import watchkeeper
from watchkeeper import errors
from watchkeeper.client.settings import Settings
from watchkeeper.metrics.names import metric_names

REPOSITORY = Path(__file__).parents[2]
REFERENCE = REPOSITORY / "docs" / "reference"
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", REPOSITORY / "tools" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def text(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def test_the_reference_is_what_the_source_says(reference: ModuleType) -> None:
    for name, page in reference.pages().items():
        assert text(name) == page, f"docs/reference/{name} is old: run make docs"


def test_every_public_name_is_there() -> None:
    assert [name for name in watchkeeper.__all__ if f"## `{name}`\n" not in text("python.md")] == []
    assert [name for name in watchkeeper.training.__all__ if f"## `{name}`\n" not in text("training.md")] == []


def test_what_only_the_package_calls_is_left_out(reference: ModuleType) -> None:
    for name, members in reference.INTERNAL.items():
        assert members <= set(dir(getattr(watchkeeper if name in watchkeeper.__all__ else watchkeeper.training, name)))
        assert [m for m in members if f"`{name}.{m}`" in text("python.md") + text("training.md")] == []
    assert "`Logger.prediction`" in text("python.md")


def test_every_command_is_there_and_helps(reference: ModuleType) -> None:
    for name, command in reference.commands():
        assert f"## `{name}`\n" in text("cli.md")
        assert command.help, f"{name} says nothing about itself"
        unsaid = [p.name for p in command.params if p.param_type_name == "option" and not p.help]
        assert not unsaid, f"{name} has options without help"


def test_every_error_is_there() -> None:
    names = [name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)]
    assert [name for name in names if f"## `{name}`\n" not in text("errors.md")] == []


def test_every_metric_is_there() -> None:
    assert [name for name in metric_names() if f"| `{name}`<br>" not in text("metrics.md")] == []


@pytest.mark.parametrize(
    "page",
    sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")]),
    ids=lambda p: str(p.relative_to(REPOSITORY)),
)
def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()] == []


def test_every_page_is_found_from_the_first() -> None:
    docs = REPOSITORY / "docs"
    linked = set(LINK.findall((docs / "README.md").read_text(encoding="utf-8")))
    there = {
        str(page.relative_to(docs))
        for kind in ("how-to", "tutorials", "explanation")
        for page in (docs / kind).iterdir()
    }
    assert there - linked == set()


def test_every_setting_of_the_client_is_in_the_how_to() -> None:
    page = (REPOSITORY / "docs" / "how-to" / "watch-a-service.md").read_text(encoding="utf-8")
    assert [field.name for field in dataclasses.fields(Settings) if f"`{field.name}`" not in page] == []
    assert "WATCHKEEPER_SPOOL" in page
