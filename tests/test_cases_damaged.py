"""Any file at all is a case or a refusal: fuzzed bytes, headers, types and shapes."""

import io
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cortical_attention.inputs.cases import AXES, Case, arrays, from_arrays, load
from tests.cases import WRITERS, answered, as_safetensors, full, refusal, upper_half, write

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def bytes_of(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return {kind: write(folder, full(np.float32), kind).read_bytes() for kind in WRITERS}


@pytest.mark.parametrize("kind", WRITERS)
@FUZZ
@given(content=st.binary(max_size=400))
def test_random_bytes_never_raise_anything_else(tmp_path, kind, content):
    path = tmp_path / f"some.{kind}"
    for start in (b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", struct.pack("<Q", len(content)) + b"{"):
        path.write_bytes(start + content)
        assert "cannot be read" in answered(load, path)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path, kind, bytes_of):
    path = tmp_path / f"some.{kind}"
    whole = bytes_of[kind]
    for end in {*range(0, len(whole), 37), *range(200), *range(len(whole) - 200, len(whole))}:
        path.write_bytes(whole[:end])
        refusal(load, path)


@pytest.mark.parametrize("kind", WRITERS)
@FUZZ
@given(data=st.data())
def test_a_damaged_file_never_raises_anything_else(tmp_path, kind, bytes_of, data):
    content = bytearray(bytes_of[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / f"some.{kind}"
    path.write_bytes(content)
    answered(load, path)


@FUZZ
@given(data=st.data())
def test_a_damaged_file_in_bfloat16_never_raises_anything_else(tmp_path, data):
    whole = as_safetensors({name: a if name == "mask" else upper_half(a) for name, a in full(np.float32).items()})
    content = bytearray(whole[: data.draw(st.sampled_from([len(whole), len(whole) - 1, len(whole) // 2]))])
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "some.safetensors").write_bytes(content)
    answered(load, tmp_path / "some.safetensors")


@FUZZ
@given(data=st.data())
def test_a_damaged_header_never_raises_anything_else(tmp_path, data):
    """The zip is whole, so that its checksum does not hide the header of the array inside from the reader."""
    stored = io.BytesIO()
    np.save(stored, full()["W_K"])
    content = bytearray(stored.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, 90))] = data.draw(st.integers(0, 255))
    path = write(tmp_path, {name: array for name, array in full().items() if name != "W_K"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("W_K.npy", bytes(content))
    answered(load, path)


DTYPES = ["f2", "f4", "f8", ">f8", "g", "c8", "c16", "i1", "i8", "u2", "?", "S3", "U2", "M8[s]", "O", "f4,i4", "(2,)f8"]


@FUZZ
@given(name=st.sampled_from(list(AXES)), dtype=st.sampled_from(DTYPES), shape=st.lists(st.integers(0, 7), max_size=4))
def test_any_type_and_shape_is_a_case_or_a_refusal_that_names_it(tmp_path, name, dtype, shape):
    held = full() | {name: np.zeros(shape, dtype)}
    path = write(tmp_path, held)
    found = answered(load, path)
    if isinstance(found, Case):
        assert arrays(found)[name].shape == held[name].shape
    else:
        assert name in found


@FUZZ
@given(swapped=st.permutations(list(AXES)))
def test_swapped_arrays_are_refused_by_name(swapped):
    held = full()
    given = {name: held[other] for name, other in zip(AXES, swapped, strict=True)}
    same = all(given[name].shape == held[name].shape and given[name].dtype == held[name].dtype for name in AXES)
    if same:
        from_arrays(given)
    else:
        assert refusal(from_arrays, given).split(":")[0] in AXES
