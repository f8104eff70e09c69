"""What follows from what a command left: whether its version serves from now on, said in numbers."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from watchkeeper.errors import ActionRefused, CorruptStore
from watchkeeper.pipeline import acting_candidate, acting_command, acting_rows, audit
from watchkeeper.pipeline import serving as serving_history
from watchkeeper.pipeline.acting_export import schema_of
from watchkeeper.pipeline.acting_proposal import TRAINING
from watchkeeper.pipeline.acting_rows import Move
from watchkeeper.pipeline.catalog import Catalog, Version
from watchkeeper.store import rows

_Row = dict[str, Any]


def held_out(folder: Path) -> Path:
    """Return where the held-out rows lie with what the champion said of them: out of the command's way."""
    return folder.with_name(f"{folder.name}-holdout.parquet")


def reference_of(folder: Path, digest: str | None) -> bytes | None:
    """Return the reference that was kept for a candidate; None where it has none.

    Raises
    ------
    CorruptStore
        It is gone, or not as it was written.
    """
    if digest is None:
        return None
    path = _reference(folder)
    content = path.read_bytes() if path.exists() else b""
    if hashlib.sha256(content).hexdigest() != digest:
        raise CorruptStore(path.name, "it is gone" if not content else "its checksum is wrong")
    return content


def _reference(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-reference.profile")


def outcome(row: _Row, folder: Path, version: Version, catalog: Catalog) -> dict[str, Any]:
    """Return what is to become of a candidate, and why; writes its reference, nothing else.

    Raises
    ------
    ActionRefused
        What the command left cannot be used.
    """
    then, name = json.loads(row["rule"])["then"], row["name"]
    told: dict[str, Any] = dict.fromkeys(("candidate", "comparison", "reference", "reference_digest"))
    told["outcome"] = "keep"
    if then == "nothing" and not (folder / acting_candidate.CANDIDATE).exists():
        return told | {"words": f"{name} has ended; nothing else was asked of it."}
    candidate = acting_candidate.read_candidate(folder)
    if any(v.name == candidate.version for v in catalog.versions_of(version.model)):
        raise ActionRefused(f"version {candidate.version!r} is there already; a retraining makes a new one.")
    judged = acting_candidate.judge(folder, pq.read_table(held_out(folder)), schema_of(version))
    found = judged.compare(json.loads(row["request"])["findings"][0]["metric"])
    told |= {"candidate": {"version": candidate.version, "artefact": candidate.artefact}, "comparison": found.to_dict()}
    told["reference"], told["reference_digest"] = _keep_reference(folder, judged, version)
    said = f"Version {candidate.version}: {found.words}"
    if then == "nothing":
        return told | {"words": f"Version {version.name} is kept, as the rule says. {said}."}
    if not found.better:
        return told | {"words": f"Version {version.name} is kept. {said}."}
    words = f"Version {candidate.version} serves instead of {version.name}. {said}; {told['reference']}."
    return told | {"outcome": "promote", "words": words}


def _keep_reference(folder: Path, judged: acting_candidate.Judged, version: Version) -> tuple[str, str | None]:
    """Write the reference that a candidate would serve with; returns what is to be said of it, and its digest."""
    content, words = acting_candidate.reference_left(folder, folder / TRAINING, schema_of(version))
    if content is None:
        content = judged.reference()
        words = "its reference is made of the held-out rows" if content else "it has no reference yet"
    if content is None:
        return words, None
    acting_command.write_durably(_reference(folder), content)
    return words, hashlib.sha256(content).hexdigest()


def serve(connection: sqlite3.Connection, row: _Row, version: Version, result: dict[str, Any]) -> bool:
    """End an action with its version serving, unless somebody moved that since the decision; returns whether it was moved."""
    model = rows.select_one(connection, "model", id=row["model_id"])
    serving, name = model["serving"] if model else None, result["candidate"]["version"]
    if serving not in {None, version.name, name}:
        text = f"Version {serving} is kept: it came to serve while {row['name']} was running. {result['words']}"
        acting_rows.move(connection, row["id"], "comparing", Move("kept", text))
        return False
    if not acting_rows.move(connection, row["id"], "comparing", Move("promoted", result["words"])):
        return False
    serving_history.serve(connection, row["model_id"], name, version.model.elapsed())
    told = {"from": serving, "to": name, "action": row["id"]}
    audit.record(connection, version.model.project, "server", "serving.set", version.model.name, told)
    return True
