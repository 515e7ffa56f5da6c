"""Pure rules and values: ids, events, decide and evolve. No I/O, no clock."""
