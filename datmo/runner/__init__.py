"""Running tasks: the supervisor, and the executors it drives."""
