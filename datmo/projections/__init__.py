"""The current views, folded from the log: one file each with its table, its fold and its queries."""
