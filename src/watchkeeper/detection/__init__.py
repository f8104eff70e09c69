"""From measurements to verdicts, within a budget of false alarms."""
