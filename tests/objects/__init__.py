"""The content store."""
