"""The content-addressed store: immutable objects, found by the hash of their bytes."""
