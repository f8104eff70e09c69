"""What the tables are. Times are microseconds since 1970 in UTC; every row ends with a checksum of the others."""

from __future__ import annotations

FORMAT = 3
APPLICATION_ID = 0x574B_5000  # WKP

TABLES: dict[str, str] = {
    "project": "id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE",
    "key": "id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, prefix TEXT, name TEXT, role TEXT, project_id INTEGER, "
    "created INTEGER, expires INTEGER, revoked INTEGER, last_used INTEGER",
    "model": "id INTEGER PRIMARY KEY, project_id INTEGER, environment TEXT, name TEXT, clock TEXT, serving TEXT, "
    "created INTEGER, watermark INTEGER, delays BLOB, seal_delay INTEGER, UNIQUE (project_id, environment, name)",
    "version": "id INTEGER PRIMARY KEY, model_id INTEGER, name TEXT, given TEXT, schema TEXT, created INTEGER, "
    "unknown TEXT, UNIQUE (model_id, name)",
    "reference": "id INTEGER PRIMARY KEY, version_id INTEGER, created INTEGER, rows INTEGER, body BLOB",
    "batch": "project_id INTEGER, id TEXT, digest BLOB, receipt TEXT, received INTEGER, PRIMARY KEY (project_id, id)",
    "inbox": "seq INTEGER PRIMARY KEY AUTOINCREMENT, model_id INTEGER, version_id INTEGER, stage TEXT, kind TEXT, "
    "batch TEXT, rows INTEGER, received INTEGER, body BLOB",
    "quarantine": "id INTEGER PRIMARY KEY, model_id INTEGER, version TEXT, kind TEXT, batch TEXT, row INTEGER, "
    "reason TEXT, content TEXT, received INTEGER",
    "partition": "id INTEGER PRIMARY KEY, version_id INTEGER, stage TEXT, start INTEGER, rows INTEGER, labelled INTEGER, "
    "foreign_sum INTEGER, UNIQUE (version_id, stage, start)",
    "part": "id INTEGER PRIMARY KEY AUTOINCREMENT, partition_id INTEGER, kind TEXT, rows INTEGER, body BLOB",
    "file": "id INTEGER PRIMARY KEY AUTOINCREMENT, partition_id INTEGER, kind TEXT, path TEXT UNIQUE, rows INTEGER, "
    "bytes INTEGER, digest BLOB, state TEXT",
    "profile": "id INTEGER PRIMARY KEY, version_id INTEGER, stage TEXT, start INTEGER, stop INTEGER, rows INTEGER, "
    "labelled INTEGER, body BLOB, UNIQUE (version_id, stage, start)",
    "foreign_id": "hash INTEGER, partition_id INTEGER, PRIMARY KEY (hash, partition_id)",
    "waiting": "id INTEGER PRIMARY KEY, model_id INTEGER, hash INTEGER, received INTEGER, body BLOB",
    "series": "id INTEGER PRIMARY KEY, version_id INTEGER, stage TEXT, every TEXT, segment TEXT, column_name TEXT, "
    "metric TEXT, params TEXT, source TEXT, unit TEXT, "
    "UNIQUE (version_id, stage, every, metric, segment, column_name, params, source)",
    "measurement": "series_id INTEGER, start INTEGER, revision INTEGER, known_at INTEGER, value REAL, low REAL, "
    "high REAL, n INTEGER, coverage REAL, reference REAL, effect REAL, p_value REAL, detectable REAL, basis INTEGER, "
    "PRIMARY KEY (series_id, start, revision)",
    "measured": "version_id INTEGER, stage TEXT, every TEXT, start INTEGER, stop INTEGER, revision INTEGER, "
    "known_at INTEGER, rows INTEGER, labelled INTEGER, sealed_at INTEGER, sealed_revision INTEGER, dirty INTEGER, "
    "PRIMARY KEY (version_id, stage, every, start)",
    "counter": "model_id INTEGER, name TEXT, value INTEGER, PRIMARY KEY (model_id, name)",
    "monitors": "id INTEGER PRIMARY KEY, model_id INTEGER, revision INTEGER, text TEXT, author TEXT, created INTEGER, "
    "UNIQUE (model_id, revision)",
    "verdict": "version_id INTEGER, stage TEXT, every TEXT, start INTEGER, monitor TEXT, name TEXT, checks INTEGER, "
    "findings TEXT, known_at INTEGER, PRIMARY KEY (version_id, stage, every, start, monitor)",
    "incident": "id INTEGER PRIMARY KEY AUTOINCREMENT, project_id INTEGER, model_id INTEGER, version TEXT, cause TEXT, "
    "state TEXT, severity TEXT, title TEXT, opened INTEGER, opened_wall INTEGER, changed INTEGER, resolved INTEGER, "
    "quiet INTEGER, evidence TEXT",
    "timeline": "id INTEGER PRIMARY KEY AUTOINCREMENT, incident_id INTEGER, at INTEGER, wall INTEGER, kind TEXT, "
    "actor TEXT, text TEXT, data TEXT",
    "silence": "id INTEGER PRIMARY KEY AUTOINCREMENT, project_id INTEGER, model_id INTEGER, monitor TEXT, until INTEGER, "
    "reason TEXT, author TEXT, created INTEGER, ended INTEGER",
    "outbox": "id INTEGER PRIMARY KEY AUTOINCREMENT, project_id INTEGER, incident_id INTEGER, channel TEXT, kind TEXT, "
    "key TEXT, payload TEXT, created INTEGER, attempts INTEGER, due INTEGER, state TEXT, error TEXT, sent INTEGER",
    "action": "id TEXT PRIMARY KEY, project_id INTEGER, incident_id INTEGER, model_id INTEGER, name TEXT, state TEXT, "
    "rule TEXT, request TEXT, result TEXT, evidence TEXT, proposed INTEGER, expires INTEGER, changed INTEGER, "
    "author TEXT, approver TEXT, log TEXT",
    "audit": "seq INTEGER PRIMARY KEY, at INTEGER, project_id INTEGER, actor TEXT, what TEXT, target TEXT, detail TEXT, "
    "previous BLOB, digest BLOB",
    "session": "digest BLOB PRIMARY KEY, key_id TEXT, created INTEGER, expires INTEGER",
    "setting": "name TEXT PRIMARY KEY, value TEXT",
}
"""Columns of each table; ``crc`` is added to each."""
WITHOUT_ROWID = {"batch", "foreign_id", "measurement", "measured", "counter", "verdict"}
UNCHECKED = {"foreign_id"}
"""An index over ids, too large for a checksum a row; ``foreign_sum`` of each partition is the XOR of its hashes."""
INDEXES = (
    "CREATE INDEX part_by_partition ON part (partition_id, kind)",
    "CREATE INDEX file_by_partition ON file (partition_id, kind)",
    "CREATE INDEX waiting_by_hash ON waiting (model_id, hash)",
    "CREATE INDEX batch_by_time ON batch (received)",
    "CREATE INDEX quarantine_by_model ON quarantine (model_id, id)",
    "CREATE INDEX partition_by_start ON partition (start)",
    "CREATE INDEX profile_sizes ON profile (version_id, stage, start, stop, rows, labelled)",
    "CREATE INDEX incident_by_model ON incident (model_id, state)",
    "CREATE INDEX timeline_by_incident ON timeline (incident_id, id)",
    "CREATE INDEX outbox_by_due ON outbox (state, due)",
    "CREATE INDEX outbox_by_incident ON outbox (incident_id)",
    "CREATE INDEX action_by_state ON action (state)",
    "CREATE INDEX action_by_incident ON action (incident_id)",
    "CREATE INDEX dirty ON measured (dirty) WHERE dirty > 0",
)


def statements() -> list[str]:
    """Return what makes an empty store."""
    made = []
    for name, columns in TABLES.items():
        fields, _, constraint = _split(columns)
        check = "" if name in UNCHECKED else ", crc INTEGER NOT NULL"
        made.append(
            f"CREATE TABLE {name} ({fields}{check}{constraint})" + (" WITHOUT ROWID" if name in WITHOUT_ROWID else "")
        )
    return [*made, *INDEXES, f"PRAGMA user_version = {FORMAT}", f"PRAGMA application_id = {APPLICATION_ID}"]


def columns_of(table: str) -> list[str]:
    """Return the names of a table's columns, the checksum left out."""
    fields, _, _ = _split(TABLES[table])
    return [field.split()[0] for field in fields.split(", ")]


def _split(columns: str) -> tuple[str, str, str]:
    """Return fields, nothing, and table constraints with their leading comma."""
    for start in (", PRIMARY KEY (", ", UNIQUE ("):
        before, found, after = columns.partition(start)
        if found:
            return before, "", found + after
    return columns, "", ""
