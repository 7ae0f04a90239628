"""Case: tokens and weights of one comparison, and its file format.

The mask is boolean, (n_token, n_context), and True where a token may attend, as in torch's `scaled_dot_product_attention`;
the `attn_mask` of `torch.nn.MultiheadAttention` is the opposite, and `~attn_mask` is the mask of the case.

Files come from outside, so everything in them is checked here, once: :func:`load` returns float64 arrays that are finite and
of fitting shapes. An error is one sentence that names the array, its property and the requirement.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import safe_open

from cortical_attention.inputs.bfloat16 import read_bfloat16
from cortical_attention.reference.attention import Block

AXES = {
    "tokens": ("n_token", "d_model"),
    "W_Q": ("n_head", "d_key", "d_model"),
    "W_K": ("n_head", "d_key", "d_model"),
    "W_V": ("n_head", "d_value", "d_model"),
    "W_O": ("n_head", "d_model", "d_value"),
    "b_Q": ("n_head", "d_key"),
    "b_K": ("n_head", "d_key"),
    "b_V": ("n_head", "d_value"),
    "context": ("n_context", "d_model"),
    "mask": ("n_token", "n_context"),
    "targets": ("n_token", "d_model"),
    "calibration": ("n_sequence", "n_token", "d_model"),
    "calibration_context": ("n_sequence", "n_context", "d_model"),
}
"""Arrays of a case in the order of their checks: the first array with an axis defines its size for the rest."""

REQUIRED = ("tokens", "W_Q", "W_K", "W_V", "W_O")
SMALLEST = float(np.finfo(float).tiny)  # below it floating point loses digits
FLOATS = "floating point of 16, 32 or 64 bits"  # of 16 bits: float16, and in .safetensors also bfloat16


class CaseError(ValueError):
    """A case that cannot be computed; the message is one sentence on one line."""


class Case(NamedTuple):
    """Input of one attention block; self-attention unless it has a context.

    Attributes
    ----------
    tokens : ndarray, (n_token, d_model)
        Source of the queries.
    block : Block
        W_Q, W_K (n_head, d_key, d_model), W_V (n_head, d_value, d_model), W_O (n_head, d_model, d_value) and the
        constant drives b_Q, b_K (n_head, d_key), b_V (n_head, d_value) or None.
    context : ndarray, (n_context, d_model), or None
        Source of keys and values; None: the tokens.
    mask : ndarray of bool, (n_token, n_context), or None
        True where a token may attend. The `attn_mask` of `torch.nn.MultiheadAttention` is the opposite (True where it may
        not): turn it round.
    targets : ndarray, (n_token, d_model), or None
        Desired output, for the gradients.
    calibration : ndarray, (n_sequence, n_token, d_model), or None
        Other sequences, on which a circuit with spikes is calibrated; None: they are drawn with the mean and covariance of
        the tokens.
    calibration_context : ndarray, (n_sequence, n_context, d_model), or None
        Contexts of these sequences, needed if and only if there is a context.
    name : str
        File name without its suffix.
    notices : tuple of str
        Remarks for the reader of the result, one sentence each.
    """

    tokens: np.ndarray
    block: Block
    context: np.ndarray | None = None
    mask: np.ndarray | None = None
    targets: np.ndarray | None = None
    calibration: np.ndarray | None = None
    calibration_context: np.ndarray | None = None
    name: str = ""
    notices: tuple[str, ...] = ()


def load(path: str | Path) -> Case:
    """Read a case from an ``.npz`` or a ``.safetensors`` file, the latter also with tensors in bfloat16.

    Parameters
    ----------
    path : str or Path
        The file. Nothing is unpickled, and arrays that do not belong to a case are not read.

    Returns
    -------
    Case
        In float64.

    Raises
    ------
    CaseError
        For a file that is missing, damaged or of another format, and as in :func:`from_arrays`.
    """
    path = Path(path)
    _check_file(path)
    known, others = _read(path)
    return from_arrays(known, name=path.stem, others=others)


def save(case: Case, path: str | Path) -> None:
    """Write a case as an ``.npz`` file that :func:`load` restores exactly.

    Parameters
    ----------
    case : Case
    path : str or pathlib.Path
        A file that is there is replaced.

    Raises
    ------
    CaseError
        For another suffix than ``.npz``, or a case that :func:`load` would refuse.
    """
    path = Path(path)
    if path.suffix.lower() != ".npz":
        raise CaseError(f"{_shown(path)}: ends in '{_shown(path.suffix)}' but needs to end in .npz")
    stored = arrays(case)
    from_arrays(stored)
    with path.open("wb") as file:
        np.savez(file, **stored)


def arrays(case: Case) -> dict[str, np.ndarray]:
    """Arrays of a case by their names in its file, in the order of :data:`AXES`; absent ones are omitted."""
    held = case._asdict() | {name: getattr(case.block, name) for name in AXES if name[:2] in ("W_", "b_")}
    return {name: held[name] for name in AXES if held[name] is not None}


def sizes(case: Case) -> dict[str, int]:
    """n_token, n_context, n_head, d_model, d_key and d_value of a case; in self-attention n_context is n_token."""
    found = {"n_token": len(case.tokens), "n_context": len(case.tokens)}
    for name, array in arrays(case).items():
        found.update(zip(AXES[name], array.shape, strict=True))
    return {axis: found[axis] for axis in ("n_token", "n_context", "n_head", "d_model", "d_key", "d_value")}


def largest_value(case: Case) -> float:
    """Largest magnitude in tokens, context, weights and constant drives of a case; context that the mask closes to every
    token is left out, as no circuit is presented with it."""
    others = ("mask", "targets", "calibration", "calibration_context")
    held = {name: array for name, array in arrays(case).items() if name not in others}
    if case.mask is not None and case.context is not None:
        held["context"] = case.context[case.mask.any(axis=0)]
    return float(max(np.abs(array).max(initial=0) for array in held.values()))


def from_arrays(given: Mapping[str, np.ndarray], *, name: str = "", others: tuple[str, ...] = ()) -> Case:
    """Check arrays and make a case of them.

    Parameters
    ----------
    given : mapping of str to ndarray (...)
        With the names and axes of :data:`AXES`; unknown names are treated as `others`.
    name : str
        Name of the case.
    others : tuple of str
        Names of further arrays in the file; each gets a notice.

    Returns
    -------
    Case
        Copies of the arrays, in float64 (the mask: bool).

    Raises
    ------
    CaseError
        For a missing array, an unknown one with the name of a weight or a drive (``W_``, ``b_``), or an array of wrong
        type or shape, without entries, or with entries that are not finite.
    """
    others = tuple(dict.fromkeys((*others, *(key for key in given if key not in AXES))))
    _check_names(given, others)
    found: dict[str, tuple[int, str]] = {}
    checked = {key: _checked(key, given[key], found) for key in AXES if key in given}
    _check_calibration(checked)
    block = Block(**{key: checked.pop(key) for key in AXES if key in checked and key[:2] in ("W_", "b_")})
    _check_not_too_small(checked["tokens"] if checked.get("context") is None else checked["context"], block)
    left_out = (f"{_shown(key)}: is not an array of a case and is left out{_meant(key)}" for key in others)
    notices = (*left_out, *_closed_rows(checked.get("mask")))
    return Case(**checked, block=block, name=name, notices=notices)


def _check_calibration(given: Mapping[str, np.ndarray]) -> None:
    """Refuse calibration sequences without the contexts that they need, and such contexts that nothing needs."""
    has = given.keys() & {"calibration", "calibration_context", "context"}
    wrong = {
        frozenset({"calibration", "context"}): (
            "calibration",
            "has no calibration_context",
            "one, as the case has a context",
        ),
        frozenset({"calibration", "calibration_context"}): (
            "calibration_context",
            "is there",
            "a context, of which the case has none",
        ),
    }.get(frozenset(has))
    if wrong is None and "calibration_context" in has and "calibration" not in has:
        wrong = "calibration_context", "is there without calibration", "both"
    if wrong:
        raise CaseError("{}: {} but needs {}".format(*wrong))


def _check_file(path: Path) -> None:
    """Refuse a path that is not a file of a known format, before it is opened."""
    try:
        is_file, exists = path.is_file(), path.exists()
    except OSError as error:
        raise CaseError(f"{_shown(path)}: cannot be looked up ({error.strerror}) but needs to be a file") from error
    if not exists:
        raise CaseError(f"{_shown(path)}: does not exist; a case needs to be a .npz or .safetensors file")
    if not is_file:
        raise CaseError(f"{_shown(path)}: is a folder or a device; a case needs to be a .npz or .safetensors file")
    if path.suffix.lower() not in FORMATS:
        raise CaseError(f"{_shown(path)}: ends in '{_shown(path.suffix)}' but needs to end in .npz or .safetensors")


def _read(path: Path) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """The arrays of the file that belong to a case, and the names of the others."""
    opened, read_one = FORMATS[path.suffix.lower()]
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(opened(path))
            names = list(archive.keys())
        except Exception as error:  # a damaged file can make the parsers raise almost anything
            raise CaseError(
                f"{_shown(path)}: cannot be read as {path.suffix.lower()} ({type(error).__name__}); "
                "it needs to be a whole file of that format"
            ) from error
        twice = [name for name in AXES if names.count(name) > 1]
        if twice:
            raise CaseError(f"{twice[0]}: is in the file {names.count(twice[0])} times but needs to be there once")
        known = {name: _array(path, archive, read_one, name) for name in names if name in AXES}
    return known, tuple(name for name in names if name not in AXES)


def _array(path: Path, archive: Any, read_one: Any, name: str) -> np.ndarray:
    """One array of an open file."""
    try:
        array = read_one(path, archive, name)
    except CaseError:
        raise
    except Exception as error:  # as above; also what numpy raises for pickled objects
        raise CaseError(
            f"{name}: cannot be read ({type(error).__name__}); it needs to be a whole array of {_wanted(name)}, "
            "not Python objects"
        ) from error
    if not isinstance(array, np.ndarray):
        raise CaseError(f"{name}: is stored as bare bytes but needs to be an array of {_wanted(name)}")
    return array


@contextmanager
def _open_npz(path: Path) -> Iterator[np.lib.npyio.NpzFile]:
    """An open ``.npz``; its arrays are read on access. Opened here because numpy leaves a damaged file open."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:  # a bare array is refused by this with
        yield archive


def _open_safetensors(path: Path) -> Any:
    """An open ``.safetensors``; its tensors are read on access."""
    return safe_open(path, framework="numpy")


def _read_array(path: Path, archive: Any, name: str) -> np.ndarray:
    """One array of an open ``.npz``."""
    return archive[name]


def _read_tensor(path: Path, archive: Any, name: str) -> np.ndarray:
    """One tensor; of the types unknown to numpy, BF16 is read and the others (F8...) are refused by their name there."""
    dtype = archive.get_slice(name).get_dtype()
    if dtype == "BF16" and name != "mask":
        return read_bfloat16(path, name)
    if dtype not in ("F16", "F32", "F64", "BOOL"):
        raise CaseError(f"{name}: has dtype {dtype} but needs {_wanted(name)}")
    return archive.get_tensor(name)


FORMATS = {
    ".npz": (_open_npz, _read_array),
    ".safetensors": (_open_safetensors, _read_tensor),
}
"""By suffix: functions that open a file, and that read one array from it."""


def _check_names(given: Mapping[str, np.ndarray], others: tuple[str, ...]) -> None:
    """Refuse misspelt weights and drives, then missing arrays."""
    for name in others:
        if name.startswith(("W_", "b_")):
            raise CaseError(
                f"{_shown(name)}: is not an array of a case, which needs its weights to be called W_Q, W_K, W_V, W_O "
                "and its constant drives b_Q, b_K, b_V"
            )
    if "attn_mask" in others:
        raise CaseError(
            "attn_mask: is not an array of a case, which needs its mask to be called mask, boolean and True where a token "
            "may attend, so ~attn_mask"
        )
    missing = [name for name in REQUIRED if name not in given]
    if missing:
        verb, meant = "is" if len(missing) == 1 else "are", "".join(map(_meant, others))
        raise CaseError(f"{', '.join(missing)}: {verb} missing but a case needs {', '.join(REQUIRED)}{meant}")


def _meant(name: str) -> str:
    """The array of a case that a name is like, to be added to a sentence; empty where there is none."""
    near = get_close_matches(name.lower(), AXES, 1)
    return f"; is {_shown(name)} meant to be {near[0]}?" if near else ""


def _checked(name: str, array: np.ndarray, found: dict[str, tuple[int, str]]) -> np.ndarray:
    """Checked copy of an array in float64 (the mask: boolean); its sizes are added to `found`."""
    array = np.asarray(array)
    fits = array.dtype.kind == "b" if name == "mask" else array.dtype.kind == "f" and array.dtype.itemsize in (2, 4, 8)
    if not fits:
        raise CaseError(f"{name}: has dtype {array.dtype.name} but needs {_wanted(name)}")
    if name == "mask":
        found.setdefault("n_context", found["n_token"])
    _check_shape(name, array.shape, found)
    _check_finite(name, array)
    for axis, size in zip(AXES[name], array.shape, strict=True):
        found.setdefault(axis, (size, name))
    return np.array(array, dtype=bool if name == "mask" else np.float64, order="C")


def _check_shape(name: str, shape: tuple[int, ...], found: dict[str, tuple[int, str]]) -> None:
    """Refuse a wrong number of axes, a size that differs from an earlier array's, and an axis of no entries."""
    axes = AXES[name]
    needs = f"{name}: has shape {shape} but needs ({', '.join(axes)})"
    if len(shape) != len(axes):
        raise CaseError(f"{needs}, that is {len(axes)} axes")
    wrong = [axis for axis, size in zip(axes, shape, strict=True) if axis in found and found[axis][0] != size]
    if wrong:
        wanted = ", ".join(str(found[axis][0]) if axis in found else axis for axis in axes)
        raise CaseError(f"{needs} = ({wanted})" + "".join(f", {axis} as in {found[axis][1]}" for axis in wrong))
    if 0 in shape:
        raise CaseError(f"{needs} of at least one each")


def _check_finite(name: str, array: np.ndarray) -> None:
    """Refuse an array with NaN or infinite entries; say how many and where the first is."""
    where = np.argwhere(~np.isfinite(array))
    if len(where):
        first = ", ".join(str(int(index)) for index in where[0])
        entries = "1 entry that is" if len(where) == 1 else f"{len(where)} entries that are"
        raise CaseError(f"{name}: has {entries} not finite, the first at [{first}], but needs none")


def _check_not_too_small(context: np.ndarray, block: Block) -> None:
    """Refuse arrays so small that values or output would lose digits or vanish in floating point."""
    factors = {"tokens or context": context, "W_V": block.W_V, "W_O": block.W_O}
    size = {name: float(np.abs(array).max()) for name, array in factors.items()}
    drive = 0.0 if block.b_V is None else float(np.abs(block.b_V).max())
    whole = size["tokens or context"] * size["W_V"]
    driven = size["W_O"] > 0 and (drive > 0 or (size["tokens or context"] > 0 and size["W_V"] > 0))
    if driven and max(whole, drive) * size["W_O"] < SMALLEST:
        largest = ", ".join(f"{each:.1g} in {name}" for name, each in size.items())
        raise CaseError(
            f"the largest numbers are {largest} but need to be larger, for their product is below {SMALLEST:.1e}"
        )


def _closed_rows(mask: np.ndarray | None) -> list[str]:
    """Notices for tokens whose whole row of the mask is closed."""
    closed = [] if mask is None else np.flatnonzero(~mask.any(axis=1)).tolist()
    if not closed:
        return []
    return [f"mask: closes the whole row of token {', '.join(map(str, closed))}, so that row of the output is zero"]


def _wanted(name: str) -> str:
    """The types an array may have, in words."""
    return "booleans" if name == "mask" else FLOATS


def _shown(name: str | Path) -> str:
    """A name from outside in one printable line."""
    name = str(name)
    return name if name.isprintable() else ascii(name)
