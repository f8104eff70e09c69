"""From verdicts to what is done about them: monitors as code, what they find, who is told, and what is run."""
