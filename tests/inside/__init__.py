"""What code inside a task uses."""
