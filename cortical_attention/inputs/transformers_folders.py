"""Weights in a folder of the library transformers, read layer by layer, as float64 and by head."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cortical_attention.inputs.cases import CaseError
from cortical_attention.inputs.transformer_files import read_settings, read_tensors, tensor_names, whole_number
from cortical_attention.inputs.transformer_weights import Norm
from cortical_attention.inputs.transformers_layouts import GPT2, Layout, layout_of
from cortical_attention.reference.attention import Block

WEIGHTS = "model.safetensors"


class Model(NamedTuple):
    """An open folder: what is needed to read any tensor of it.

    Attributes
    ----------
    path : Path
        Of the weights.
    names : frozenset of str
        Of all tensors there.
    settings : dict
        Content of ``config.json``.
    layout : Layout
    prefix : str
        What stands before the names of the layers.
    n_layer, n_head, n_shared, d_model : int
        `n_shared`: heads that have keys and values of their own; all, unless several share them.
    epsilon : float
        What a layer norm adds to the variance.
    """

    path: Path
    names: frozenset[str]
    settings: Mapping[str, Any]
    layout: Layout
    prefix: str
    n_layer: int
    n_head: int
    n_shared: int
    d_model: int
    epsilon: float

    @property
    def d_key(self) -> int:
        return self.d_model // self.n_head


class Attending(NamedTuple):
    """Attention of a layer, its mask and bias, and what a layer norm does before or after it."""

    block: Block
    b_O: np.ndarray
    norm: Norm


def opened(folder: Path) -> Model:
    """A folder, its settings checked.

    Raises
    ------
    CaseError
        For what is missing, damaged, or has no counterpart in a case.
    """
    settings = read_settings(folder / "config.json")
    layout = layout_of(settings)
    _check_weights(folder)
    n_layer, n_head, d_model = (
        whole_number(settings, name) for name in (layout.n_layer, layout.n_head, layout.d_model)
    )
    shared = 1 if settings.get("model_type") == "gpt_bigcode" else settings.get("num_key_value_heads") or n_head
    n_shared = whole_number({"num_key_value_heads": shared}, "num_key_value_heads")
    _check_divides(layout.n_head, n_head, layout.d_model, d_model)
    _check_divides("num_key_value_heads", n_shared, layout.n_head, n_head)
    path = folder / WEIGHTS
    names = frozenset(tensor_names(path))
    prefix = _prefix(names, layout)
    return Model(path, names, settings, layout, prefix, n_layer, n_head, n_shared, d_model, _epsilon(settings, layout))


def _check_divides(part: str, size: int, whole: str, divided: int) -> None:
    if divided % size:
        raise CaseError(f"{part}: is {size} in config.json but needs to divide {whole} = {divided}")


def _check_weights(folder: Path) -> None:
    """Refuse weights in another format, with the way out."""
    if (folder / WEIGHTS).is_file():
        return
    if (folder / f"{WEIGHTS}.index.json").is_file():
        raise CaseError(
            f"{WEIGHTS}: is split into several files but needs to be one; write it with "
            "model.save_pretrained(folder, max_shard_size='1TB')"
        )
    if (folder / "pytorch_model.bin").is_file():
        raise CaseError(
            f"{WEIGHTS}: is missing beside pytorch_model.bin, which is not read because it can run programs; write it with "
            "model.save_pretrained(folder)"
        )


def _prefix(names: frozenset[str], layout: Layout) -> str:
    """What stands before the names of the layers: nothing, or the model within a larger one, such as ``bert.``."""
    ending = f"{layout.layer.format(0)}{layout.outward}.weight"
    found = [name for name in names if name == ending or name.endswith(f".{ending}")]
    if len(found) != 1:
        many = "is missing" if not found else f"is there {len(found)} times"
        raise CaseError(f"{ending}: {many} in {WEIGHTS} but needs to be there once")
    return found[0].removesuffix(ending)


def _epsilon(settings: Mapping[str, Any], layout: Layout) -> float:
    """What a layer norm adds to the variance; where it is not said, the default of the library."""
    value = settings.get(layout.epsilon, 1e-5 if layout.norm_first else 1e-12)
    if type(value) not in (int, float) or not 0 <= value < 1:
        raise CaseError(f"{layout.epsilon}: is {value!r} in config.json but needs to be a number from 0 to below 1")
    return value


def _tensors(model: Model, names: Mapping[str, tuple[int, ...]]) -> list[np.ndarray]:
    """Tensors in float64, by their names without the prefix, and their shapes."""
    shapes = {model.prefix + name: shape for name, shape in names.items()}
    return [each.astype(float) for each in read_tensors(model.path, shapes).values()]


def dense(model: Model, name: str, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """A matrix [post, pre] and its bias."""
    shape = (columns, rows) if model.layout.transposed else (rows, columns)
    weight, bias = _tensors(model, {f"{name}.weight": shape, f"{name}.bias": (rows,)})
    return (weight.T if model.layout.transposed else weight), bias


def norm_of(model: Model, name: str) -> Norm:
    """A layer norm; in older folders its gain is called gamma and its bias beta."""
    old = f"{model.prefix}{name}.gamma" in model.names
    shape = (model.d_model,)
    return Norm(
        *_tensors(model, {f"{name}.{each}": shape for each in (("gamma", "beta") if old else ("weight", "bias"))})
    )


def read_layer(model: Model, layer: int) -> Attending:
    """Attention of a layer, by head."""
    layout, at = model.layout, model.layout.layer.format(layer)
    rows = [model.d_model, *[model.n_shared * model.d_key] * 2]
    if len(layout.inward) == 1:
        weight, bias = dense(model, at + layout.inward[0], sum(rows), model.d_model)
        cuts = np.cumsum(rows)[:-1]
        parts = list(zip(np.split(weight, cuts), np.split(bias, cuts), strict=True))
    else:
        parts = [dense(model, at + name, size, model.d_model) for name, size in zip(layout.inward, rows, strict=True)]
    output, b_O = dense(model, at + layout.outward, model.d_model, model.d_model)
    weights = [_by_head(model, weight) for weight, _ in parts]
    biases = [_by_head(model, bias[:, None])[..., 0] for _, bias in parts]
    scale = _scale(model, layer)
    weights[0], biases[0] = scale * weights[0], scale * biases[0]
    W_O = np.ascontiguousarray(output.reshape(model.d_model, model.n_head, model.d_key).swapaxes(0, 1))
    return Attending(Block(*weights, W_O, *biases), b_O, norm_of(model, at + layout.norm_1))


def _by_head(model: Model, rows: np.ndarray) -> np.ndarray:
    """Rows (n * d_key, width) by head, (n_head, d_key, width); each head that shares them gets a copy."""
    heads = rows.reshape(-1, model.d_key, rows.shape[1])
    return np.repeat(heads, model.n_head // len(heads), axis=0)


def _scale(model: Model, layer: int) -> float:
    """What the queries are multiplied by, since the algebra divides scores by sqrt(d_key) and a GPT-2 may not."""
    if model.layout.words != GPT2.words:
        return 1.0
    whole = 1.0 if model.settings.get("scale_attn_weights", True) else float(np.sqrt(model.d_key))
    return whole / (layer + 1) if model.settings.get("scale_attn_by_inverse_layer_idx", False) else whole
