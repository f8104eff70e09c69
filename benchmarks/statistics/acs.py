"""Employment in Massachusetts, from the American Community Survey 2015 to 2018, as the wheel of NannyML 0.13.1 holds it."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

WHEEL = "nannyml==0.13.1"
FOLDER = Path(tempfile.gettempdir()) / "watchkeeper-benchmarks"


def table(part: str = "reference") -> pa.Table:
    """Return ``reference`` (one year, 68,785 rows), ``analysis`` or ``analysis_target``; fetches the wheel the first time."""
    found = sorted(FOLDER.glob("nannyml-0.13.1-*.whl"))
    if not found:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", WHEEL, "-d", str(FOLDER)]
        subprocess.run(command, check=True)
        found = sorted(FOLDER.glob("nannyml-0.13.1-*.whl"))
    with zipfile.ZipFile(found[0]) as wheel:
        return pq.read_table(io.BytesIO(wheel.read(f"nannyml/datasets/data/employment_MA_{part}.pq")))
