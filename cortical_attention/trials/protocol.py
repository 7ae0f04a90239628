"""Predictions, thresholds and settings that were written down before the runs (`protocol.toml`)."""

import tomllib
from pathlib import Path


class ProtocolError(ValueError):
    """A file of thresholds or statements that cannot be used; the message is one sentence that names it."""


def declared(name):
    """Content of a TOML file of this folder (dict).

    Raises
    ------
    ProtocolError
        If it is not TOML.
    """
    try:
        return tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"{name}: cannot be read as TOML: {error}") from None


PROTOCOL = declared("protocol.toml")
