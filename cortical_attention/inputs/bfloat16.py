"""Numbers in bfloat16, a type that numpy does not have, read from a ``.safetensors`` file.

A bfloat16 is the upper half of a float32: sign, all eight bits of the exponent and the first seven of the fraction. With
sixteen zeros behind it, it is a float32 of the same value, so nothing is rounded.
"""

import json
from pathlib import Path

import numpy as np


def read_bfloat16(path: str | Path, name: str) -> np.ndarray:
    """One bfloat16 tensor of a file whose header has been checked (`safetensors.safe_open` does so).

    The file begins with the length of its header (8 bytes, little-endian) and the header (JSON), which gives the shape of
    each tensor and where its bytes begin and end, counted from the end of the header.

    Parameters
    ----------
    path : str or Path
        The ``.safetensors`` file.
    name : str
        Name of the tensor in the file.

    Returns
    -------
    ndarray of float32
        With the shape and the exact values of the tensor.

    Raises
    ------
    KeyError
        If no tensor has that name.
    """
    with Path(path).open("rb") as file:
        header = file.read(int.from_bytes(file.read(8), "little"))
        tensor = json.loads(header)[name]
        start, end = tensor["data_offsets"]
        file.seek(start, 1)
        stored = file.read(end - start)
    return widened(np.frombuffer(stored, "<u2")).reshape(tensor["shape"])


def widened(bits: np.ndarray) -> np.ndarray:
    """The numbers (float32) whose bfloat16 bits (uint16) are given; any shape."""
    return (bits.astype(np.uint32) << 16).view(np.float32)
