"""A source to a profile: one kernel, any engine."""
