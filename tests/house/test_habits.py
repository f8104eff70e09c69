"""Habits of the house that a linter does not know."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import watchkeeper
from watchkeeper import errors

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "src" / "watchkeeper"
FILES = sorted(SOURCE.rglob("*.py"))
WRITTEN = [
    path
    for folder in ("src", "tests", "benchmarks", "tools", "ui/src")
    for path in sorted((REPOSITORY / folder).rglob("*"))
    if path.suffix in {".py", ".ts", ".tsx"}
]
NO_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "legacy", "v2"}
MOST_LINES, MOST_LINES_OF_A_FUNCTION, MOST_PARAMETERS = 500, 60, 7
CONTRACTS = {
    "client/logger.py": {"prediction": 8},
    "monitor.py": {"compare": 9},
}  # the signature that the interface promises
ERRORS = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines from the first statement after the docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_names_of_files_say_what_is_in_them() -> None:
    assert [
        path for path in WRITTEN if NO_NAMES & {part.split(".")[0] for part in path.relative_to(REPOSITORY).parts}
    ] == []


def test_a_long_file_has_a_decision_record() -> None:
    decisions = "\n".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "docs" / "decisions").glob("*.md"))
    long = [path for path in WRITTEN if len(path.read_text(encoding="utf-8").splitlines()) > MOST_LINES]
    assert [path for path in long if str(path.relative_to(REPOSITORY)) not in decisions] == []


def test_decision_records_are_short() -> None:
    records = (REPOSITORY / "docs" / "decisions").glob("*.md")
    assert [path.name for path in records if len(path.read_text(encoding="utf-8").splitlines()) > 60] == []


@each_file
def test_file_opens_with_a_sentence(path: Path) -> None:
    assert ast.get_docstring(tree(path)), f"{path} has no docstring that says what idea it holds"


@each_file
def test_functions_are_short(path: Path) -> None:
    long = {f.name: lines(f) for f in functions(path) if lines(f) > MOST_LINES_OF_A_FUNCTION}
    assert not long, f"split these (lines without the docstring): {long}"


@each_file
def test_functions_take_few_parameters(path: Path) -> None:
    allowed = CONTRACTS.get(path.relative_to(SOURCE).as_posix(), {})
    named = {f.name: [a.arg for a in (*f.args.posonlyargs, *f.args.args, *f.args.kwonlyargs)] for f in functions(path)}
    many = {
        name: args
        for name, args in named.items()
        if len([a for a in args if a not in {"self", "cls"}]) > allowed.get(name, MOST_PARAMETERS)
    }
    assert not many, "group these into a value object"


@each_file
def test_only_the_command_line_prints(path: Path) -> None:
    calls = [
        n
        for n in ast.walk(tree(path))
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "print"
    ]
    assert path.name == "cli.py" or not calls


@each_file
def test_only_the_configuration_reads_the_environment(path: Path) -> None:
    names = {n.attr for n in ast.walk(tree(path)) if isinstance(n, ast.Attribute)}
    names |= {
        a.name for n in ast.walk(tree(path)) if isinstance(n, ast.ImportFrom) and n.module == "os" for a in n.names
    }
    assert path.name == "config.py" or not names & {"environ", "environb", "getenv", "getenvb", "expandvars"}


@each_file
def test_errors_carry_what_went_wrong(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name):
            assert node.exc.id not in ERRORS, f"line {node.lineno} raises {node.exc.id} without saying anything"
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
            empty = node.exc.func.id in ERRORS and not node.exc.args and not node.exc.keywords
            assert not empty, f"line {node.lineno} raises {node.exc.func.id} without saying anything"


PACKAGES = sorted(path.parent for path in FILES if path.name == "__init__.py")


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: str(p.relative_to(SOURCE.parent)))
def test_what_a_package_offers_is_not_named_like_a_submodule(package: Path) -> None:
    submodules = {path.stem for path in package.glob("*.py")} | {
        path.parent.name for path in package.glob("*/__init__.py")
    }
    top = list(ast.walk(tree(package / "__init__.py")))
    offered = {n.name for n in top if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    offered |= {a.asname or a.name for n in top if isinstance(n, ast.ImportFrom) and n.module for a in n.names}
    if package == SOURCE:
        offered |= set(watchkeeper.__all__)
    assert not offered & submodules


def test_every_public_name_resolves() -> None:
    assert list(watchkeeper.__all__) == sorted(watchkeeper.__all__)
    for name in watchkeeper.__all__:
        assert getattr(watchkeeper, name) is not None
    assert set(watchkeeper.__all__) <= set(dir(watchkeeper))


def test_the_tree_in_the_docstring_of_errors_is_the_tree() -> None:
    drawn = {word for line in (errors.__doc__ or "").splitlines() for word in line.replace("│", " ").split()[:2]}
    assert drawn >= ERRORS
