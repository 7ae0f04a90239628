"""Membranes: one file per cell model, with the measurement that calibrates it."""
