"""One folder that keeps everything: SQLite for what changes, Parquet for raw rows."""
