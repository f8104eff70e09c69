"""From batches that were acknowledged to measurements of windows: the main path of a server."""
