"""Detectors of a training run: each a pure function of the `Run`, with its thresholds as fields and one problem to its name."""
