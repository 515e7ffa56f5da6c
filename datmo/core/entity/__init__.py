"""The entities as plain values: what a view says of them at one moment."""
