"""Rows in: sources of Arrow record batches, and a batch as statistics want it."""
