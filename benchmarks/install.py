"""What a plain install brings: packages and megabytes, in a new virtual environment."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        place = _site(python)
        before, size_before = _packages(python), _megabytes(place)
        subprocess.run([python, "-m", "pip", "install", "--quiet", str(ROOT)], check=True, stdout=sys.stderr)
        brought = sorted(_packages(python) - before)
        print("install: pip install . without extras, in a new environment")
        print(f"{len(brought)} packages, {_megabytes(place) - size_before:.0f} MB: {', '.join(brought)}")


def _site(python: Path) -> Path:
    command = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


def _packages(python: Path) -> set[str]:
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
    )
    return {line.partition("==")[0] for line in listed.stdout.splitlines() if line}


def _megabytes(folder: Path) -> float:
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6
