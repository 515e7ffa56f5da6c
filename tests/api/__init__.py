"""Both APIs, async and sync, by the same tests."""
