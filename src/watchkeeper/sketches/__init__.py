"""Pure statistics: states that can be merged. No I/O, no tables, no configuration."""
