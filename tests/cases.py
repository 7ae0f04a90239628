"""Files of cases, and what loading them says; shared by the tests of cases."""

import json
import struct

import numpy as np
import pytest
from safetensors.numpy import save_file

from cortical_attention.inputs.cases import AXES, CaseError

SIZES = {
    "n_token": 3,
    "n_context": 4,
    "n_head": 2,
    "d_model": 5,
    "d_key": 6,
    "d_value": 7,
}  # all different
WRITERS = {"npz": lambda path, held: np.savez(path, **held), "safetensors": lambda path, held: save_file(held, path)}


def full(dtype=np.float64):
    """Every array a case can have."""
    rng = np.random.default_rng(7)
    every = SIZES | {"n_sequence": 8}
    held = {name: rng.standard_normal([every[axis] for axis in axes]).astype(dtype) for name, axes in AXES.items()}
    held["mask"] = np.ones((3, 4), dtype=bool)
    held["mask"][0, 2] = False
    return held


def write(folder, held, kind="npz"):
    path = folder / f"some.{kind}"
    WRITERS[kind](path, held)
    return path


def upper_half(array):
    """The bits (uint16) of numbers as bfloat16, cut off after seven digits of the fraction."""
    return (np.asarray(array, "<f4").view("<u4") >> 16).astype("<u2")


def as_safetensors(bits, dtype="BF16"):
    """Bytes of a .safetensors file, put together by hand, of arrays that hold the bits of a type."""
    header, content = {}, b""
    for name, array in bits.items():
        kind = "BOOL" if array.dtype == bool else dtype
        offsets = [len(content), len(content) + array.nbytes]
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": offsets}
        content += array.tobytes()
    header = json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + content


def refusal(call, *given):
    """The sentence of a refusal, which is one printable line."""
    with pytest.raises(CaseError) as caught:
        call(*given)
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert len(sentence.splitlines()) == 1
    return sentence


def answered(call, *given):
    """A case, or the sentence of its refusal, which is one line; whatever else is raised fails the test."""
    try:
        return call(*given)
    except CaseError as error:
        sentence = str(error)
    assert sentence
    assert sentence.isprintable()
    return sentence
