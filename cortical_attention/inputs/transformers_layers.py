"""Case of one layer of a model in a local folder of the library transformers: ``config.json`` and ``model.safetensors``.

Neither transformers nor torch is needed, and nothing is downloaded or run: the weights are read as numbers. What a folder
holds that a case cannot express is refused in one sentence, as in `inputs.cases`; see `inputs.transformers_layouts` for what
fits.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cortical_attention.inputs.cases import Case, CaseError, from_arrays
from cortical_attention.inputs.torch_layers import numbers_of
from cortical_attention.inputs.transformer import gelu, normalised, some_heads
from cortical_attention.inputs.transformer_files import read_tensors, whole_number
from cortical_attention.inputs.transformers_folders import Attending, Model, dense, norm_of, opened, read_layer
from cortical_attention.reference.attention import softmax_attention

NO_BIAS = "b_O: is left out; the layer adds it to every row of the output"


def _gelu_tanh(x: np.ndarray) -> np.ndarray:
    """x Phi(x) with a tangens hyperbolicus in place of the normal distribution (Hendrycks & Gimpel 2016)."""
    return x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2


ACTIVATIONS = {
    "gelu": gelu, "gelu_new": _gelu_tanh, "gelu_pytorch_tanh": _gelu_tanh, "gelu_fast": _gelu_tanh,
    "relu": lambda x: np.maximum(x, 0),
}  # fmt: skip


def from_transformers(
    folder: str | Path, tokens: Any, *, layer: int = 0, heads: Sequence[int] | None = None, name: str = ""
) -> Case:
    """Case of the attention of one layer of a BERT- or GPT-2-like model in a local folder.

    Softmax attention of the case plus `b_O` equals what the attention of the layer adds to its stream; among the circuits,
    the wiring "softmax" is the one that is held against it, ``attend(case, "softmax")``.

    Parameters
    ----------
    folder : str or Path
        With ``config.json`` and ``model.safetensors``, as ``model.save_pretrained(folder)`` of transformers writes them.
    tokens : (n_token, d_model), or (n_token,) of int
        What enters the layer, ``hidden_states[layer]`` of ``model(..., output_hidden_states=True)``: an array, or a tensor,
        also as a batch of one. Or numbers of words, as a tokenizer gives them: they are embedded, and the layers before this
        one are computed here, in float64.
    layer : int
        From 0.
    heads : sequence of int, optional
        Only these heads; default: all.
    name : str
        Default: name of the folder, and the layer.

    Returns
    -------
    Case
        W_Q, W_K, W_V, W_O and biases by head, in float64. GPT-2 attends to the stream after its first layer norm, so these
        are the tokens, and its mask is causal; BERT attends to the stream itself. Where several heads share keys and
        values, each gets a copy. A notice says that b_O is left out, unless it is zero.

    Raises
    ------
    CaseError
        For a file that is missing or damaged; rotary or relative positions, ALiBi, cross-attention, and architectures that
        are not known; a tensor of wrong type or shape; tokens that do not fit to the model; and a layer or head that is not
        there.
    """
    if not isinstance(folder, str | Path) or "\0" in str(folder):
        raise CaseError(f"folder: is {folder!r} but needs to be a path")
    model = opened(Path(folder))
    if isinstance(layer, bool) or not isinstance(layer, int | np.integer) or not 0 <= layer < model.n_layer:
        raise CaseError(f"layer: is {layer!r} but needs to be from 0 to {model.n_layer - 1}")
    stream = _stream(model, tokens, int(layer))
    weights = read_layer(model, int(layer))
    case = _case(model, weights, stream, name or f"{Path(folder).resolve().name}_layer{layer}")
    if heads is not None:
        chosen = _checked_heads(heads, model.n_head)
        case = some_heads(case, chosen)._replace(name=name or f"{case.name}_head{'_'.join(map(str, chosen))}")
    return case._replace(notices=(*case.notices, NO_BIAS) if weights.b_O.any() else case.notices)


def _checked_heads(heads: Sequence[int], n_head: int) -> list[int]:
    """Heads as a list of int, each there and named once."""
    try:
        chosen = [int(head) for head in heads]
    except (TypeError, ValueError) as error:
        raise CaseError(f"heads: is {heads!r} but needs to be numbers of heads, such as [0, 3]") from error
    if not chosen or len({*chosen}) < len(chosen) or min(chosen) < 0 or max(chosen) >= n_head:
        raise CaseError(f"heads: is {heads!r} but needs to be different numbers from 0 to {n_head - 1}")
    return chosen


def _case(model: Model, layer: Attending, stream: np.ndarray, name: str) -> Case:
    """Case of a layer, all heads, from what enters the layer."""
    tokens = normalised(stream, layer.norm, model.epsilon) if model.layout.norm_first else stream
    held = {"tokens": tokens} | layer.block._asdict()
    if model.layout.causal or model.settings.get("is_decoder"):
        held["mask"] = np.tri(len(tokens), dtype=bool)
    return from_arrays(held, name=name)


# What enters a layer


def _stream(model: Model, tokens: Any, layer: int) -> np.ndarray:
    """What enters a layer, (n_token, d_model), from hidden states or from numbers of words."""
    given = numbers_of("tokens", tokens)
    if given.dtype.kind in "iu":
        single = given[0] if given.ndim == 2 and len(given) == 1 else given
        return _computed(model, single, layer)
    single = given[0] if given.ndim == 3 and len(given) == 1 else given
    if single.ndim != 2 or single.shape[1] != model.d_model:
        raise CaseError(
            f"tokens: has shape {given.shape} but needs (n_token, {model.layout.d_model}) = (n_token, {model.d_model}) or, "
            "of numbers of words, (n_token,)"
        )
    return from_arrays({"tokens": single, **_nothing(model.d_model)}).tokens  # checked


def _nothing(d_model: int) -> dict[str, np.ndarray]:
    """Weights of a case of no effect, so that tokens alone are checked as those of a case are."""
    return {f"W_{each}": np.zeros((1, d_model, 1) if each == "O" else (1, 1, d_model)) for each in "QKVO"}


def _computed(model: Model, words: np.ndarray, layer: int) -> np.ndarray:
    """What enters a layer, computed from numbers of words."""
    stream = _embedded(model, words)
    for each in range(layer):
        stream = _next(model, each, stream)
    return stream


def _embedded(model: Model, words: np.ndarray) -> np.ndarray:
    """Stream before the first layer."""
    layout, settings = model.layout, model.settings
    n_word, n_place = (whole_number(settings, name) for name in (layout.n_word, layout.n_place))
    first = _first_place(model)
    if words.ndim != 1 or not 1 <= len(words) <= n_place - first:
        raise CaseError(
            f"tokens: has shape {words.shape} but needs (n_token,) of 1 to {n_place - first} numbers of words"
        )
    if words.min() < 0 or words.max() >= n_word:
        found = f"from {words.min()}" if words.min() < 0 else f"up to {words.max()}"
        raise CaseError(f"tokens: has numbers of words {found} but needs them from 0 to {n_word - 1}")
    if first and (words == first - 1).any():  # such a model gives it no place of its own
        raise CaseError(
            f"tokens: has the number {first - 1}, that of filling up, but needs the words of one text alone"
        )
    tables = {f"{layout.words}.weight": (n_word, model.d_model), f"{layout.places}.weight": (n_place, model.d_model)}
    if layout.segments is not None:
        tables[f"{layout.segments}.weight"] = (whole_number(settings, "type_vocab_size"), model.d_model)
    found = read_tensors(model.path, {model.prefix + name: shape for name, shape in tables.items()})
    vectors, places, *segments = found.values()
    stream = sum((each[0].astype(float) for each in segments), vectors[words].astype(float))
    stream += places[first : first + len(words)]
    return stream if layout.norm is None else normalised(stream, norm_of(model, layout.norm), model.epsilon)


def _first_place(model: Model) -> int:
    """Row of the table of places at which a sequence begins."""
    if model.layout.first_place is None:
        return 0
    filling = model.settings.get(model.layout.first_place, 1)
    if type(filling) is not int or filling < 0:
        raise CaseError(f"{model.layout.first_place}: is {filling!r} in config.json but needs to be a number of a word")
    return filling + 1


def _next(model: Model, layer: int, stream: np.ndarray) -> np.ndarray:
    """Stream after a layer."""
    layout, at = model.layout, model.layout.layer.format(layer)
    weights = read_layer(model, layer)
    case = _case(model, weights, stream, "")
    attended = stream + softmax_attention(case.tokens, case.block, mask=case.mask).output + weights.b_O
    norm_2 = norm_of(model, at + layout.norm_2)
    if layout.norm_first:
        return attended + _fed_forward(model, at, normalised(attended, norm_2, model.epsilon))
    attended = normalised(attended, weights.norm, model.epsilon)
    return normalised(attended + _fed_forward(model, at, attended), norm_2, model.epsilon)


def _fed_forward(model: Model, at: str, x: np.ndarray) -> np.ndarray:
    """The two matrices after attention, with their activation between."""
    layout, settings = model.layout, model.settings
    chosen = settings.get(layout.activation) or ("gelu_new" if layout.norm_first else "gelu")
    if chosen not in ACTIVATIONS:
        raise CaseError(f"{layout.activation}: is {chosen!r} in config.json but needs one of {', '.join(ACTIVATIONS)}")
    inner = settings.get(layout.d_hidden) or 4 * model.d_model  # GPT-2 leaves it out
    d_hidden = whole_number({layout.d_hidden: inner}, layout.d_hidden)
    up, b_up = dense(model, at + layout.up, d_hidden, model.d_model)
    down, b_down = dense(model, at + layout.down, model.d_model, d_hidden)
    return ACTIVATIONS[chosen](x @ up.T + b_up) @ down.T + b_down
