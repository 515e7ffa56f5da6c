"""Running tasks."""
