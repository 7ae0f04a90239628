"""Membranes: one file per cell model, its own measurement included."""
