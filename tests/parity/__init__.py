"""What was promised, a row each: the documentation of the seed, and what its users rely on."""
