"""Where tasks run: one file for each executor."""
