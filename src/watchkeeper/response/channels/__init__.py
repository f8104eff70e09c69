"""Where alerts go, one kind a file."""
