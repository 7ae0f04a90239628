"""Reading a case: what is accepted comes back exactly, what is not is refused in one sentence and never otherwise."""

import io
import pickle
import warnings
import zipfile

import numpy as np
import pytest

from cortical_attention.inputs.bfloat16 import read_bfloat16
from cortical_attention.inputs.cases import (
    AXES,
    REQUIRED,
    Case,
    CaseError,
    arrays,
    from_arrays,
    largest_value,
    load,
    save,
    sizes,
)
from cortical_attention.reference.attention import Block
from tests.cases import SIZES, WRITERS, as_safetensors, full, refusal, upper_half, write

UNSEEN = ("mask", "targets", "calibration", "calibration_context")

# Accepted


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_array_comes_back_in_float64(tmp_path, kind, dtype):
    held = full(dtype)
    case = load(write(tmp_path, held, kind))
    assert case.name == "some"
    assert case.notices == ()
    assert sizes(case) == SIZES
    for name, array in arrays(case).items():
        assert array.dtype == (bool if name == "mask" else np.float64)
        np.testing.assert_array_equal(array, held[name])
    assert list(arrays(case)) == list(AXES)


@pytest.mark.parametrize("kind", WRITERS)
def test_optional_arrays_may_be_absent(tmp_path, kind):
    held = {name: array for name, array in full().items() if name in REQUIRED}
    case = load(write(tmp_path, held, kind))
    assert case[2:5] == (None, None, None)
    assert case.block[4:] == (None, None, None)
    assert sizes(case)["n_context"] == sizes(case)["n_token"]


BFLOAT16 = {
    0x3F80: 1.0,
    0xC020: -2.5,
    0x4049: 3.140625,  # pi, rounded
    0x3DCD: 0.10009765625,  # 0.1, rounded
    0x8000: -0.0,
    0x0001: 2.0**-133,  # the smallest
    0x7F7F: (2 - 2.0**-7) * 2.0**127,  # the largest
}


def test_known_numbers_in_bfloat16(tmp_path):
    """Behind another tensor, so that the place of the bytes counts; read as such, and as the tokens of a case."""
    bits = np.array(list(BFLOAT16), "<u2")
    first = upper_half(np.full((2, 3), 7.0))
    (tmp_path / "some.safetensors").write_bytes(as_safetensors({"first": first, "numbers": bits}))
    found = read_bfloat16(tmp_path / "some.safetensors", "numbers")
    assert found.tolist() == list(BFLOAT16.values())
    assert np.signbit(found[4])

    weights = {name: np.full((1, 1, 2), 0x3F80, "<u2") for name in ("W_Q", "W_K", "W_V")}
    held = weights | {"tokens": bits[:4].reshape(2, 2), "W_O": np.full((1, 2, 1), 0x3F80, "<u2")}
    (tmp_path / "some.safetensors").write_bytes(as_safetensors(held))
    tokens = load(tmp_path / "some.safetensors").tokens
    assert tokens.dtype == np.float64
    assert tokens.tolist() == [[1.0, -2.5], [3.140625, 0.10009765625]]


def test_every_array_comes_back_from_bfloat16(tmp_path):
    """A number that is cut off differs from the whole one by less than one part in 128."""
    held = full(np.float32)
    bits = {name: array if name == "mask" else upper_half(array) for name, array in held.items()}
    (tmp_path / "some.safetensors").write_bytes(as_safetensors(bits))
    case = load(tmp_path / "some.safetensors")
    assert sizes(case) == SIZES
    for name, array in arrays(case).items():
        assert array.dtype == (bool if name == "mask" else np.float64)
        np.testing.assert_allclose(array, held[name], rtol=2**-7, atol=0)
        np.testing.assert_array_equal(array if name == "mask" else upper_half(array), bits[name])


@pytest.mark.parametrize("bits", [0x7F80, 0xFF80, 0x7FC0, 0x7F81])  # infinite, a quiet and a signalling nan
def test_bfloat16_that_is_not_finite_is_refused(tmp_path, bits):
    stored = {name: array if name == "mask" else upper_half(array) for name, array in full().items()}
    stored["W_K"][0, 2, 3] = bits
    (tmp_path / "some.safetensors").write_bytes(as_safetensors(stored))
    assert refusal(load, tmp_path / "some.safetensors") == (
        "W_K: has 1 entry that is not finite, the first at [0, 2, 3], but needs none"
    )


def test_bfloat16_without_entries_is_refused_by_its_shape(tmp_path):
    stored = {name: upper_half(full()[name]) for name in REQUIRED} | {"tokens": np.zeros((0, 5), "<u2")}
    (tmp_path / "some.safetensors").write_bytes(as_safetensors(stored))
    assert refusal(load, tmp_path / "some.safetensors") == (
        "tokens: has shape (0, 5) but needs (n_token, d_model) of at least one each"
    )


@pytest.mark.parametrize("name", [name for name in AXES if name not in UNSEEN])
def test_the_largest_value_may_be_in_any_array(name):
    """Of either sign; not in targets or calibration sequences, and not where no token may attend."""
    held = full() | {"mask": np.ones_like(full()["mask"]), "targets": 1e6 * full()["targets"]}
    held[name] = held[name].copy()
    held[name].flat[-1] = -12345.0
    assert largest_value(from_arrays(held)) == 12345
    if name == "context":
        held["mask"][:, -1] = False
        assert largest_value(from_arrays(held)) < 100


def test_byte_order_and_memory_order_do_not_matter(tmp_path):
    held = full()
    turned = {name: np.asfortranarray(a if name == "mask" else a.astype(">f4")) for name, a in held.items()}
    for name, array in arrays(load(write(tmp_path, turned))).items():
        assert array.flags.c_contiguous
        np.testing.assert_array_equal(array, held[name].astype(array.dtype if name == "mask" else np.float32))


def test_self_attention_takes_a_square_mask(tmp_path):
    held = {name: array for name, array in full().items() if name in REQUIRED} | {"mask": np.eye(3, dtype=bool)}
    assert load(write(tmp_path, held)).mask.shape == (3, 3)


def test_what_is_saved_is_loaded_exactly(tmp_path):
    case = from_arrays(full(), name="some")
    save(case, tmp_path / "some.npz")
    again = load(tmp_path / "some.npz")
    for name, array in arrays(case).items():
        np.testing.assert_array_equal(arrays(again)[name], array)
    assert again.name == case.name


def test_saving_in_capitals_keeps_the_name(tmp_path):
    save(from_arrays(full()), tmp_path / "SOME.NPZ")
    assert [path.name for path in tmp_path.iterdir()] == ["SOME.NPZ"]
    assert load(tmp_path / "SOME.NPZ").name == "SOME"


@pytest.mark.parametrize("kind", WRITERS)
def test_another_array_is_left_out_with_a_notice(tmp_path, kind):
    case = load(write(tmp_path, full() | {"energy": np.arange(3)}, kind))
    assert case.notices == ("energy: is not an array of a case and is left out",)


def test_another_array_is_not_even_read(tmp_path):
    held = full() | {"remark": np.array([print, "an object"], dtype=object)}
    path = write(tmp_path, held)
    assert "remark" in load(path).notices[0]


def test_a_closed_row_gets_a_notice(tmp_path):
    held = full()
    held["mask"][[0, 2]] = False
    (notice,) = load(write(tmp_path, held)).notices
    assert notice == "mask: closes the whole row of token 0, 2, so that row of the output is zero"


def test_a_case_is_a_copy():
    held = full()
    case = from_arrays(held)
    held["tokens"][:] = 0
    assert case.tokens.any()


# Refused: the file


def test_a_missing_file_is_refused(tmp_path):
    assert refusal(load, tmp_path / "none.npz").endswith(
        "does not exist; a case needs to be a .npz or .safetensors file"
    )


@pytest.mark.parametrize("name", ["folder", "folder.npz"])
def test_a_folder_is_refused(tmp_path, name):
    (tmp_path / name).mkdir()
    assert "is a folder" in refusal(load, tmp_path / name)


@pytest.mark.parametrize("name", ["case.npy", "case.txt", "case"])
def test_another_ending_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"1 2 3")
    assert "needs to end in .npz or .safetensors" in refusal(load, tmp_path / name)


@pytest.mark.parametrize("name", ["a\nb.npz", "x" * 5000 + ".npz", "a\0b.npz", "a\udc80.npz"])
def test_a_strange_name_is_refused_in_one_line(tmp_path, name):
    refusal(load, tmp_path / name)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("content", [b"", b"\n", b"PK\x03\x04", b"text", pickle.dumps([1, 2]), b"\xff" * 100])
def test_a_file_of_something_else_is_refused(tmp_path, kind, content):
    (tmp_path / f"some.{kind}").write_bytes(content)
    sentence = refusal(load, tmp_path / f"some.{kind}")
    assert f"cannot be read as .{kind}" in sentence
    assert "some." in sentence


@pytest.mark.parametrize("entry", ["tokens.npy", "tokens"])
def test_an_array_that_is_there_twice_is_refused(tmp_path, entry):
    path = write(tmp_path, full())
    stored = io.BytesIO()
    np.save(stored, np.ones((3, 5)))
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr(entry, stored.getvalue())
    assert refusal(load, path) == "tokens: is in the file 2 times but needs to be there once"


@pytest.mark.parametrize(
    "small", [{"context": 1e-320}, {"context": 1e-200, "W_V": 1e-200}, {"W_V": 1e-160, "W_O": 1e-160}]
)
def test_numbers_that_vanish_are_refused(small):
    """Floating point would answer, but with few digits or none; a zero is what it is, and a drive of its own size."""
    held = {name: array for name, array in full().items() if name != "b_V"}
    scaled = held | {name: held[name] * factor for name, factor in small.items()}
    assert "larger" in refusal(from_arrays, scaled)
    from_arrays(scaled | {name: 0 * held[name] for name in small})
    from_arrays(held | {name: held[name] * factor**0.4 for name, factor in small.items()})
    if "W_O" not in small:
        from_arrays(scaled | {"b_V": full()["b_V"]})


def test_one_bare_array_is_refused(tmp_path):
    with (tmp_path / "some.npz").open("wb") as file:
        np.save(file, np.ones(3))
    assert "cannot be read as .npz" in refusal(load, tmp_path / "some.npz")


def test_the_other_format_under_this_ending_is_refused(tmp_path):
    for kind, other in [("npz", "safetensors"), ("safetensors", "npz")]:
        write(tmp_path, full(), kind).rename(tmp_path / f"other.{other}")
        assert "cannot be read" in refusal(load, tmp_path / f"other.{other}")


def test_bare_bytes_in_the_archive_are_refused(tmp_path):
    path = write(tmp_path, {name: array for name, array in full().items() if name != "W_K"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("W_K.npy", "not an array")
    assert refusal(load, path).startswith("W_K: is stored as bare bytes")


def test_an_array_larger_than_any_memory_is_refused(tmp_path):
    path = write(tmp_path, {name: array for name, array in full().items() if name != "W_K"})
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**15, 2, 2)})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("W_K.npy", header.getvalue())
    assert refusal(load, path).startswith("W_K: cannot be read")


def test_pickled_objects_are_refused_and_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    path = write(tmp_path, full() | {"tokens": np.array([Trap()], dtype=object)})
    assert refusal(load, path).startswith("tokens: cannot be read")


@pytest.mark.parametrize(("dtype", "stored"), [("F8_E4M3", "u1"), ("F8_E5M2", "u1"), ("I32", "i4"), ("U8", "u1")])
def test_other_safetensors_types_are_refused_by_their_name(tmp_path, dtype, stored):
    (tmp_path / "some.safetensors").write_bytes(as_safetensors({"tokens": np.zeros((2, 2), stored)}, dtype))
    assert refusal(load, tmp_path / "some.safetensors") == (
        f"tokens: has dtype {dtype} but needs floating point of 16, 32 or 64 bits"
    )


def test_a_mask_in_bfloat16_is_refused_by_its_name(tmp_path):
    (tmp_path / "some.safetensors").write_bytes(as_safetensors({"mask": np.zeros((2, 2), "<u2")}))
    assert refusal(load, tmp_path / "some.safetensors") == "mask: has dtype BF16 but needs booleans"


# Refused: the arrays


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("kind", WRITERS)
def test_a_missing_array_is_refused(tmp_path, name, kind):
    path = write(tmp_path, {key: array for key, array in full().items() if key != name}, kind)
    assert refusal(load, path) == f"{name}: is missing but a case needs tokens, W_Q, W_K, W_V, W_O"


def test_all_missing_arrays_are_named(tmp_path):
    assert refusal(load, write(tmp_path, {"tokens": np.ones((1, 1)), "W_V": np.ones((1, 1, 1))})) == (
        "W_Q, W_K, W_O: are missing but a case needs tokens, W_Q, W_K, W_V, W_O"
    )


@pytest.mark.parametrize("name", ["b_O", "W_q", "W_", "b_K ", "W_\n"])
def test_an_unknown_weight_is_refused(tmp_path, name):
    sentence = refusal(load, write(tmp_path, full() | {name: np.ones(2)}))
    assert sentence.startswith(name if name.isprintable() else ascii(name))
    assert "W_Q, W_K, W_V, W_O" in sentence


@pytest.mark.parametrize("name", AXES)
@pytest.mark.parametrize("value", [1j, "text", 3, b"bytes", np.longdouble(1), np.datetime64("2025-01-01")])
def test_other_types_are_refused(tmp_path, name, value):
    held = full() | {name: np.full(full()[name].shape, value)}
    if held[name].dtype == np.float64:
        pytest.skip("longdouble is float64 on this machine")
    sentence = refusal(load, write(tmp_path, held))
    wanted = "booleans" if name == "mask" else "floating point of 16, 32 or 64 bits"
    assert sentence == f"{name}: has dtype {held[name].dtype.name} but needs {wanted}"


def test_a_mask_of_numbers_is_refused(tmp_path):
    assert refusal(load, write(tmp_path, full() | {"mask": np.ones((3, 4))})) == (
        "mask: has dtype float64 but needs booleans"
    )


def test_booleans_are_no_numbers(tmp_path):
    assert refusal(load, write(tmp_path, full() | {"tokens": np.ones((3, 5), dtype=bool)})) == (
        "tokens: has dtype bool but needs floating point of 16, 32 or 64 bits"
    )


@pytest.mark.parametrize(
    ("name", "shape", "sentence"),
    [
        ("tokens", (5,), "tokens: has shape (5,) but needs (n_token, d_model), that is 2 axes"),
        ("tokens", (), "tokens: has shape () but needs (n_token, d_model), that is 2 axes"),
        ("tokens", (0, 5), "tokens: has shape (0, 5) but needs (n_token, d_model) of at least one each"),
        ("tokens", (3, 0), "tokens: has shape (3, 0) but needs (n_token, d_model) of at least one each"),
        ("W_Q", (0, 6, 5), "W_Q: has shape (0, 6, 5) but needs (n_head, d_key, d_model) of at least one each"),
        ("W_V", (2, 0, 5), "W_V: has shape (2, 0, 5) but needs (n_head, d_value, d_model) of at least one each"),
        ("context", (0, 5), "context: has shape (0, 5) but needs (n_context, d_model) of at least one each"),
        (
            "W_Q",
            (2, 6, 4),
            "W_Q: has shape (2, 6, 4) but needs (n_head, d_key, d_model) = (n_head, d_key, 5), d_model as in tokens",
        ),
        ("W_K", (2, 3, 5), "W_K: has shape (2, 3, 5) but needs (n_head, d_key, d_model) = (2, 6, 5), d_key as in W_Q"),
        (
            "W_V",
            (3, 7, 5),
            "W_V: has shape (3, 7, 5) but needs (n_head, d_value, d_model) = (2, d_value, 5), n_head as in W_Q",
        ),
        (
            "W_O",
            (2, 7, 5),
            "W_O: has shape (2, 7, 5) but needs (n_head, d_model, d_value) = (2, 5, 7), "
            "d_model as in tokens, d_value as in W_V",
        ),
        ("b_Q", (2, 7), "b_Q: has shape (2, 7) but needs (n_head, d_key) = (2, 6), d_key as in W_Q"),
        ("b_K", (6,), "b_K: has shape (6,) but needs (n_head, d_key), that is 2 axes"),
        ("b_V", (1, 7), "b_V: has shape (1, 7) but needs (n_head, d_value) = (2, 7), n_head as in W_Q"),
        (
            "context",
            (4, 6),
            "context: has shape (4, 6) but needs (n_context, d_model) = (n_context, 5), d_model as in tokens",
        ),
        ("targets", (4, 5), "targets: has shape (4, 5) but needs (n_token, d_model) = (3, 5), n_token as in tokens"),
    ],
)
@pytest.mark.parametrize("kind", WRITERS)
def test_a_wrong_shape_is_refused(tmp_path, kind, name, shape, sentence):
    assert refusal(load, write(tmp_path, full() | {name: np.zeros(shape)}, kind)) == sentence


def test_a_mask_of_the_wrong_shape_is_refused(tmp_path):
    held = full() | {"mask": np.ones((3, 3), dtype=bool)}
    needs = "mask: has shape (3, 3) but needs (n_token, n_context) = (3, 4), n_context as in context"
    assert refusal(load, write(tmp_path, held)) == needs
    del held["context"], held["calibration_context"]
    assert load(write(tmp_path, held)).mask.shape == (3, 3)


@pytest.mark.parametrize("name", [name for name in AXES if name != "mask"])
@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(tmp_path, name, kind, value):
    held = full(np.float32)
    last = tuple(size - 1 for size in held[name].shape)
    held[name][last] = held[name][(*last[:-1], 1)] = value
    where = ", ".join(map(str, (*last[:-1], 1)))
    assert refusal(load, write(tmp_path, held, kind)) == (
        f"{name}: has 2 entries that are not finite, the first at [{where}], but needs none"
    )


def test_a_signalling_nan_is_refused_without_a_warning(tmp_path):
    held = full(np.float32)
    held["tokens"].view(np.uint32)[0, 0] = 0x7F800001
    assert "not finite" in refusal(load, write(tmp_path, held))


def test_a_case_is_not_saved_under_another_ending(tmp_path):
    assert "needs to end in .npz" in refusal(save, from_arrays(full()), tmp_path / "some.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_case_that_would_be_refused_is_not_saved(tmp_path):
    case = from_arrays(full())._replace(tokens=np.ones((3, 4)))
    assert refusal(save, case, tmp_path / "some.npz").startswith("W_Q: has shape")
    assert not list(tmp_path.iterdir())


def test_a_case_made_by_hand_has_its_sizes():
    block = Block(np.ones((2, 6, 5)), np.ones((2, 6, 5)), np.ones((2, 7, 5)), np.ones((2, 5, 7)))
    assert sizes(Case(np.ones((3, 5)), block, context=np.ones((4, 5)))) == SIZES


def test_a_mask_of_torch_is_refused_by_its_name():
    with pytest.raises(CaseError, match="attn_mask: is not an array of a case.*so ~attn_mask"):
        from_arrays(full() | {"attn_mask": np.ones((2, 2), dtype=bool)})


def test_a_name_that_is_nearly_right_is_told():
    given = full()
    (notice,) = from_arrays(given | {"msk": np.ones(2)}).notices
    assert notice == "msk: is not an array of a case and is left out; is msk meant to be mask?"
    given["tokns"] = given.pop("tokens")
    with pytest.raises(CaseError, match=r"tokens: is missing .*; is tokns meant to be tokens\?"):
        from_arrays(given)
