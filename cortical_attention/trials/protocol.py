"""Predictions, thresholds and settings that were written down before the runs (`protocol.toml`)."""

import tomllib
from pathlib import Path

PROTOCOL = tomllib.loads(Path(__file__).with_name("protocol.toml").read_text(encoding="utf-8"))
