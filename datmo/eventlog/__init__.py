"""The event log: one append-only SQLite file."""
