"""Results in formats of other programs."""
